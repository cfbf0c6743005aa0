//! What the log built is read back.

use std::collections::BTreeSet;

use ham4db_domain::command::{Applied, Command, Order, Reply, Row, apply};
use ham4db_domain::registry::Registry;
use ham4db_store::{Store, StoreError};

use crate::engines::Backend;
use crate::values::{alias, command, every_order, later, recovery};

/// Applies a command as a log does.
pub fn commit(store: &Store, registry: &mut Registry, command: &Command, number: u64) -> Applied {
    let applied = apply(registry, command);
    store.write_rows(registry, &applied.rows, number).unwrap();
    applied
}

fn kind(row: &Row) -> &'static str {
    match row {
        Row::Downtime(_) => "downtime",
        Row::Maintenance(_) => "maintenance",
        Row::Candidate(_) => "candidate",
        Row::Tags(_) => "tags",
        Row::Alias(_) => "alias",
        Row::Switch => "switch",
        Row::Seed(_) => "seed",
        Row::Forgotten(_) => "forgotten",
        Row::Detection(_) => "detection",
        Row::Recovery(_) => "recovery",
        Row::Fence(_) => "fence",
    }
}

pub fn what_any_command_leaves_is_read_back(backend: &Backend) {
    let store = backend.open();
    let mut registry = Registry::default();
    assert_eq!(store.load_registry().unwrap(), (Registry::default(), 0));
    let mut written = BTreeSet::new();
    for (number, (name, command)) in (1..).zip(every_order()) {
        let Applied { reply, rows } = commit(&store, &mut registry, &command, number);
        assert!(!matches!(reply, Reply::Refused { .. } | Reply::NotFound), "{name}: {reply:?}");
        assert!(!rows.is_empty(), "{name} changes nothing, so it shows nothing");
        written.extend(rows.iter().map(kind));
        assert_eq!(store.load_registry().unwrap(), (registry.clone(), number), "{name}");
    }
    drop(store);
    let (read, _) = backend.open().load_registry().unwrap();
    assert_eq!(read, registry, "after opening it again");
    let texts = backend.texts("SELECT DISTINCT kind FROM replicated");
    assert!(texts.iter().all(|kind| written.contains(kind.as_str())), "{texts:?}");
    assert_eq!(written.len(), 11, "a kind of row was not tried: {written:?}");
}

pub fn numbers_of_recoveries_are_not_given_twice_after_a_purge(backend: &Backend) {
    let store = backend.open();
    let mut registry = Registry::default();
    for (number, host) in [(1, "p"), (2, "q")] {
        let reply =
            commit(&store, &mut registry, &command(recovery(number, host)), number.into()).reply;
        assert_eq!(reply, Reply::Numbered { id: number.into() });
    }
    for recovery in registry.recoveries.clone().into_keys() {
        let outcome =
            ham4db_domain::recovery::Outcome::Aborted { reason: "it came back".to_owned() };
        let close = Order::CloseRecovery { uid: recovery, outcome, explanation: None };
        commit(&store, &mut registry, &command(close), 3);
    }
    commit(&store, &mut registry, &command(Order::Purge { before: later(60) }), 4);
    assert!(registry.recoveries.is_empty());
    drop(store);
    let store = backend.open();
    let (mut read, _) = store.load_registry().unwrap();
    let reply = commit(&store, &mut read, &command(recovery(3, "p")), 5).reply;
    assert_eq!(reply, Reply::Numbered { id: 3 });
}

pub fn names_are_told_apart_byte_by_byte(backend: &Backend) {
    let store = backend.open();
    let mut registry = Registry::default();
    let names = ["shop", "Shop", "shop ", "shöp", "shop\u{0}", "sho\u{308}p"];
    for (number, name) in (1..).zip(names) {
        commit(&store, &mut registry, &alias(name, &format!("alias {number}")), number);
    }
    assert_eq!(store.load_registry().unwrap().0.aliases.len(), names.len());
    assert_eq!(store.load_registry().unwrap().0, registry);
    commit(&store, &mut registry, &alias("shop ", ""), 7);
    assert_eq!(store.load_registry().unwrap().0, registry);
}

pub fn every_character_is_read_back(backend: &Backend) {
    let store = backend.open();
    let mut registry = Registry::default();
    let words = "'; DROP TABLE replicated; -- \" \\ \\' ? %s \u{0} \n \t 数据库 🐬 \u{10ffff}";
    commit(&store, &mut registry, &alias(words, words), 1);
    let tag = Order::Tag {
        key: crate::values::key("p"),
        name: words.to_owned(),
        value: words.to_owned(),
    };
    commit(&store, &mut registry, &command(tag), 2);
    assert_eq!(store.load_registry().unwrap().0, registry);
}

pub fn a_long_name_is_kept_whole_or_refused_whole(backend: &Backend) {
    let store = backend.open();
    let mut registry = Registry::default();
    commit(&store, &mut registry, &alias("first", "one"), 1);
    for length in [253, 767, 768, 100_000] {
        let command = alias(&"n".repeat(length), "long");
        let mut next = registry.clone();
        let rows = apply(&mut next, &command).rows;
        let (expected, applied) = match store.write_rows(&next, &rows, 2) {
            Ok(()) => (next.clone(), 2),
            Err(StoreError::Statement { .. }) => (registry.clone(), 1),
            Err(error) => panic!("{length}: {error}"),
        };
        assert_eq!(store.load_registry().unwrap(), (expected, applied), "{length} bytes");
        assert!(length > 767 || applied == 2, "a name of {length} bytes is refused");
        if applied == 2 {
            let rows = apply(&mut next, &alias(&"n".repeat(length), "")).rows;
            store.write_rows(&next, &rows, 1).unwrap();
        }
    }
}

pub fn a_row_of_an_unknown_kind_is_named_and_not_left_out(backend: &Backend) {
    let store = backend.open();
    backend.run("INSERT INTO replicated (kind, id, body) VALUES ('moon', 'full', '{}')");
    let refused = store.load_registry().unwrap_err();
    assert!(matches!(&refused, StoreError::Row { kind, .. } if kind == "moon"), "{refused:?}");
    let said = refused.to_string();
    assert!(said.contains(store.place()) && said.contains("full"), "{said}");
}

pub fn a_term_is_never_given_twice(backend: &Backend) {
    let mut terms = Vec::new();
    for _ in 0..3 {
        let store = backend.open();
        terms.extend([store.next_term().unwrap(), store.next_term().unwrap()]);
    }
    assert_eq!(terms, [1, 2, 3, 4, 5, 6]);
}
