//! A key that says that it is acted on changes what some part of the program is told, and no other key does.

use ham4db_store::StoreSettings;

use super::*;
use crate::http::access::Authentication;
use crate::settings as derived;

/// Acted on elsewhere: by the log, and while the configuration is read.
const ELSEWHERE: &[&str] =
    &["Debug", "MySQLTopologyCredentialsConfigFile", "MySQLOrchestratorCredentialsConfigFile"];

/// All that is told to the parts of the program, passwords included.
fn told(config: &Config) -> String {
    let mut front = derived::front(config);
    front.shown = Value::Null;
    let password = match &front.authentication {
        Authentication::Basic(credential) | Authentication::Multi(credential) => {
            credential.password.clone()
        }
        _ => String::new(),
    };
    let backend = match derived::backend(config) {
        StoreSettings::Sqlite { file } => format!("{file:?}"),
        StoreSettings::MySql(at) => format!(
            "{at:?} {} {} {:?} {:?} {:?}",
            at.password, at.connections, at.connect_limit, at.read_limit, at.tls
        ),
    };
    let files = derived::tls_files(config);
    let mut without_files = config.clone();
    without_files.servers.tls_ca_file = None;
    without_files.servers.tls_cert_file = None;
    let servers = derived::servers(&without_files).unwrap();
    format!(
        "{:?} {front:?} {password} {backend} {files:?} {servers:?} {} {:?}",
        derived::actors(config, "node"),
        servers.account.password,
        derived::listen(config)
    )
}

/// Configurations under which keys count that do not count under the default one.
fn circumstances() -> Vec<Config> {
    let mut protected = Config::default();
    protected.backend.engine = Engine::MySql;
    protected.backend.mutual_tls = true;
    protected.backend.tls_cert_file = Some("a".into());
    protected.backend.tls_key_file = Some("b".into());
    protected.servers.mutual_tls = true;
    protected.servers.tls_cert_file = Some("a".into());
    protected.servers.tls_key_file = Some("b".into());
    protected.http.authentication = AuthMethod::Basic;
    let mut proxied = Config::default();
    proxied.http.authentication = AuthMethod::Proxy;
    vec![Config::default(), protected, proxied]
}

/// Whether some value of this key makes a difference to somebody.
fn makes_a_difference(access: &table::Access) -> bool {
    let values = [
        json!(true),
        json!(false),
        json!(7),
        json!(61),
        json!(900),
        json!("x"),
        json!("(x)"),
        json!("basic"),
        json!("mysql"),
        json!("ip"),
        json!("@@report_host"),
        json!("127.0.0.1:9"),
        json!(["x"]),
        json!({ "x": "y" }),
        json!({ "x": 3 }),
    ];
    circumstances().iter().any(|config| {
        let before = told(config);
        values.iter().any(|value| {
            let given: file::Given = serde_json::from_value(value.clone()).unwrap();
            let mut changed = config.clone();
            (access.read)(&mut changed, &given).is_ok() && told(&changed) != before
        })
    })
}

#[test]
fn a_key_makes_a_difference_if_it_says_so_and_only_then() {
    let wrong: Vec<_> = settings()
        .filter(|setting| !ELSEWHERE.contains(&setting.name))
        .filter_map(|setting| Some((setting, setting.access.as_ref()?)))
        .filter(|(setting, access)| {
            makes_a_difference(access) != matches!(setting.status, Status::Acted)
        })
        .map(|(setting, _)| format!("{} is {:?}", setting.name, setting.status))
        .collect();
    assert_eq!(wrong, [""; 0]);
}

#[test]
fn a_seed_may_name_its_kind_of_server() {
    let config = good(r#"{"MySQLTopologyUser": "a", "DiscoverySeeds": ["mysql:db1:3307"]}"#);
    assert_eq!(derived::actors(&config, "node").discovery.seeds, [InstanceKey::new("db1", 3307)]);
}

#[test]
fn authentication_is_not_taken_away_from_an_address_that_others_reach() {
    let closed =
        r#"{"AuthenticationMethod": "basic", "HTTPAuthUser": "a", "HTTPAuthPassword": "b"}"#;
    let files = Files::new(&[closed]);
    let (old, _) = files.load().unwrap();
    assert_eq!(old.http.listen.to_string(), ":3000");
    files.write("0.json", "{}");
    let said = old.reload(&files.sources()).unwrap_err().to_string();
    assert!(said.contains("AuthenticationMethod: cannot be taken away"), "{said}");
}

#[test]
fn files_of_tls_are_looked_at_before_they_are_needed() {
    let cases = [
        (
            json!({ "MySQLTopologySSLCAFile": "/not/there" }),
            "MySQLTopologySSLCAFile = \"/not/there\": cannot be read",
        ),
        (
            json!({ "MySQLTopologyUseMutualTLS": true, "MySQLTopologySSLCertFile": "/not/there" }),
            "MySQLTopologySSLCertFile = \"/not/there\": needs MySQLTopologySSLPrivateKeyFile as well",
        ),
        (
            json!({ "BackendDB": "mysql", "MySQLOrchestratorDatabase": "x",
                "MySQLOrchestratorUseMutualTLS": true, "MySQLOrchestratorSSLCAFile": "/not/there" }),
            "MySQLOrchestratorSSLCAFile = \"/not/there\": cannot be read",
        ),
    ];
    for (keys, expected) in cases {
        let found = problems(&keys.to_string());
        assert!(found.iter().any(|problem| problem.contains(expected)), "{keys}: {found:#?}");
    }
    let (problems, notices) = said(r#"{"MySQLTopologySSLCertFile": "/not/there"}"#);
    assert_eq!(problems, [""; 0]);
    let expected = "has no effect without MySQLTopologyUseMutualTLS";
    assert!(notices.iter().any(|notice| notice.contains(expected)), "{notices:#?}");
}
