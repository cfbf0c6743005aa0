//! Servers that stop answering without dying.

use ham4db_testkit::{Flavour, poll_until};
use mysql::prelude::Queryable;
use serde_json::json;

use crate::support::{BOTH, PATIENCE, Scene};

fn application(scene: &Scene) -> mysql::Conn {
    let options = mysql::OptsBuilder::new()
        .ip_or_hostname(Some("127.0.0.1"))
        .tcp_port(scene.topology.port(0))
        .user(Some("app"))
        .prefer_socket(false);
    mysql::Conn::new(options).unwrap()
}

#[test]
fn a_frozen_primary_is_replaced_and_takes_no_writes_when_it_thaws() {
    for flavour in BOTH {
        let scene = Scene::of(flavour, 3, &json!({}));
        let mut client = application(&scene);
        scene.topology.freeze(0).unwrap();
        let (_, successor) = scene.await_recovery(0);
        let others: Vec<usize> = (1..4).filter(|n| *n != successor).collect();
        scene.await_followers(&others, successor);

        scene.topology.thaw(0).unwrap();
        scene.await_fenced(0);
        poll_until("the old clients are disconnected", PATIENCE, || {
            client.query_drop("SELECT 1").is_err().then_some(())
        });
        assert_eq!(scene.topology.writable_servers(), [successor], "{flavour:?}");
        // Nobody puts it back by itself.
        scene.await_readings(0, 2);
        assert_eq!(scene.topology.follows(0), None);
    }
}

#[test]
fn the_old_primary_is_fenced_also_when_ham4db_was_killed_in_between() {
    for flavour in BOTH {
        let mut scene = Scene::of(flavour, 2, &json!({}));
        scene.topology.freeze(0).unwrap();
        let (_, successor) = scene.await_recovery(0);
        scene.node.kill9();
        scene.topology.thaw(0).unwrap();
        poll_until("two servers take writes", PATIENCE, || {
            (scene.topology.writable_servers() == [0, successor]).then_some(())
        });
        scene.node.restart().unwrap();
        scene.await_fenced(0);
        assert_eq!(scene.topology.writable_servers(), [successor], "{flavour:?}");
    }
}

#[test]
fn an_old_primary_that_restarts_writable_is_fenced_again() {
    let scene = Scene::of(Flavour::Mysql97, 2, &json!({}));
    scene.topology.kill(0).unwrap();
    scene.await_recovery(0);
    for _ in 0..2 {
        scene.topology.restart(0).unwrap();
        scene.await_fenced(0);
    }
}
