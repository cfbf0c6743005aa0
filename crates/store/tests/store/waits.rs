//! Every wait has a limit.

use std::time::{Duration, Instant};

use ham4db_store::{Store, StoreError};
use mysql::prelude::Queryable;

use crate::engines::{Backend, connect};

/// More callers than any pool has connections.
const CALLERS: usize = 24;
/// Longer than the waits for a connection and for a statement together.
const LIMIT: Duration = Duration::from_secs(9);

pub fn a_blocked_backend_gives_an_error_in_time_and_works_again_afterwards(backend: &Backend) {
    let store = backend.settings.clone();
    let store = match store {
        ham4db_store::StoreSettings::MySql(mut server) => {
            server.connections = 2;
            server.connect_limit = Duration::from_secs(1);
            server.read_limit = Duration::from_secs(2);
            Store::open(&ham4db_store::StoreSettings::MySql(server)).unwrap()
        }
        sqlite @ ham4db_store::StoreSettings::Sqlite { .. } => Store::open(&sqlite).unwrap(),
    };
    store.check().unwrap();
    let refused = match (backend.file(), backend.server()) {
        (Some(file), _) => {
            let mut elsewhere = rusqlite::Connection::open(file).unwrap();
            let held = rusqlite::Transaction::new(
                &mut elsewhere,
                rusqlite::TransactionBehavior::Immediate,
            )
            .unwrap();
            let refused = write_at_once(&store);
            held.rollback().unwrap();
            refused
        }
        (None, Some(server)) => {
            let mut elsewhere = connect(&server);
            elsewhere.query_drop("BEGIN").unwrap();
            elsewhere.query_drop("UPDATE progress SET value = value + 1").unwrap();
            let refused = write_at_once(&store);
            elsewhere.query_drop("ROLLBACK").unwrap();
            refused
        }
        (None, None) => panic!("neither a file nor a server"),
    };
    for error in &refused {
        assert!(matches!(error, StoreError::Statement { .. }), "{error:?}");
        assert!(error.to_string().contains(store.place()), "{error}");
    }
    let exhausted = refused.iter().filter(|error| error.to_string().contains("are busy for"));
    assert!(exhausted.count() > 0, "nobody waited for a connection in vain: {refused:#?}");
    store.check().unwrap();
}

/// The errors of all callers, each within the limit.
fn write_at_once(store: &Store) -> Vec<StoreError> {
    let write = || {
        let began = Instant::now();
        let refused = store.check().expect_err("written while the backend was blocked");
        let took = began.elapsed();
        assert!(took < LIMIT, "after {took:?}: {refused}");
        refused
    };
    std::thread::scope(|scope| {
        let callers: Vec<_> = (0..CALLERS).map(|_| scope.spawn(write)).collect();
        callers.into_iter().map(|caller| caller.join().unwrap()).collect()
    })
}
