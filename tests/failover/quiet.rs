//! Failures that are none, or none of ours: nothing is touched.

use std::time::Duration;

use ham4db_testkit::{Flavour, Forwarder, Gtid, Ham4db, Shape, Topology, pause, poll_until};
use serde_json::json;

use crate::support::{BOTH, PATIENCE, Scene, binary, with_seed};

/// As many attempts as make it plain that nothing more is going to happen.
const MANY: usize = 20;

#[test]
fn a_dead_replica_is_no_reason_for_a_failover() {
    for flavour in BOTH {
        let scene = Scene::of(flavour, 3, &json!({}));
        scene.topology.kill(2).unwrap();
        scene.await_replicas(&scene.key(0), 2);
        scene.await_attempts(0, 3);
        assert_eq!(scene.recoveries(), 0);
        assert_eq!(scene.topology.writable_servers(), [0]);
    }
}

#[test]
fn a_primary_that_only_ham4db_cannot_reach_is_left_alone() {
    for flavour in BOTH {
        let topology = Topology::start(flavour, 2, Shape::Star, Gtid::On).unwrap();
        let network = Forwarder::start(topology.port(0)).unwrap();
        for n in 1..3 {
            topology.follow_port(n, network.port()).unwrap();
        }
        let node = Ham4db::start(binary(), &with_seed(&topology, &json!({}))).unwrap();
        let scene = Scene { node, topology };
        scene.await_replicas(&network.key(), 2);

        network.cut("ham4db");
        poll_until("ham4db misses the primary", PATIENCE, || {
            let all = scene.node.get("/api/replication-analysis").ok()?;
            let entries = all["Details"].as_array()?;
            entries.iter().find(|entry| entry["Analysis"] == json!("UnreachableMaster")).map(|_| ())
        });
        scene.topology.sql(0, "INSERT INTO kit.entries VALUES (1, 'still replicated')").unwrap();
        // The replicas' heartbeat time-outs, and more, pass.
        scene.await_attempts(1, MANY);
        assert_eq!(scene.recoveries(), 0, "{flavour:?}");
        assert_eq!(scene.topology.writable_servers(), [0]);
        for n in 1..3 {
            assert_eq!(scene.topology.follows(n), Some(network.key()));
        }
    }
}

#[test]
fn a_primary_without_a_free_connection_is_left_alone() {
    for flavour in BOTH {
        let scene = Scene::of(flavour, 2, &json!({}));
        let topology = &scene.topology;
        let mut root = topology.connect(0).unwrap();
        let mut run = |sql: &str| mysql::prelude::Queryable::query_drop(&mut root, sql).unwrap();
        // Room for the connections below and no others. Both families keep one more for administrators.
        run("SET GLOBAL max_connections = 10");
        let mut held: Vec<mysql::Conn> = Vec::new();
        // ham4db and the replicas lose their connections and find no room for new ones.
        let others: Vec<u64> = mysql::prelude::Queryable::query(
            &mut root,
            "SELECT ID FROM information_schema.processlist WHERE USER IN ('ham4db', 'repl')",
        )
        .unwrap();
        for id in others {
            let _ = mysql::prelude::Queryable::query_drop(&mut root, format!("KILL {id}"));
        }
        while let Ok(connection) = topology.connect(0) {
            held.push(connection);
        }
        poll_until("error 1040 in words", PATIENCE, || {
            let story = scene.why(0)?;
            story.to_string().contains("too many connections").then_some(())
        });
        scene.await_attempts(0, MANY);
        assert_eq!(scene.recoveries(), 0, "{flavour:?}");
        drop(held);
        drop(root);
        scene.await_replicas(&scene.key(0), 2);
        assert_eq!(scene.topology.writable_servers(), [0]);
    }
}

#[test]
fn a_primary_that_is_back_within_its_confirmation_window_stays_primary() {
    let keys = json!({ "MasterFailureConfirmationSeconds": { "*": 45 } });
    let scene = Scene::of(Flavour::Mariadb1011, 2, &keys);
    scene.topology.kill(0).unwrap();
    scene.await_refusal(0, "MasterFailureConfirmationSeconds");
    scene.topology.restart(0).unwrap();
    scene.await_replicas(&scene.key(0), 2);
    assert_eq!(scene.recoveries(), 0);
    assert_eq!(scene.topology.writable_servers(), [0]);
}

#[test]
fn a_primary_that_stays_away_longer_than_its_confirmation_window_is_replaced() {
    let keys = json!({ "MasterFailureConfirmationSeconds": { "*": 2 } });
    let scene = Scene::of(Flavour::Mariadb1011, 2, &keys);
    scene.topology.kill(0).unwrap();
    scene.await_recovery(0);
}

#[test]
fn a_ham4db_that_was_frozen_for_half_a_minute_makes_nothing_of_it() {
    let scene = Scene::of(Flavour::Mysql97, 3, &json!({}));
    scene.node.freeze().unwrap();
    // This time is what the claim is about.
    pause(Duration::from_secs(30));
    scene.node.thaw().unwrap();
    for n in 0..4 {
        scene.await_attempts(n, 2);
    }
    assert_eq!(scene.recoveries(), 0);
    assert_eq!(scene.topology.writable_servers(), [0]);
    // And it still does its work.
    scene.topology.kill(0).unwrap();
    scene.await_recovery(0);
}
