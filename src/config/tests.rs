//! Tests of the whole: files in, values or problems out.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;

use super::*;

mod documentation;
mod honesty;
mod problems;

/// Files in a directory of their own, read in the order of their names.
struct Files(TempDir);

impl Files {
    fn new(texts: &[&str]) -> Self {
        let files = Self(TempDir::new().unwrap());
        for (index, text) in texts.iter().enumerate() {
            files.write(&format!("{index}.json"), text);
        }
        files
    }

    fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.0.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    }

    fn sources(&self) -> Sources {
        let files = (0..3).map(|index| self.0.path().join(format!("{index}.json"))).collect();
        Sources::searched(files)
            .with_environment(|name| (name == "DB_PASS").then(|| "from-env".to_owned()))
    }

    fn load(&self) -> Result<(Config, Vec<Notice>), Problems> {
        Config::load(&self.sources())
    }
}

fn load(text: &str) -> Result<(Config, Vec<Notice>), Problems> {
    Files::new(&[text]).load()
}

fn good(text: &str) -> Config {
    load(text).unwrap_or_else(|problems| panic!("{text}: {problems}")).0
}

/// Problems and notices as text, without the names of files.
fn said(text: &str) -> (Vec<String>, Vec<String>) {
    let (problems, notices) = match load(text) {
        Ok((_, notices)) => (Vec::new(), notices),
        Err(found) => (found.problems, found.notices),
    };
    let problems = problems.into_iter().map(|one| Problem { file: None, ..one }.to_string());
    let notices = notices.into_iter().map(|one| Notice { file: None, ..one }.to_string());
    (problems.collect(), notices.collect())
}

fn problems(text: &str) -> Vec<String> {
    said(text).0
}

#[test]
fn without_any_file_the_defaults_work() {
    let (config, notices) = Files::new(&[]).load().unwrap();
    assert_eq!(notices, []);
    assert_eq!(config.http.listen.to_string(), "127.0.0.1:3000");
    assert_eq!(config.backend.engine, Engine::Sqlite);
    assert_eq!(config.backend.sqlite_file, Some(PathBuf::from("ham4db.sqlite3")));
    assert!(config.recovery.detach_lost && config.recovery.fence);
}

#[test]
fn the_named_file_must_exist_and_the_searched_ones_need_not() {
    let missing = Path::new("surely/not/there.json");
    let found = Config::load(&Sources::new(Some(missing))).unwrap_err();
    assert!(found.to_string().starts_with("surely/not/there.json: cannot be read"), "{found}");
    assert_eq!(Sources::new(None).files().len(), 3);
}

#[test]
fn later_files_win_whatever_name_they_use_and_maps_are_merged() {
    let files = Files::new(&[
        r#"{"MySQLConnectTimeoutSeconds": 3, "Debug": true, "ClusterNameToAlias": {"^a": "x", "^b": "y"}}"#,
        r#"{"ConnectTimeoutSeconds": 4, "ClusterNameToAlias": {"^a": "z"}}"#,
    ]);
    let (config, _) = files.load().unwrap();
    assert_eq!(config.servers.connect_timeout, Duration::from_secs(4));
    assert!(config.logging.debug);
    let aliases = config.classification.cluster_aliases.iter();
    let aliases: Vec<_> = aliases.map(|(regex, alias)| (regex.as_str(), alias.as_str())).collect();
    assert_eq!(aliases, [("^b", "y"), ("^a", "z")]);
}

#[test]
fn every_name_of_every_key_reaches_the_same_value_in_any_case() {
    for setting in settings() {
        let Some(default) = setting.shown(&Config::default()) else { continue };
        for (name, scale) in setting.names() {
            let value = if scale == 1 { default.clone() } else { json!(60) };
            for name in [name.to_owned(), name.to_lowercase(), name.to_uppercase()] {
                let text = json!({ &name: value }).to_string();
                let (found, notices) = said(&text);
                let mentioned = found.iter().chain(&notices).any(|line| line.contains(&name));
                // An empty value of these is a problem or a change of its own.
                let own = ["ListenAddress"].contains(&setting.name);
                assert!(own || !mentioned, "{text}: {found:?} {notices:?}");
            }
        }
    }
}

#[test]
fn no_name_is_used_twice() {
    let mut names: Vec<_> = table::names().map(|(name, ..)| name.to_lowercase()).collect();
    let all = names.len();
    names.sort();
    names.dedup();
    assert_eq!(names.len(), all);
}

