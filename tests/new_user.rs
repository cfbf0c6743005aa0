//! What a new user does wrong, and what ham4db says then.
#![allow(clippy::unwrap_used, reason = "a test")]

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use ham4db_testkit::{Flavour, Gtid, Ham4db, Shape, Topology, free_port, poll_until};
use serde_json::{Value, json};
use tempfile::TempDir;

const PATIENCE: Duration = Duration::from_mins(1);

fn binary() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_ham4db"))
}

/// Runs a command that ends by itself, in `folder`, with this configuration.
fn run(folder: &Path, keys: &Value, arguments: &[&str]) -> Output {
    fs::write(folder.join("ham4db.conf.json"), keys.to_string()).unwrap();
    Command::new(binary())
        .args(arguments)
        .current_dir(folder)
        .env_remove("HAM4DB_API")
        .stdin(Stdio::null())
        .output()
        .unwrap()
}

/// What a command that failed said.
fn complaint(folder: &Path, keys: &Value, arguments: &[&str]) -> String {
    let done = run(folder, keys, arguments);
    let said = String::from_utf8_lossy(&done.stderr).into_owned();
    assert_eq!(done.status.code(), Some(1), "{said}");
    said
}

#[test]
fn every_problem_of_a_configuration_is_told_at_once_with_what_is_allowed() {
    let folder = TempDir::new().unwrap();
    let keys = json!({
        "InstancePolSeconds": 5,
        "InstancePollSeconds": "five",
        "BackendDB": "oracle",
        "RecoveryPeriodBlockSeconds": -1,
    });
    for arguments in [&["config", "check"][..], &["serve"]] {
        let said = complaint(folder.path(), &keys, arguments);
        for words in [
            "InstancePolSeconds",
            "did you mean InstancePollSeconds?",
            "InstancePollSeconds = \"five\"",
            "a number from 1 to 3600",
            "BackendDB = \"oracle\"",
            "RecoveryPeriodBlockSeconds = -1",
        ] {
            assert!(said.contains(words), "{words} in: {said}");
        }
    }
    assert!(!folder.path().join("ham4db.sqlite3").exists(), "nothing was begun");
}

#[test]
fn without_any_file_the_defaults_are_in_force() {
    let folder = TempDir::new().unwrap();
    for arguments in [["config", "check"], ["config", "show"]] {
        let done = Command::new(binary())
            .args(arguments)
            .current_dir(folder.path())
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&done.stdout).into_owned();
        assert!(done.status.success(), "{done:?}");
        if arguments[1] == "show" {
            assert!(said.contains("\"127.0.0.1:3000\""), "{said}");
        }
    }
}

#[test]
fn a_file_of_tls_that_is_not_there_is_found_before_the_start() {
    let folder = TempDir::new().unwrap();
    let keys = json!({ "MySQLTopologySSLCAFile": "ca.pem" });
    for arguments in [&["config", "check"][..], &["serve"]] {
        let said = complaint(folder.path(), &keys, arguments);
        assert!(said.contains("MySQLTopologySSLCAFile = \"ca.pem\": cannot be read"), "{said}");
    }
}

#[test]
fn secrets_are_not_shown() {
    let folder = TempDir::new().unwrap();
    let keys = json!({ "MySQLTopologyUser": "ann", "MySQLTopologyPassword": "hunter2" });
    let done = run(folder.path(), &keys, &["config", "show"]);
    let said = String::from_utf8_lossy(&done.stdout).into_owned();
    assert!(done.status.success() && said.contains("\"ann\""), "{said}");
    assert!(!said.contains("hunter2"), "{said}");
}

#[test]
fn a_port_that_is_taken_is_named_before_anything_is_begun() {
    let folder = TempDir::new().unwrap();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let said = complaint(folder.path(), &json!({ "ListenAddress": address }), &["serve"]);
    assert!(said.contains(&address) && said.contains("ListenAddress"), "{said}");
    assert!(!folder.path().join("ham4db.sqlite3").exists(), "nothing was begun");
}

