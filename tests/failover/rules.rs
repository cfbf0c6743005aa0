//! Who may take over, and what may be lost.

use ham4db_testkit::{Flavour, poll_until};
use serde_json::json;

use crate::support::{BOTH, PATIENCE, Scene, told_key, with_seed};

#[test]
fn a_server_that_must_not_take_over_does_not() {
    for flavour in BOTH {
        let scene = Scene::of(flavour, 2, &json!({}));
        scene.client(&["register-candidate", "-i", &scene.key(1), "--promotion-rule", "must_not"]);
        scene.topology.kill(0).unwrap();
        let (story, successor) = scene.await_recovery(0);
        assert_eq!(successor, 2, "{flavour:?}");
        let rejected = story["choice"]["rejected"].as_array().unwrap();
        let reason = rejected.iter().find(|one| told_key(&one["key"]) == scene.key(1)).unwrap();
        assert!(reason["reason"].as_str().unwrap().contains("must_not"), "{reason}");
    }
}

#[test]
fn a_preferred_server_takes_over() {
    let scene = Scene::of(Flavour::Mariadb1011, 3, &json!({}));
    scene.client(&["register-candidate", "-i", &scene.key(3), "--promotion-rule", "prefer"]);
    scene.topology.kill(0).unwrap();
    assert_eq!(scene.await_recovery(0).1, 3);
    scene.await_followers(&[1, 2], 3);
}

#[test]
fn nobody_is_promoted_when_all_must_not() {
    let scene = Scene::of(Flavour::Mariadb1011, 2, &json!({}));
    for n in 1..3 {
        scene.client(&["register-candidate", "-i", &scene.key(n), "--promotion-rule", "must_not"]);
    }
    scene.topology.kill(0).unwrap();
    scene.await_refusal(0, "must_not");
    assert_eq!(scene.recoveries(), 0);
    scene.topology.restart(0).unwrap();
    scene.await_replicas(&scene.key(0), 2);
}

#[test]
fn a_loss_greater_than_allowed_forbids_the_promotion() {
    for flavour in BOTH {
        let scene = Scene::of(flavour, 2, &json!({ "MaxPromotionLossTransactions": 5 }));
        let stop = match flavour {
            Flavour::Mysql97 => "STOP REPLICA IO_THREAD",
            _ => "STOP SLAVE IO_THREAD",
        };
        for n in 1..3 {
            scene.topology.sql(n, stop).unwrap();
        }
        for id in 0..50 {
            let sql = format!("INSERT INTO kit.entries VALUES ({id}, 'not replicated')");
            scene.topology.sql(0, &sql).unwrap();
        }
        // ham4db has seen that the primary has more.
        scene.await_readings(0, 2);
        scene.topology.kill(0).unwrap();
        let end = scene.await_end(0);
        assert_eq!(
            end["outcome"]["outcome"],
            json!("aborted"),
            "{flavour:?}: {:#}",
            end["outcome"]
        );
        let reason = end["outcome"]["reason"].as_str().unwrap();
        assert!(reason.contains("MaxPromotionLossTransactions"), "{reason}");
        assert!(scene.topology.writable_servers().is_empty());
        // A person may decide otherwise, and says so in the configuration.
        let more = json!({ "MaxPromotionLossTransactions": 1000 });
        scene.node.configure(&with_seed(&scene.topology, &more)).unwrap();
        scene.client(&["reload-configuration"]);
        poll_until("a primary", PATIENCE, || {
            (scene.topology.writable_servers().len() == 1).then_some(())
        });
        let (story, _) = scene.await_recovery(0);
        let words = story["choice"]["loss"]["words"].as_str().unwrap();
        assert!(words.contains("50 transactions"), "{words}");
    }
}
