//! ham4db itself dies.

use std::time::Duration;

use ham4db_testkit::{Flavour, pause, poll_until};
use serde_json::json;

use crate::support::{BOTH, PATIENCE, Scene};

#[test]
fn a_killed_node_knows_its_fleet_again_before_it_has_probed_anything() {
    let mut scene = Scene::of(Flavour::Mariadb1011, 3, &json!({}));
    let primary = scene.key(0);
    let path = format!("/api/cluster/{primary}");
    // Written in batches: what was found a moment ago is there a moment later.
    poll_until("the tree survives", PATIENCE, || {
        scene.node.kill9();
        scene.topology.freeze(0).ok()?;
        let restarted = scene.node.restart();
        let servers = scene.node.get(&path).ok().and_then(|all| Some(all.as_array()?.len()));
        scene.topology.thaw(0).ok()?;
        restarted.unwrap();
        (servers == Some(4)).then_some(())
    });
    assert_eq!(scene.recoveries(), 0);
}

#[test]
fn a_recovery_that_is_killed_at_any_moment_is_finished_by_the_next_start() {
    for (flavour, after_ms) in
        [30, 60, 90, 120, 200].into_iter().zip(0..).map(|(ms, n)| (BOTH[n % 2], ms))
    {
        let mut scene = Scene::of(flavour, 3, &json!({}));
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
