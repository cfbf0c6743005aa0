//! Why nothing was done.

use ham4db_store::{Refusal, Store};
use jiff::Timestamp;

use crate::engines::Backend;
use crate::values::{explanation, key, later};

fn save(store: &Store, host: &str, words: &str, second: i64) -> Refusal {
    let explanation = explanation(host, words, later(second));
    store.save_explanation(&explanation).unwrap();
    let at = Timestamp::from_millisecond(explanation.decided.as_millisecond()).unwrap();
    Refusal { at, explanation }
}

pub fn they_come_newest_first_of_one_server_and_no_more_than_asked(backend: &Backend) {
    let store = backend.open();
    let second = save(&store, "p", "the second", 20);
    let first = save(&store, "p", "the first", 10);
    let third = save(&store, "p", "at the time of the second", 20);
    save(&store, "q", "of another server", 30);
    let expected = [third, second, first];
    assert_eq!(store.refusals(&key("p"), 9).unwrap(), expected);
    assert_eq!(store.refusals(&key("p"), 2).unwrap(), expected[..2]);
    assert_eq!(store.refusals(&key("p"), 0).unwrap(), []);
    assert_eq!(store.refusals(&key("nobody"), 9).unwrap(), []);
}

pub fn old_ones_are_purged_and_no_others(backend: &Backend) {
    let store = backend.open();
    let _old = save(&store, "p", "old", 10);
    let kept = save(&store, "p", "at the limit", 20);
    store.purge(later(20)).unwrap();
    assert_eq!(store.refusals(&key("p"), 9).unwrap(), [kept]);
}
