//! Servers that die.

use std::time::{Duration, Instant};

use ham4db_testkit::{Flavour, Gtid, Shape, Writer, poll_until};
use serde_json::json;

use crate::support::{BOTH, PATIENCE, Scene, told_key};

#[test]
fn a_killed_primary_is_replaced_and_the_others_follow() {
    for flavour in BOTH {
        let scene = Scene::of(flavour, 3, &json!({}));
        let mut writer = Writer::start(&scene.topology);
        poll_until("rows", PATIENCE, || (writer.acknowledged() > 100).then_some(()));
        let killed = scene.topology.kill_at_once(0).unwrap();

        let (story, successor) = scene.await_recovery(0);
        poll_until("writes at the new primary", PATIENCE, || {
            writer.latest().filter(|latest| *latest > killed + Duration::from_secs(1))
        });
        writer.stop();
        assert_eq!(scene.topology.writable_servers(), [successor], "{flavour:?}");
        let others: Vec<usize> = (1..4).filter(|n| *n != successor).collect();
        scene.await_followers(&others, successor);
        assert_eq!(story["outcome"]["lost"], json!([]), "{flavour:?}");
        // Replication is asynchronous: what was written in the last moment may be lost, nothing else.
        let settled = killed.checked_sub(Duration::from_secs(1)).unwrap_or_else(Instant::now);
        assert_eq!(writer.lost(successor, settled).unwrap(), []);
        let everywhere =
            |n: usize| scene.topology.value(n, "SELECT COUNT(*) FROM kit.entries").unwrap();
        poll_until("the same rows everywhere", PATIENCE, || {
            others.iter().all(|n| everywhere(*n) == everywhere(successor)).then_some(())
        });
    }
}

#[test]
fn a_dead_intermediate_primary_hands_its_replicas_to_its_source() {
    for flavour in BOTH {
        let scene = Scene::shaped(flavour, 3, Shape::Chain, Gtid::On, &json!({}));
        scene.topology.kill(1).unwrap();
        scene.await_recovery(1);
        scene.await_followers(&[2], 0);
        scene.await_followers(&[3], 2);
        assert_eq!(scene.topology.writable_servers(), [0]);
    }
}

#[test]
fn replicas_by_file_and_position_that_stopped_at_one_place_are_recovered() {
    for flavour in [Flavour::Mysql97, Flavour::Mysql56, Flavour::Mariadb1011] {
        let scene = Scene::shaped(flavour, 3, Shape::Star, Gtid::Off, &json!({}));
        for sql in
            ["INSERT INTO kit.entries VALUES (1, 'a')", "INSERT INTO kit.entries VALUES (2, 'b')"]
        {
            scene.topology.sql(0, sql).unwrap();
        }
        let count = |n| scene.topology.value(n, "SELECT COUNT(*) FROM kit.entries").unwrap();
        poll_until("the rows everywhere", PATIENCE, || {
            (1..4).all(|n| count(n).as_deref() == Some("2")).then_some(())
        });
        scene.topology.kill(0).unwrap();
        let (story, successor) = scene.await_recovery(0);
        assert_eq!(story["outcome"]["lost"], json!([]), "{flavour:?}");
        let others: Vec<usize> = (1..4).filter(|n| *n != successor).collect();
        scene.await_followers(&others, successor);
        scene.topology.sql(successor, "INSERT INTO kit.entries VALUES (3, 'c')").unwrap();
        poll_until("a new row everywhere", PATIENCE, || {
            (1..4).all(|n| count(n).as_deref() == Some("3")).then_some(())
        });
    }
}

