//! Failures that are none, or none of ours: nothing is touched.

use std::time::Duration;

use ham4db_testkit::{Flavour, Forwarder, Gtid, Ham4db, Shape, Topology, pause, poll_until};
use mysql::prelude::Queryable;
use serde_json::json;

use crate::support::{BOTH, PATIENCE, Scene, binary, with_seed};

/// Longer than any time-out that a decision waits for: replicas miss a silent source after 5 s.
const LONG_S: i64 = 12;

#[test]
fn a_dead_replica_is_no_reason_for_a_failover() {
    for flavour in BOTH {
        let scene = Scene::of(flavour, 3, &json!({}));
        scene.topology.kill(2).unwrap();
        scene.await_replicas(&scene.key(0), 2);
        scene.await_readings(0, 3);
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
        scene.await_unseen(&network.key(), LONG_S);
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
        let held: Vec<mysql::Conn> = (0..15).map(|_| topology.connect(0).unwrap()).collect();
        // More are open already than are allowed from now on, the one for administrators included.
        root.query_drop("SET GLOBAL max_connections = 10").unwrap();
        let others =
            "SELECT ID FROM information_schema.processlist WHERE USER IN ('ham4db', 'repl')";
        let others: Vec<u64> = root.query(others).unwrap();
        for id in others {
            let _ = root.query_drop(format!("KILL {id}")); // it may be gone by now
        }
        poll_until("error 1040 in words", PATIENCE, || {
            let story = scene.why(0)?;
            story.to_string().contains("too many connections").then_some(())
        });
        scene.await_unseen(&scene.key(0), LONG_S);
        assert_eq!(scene.recoveries(), 0, "{flavour:?}");
        root.query_drop("SET GLOBAL max_connections = 151").unwrap();
        drop(held);
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
        scene.await_readings(n, 2);
    }
    assert_eq!(scene.recoveries(), 0);
    assert_eq!(scene.topology.writable_servers(), [0]);
    // And it still does its work.
    scene.topology.kill(0).unwrap();
    scene.await_recovery(0);
}