#[test]
fn a_socket_takes_the_place_of_no_file() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("precious");
    fs::write(&file, "kept").unwrap();
    let said = complaint(folder.path(), &json!({ "ListenSocket": file }), &["serve"]);
    assert!(said.contains("a file is there already") && said.contains("ListenSocket"), "{said}");
    assert_eq!(fs::read_to_string(&file).unwrap(), "kept");

    let nowhere = json!({ "ListenSocket": folder.path().join("none/socket") });
    let said = complaint(folder.path(), &nowhere, &["serve"]);
    assert!(said.contains("none/socket") && said.contains("No such file"), "{said}");
}

#[test]
fn a_place_where_no_backend_can_be_is_named() {
    let folder = TempDir::new().unwrap();
    let port = free_port().unwrap();
    // A file where a folder should be: nobody can write below it, root neither.
    fs::write(folder.path().join("file"), "").unwrap();
    let keys = json!({
        "ListenAddress": format!("127.0.0.1:{port}"),
        "SQLite3DataFile": "file/ham4db.sqlite3",
    });
    let said = complaint(folder.path(), &keys, &["serve"]);
    assert!(said.contains("file/ham4db.sqlite3") && said.contains("SQLite3DataFile"), "{said}");
}

#[test]
fn a_file_of_passwords_that_everybody_may_read_is_a_warning() {
    let folder = TempDir::new().unwrap();
    let secrets = folder.path().join("secrets.cnf");
    fs::write(&secrets, "[client]\nuser = ann\npassword = hunter2\n").unwrap();
    fs::set_permissions(&secrets, fs::Permissions::from_mode(0o644)).unwrap();
    let keys = json!({ "MySQLTopologyCredentialsConfigFile": secrets });
    let done = run(folder.path(), &keys, &["config", "check"]);
    let said = String::from_utf8_lossy(&done.stderr).into_owned();
    assert!(done.status.success(), "{said}");
    assert!(said.contains("every user of this machine may read"), "{said}");
}

#[test]
fn a_client_without_a_node_says_how_to_reach_one() {
    let folder = TempDir::new().unwrap();
    let nobody = format!("http://127.0.0.1:{}/api", free_port().unwrap());
    let said = complaint(folder.path(), &json!({}), &["clusters", "--api", &nobody]);
    assert!(said.contains("ham4db serve") && said.contains("HAM4DB_API"), "{said}");
}

#[test]
fn commands_that_are_not_there_yet_are_told_from_typos() {
    let folder = TempDir::new().unwrap();
    let said = complaint(folder.path(), &json!({}), &["relocate", "-i", "a", "-d", "b"]);
    assert!(said.contains("not available in this version"), "{said}");
    let done = run(folder.path(), &json!({}), &["topologie", "-i", "a"]);
    assert!(String::from_utf8_lossy(&done.stderr).contains("'topology'"));
}

/// What `why` says of a server, as text.
fn why(node: &Ham4db, key: &str) -> Option<String> {
    let (code, said, _) = node.cli(&["why", "-i", key]).ok()?;
    (code == 0).then_some(said)
}

#[test]
fn a_wrong_password_and_a_name_that_does_not_resolve_are_said_in_words() {
    let topology = Topology::start(Flavour::Mariadb1011, 1, Shape::Star, Gtid::On).unwrap();
    let unknown = "no-such-host.invalid:3306";
    let keys = json!({
        "DiscoverySeeds": [topology.key(0), unknown],
        "MySQLTopologyPassword": "wrong",
    });
    let node = Ham4db::start(binary(), &keys).unwrap();
    let has = |key: &str, words: &[&str]| {
        poll_until(&format!("{words:?} of {key}"), PATIENCE, || {
            let said = why(&node, key)?;
            words.iter().all(|words| said.contains(words)).then_some(())
        });
    };
    has(&topology.key(0), &["ham4db", "MySQLTopologyPassword"]);
    has(unknown, &["cannot be resolved"]);
}

