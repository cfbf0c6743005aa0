//! The account that the README tells users to make is enough for everything.

use ham4db_testkit::{Flavour, Gtid, Shape, Topology};
use serde_json::json;

use crate::support::{BOTH, Scene};

/// The statements of the README for servers of this family, with an account of the test's own.
fn statements(flavour: Flavour) -> Vec<String> {
    let readme = include_str!("../../README.md");
    let block = |family: &str| {
        let from = readme.find(family).unwrap();
        let from = from + readme[from..].find("```sql").unwrap() + "```sql".len();
        &readme[from..from + readme[from..].find("```").unwrap()]
    };
    let sql = match flavour {
        Flavour::Mysql97 => block("\nMySQL 8.0 and later"),
        _ => block("\nMariaDB 10.5 and later"),
    };
    let sql = sql.replace("ham4db@'10.%'", "readme@'127.%'").replace('…', "secret");
    sql.split(';').map(|one| one.trim().to_owned()).filter(|one| !one.is_empty()).collect()
}

#[test]
fn the_account_of_the_readme_is_enough_for_a_failover_and_a_fence() {
    for flavour in BOTH {
        let topology = Topology::start(flavour, 2, Shape::Star, Gtid::On).unwrap();
        for sql in statements(flavour) {
            topology.sql(0, &sql).unwrap();
        }
        let keys = json!({ "MySQLTopologyUser": "readme", "MySQLTopologyPassword": "secret" });
        let scene = Scene::watching(topology, &keys);
        scene.topology.kill(0).unwrap();
        let (story, successor) = scene.await_recovery(0);
        assert_eq!(story["outcome"]["errors"], json!([]), "{flavour:?}");
        scene.await_followers(&[3 - successor], successor);
        scene.topology.restart(0).unwrap();
        scene.await_fenced(0);
        let log = scene.node.log();
        assert!(!log.contains("denied"), "{flavour:?}: {log}");
    }
}
