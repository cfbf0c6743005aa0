//! What is said of a file that is not as it should be.

use super::*;

#[test]
#[expect(clippy::too_many_lines, reason = "a table")]
fn each_problem_is_named_with_what_is_allowed() {
    let cases = [
        (
            "a text for a truth value",
            r#"{"ReadOnly": "true"}"#,
            "ReadOnly = \"true\": is not allowed; allowed: true or false",
        ),
        (
            "a number for a text",
            r#"{"BackendDB": 3}"#,
            "BackendDB = 3: is not allowed; allowed: \"sqlite\" or \"mysql\"",
        ),
        (
            "an engine that is not there",
            r#"{"BackendDB": "opengauss"}"#,
            "BackendDB = \"opengauss\": is not allowed",
        ),
        (
            "a text for a list",
            r#"{"RaftNodes": "a"}"#,
            "RaftNodes = \"a\": is not allowed; allowed: a list of texts",
        ),
        (
            "a number in a list",
            r#"{"DiscoverySeeds": ["a", 1]}"#,
            "DiscoverySeeds = [\"a\",1]: is not allowed",
        ),
        (
            "below the range",
            r#"{"InstancePollSeconds": 0}"#,
            "InstancePollSeconds = 0: is not allowed; allowed: a number from 1 to 3600",
        ),
        (
            "a negative number",
            r#"{"instancepollseconds": -1}"#,
            "instancepollseconds = -1: is not allowed",
        ),
        (
            "a fraction of a port",
            r#"{"DefaultInstancePort": 1.5}"#,
            "DefaultInstancePort = 1.5: is not allowed; allowed: a whole number from 1 to 65535",
        ),
        (
            "a list for an object",
            r#"{"ClusterNameToAlias": []}"#,
            "ClusterNameToAlias = []: is not allowed; allowed: an object",
        ),
        (
            "an object for a text",
            r#"{"URLPrefix": {"a": 1}}"#,
            "URLPrefix = {\"a\":1}: is not allowed",
        ),
        (
            "not one of the choices",
            r#"{"AuthenticationMethod": "oauth"}"#,
            "AuthenticationMethod = \"oauth\": is not allowed; allowed: one of \"\", \"none\", \"basic\"",
        ),
        (
            "a bad expression",
            r#"{"DataCenterPattern": "(a"}"#,
            "DataCenterPattern = \"(a\": \"(a\" is not a regular expression: unclosed group",
        ),
        (
            "a bad host filter",
            r#"{"PromotionIgnoreHostnameFilters": ["ok", "["]}"#,
            "\"[\" is not a regular expression: unclosed character class",
        ),
        (
            "a bad cluster filter",
            r#"{"RecoverMasterClusterFilters": ["alias~=*"]}"#,
            "is not a regular expression: repetition operator missing expression",
        ),
        (
            "a bad alias",
            r#"{"ClusterNameToAlias": {")": "x"}}"#,
            "\")\" is not a regular expression",
        ),
        (
            "a bad window",
            r#"{"MasterFailureConfirmationSeconds": {"*": "3"}}"#,
            "\"3\" for \"*\" is not a number",
        ),
        (
            "a bad address",
            r#"{"ListenAddress": "localhost"}"#,
            "ListenAddress = \"localhost\": is not allowed",
        ),
        ("a bad seed", r#"{"DiscoverySeeds": ["db1:0"]}"#, "\"db1:0\" is not host:port"),
        (
            "raft",
            r#"{"RaftEnabled": true, "RaftDataDir": "/x"}"#,
            "RaftEnabled = true: raft is not available yet; this version runs a single node",
        ),
        (
            "raft without a place",
            r#"{"RaftEnabled": true}"#,
            "RaftDataDir: must be given when RaftEnabled is true",
        ),
        (
            "raft without an address",
            r#"{"RaftEnabled": true, "RaftBind": ""}"#,
            "RaftBind = \"\": must not be empty",
        ),
        ("tls", r#"{"UseSSL": true}"#, "UseSSL = true: this version serves plain HTTP only"),
        ("tokens", r#"{"AuthenticationMethod": "token"}"#, "tokens are not available yet"),
        (
            "nobody to log in",
            r#"{"AuthenticationMethod": "basic"}"#,
            "AuthenticationMethod = \"basic\": needs HTTPAuthUser and HTTPAuthPassword",
        ),
        (
            "a proxy without a header",
            r#"{"AuthenticationMethod": "proxy", "AuthUserHeader": ""}"#,
            "AuthUserHeader = \"\": must be the name of a header",
        ),
        (
            "an advertised path",
            r#"{"HTTPAdvertise": "http://a:3000/x"}"#,
            "HTTPAdvertise = \"http://a:3000/x\": must be http://host:port",
        ),
        ("an advertised host", r#"{"HTTPAdvertise": "a:3000"}"#, "must be http://host:port"),
        (
            "no SQLite file",
            r#"{"SQLite3DataFile": ""}"#,
            "SQLite3DataFile = \"\": a file must be named",
        ),
        (
            "no MySQL schema",
            r#"{"BackendDB": "mysql"}"#,
            "MySQLOrchestratorDatabase: must be given",
        ),
        (
            "rarer polls than the longest time",
            r#"{"InstancePollSeconds": 400, "DeadInstancePollSecondsMax": 300}"#,
            "DeadInstancePollSecondsMax = 300: must not be below InstancePollSeconds",
        ),
        (
            "a factor below one",
            r#"{"DeadInstancePollSecondsMultiplyFactor": 0.5}"#,
            "is not allowed; allowed: a number from 1",
        ),
        (
            "two vetoes that contradict",
            r#"{"FailMasterPromotionIfSQLThreadNotUpToDate": true, "DelayMasterPromotionIfSQLThreadNotUpToDate": true}"#,
            "contradicts DelayMasterPromotionIfSQLThreadNotUpToDate",
        ),
        (
            "a lag that nobody knows",
            r#"{"FailMasterPromotionOnLagMinutes": 5}"#,
            "FailMasterPromotionOnLagMinutes = 5: needs ReplicationLagQuery",
        ),
        (
            "a pattern without a group",
            r#"{"RegionPattern": "-eu-"}"#,
            "RegionPattern = \"-eu-\": needs a group",
        ),
        (
            "an unset variable",
            r#"{"MySQLTopologyPassword": "${NOT_SET}"}"#,
            "MySQLTopologyPassword = ***: environment variable NOT_SET is not set",
        ),
        (
            "a secret of a wrong type",
            r#"{"MySQLTopologyPassword": 1234}"#,
            "MySQLTopologyPassword = ***: is not allowed",
        ),
        (
            "a missing credentials file",
            r#"{"MySQLTopologyCredentialsConfigFile": "/not/there"}"#,
            "MySQLTopologyCredentialsConfigFile = \"/not/there\": cannot be read",
        ),
        (
            "two names of one key",
            r#"{"ReplicationLagQuery": "select 1", "SlaveLagQuery": "select 2"}"#,
            "SlaveLagQuery = \"select 2\": contradicts ReplicationLagQuery = \"select 1\", which means the same",
        ),
        (
            "a renamed key",
            r#"{"MySQLOrchestratorHost": "a", "BackendDBHost": "b"}"#,
            "BackendDBHost = \"b\": contradicts MySQLOrchestratorHost = \"a\"",
        ),
        (
            "two names of a truth value",
            r#"{"DetachLostReplicasAfterMasterFailover": false, "DetachLostSlavesAfterMasterFailover": true}"#,
            "contradicts DetachLostReplicasAfterMasterFailover = false",
        ),
        (
            "minutes against seconds",
            r#"{"RecoveryPeriodBlockSeconds": 60, "RecoveryPeriodBlockMinutes": 2}"#,
            "RecoveryPeriodBlockMinutes = 2: contradicts RecoveryPeriodBlockSeconds = 60",
        ),
        (
            "one key in two cases",
            r#"{"Debug": true, "debug": true}"#,
            "debug: is given twice in this file, the first time as Debug",
        ),
        ("an unknown key twice", r#"{"Foo": 1, "Foo": 1}"#, "Foo: is given twice"),
        ("no object", "[1]", "expected an object"),
        ("nothing", "", "EOF while parsing"),
        ("two values", "{} {}", "trailing characters"),
    ];
    for (name, text, expected) in cases {
        let found = problems(text);
        assert!(
            found.iter().any(|problem| problem.contains(expected)),
            "{name}: {text}: {found:#?}"
        );
    }
}

#[test]
fn each_doubt_is_a_notice_and_no_problem() {
    let cases = [
        (
            "a typing error",
            r#"{"InstancePolSeconds": 1}"#,
            "InstancePolSeconds: is no known key; did you mean InstancePollSeconds?",
        ),
        ("another word", r#"{"Frobnicate": 1}"#, "Frobnicate: is no known key"),
        (
            "not acted on yet",
            r#"{"EnableSyslog": true}"#,
            "EnableSyslog: is accepted, but this version does not act on it yet",
        ),
        (
            "ignored",
            r#"{"BufferInstanceWrites": true}"#,
            "BufferInstanceWrites: has no effect: observations are always written in batches",
        ),
        (
            "never read",
            r#"{"MasterFailoverLostInstancesDowntimeMinutes": 10}"#,
            "MasterFailoverLostInstancesDowntimeMinutes: has no effect",
        ),
        ("retired", r#"{"HttpTimeoutSeconds": 1}"#, "HttpTimeoutSeconds: is no longer needed"),
        (
            "retired and still everywhere",
            r#"{"StatusSimpleHealth": true}"#,
            "StatusSimpleHealth: is no longer needed",
        ),
        (
            "open to all",
            r#"{"ListenAddress": ":3000"}"#,
            "ListenAddress: whoever reaches this address may do everything",
        ),
        (
            "an old name beside an empty one",
            r#"{"RecoveryPeriodBlockSeconds": 0, "RecoveryPeriodBlockMinutes": 5}"#,
            "RecoveryPeriodBlockMinutes: counts, and not RecoveryPeriodBlockSeconds = 0",
        ),
        (
            "half a variable",
            r#"{"MySQLTopologyPassword": "x${DB_PASS}"}"#,
            "MySQLTopologyPassword: is taken as it is",
        ),
        (
            "a deadline before the connection",
            r#"{"MySQLConnectTimeoutSeconds": 5, "ProbeDeadlineMilliseconds": 1000}"#,
            "ProbeDeadlineMilliseconds: is shorter than MySQLConnectTimeoutSeconds",
        ),
        (
            "no checks between the polls",
            r#"{"InstancePollSeconds": 1, "LivenessPollMilliseconds": 1500}"#,
            "LivenessPollMilliseconds: is longer than InstancePollSeconds",
        ),
        ("seeds without a user", r#"{"DiscoverySeeds": ["db1"]}"#, "MySQLTopologyUser: is not set"),
        (
            "reported, and not repaired",
            r#"{"RecoverNonWriteableMaster": true}"#,
            "RecoverNonWriteableMaster: reports a primary that is read-only; this version does not",
        ),
        (
            "too many keys",
            r#"{"ConsulMaxKVsPerTransaction": 100}"#,
            "ConsulMaxKVsPerTransaction: 64 is used",
        ),
    ];
    for (name, text, expected) in cases {
        let (problems, notices) = said(text);
        assert_eq!(problems, [""; 0], "{name}");
        assert!(notices.iter().any(|notice| notice.contains(expected)), "{name}: {notices:#?}");
    }
}

#[test]
fn what_is_harmless_is_passed_over_in_silence() {
    let cases = [
        ("an empty object", "{}"),
        ("comments", r##"{"#": "a", "#": "b", "//": 1, "//x": 2}"##),
        ("null gives no value", r#"{"OAuthScopes": null, "Debug": null}"#),
        ("a key without effect at its default", r#"{"EnableSyslog": false, "RaftEnabled": false}"#),
        (
            "empty old keys",
            r#"{"OAuthClientId": "", "MasterFailoverLostInstancesDowntimeMinutes": 0}"#,
        ),
        (
            "two names, one value",
            r#"{"RecoveryPeriodBlockSeconds": 120, "RecoveryPeriodBlockMinutes": 2}"#,
        ),
        ("this machine only", r#"{"ListenAddress": "127.0.0.1:3001"}"#),
        ("a mark of the byte order", "\u{feff}{}"),
    ];
    for (name, text) in cases {
        assert_eq!(said(text), (vec![], vec![]), "{name}");
    }
}

#[test]
fn all_problems_are_told_at_once() {
    let text =
        r#"{"ReadOnly": 1, "InstancePollSeconds": 0, "RegionPattern": "(", "RaftEnabled": true}"#;
    assert_eq!(problems(text).len(), 5);
}

#[test]
fn a_syntax_error_has_its_line_and_column() {
    let files = Files::new(&["{\n  \"Debug\": true,\n  \"ReadOnly\" false\n}"]);
    let found = files.load().unwrap_err().to_string();
    assert!(found.ends_with("0.json:3:14: expected `:`"), "{found}");
}