#[test]
fn every_key_of_the_ancestors_is_known() {
    let names = include_str!("../../tests/fixtures/ancestor-keys.txt");
    let unknown: Vec<_> = names.lines().filter(|name| table::find(name).is_none()).collect();
    assert_eq!(unknown, [""; 0]);
    assert_eq!(names.lines().count(), 201 + 24 + 17 + 1);
}

#[test]
fn every_default_is_allowed_and_every_key_has_a_meaning() {
    for setting in settings() {
        assert!(!setting.meaning.is_empty() && !setting.allowed().is_empty(), "{}", setting.name);
        if let (Some(access), Some(value)) = (&setting.access, setting.shown(&Config::default())) {
            let given: file::Given = serde_json::from_value(value.clone()).unwrap();
            let read = (access.read)(&mut Config::default(), &given);
            assert!(read.is_ok(), "{} = {value}", setting.name);
        }
    }
}

#[test]
fn the_ancestors_defects_are_not_repeated() {
    let minutes = good(r#"{"RecoveryPeriodBlockMinutes": 5}"#).recovery.block;
    assert_eq!(minutes, Duration::from_mins(5));
    for name in ["DetachLostReplicasAfterMasterFailover", "DetachLostSlavesAfterMasterFailover"] {
        assert!(!good(&json!({ name: false }).to_string()).recovery.detach_lost, "{name}");
    }
    let rare = good(r#"{"InstancePollSeconds": 400}"#).discovery;
    assert_eq!(rare.dead_poll_max, rare.poll);
    for (given, expected) in [("/", ""), ("", ""), ("a/", "/a"), ("//a/b//", "/a/b")] {
        let config = good(&json!({ "URLPrefix": given }).to_string());
        assert_eq!(config.http.url_prefix, expected, "{given}");
    }
}

#[test]
fn values_follow_from_each_other() {
    let config =
        good(r#"{"ReasonableReplicationLagSeconds": 30, "MySQLConnectTimeoutSeconds": 5}"#);
    assert_eq!(config.analysis.locked_semi_sync_after, Duration::from_secs(30));
    assert_eq!(config.servers.probe_deadline, Duration::from_secs(5));
    assert_eq!(config.publishing.prefix, "mysql/master/");
    assert_eq!(config.raft.advertise, "127.0.0.1:10008");
    let mysql = good(r#"{"BackendDBHost": "db", "BackendDatabase": "ham"}"#).backend;
    assert_eq!((mysql.engine, mysql.host.as_str()), (Engine::MySql, "db"));
    let login =
        r#"{"AuthenticationMethod": "Basic", "HTTPAuthUser": "a", "HTTPAuthPassword": "b"}"#;
    assert_eq!(good(login).http.listen.to_string(), ":3000");
    let seeds =
        good(r#"{"DiscoverySeeds": ["a", "mysql:b:3307"], "DefaultInstancePort": 3308}"#).seeds();
    assert_eq!(seeds, [InstanceKey::new("a", 3308), InstanceKey::new("b", 3307)]);
}

#[test]
fn a_confirmation_window_keeps_the_order_of_the_file() {
    let config = good(r#"{"MasterFailureConfirmationSeconds": {"alias=shop": 10, "*": 0.5}}"#);
    let windows: Vec<_> =
        config.recovery.confirmation.iter().map(|one| (one.filter.as_str(), one.window)).collect();
    assert_eq!(
        windows,
        [("alias=shop", Duration::from_secs(10)), ("*", Duration::from_millis(500))]
    );
}

#[test]
fn passwords_come_from_the_environment_or_a_credentials_file() {
    let config = good(r#"{"MySQLTopologyPassword": "${DB_PASS}", "BackendDBPassword": "plain"}"#);
    assert_eq!(config.servers.password.expose(), "from-env");
    assert_eq!(config.backend.password.expose(), "plain");
    let variable = Origin::Environment { variable: "DB_PASS".to_owned() };
    assert_eq!(config.origin("MySQLTopologyPassword"), Some(&variable));

    let files = Files::new(&[]);
    let cnf = files.write("my.cnf", "[client]\nuser=orc\npassword='s3cret'\n");
    let text = json!({ "MySQLTopologyUser": "other", "MySQLTopologyCredentialsConfigFile": cnf });
    files.write("0.json", &text.to_string());
    let (config, notices) = files.load().unwrap();
    assert_eq!(config.servers.user, "orc");
    assert_eq!(config.servers.password.expose(), "s3cret");
    assert_eq!(
        config.origin("MySQLTopologyUser"),
        Some(&Origin::Credentials { file: cnf.clone() })
    );
    assert!(notices.iter().any(|notice| notice.text.contains("chmod")), "{notices:?}");

    files.write("my.cnf", "user=orc\n");
    let found = files.load().unwrap_err().to_string();
    assert!(found.contains("there is no section [client]"), "{found}");
}

#[test]
fn a_secret_is_shown_nowhere() {
    let config = good(r#"{"MySQLTopologyPassword": "s3cret", "ConsulAclToken": "s3cret"}"#);
    let shown = format!("{config:?} {} {}", config.shown(), config.servers.password);
    assert!(!shown.contains("s3cret"), "{shown}");
    assert_eq!(config.shown()["MySQLTopologyPassword"], json!("***"));
    assert_eq!(config.shown()["MySQLOrchestratorPassword"], json!(""));
    assert_eq!(serde_json::to_value(&config.servers.password).unwrap(), json!("***"));
}

#[test]
fn a_key_that_is_gone_returns_to_its_default_on_reload() {
    let files = Files::new(&[r#"{"InstancePollSeconds": 7, "ClusterNameToAlias": {"a": "b"}}"#]);
    let (old, _) = files.load().unwrap();
    files.write("0.json", "{}");
    let (new, notices) = old.reload(&files.sources()).unwrap();
    assert_eq!(new.discovery.poll, Duration::from_secs(5));
    assert!(new.classification.cluster_aliases.is_empty() && notices.is_empty());
}

#[test]
fn a_bad_file_changes_nothing_on_reload() {
    let files = Files::new(&[r#"{"InstancePollSeconds": 7}"#]);
    let (old, _) = files.load().unwrap();
    files.write("0.json", r#"{"InstancePollSeconds": "#);
    assert!(old.reload(&files.sources()).is_err());
    assert_eq!(old.discovery.poll, Duration::from_secs(7));
}

#[test]
fn a_key_that_counts_at_start_keeps_its_value_on_reload_and_says_so_each_time() {
    let files = Files::new(&[r#"{"ListenAddress": "127.0.0.1:3001"}"#]);
    let (old, _) = files.load().unwrap();
    files.write("0.json", r#"{"ListenAddress": "127.0.0.1:3002", "Debug": true}"#);
    let (new, notices) = old.reload(&files.sources()).unwrap();
    let (newer, again) = new.reload(&files.sources()).unwrap();
    assert_eq!(newer.http.listen.port, 3001);
    assert!(newer.logging.debug);
    assert_eq!(notices, again);
    assert_eq!(notices[0].kind, NoticeKind::NeedsRestart);
    assert_eq!(notices[0].key.as_deref(), Some("ListenAddress"));
}

#[test]
fn the_examples_are_without_fault() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples");
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "json") {
            let sources = Sources::new(Some(&path)).with_environment(|_| Some("x".to_owned()));
            let (_, notices) = Config::load(&sources).unwrap();
            assert_eq!(notices, [], "{}", path.display());
        }
    }
}

/// Typical files of the ancestors: what they ask for is understood, and nothing in them is unknown.
#[test]
fn the_ancestors_files_are_understood() {
    let text = include_str!("../../tests/fixtures/ancestor.conf.json");
    let (config, notices) = load(text).unwrap();
    let unknown: Vec<_> =
        notices.iter().filter(|notice| notice.kind == NoticeKind::UnknownKey).collect();
    assert!(unknown.is_empty(), "{unknown:?}");
    assert_eq!(config.backend.engine, Engine::MySql);
    assert!(!config.recovery.primaries.matches("x:3306", "y"));
    assert_eq!(config.hooks.on_detection.len(), 1);
    assert_eq!(config.hostnames.server_name, ServerName::Hostname);
}

mod properties {
    use proptest::prelude::*;

    use super::*;

    fn any_value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<u64>().prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            ".{0,12}".prop_map(Value::from),
            "[(\\[*${}A-Z:/0-9.]{0,8}".prop_map(Value::from),
        ];
        leaf.prop_recursive(3, 12, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::btree_map(".{0,6}", inner, 0..4)
                    .prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        })
    }

    fn any_key() -> impl Strategy<Value = String> {
        let names: Vec<_> = table::names().map(|(name, ..)| name.to_owned()).collect();
        prop_oneof![4 => prop::sample::select(names), 1 => ".{0,20}"]
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn no_values_make_it_panic(members in prop::collection::btree_map(any_key(), any_value(), 0..12)) {
            let text = Value::Object(members.into_iter().collect()).to_string();
            if let Ok((config, _)) = load(&text) {
                let _ = (config.shown(), config.seeds(), format!("{config:?}"));
            }
        }

        #[test]
        fn no_text_makes_it_panic(text in ".{0,60}") {
            let _ = load(&text);
        }

        #[test]
        fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..60)) {
            let _ = file::read(&bytes);
        }
    }
}
