//! ham4db itself dies.

use std::time::Duration;

use ham4db_testkit::{Flavour, Gtid, Shape, Topology, pause, poll_until};
use serde_json::json;

use crate::support::{BOTH, PATIENCE, Scene};

#[test]
fn a_killed_node_knows_its_fleet_again_before_it_has_probed_anything() {
    let mut scene = Scene::of(Flavour::Mariadb1011, 3, &json!({}));
    let primary = scene.key(0);
    let path = format!("/api/cluster/{primary}");
    let all: Vec<i64> = (0..4).map(|n| i64::from(scene.topology.port(n))).collect();
    // Written in batches: what was found a moment ago is stored a moment later.
    poll_until("the tree survives", PATIENCE, || {
        scene.await_readings(0, 1);
        scene.node.kill9();
        (0..4).for_each(|n| scene.topology.freeze(n).unwrap());
        scene.node.restart().unwrap();
        let known = scene.get(&path);
        (0..4).for_each(|n| scene.topology.thaw(n).unwrap());
        scene.await_replicas(&primary, 3);
        let ports = known.as_array()?.iter().filter_map(|one| one["Key"]["Port"].as_i64());
        ports.eq(all.iter().copied()).then_some(())
    });
    assert_eq!(scene.recoveries(), 0);
}

#[test]
fn a_recovery_that_is_killed_at_any_moment_is_finished_by_the_next_start() {
    for (flavour, after_ms) in
        [30, 60, 90, 120, 200].into_iter().zip(0..).map(|(ms, n)| (BOTH[n % 2], ms))
    {
        let mut scene = Scene::of(flavour, 3, &json!({}));
        scene.await_readings(0, 2);
        scene.topology.kill_at_once(0).unwrap();
        pause(Duration::from_millis(after_ms));
        scene.node.kill9();
        scene.node.restart().unwrap();
        let (_, successor) = scene.await_recovery(0);
        let others: Vec<usize> = (1..4).filter(|n| *n != successor).collect();
        scene.await_followers(&others, successor);
        assert_eq!(scene.topology.writable_servers(), [successor], "{flavour:?}, {after_ms} ms");
        assert_eq!(scene.recoveries(), 1, "{flavour:?}, {after_ms} ms");
    }
}

#[test]
fn a_recovery_that_is_interrupted_by_a_signal_is_finished_by_the_next_start() {
    let keys = json!({ "PreFailoverProcesses": ["touch begun; sleep 600"] });
    let mut scene = Scene::of(Flavour::Mariadb1011, 2, &keys);
    scene.topology.kill(0).unwrap();
    poll_until("the hook", PATIENCE, || scene.node.file("begun").ok());
    scene.node.restart().unwrap();
    assert!(scene.node.log().contains("the next start continues it"));
    let (story, successor) = scene.await_recovery(0);
    assert_eq!(scene.topology.writable_servers(), [successor]);
    assert_eq!(scene.recoveries(), 1);
    // The whole story is told, also what the first process saw.
    assert!(!story["observations"].as_array().unwrap().is_empty(), "{story:#}");
}

#[test]
fn with_a_backend_of_mysql_a_node_recovers_and_knows_it_after_a_restart() {
    let backend = Topology::start(Flavour::Mysql97, 0, Shape::Star, Gtid::On).unwrap();
    let keys = json!({
        "BackendDB": "mysql",
        "MySQLOrchestratorHost": "127.0.0.1",
        "MySQLOrchestratorPort": backend.port(0),
        "MySQLOrchestratorDatabase": "ham4db_backend",
        "MySQLOrchestratorUser": "root",
    });
    let mut scene = Scene::of(Flavour::Mariadb1011, 2, &keys);
    scene.topology.kill(0).unwrap();
    let (_, successor) = scene.await_recovery(0);
    scene.node.kill9();
    scene.node.restart().unwrap();
    assert_eq!(scene.recoveries(), 1);
    assert_eq!(scene.await_recovery(0).1, successor);
    assert!(scene.node.log().contains("1 recoveries known"));
}

#[test]
fn a_recovery_that_dies_in_a_hook_is_finished_and_the_hook_is_not_run_again() {
    let keys = json!({ "PreFailoverProcesses": ["echo run >> hooks.txt; kill -9 $PPID"] });
    let mut scene = Scene::of(Flavour::Mariadb1011, 2, &keys);
    scene.topology.kill(0).unwrap();
    poll_until("the end of ham4db", PATIENCE, || scene.node.get("/api/health").err().map(|_| ()));
    scene.node.restart().unwrap();
    let (story, successor) = scene.await_recovery(0);
    assert!(story["hooks"].as_array().unwrap().is_empty(), "{:#}", story["hooks"]);
    assert_eq!(scene.topology.writable_servers(), [successor]);
}
