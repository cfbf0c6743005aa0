//! The kit on real servers, without ham4db.
#![allow(clippy::unwrap_used, reason = "a test")]

use std::time::{Duration, Instant};

use ham4db_testkit::{Flavour, Forwarder, Gtid, Shape, Topology, Writer, poll_until};

const SOON: Duration = Duration::from_secs(20);

fn promote(topology: &Topology, n: usize) {
    let statements = match topology.flavour {
        Flavour::Mysql97 => ["STOP REPLICA", "RESET REPLICA ALL", "SET GLOBAL read_only = OFF"],
        _ => ["STOP SLAVE", "RESET SLAVE ALL", "SET GLOBAL read_only = OFF"],
    };
    for sql in statements {
        topology.sql(n, sql).unwrap();
    }
}

#[test]
fn a_writer_goes_on_at_the_new_primary_and_knows_what_was_lost() {
    for flavour in [Flavour::Mysql97, Flavour::Mariadb1011] {
        let topology = Topology::start(flavour, 1, Shape::Star, Gtid::On).unwrap();
        assert_eq!(topology.writable_servers(), [0], "{flavour:?}");
        assert_eq!(topology.follows(1), Some(topology.key(0)), "{flavour:?}");
        let mut writer = Writer::start(&topology);
        poll_until("the first rows", SOON, || (writer.acknowledged() > 50).then_some(()));
        topology.kill(0).unwrap();
        promote(&topology, 1);
        let gap = poll_until("rows on the new primary", SOON, || {
            writer.gaps().first().filter(|gap| gap.first_after.is_some()).cloned()
        });
        assert_eq!((gap.from, gap.to), (topology.key(0), Some(topology.key(1))));
        writer.stop();
        topology.sql(1, "DELETE FROM kit.entries WHERE id = 1").unwrap();
        let lost = writer.lost(1, Instant::now()).unwrap();
        assert!(lost.iter().any(|(id, _)| *id == 1), "{flavour:?}: {lost:?}");
    }
}

#[test]
fn replicas_go_on_through_a_forwarder_that_cuts_another_account() {
    for flavour in [Flavour::Mysql97, Flavour::Mariadb1011] {
        let topology = Topology::start(flavour, 1, Shape::Star, Gtid::On).unwrap();
        let forwarder = Forwarder::start(topology.port(0)).unwrap();
        topology.follow_port(1, forwarder.port()).unwrap();
        poll_until("replication through the forwarder", SOON, || {
            (topology.follows(1)? == forwarder.key()).then_some(())
        });
        forwarder.cut("ham4db");
        topology.sql(0, "INSERT INTO kit.entries VALUES (7, 'after the cut')").unwrap();
        poll_until("the row on the replica", SOON, || {
            topology.value(1, "SELECT note FROM kit.entries WHERE id = 7").ok().flatten()
        });
    }
}