#[test]
fn a_name_is_turned_into_an_address_where_the_configuration_says_so() {
    let topology = Topology::start(Flavour::Mariadb1011, 1, Shape::Star, Gtid::On).unwrap();
    let keys = json!({
        "DiscoverySeeds": [format!("localhost:{}", topology.port(1))],
        "HostnameResolveMethod": "ip",
    });
    let node = Ham4db::start(binary(), &keys).unwrap();
    poll_until("both servers by address", PATIENCE, || {
        let (_, said, _) = node.cli(&["which-cluster-instances", "-i", &topology.key(0)]).ok()?;
        let mut found: Vec<&str> = said.split_whitespace().collect();
        found.sort_unstable();
        (found == [topology.key(0), topology.key(1)]).then_some(())
    });
    let (_, all, _) = node.cli(&["all-instances"]).unwrap();
    assert!(!all.contains("localhost"), "{all}");
}

#[test]
fn a_good_file_takes_effect_on_reload_and_a_bad_one_changes_nothing() {
    let topology = Topology::start(Flavour::Mariadb1011, 1, Shape::Star, Gtid::On).unwrap();
    let node = Ham4db::start(binary(), &json!({})).unwrap();
    let servers = || node.get("/api/all-instances").unwrap().as_array().unwrap().len();
    assert_eq!(servers(), 0);

    node.configure(&json!({ "InstancePollSeconds": "often" })).unwrap();
    let (code, _, said) = node.cli(&["reload-configuration"]).unwrap();
    assert!(code == 1 && said.contains("InstancePollSeconds"), "{said}");
    node.hang_up().unwrap();
    poll_until("word of the bad file", PATIENCE, || {
        node.log().contains("stays in force").then_some(())
    });
    assert_eq!(node.get("/api/health").unwrap()["Code"], json!("OK"));

    node.configure(&json!({ "DiscoverySeeds": [topology.key(1)] })).unwrap();
    node.hang_up().unwrap();
    poll_until("the new seed and its source", PATIENCE, || (servers() == 2).then_some(()));
}

#[test]
fn servers_that_want_a_certificate_get_it_from_the_watch_and_from_the_backend() {
    let topology = Topology::start(Flavour::Mysql97, 1, Shape::Star, Gtid::On).unwrap();
    let wanted = "CREATE USER strict@'%' IDENTIFIED BY 'strict' REQUIRE X509";
    topology.sql(0, wanted).unwrap();
    topology.sql(0, "GRANT ALL ON *.* TO strict@'%'").unwrap();
    let data = topology.value(0, "SELECT @@datadir").unwrap().unwrap();
    let file = |name: &str| Path::new(&data).join(name);
    let mut keys = json!({
        "DiscoverySeeds": [topology.key(0)],
        "MySQLTopologyUser": "strict",
        "MySQLTopologyPassword": "strict",
        "MySQLTopologyUseMutualTLS": true,
        "MySQLTopologySSLSkipVerify": true,
        "MySQLTopologySSLCertFile": file("client-cert.pem"),
        "MySQLTopologySSLPrivateKeyFile": file("client-key.pem"),
        "BackendDB": "mysql",
        "MySQLOrchestratorHost": "127.0.0.1",
        "MySQLOrchestratorPort": topology.port(0),
        "MySQLOrchestratorDatabase": "ham4db_backend",
        "MySQLOrchestratorUser": "strict",
        "MySQLOrchestratorPassword": "strict",
        "MySQLOrchestratorSSLSkipVerify": true,
        "MySQLOrchestratorSSLCAFile": file("ca.pem"),
        "MySQLOrchestratorSSLCertFile": file("client-cert.pem"),
        "MySQLOrchestratorSSLPrivateKeyFile": file("client-key.pem"),
    });
    let folder = TempDir::new().unwrap();
    let port = free_port().unwrap();
    let mut plain = keys.clone();
    plain["ListenAddress"] = json!(format!("127.0.0.1:{port}"));
    let said = complaint(folder.path(), &plain, &["serve"]);
    assert!(said.contains("has no effect without MySQLOrchestratorUseMutualTLS"), "{said}");
    assert!(said.contains("MySQLOrchestratorUser"), "what to look at: {said}");

    keys["MySQLOrchestratorUseMutualTLS"] = json!(true);
    let node = Ham4db::start(binary(), &keys).unwrap();
    poll_until("both servers", PATIENCE, || {
        let (code, said, _) =
            node.cli(&["which-cluster-instances", "-i", &topology.key(0)]).ok()?;
        (code == 0 && said.contains(&topology.key(1))).then_some(())
    });
}
