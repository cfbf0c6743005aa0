//! A backend on a server that freezes, dies, comes back, or does not confirm.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::time::{Duration, Instant};

use ham4db_domain::command::{Command, Order, apply};
use ham4db_domain::registry::Registry;
use ham4db_store::{MySqlSettings, Store, StoreError, StoreSettings};
use ham4db_testkit::{Flavour, Gtid, Shape, Topology, poll_until};

/// Time-outs of a connection attempt and of a statement.
const CONNECT: Duration = Duration::from_secs(1);
const ANSWER: Duration = Duration::from_secs(1);
/// No call takes longer: the waits for a connection, a statement, and giving the connection back.
const LIMIT: Duration = Duration::from_secs(6);
const SOON: Duration = Duration::from_secs(20);

fn started(flavour: Flavour) -> (Topology, StoreSettings) {
    let server = Topology::start(flavour, 0, Shape::Star, Gtid::On).unwrap();
    let settings = StoreSettings::MySql(MySqlSettings {
        host: "127.0.0.1".to_owned(),
        port: server.port(0),
        user: "root".to_owned(),
        password: String::new(),
        database: "backend".to_owned(),
        connections: 2,
        connect_limit: CONNECT,
        read_limit: ANSWER,
        tls: None,
    });
    (server, settings)
}

fn write(store: &Store, registry: &mut Registry, number: u64) -> Result<(), StoreError> {
    let order = Order::SetClusterAlias { cluster: number.to_string(), alias: "shop".to_owned() };
    let at = "2026-03-01T03:00:00Z".parse().unwrap();
    let rows = apply(registry, &Command { at, by: "ann".to_owned(), order }).rows;
    store.write_rows(registry, &rows, number)
}

/// What came of it, and that it did not take too long.
fn in_time<T>(what: &str, act: impl FnOnce() -> T) -> T {
    let began = Instant::now();
    let outcome = act();
    assert!(began.elapsed() < LIMIT, "{what} took {:?}", began.elapsed());
    outcome
}

#[test]
fn a_frozen_server_gives_errors_in_time_and_is_used_again_when_it_goes_on() {
    for flavour in [Flavour::Mysql97, Flavour::Mariadb1011] {
        let (server, settings) = started(flavour);
        let store = Store::open(&settings).unwrap();
        let mut registry = Registry::default();
        write(&store, &mut registry, 1).unwrap();
        server.freeze(0).unwrap();
        let refused = in_time("a check", || store.check().unwrap_err());
        assert!(refused.to_string().contains(&server.key(0)), "{refused}");
        in_time("a write", || write(&store, &mut registry.clone(), 2).unwrap_err());
        in_time("a read", || store.load_registry().unwrap_err());
        let refused = in_time("opening", || Store::open(&settings).err().unwrap());
        assert!(refused.to_string().contains(&server.key(0)), "{refused}");
        server.thaw(0).unwrap();
        poll_until("the store to work again", SOON, || store.check().ok());
        assert_eq!(store.load_registry().unwrap(), (registry, 1), "{flavour:?}");
    }
}

#[test]
fn a_killed_server_has_every_committed_command_when_it_is_back() {
    for flavour in [Flavour::Mysql97, Flavour::Mariadb1011] {
        let (server, settings) = started(flavour);
        let store = Store::open(&settings).unwrap();
        let mut registry = Registry::default();
        for number in 1..=20 {
            write(&store, &mut registry, number).unwrap();
        }
        server.kill(0).unwrap();
        let refused = in_time("a check", || store.check().unwrap_err());
        assert!(refused.to_string().contains(&server.key(0)), "{refused}");
        let refused = in_time("opening", || Store::open(&settings).err().unwrap());
        assert!(refused.to_string().contains("MySQLOrchestratorPort"), "{refused}");
        server.restart(0).unwrap();
        poll_until("the store to work again", SOON, || store.check().ok());
        assert_eq!(store.load_registry().unwrap(), (registry.clone(), 20), "{flavour:?}");
        drop(store);
        let store = Store::open(&settings).unwrap();
        assert_eq!(store.load_registry().unwrap(), (registry, 20), "{flavour:?}, opened again");
    }
}

/// A source that waits for the acknowledgement of a replica it does not have holds back every commit.
#[test]
fn a_commit_that_is_not_answered_is_not_called_failed() {
    let (server, settings) = started(Flavour::Mysql97);
    let store = Store::open(&settings).unwrap();
    let mut registry = Registry::default();
    write(&store, &mut registry, 1).unwrap();
    for sql in [
        "INSTALL PLUGIN rpl_semi_sync_source SONAME 'semisync_source.so'",
        "SET GLOBAL rpl_semi_sync_source_timeout = 600000",
        "SET GLOBAL rpl_semi_sync_source_wait_no_replica = ON",
        "SET GLOBAL rpl_semi_sync_source_enabled = ON",
    ] {
        server.sql(0, sql).unwrap();
    }
    let unknown = in_time("a write", || write(&store, &mut registry, 2).unwrap_err());
    assert!(matches!(unknown, StoreError::Unconfirmed { .. }), "{unknown:?}");
    assert!(unknown.to_string().contains(&server.key(0)), "{unknown}");
    in_time("settling", || store.settle().expect_err("nothing is known yet"));
    server.sql(0, "SET GLOBAL rpl_semi_sync_source_enabled = OFF").unwrap();
    let applied = poll_until("the end of the transaction", SOON, || store.settle().ok());
    assert_eq!(applied, 2, "the transaction was in the binary log already");
    assert_eq!(store.load_registry().unwrap(), (registry, 2));
}