#[test]
fn without_gtid_replicas_that_stopped_at_different_places_are_left_to_a_person() {
    let scene = Scene::shaped(Flavour::Mariadb1011, 3, Shape::Star, Gtid::Off, &json!({}));
    scene.topology.sql(3, "STOP SLAVE IO_THREAD").unwrap();
    scene.topology.sql(0, "INSERT INTO kit.entries VALUES (1, 'a')").unwrap();
    let count = |n| scene.topology.value(n, "SELECT COUNT(*) FROM kit.entries").unwrap();
    poll_until("the row on two of three", PATIENCE, || {
        (1..3).all(|n| count(n).as_deref() == Some("1")).then_some(())
    });
    scene.topology.kill(0).unwrap();
    scene.await_refusal(0, "stopped at different places");
    assert!(scene.topology.writable_servers().is_empty());
    // Who names a candidate accepts that the one behind is lost; it is never pointed at a wrong place.
    scene.client(&["recover", "-i", &scene.key(0), "-d", &scene.key(1)]);
    let (story, successor) = scene.await_recovery(0);
    assert_eq!(successor, 1);
    let lost: Vec<_> = story["outcome"]["lost"].as_array().unwrap().iter().map(told_key).collect();
    assert_eq!(lost, [scene.key(3)], "{story:#}");
    assert_eq!(count(3).as_deref(), Some("0"));
    scene.await_followers(&[2], 1);
}

#[test]
fn what_only_another_replica_has_is_fetched_before_the_preferred_one_is_promoted() {
    for flavour in BOTH {
        let scene = Scene::of(flavour, 3, &json!({}));
        scene.client(&["register-candidate", "-i", &scene.key(1), "--promotion-rule", "prefer"]);
        let stop = match flavour {
            Flavour::Mysql97 => "STOP REPLICA IO_THREAD",
            _ => "STOP SLAVE IO_THREAD",
        };
        scene.topology.sql(1, stop).unwrap();
        scene.topology.sql(2, stop).unwrap();
        scene.topology.sql(0, "INSERT INTO kit.entries VALUES (1, 'only on 3')").unwrap();
        let count = |n| scene.topology.value(n, "SELECT COUNT(*) FROM kit.entries").unwrap();
        poll_until("the row on one replica", PATIENCE, || {
            (count(3).as_deref() == Some("1")).then_some(())
        });
        assert_eq!(count(1).as_deref(), Some("0"));
        scene.await_readings(1, 2);
        scene.topology.kill(0).unwrap();
        let (story, successor) = scene.await_recovery(0);
        assert_eq!(successor, 1, "{flavour:?}: {:#}", story["choice"]);
        assert_eq!(told_key(&story["choice"]["catch_up_from"]), scene.key(3), "{flavour:?}");
        assert_eq!(count(1).as_deref(), Some("1"));
        scene.await_followers(&[3], 1);
    }
}

#[test]
fn a_replica_that_froze_with_its_primary_is_lost_and_stops_nobody() {
    for flavour in BOTH {
        let scene = Scene::of(flavour, 3, &json!({}));
        scene.topology.freeze(3).unwrap();
        scene.topology.kill(0).unwrap();
        let (story, successor) = scene.await_recovery(0);
        let lost: Vec<_> =
            story["outcome"]["lost"].as_array().unwrap().iter().map(told_key).collect();
        assert_eq!(lost, [scene.key(3)], "{flavour:?}");
        scene.await_followers(&[3 - successor], successor);
        assert_eq!(scene.topology.writable_servers(), [successor]);
    }
}

#[test]
fn a_replica_that_died_with_its_primary_is_lost_and_in_downtime() {
    let scene = Scene::of(Flavour::Mariadb1011, 3, &json!({}));
    scene.topology.kill(3).unwrap();
    scene.topology.kill(0).unwrap();
    let (story, successor) = scene.await_recovery(0);
    let lost: Vec<_> = story["outcome"]["lost"].as_array().unwrap().iter().map(told_key).collect();
    assert_eq!(lost, [scene.key(3)]);
    scene.await_followers(&[3 - successor], successor);
    let downtimed = scene.client(&["which-lost-in-recovery"]);
    let mut downtimed: Vec<&str> = downtimed.split_whitespace().collect();
    downtimed.sort_unstable();
    assert_eq!(downtimed, [scene.key(0), scene.key(3)]);
}
