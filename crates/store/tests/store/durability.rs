//! What was committed stays, however the process ended; and one process alone commits.

use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use ham4db_domain::registry::Registry;
use ham4db_store::{Store, StoreError, StoreSettings};

use crate::engines::{Backend, on_port};
use crate::registry::commit;
use crate::values::{alias, member};

/// Says to [`child`] where to write: a file, or a port and a schema.
const FILE: &str = "HAM4DB_STORE_TEST_FILE";
const PORT_AND_SCHEMA: &str = "HAM4DB_STORE_TEST_PORT_AND_SCHEMA";

pub fn what_was_written_is_there_after_a_drop_without_a_close(backend: &Backend) {
    let store = backend.open();
    let mut registry = Registry::default();
    for number in 1..=10 {
        commit(&store, &mut registry, &alias(&number.to_string(), "shop"), number);
    }
    store.save_members(&[member(1, 0)]).unwrap();
    drop(store);
    let store = backend.open();
    assert_eq!(store.load_registry().unwrap(), (registry, 10));
    assert_eq!(store.load_members().unwrap().len(), 1);
}

pub fn a_killed_process_loses_no_committed_command(backend: &Backend) {
    let mut child = Command::new(std::env::current_exe().unwrap());
    child.args(["--exact", "durability::child", "--nocapture", "--test-threads=1"]);
    match &backend.settings {
        StoreSettings::Sqlite { file } => child.env(FILE, file),
        StoreSettings::MySql(server) => {
            child.env(PORT_AND_SCHEMA, format!("{} {}", server.port, server.database))
        }
    };
    let mut child = child.stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let acknowledged = |line: &str| line.strip_prefix("committed ")?.parse::<u64>().ok();
    let limit = Instant::now() + Duration::from_mins(1);
    let mut last = 0;
    while last < 30 {
        let line = lines.next().expect("the child ended by itself").unwrap();
        last = acknowledged(&line).unwrap_or(last);
        assert!(Instant::now() < limit, "the child commits too slowly");
    }
    child.kill().unwrap();
    child.wait().unwrap();
    for line in lines {
        last = acknowledged(&line.unwrap()).unwrap_or(last);
    }
    let (registry, applied) = backend.open().load_registry().unwrap();
    assert!(applied == last || applied == last + 1, "{applied} applied, {last} acknowledged");
    let expected: Registry = (1..=applied).fold(Registry::default(), |mut registry, number| {
        ham4db_domain::command::apply(&mut registry, &alias(&number.to_string(), "shop"));
        registry
    });
    assert_eq!(registry, expected);
}

/// Commits until it is killed, and says what it has committed.
#[test]
fn child() {
    let settings = match (std::env::var_os(FILE), std::env::var(PORT_AND_SCHEMA)) {
        (Some(file), _) => StoreSettings::Sqlite { file: file.into() },
        (None, Ok(server)) => {
            let (port, schema) = server.split_once(' ').unwrap();
            StoreSettings::MySql(on_port(port.parse().unwrap(), schema))
        }
        (None, Err(_)) => return, // it is only for a process of its own
    };
    let store = Store::open(&settings).unwrap();
    let mut registry = Registry::default();
    let mut stdout = std::io::stdout();
    for number in 1.. {
        commit(&store, &mut registry, &alias(&number.to_string(), "shop"), number);
        writeln!(stdout, "\ncommitted {number}").unwrap();
        stdout.flush().unwrap();
    }
}

/// The second is kept out of a file while the first lives; of a server's schema it takes over.
pub fn of_two_processes_one_alone_writes_the_log(backend: &Backend) {
    let first = backend.open();
    let mut registry = Registry::default();
    commit(&first, &mut registry, &alias("1", "shop"), 1);
    match Store::open(&backend.settings) {
        Err(StoreError::InUse { .. }) => {
            commit(&first, &mut registry, &alias("2", "shop"), 2);
            assert_eq!(first.load_registry().unwrap(), (registry, 2));
        }
        Err(error) => panic!("{error}"),
        Ok(second) => {
            commit(&second, &mut registry, &alias("2", "shop"), 2);
            let mut stale = Registry::default();
            let rows =
                ham4db_domain::command::apply(&mut stale, &alias("stale", "of the first")).rows;
            let attempts = [
                first.write_rows(&stale, &rows, 2),
                first.next_term().map(drop),
                first.check(),
                first.settle().map(drop),
            ];
            for refused in attempts {
                assert!(matches!(refused, Err(StoreError::InUse { .. })), "{refused:?}");
            }
            second.check().unwrap();
            assert_eq!(second.load_registry().unwrap(), (registry, 2));
        }
    }
}
