//! What people order, and what they allow.

use ham4db_testkit::Flavour;
use serde_json::json;

use crate::support::{Scene, path_of};

#[test]
fn nothing_is_done_while_recoveries_are_switched_off() {
    let scene = Scene::of(Flavour::Mariadb1011, 2, &json!({}));
    scene.client(&["disable-global-recoveries"]);
    scene.topology.kill(0).unwrap();
    scene.await_refusal(0, "switched off");
    assert_eq!(scene.topology.writable_servers(), [0; 0]);
    scene.client(&["enable-global-recoveries"]);
    scene.await_recovery(0);
}

#[test]
fn nothing_is_done_about_a_server_in_downtime() {
    let scene = Scene::of(Flavour::Mariadb1011, 2, &json!({}));
    let primary = scene.key(0);
    scene.client(&["begin-downtime", "-i", &primary, "-r", "new disk", "-u", "1h", "-o", "ann"]);
    scene.topology.kill(0).unwrap();
    scene.await_refusal(0, "new disk");
    scene.client(&["end-downtime", "-i", &primary]);
    scene.await_recovery(0);
}

#[test]
fn a_cluster_that_is_not_configured_is_recovered_by_hand_only() {
    let keys = json!({ "RecoverMasterClusterFilters": ["alias=other"] });
    let scene = Scene::of(Flavour::Mariadb1011, 2, &keys);
    let primary = scene.key(0);
    scene.topology.kill(0).unwrap();
    scene.await_refusal(0, "RecoverMasterClusterFilters");
    assert_eq!(scene.recoveries(), 0);
    let said = scene.client(&["recover", "-i", &primary, "-d", &scene.key(2)]);
    assert!(said.contains(&scene.key(2)), "{said}");
    assert_eq!(scene.topology.writable_servers(), [2]);
    scene.await_followers(&[1], 2);
}

#[test]
fn a_second_failure_waits_for_an_acknowledgement() {
    let scene = Scene::of(Flavour::Mariadb1011, 3, &json!({}));
    scene.topology.kill(0).unwrap();
    let (_, second) = scene.await_recovery(0);
    scene.await_replicas(&scene.key(second), 2);
    scene.topology.kill(second).unwrap();
    scene.await_refusal(second, "acknowledge");
    scene.client(&["ack-instance-recoveries", "-i", &scene.key(0), "-r", "seen"]);
    let (_, third) = scene.await_recovery(second);
    assert_eq!(scene.topology.writable_servers(), [third]);
}

#[test]
fn a_plan_says_what_would_be_done_and_touches_nothing() {
    let scene = Scene::of(Flavour::Mysql97, 3, &json!({}));
    let path = format!("/api/plan/{}", path_of(&scene.key(0)));
    let plan = scene.get(&path);
    assert_eq!(plan["presumed_dead"], json!(true));
    assert_eq!(plan["refusal"], json!(null), "{:#}", plan["refusal"]);
    let page = scene.client(&["plan", "-i", &scene.key(0)]);
    assert!(page.contains("Nothing was touched"), "{page}");
    assert_eq!(scene.topology.writable_servers(), [0]);
    scene.await_followers(&[1, 2, 3], 0);
    // And it is what is done.
    let promised = plan["choice"]["promoted"]["port"].clone();
    scene.topology.kill(0).unwrap();
    let (_, successor) = scene.await_recovery(0);
    assert_eq!(promised, json!(scene.topology.port(successor)));
}
