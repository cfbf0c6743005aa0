//! What a node saw of servers.

use std::sync::Arc;
use std::thread;

use ham4db_domain::registry::Registry;
use ham4db_domain::topology::{Member, Server};
use ham4db_store::Store;

use crate::engines::Backend;
use crate::registry::commit;
use crate::values::{alias, heard_of, member};

/// What should be read back, in the order of reading.
fn expected(members: impl IntoIterator<Item = Arc<Member>>) -> Vec<Server> {
    let mut servers: Vec<Server> = members
        .into_iter()
        .map(|member| Server {
            key: member.key.clone(),
            instance: member.instance.clone(),
            checks: member.checks.clone(),
            silent_for: None,
        })
        .collect();
    servers.sort_by(|one, other| one.key.cmp(&other.key));
    servers
}

fn fleet(numbers: std::ops::Range<u32>, round: u32) -> Vec<Arc<Member>> {
    numbers.map(|number| member(number, round)).collect()
}

pub fn the_latest_state_of_every_server_is_read_back(backend: &Backend) {
    let store = backend.open();
    assert_eq!(store.load_members().unwrap(), []);
    store.save_members(&[]).unwrap();
    store.save_members(&fleet(0..500, 0)).unwrap();
    assert_eq!(store.load_members().unwrap(), expected(fleet(0..500, 0)));
    store.save_members(&fleet(100..300, 1)).unwrap();
    store.save_members(&[heard_of(500)]).unwrap();
    let now = fleet(0..100, 0)
        .into_iter()
        .chain(fleet(100..300, 1))
        .chain(fleet(300..500, 0))
        .chain([heard_of(500)]);
    let now = expected(now);
    assert_eq!(store.load_members().unwrap(), now);
    drop(store);
    assert_eq!(backend.open().load_members().unwrap(), now, "after opening it again");
}

pub fn batches_written_at_once_lose_nothing(backend: &Backend) {
    const WRITERS: u32 = 4;
    const SERVERS: u32 = 60;
    const ROUNDS: u32 = 3;
    let store = backend.open();
    let write = |store: &Store, writer: u32| {
        let own = writer * SERVERS..(writer + 1) * SERVERS;
        for round in 0..ROUNDS {
            for batch in fleet(own.clone(), round).chunks(20) {
                store.save_members(batch).unwrap();
            }
        }
    };
    let mut registry = Registry::default();
    thread::scope(|scope| {
        for writer in 0..WRITERS {
            let store = store.clone();
            scope.spawn(move || write(&store, writer));
        }
        for number in 1..=20 {
            commit(&store, &mut registry, &alias(&number.to_string(), "shop"), number);
        }
    });
    let last = expected(fleet(0..WRITERS * SERVERS, ROUNDS - 1));
    assert_eq!(store.load_members().unwrap(), last);
    assert_eq!(store.load_registry().unwrap(), (registry, 20));
}

pub fn a_server_that_cannot_be_read_is_left_out_alone(backend: &Backend) {
    let store = backend.open();
    store.save_members(&fleet(0..3, 0)).unwrap();
    backend.run("UPDATE server SET body = '{\"old\":1}' WHERE host = 'db-1.example.com'");
    let left = expected([member(0, 0), member(2, 0)]);
    assert_eq!(store.load_members().unwrap(), left);
    store.save_members(&[member(1, 1)]).unwrap();
    assert_eq!(store.load_members().unwrap().len(), 3, "it is stored anew");
}

pub fn a_forgotten_server_is_gone(backend: &Backend) {
    let store = backend.open();
    store.save_members(&fleet(0..3, 0)).unwrap();
    store.forget_member(&member(1, 0).key).unwrap();
    store.forget_member(&member(9, 0).key).unwrap();
    assert_eq!(store.load_members().unwrap(), expected([member(0, 0), member(2, 0)]));
}
