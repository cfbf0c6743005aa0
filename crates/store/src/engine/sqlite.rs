//! The embedded engine.

use std::error::Error;
use std::fs::{File, OpenOptions, TryLockError};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use r2d2_sqlite::SqliteConnectionManager;
use rusqlite::types::Value as SqliteValue;
use rusqlite::{Connection, ErrorCode, TransactionBehavior};

use super::{Bound, Engine, EngineError, Value};
use crate::error::{StoreError, migration};

mod migrations {
    refinery::embed_migrations!("../../migrations/sqlite");
}

/// Connections to the file: one writes at a time, the others read.
const CONNECTIONS: u32 = 4;
/// How long a statement waits for the writer before it, and a caller for a connection.
const PATIENCE: Duration = Duration::from_secs(3);

const ELSEWHERE: &str = "This account may not write there; change the permissions, or name another file in SQLite3DataFile";
const MAKE_ROOM: &str = "The disk is full; make room, then start again";
const LOOK: &str =
    "Check that the directory exists and can be written (SQLite3DataFile names the file)";

pub fn open(file: &Path) -> Result<Engine, StoreError> {
    let place = absolute(file);
    let refused = |error: rusqlite::Error| refusal(&place, &error);
    let lock = lock(file, &place)?;
    let mut first = Connection::open(file).map_err(refused)?;
    first.busy_timeout(PATIENCE).map_err(refused)?;
    first.pragma_update(None, "journal_mode", "WAL").map_err(refused)?;
    migrations::migrations::runner().run(&mut first).map_err(|error| match cause(&error) {
        Some(cause) => refusal(&place, cause),
        None => migration(&place, &error),
    })?;
    drop(first);
    let manager = SqliteConnectionManager::file(file).with_init(|connection| {
        connection.busy_timeout(PATIENCE)?;
        connection.pragma_update(None, "synchronous", "FULL")
    });
    let pool = r2d2::Pool::builder()
        .error_handler(Box::new(r2d2::NopErrorHandler)) // whoever waits for a connection is told
        .max_size(CONNECTIONS)
        .connection_timeout(PATIENCE)
        .build(manager)
        .map_err(|error| StoreError::Open {
            place: place.clone(),
            reason: error.to_string(),
            advice: LOOK.to_owned(),
        })?;
    Ok(Engine::Sqlite { pool, _lock: Arc::new(lock) })
}

/// The whole name of a file, for messages: the working directory of a service is seldom known to its reader.
pub fn absolute(file: &Path) -> String {
    std::path::absolute(file).as_deref().unwrap_or(file).display().to_string()
}

/// SQLite lets several processes write one file; two nodes that both think they lead must not.
fn lock(file: &Path, place: &str) -> Result<File, StoreError> {
    let mut beside = file.as_os_str().to_owned();
    beside.push("-lock");
    let refused = |error: std::io::Error| {
        let advice = match error.kind() {
            std::io::ErrorKind::PermissionDenied | std::io::ErrorKind::ReadOnlyFilesystem => {
                ELSEWHERE
            }
            std::io::ErrorKind::StorageFull => MAKE_ROOM,
            _ => LOOK,
        };
        StoreError::Open {
            place: place.to_owned(),
            reason: format!("its lock file {place}-lock: {error}"),
            advice: advice.to_owned(),
        }
    };
    let lock = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .open(&beside)
        .map_err(refused)?;
    match lock.try_lock() {
        Ok(()) => Ok(lock),
        Err(TryLockError::WouldBlock) => Err(StoreError::InUse { place: place.to_owned() }),
        Err(TryLockError::Error(error)) => Err(refused(error)),
    }
}

/// What SQLite itself said, when it was SQLite.
fn cause(error: &refinery::Error) -> Option<&rusqlite::Error> {
    let mut cause = error.source();
    while let Some(error) = cause {
        if let Some(found) = error.downcast_ref::<rusqlite::Error>() {
            return Some(found);
        }
        cause = error.source();
    }
    None
}

fn refusal(place: &str, error: &rusqlite::Error) -> StoreError {
    let (reason, place) = (error.to_string(), place.to_owned());
    let advice = match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
            return StoreError::InUse { place };
        }
        Some(ErrorCode::NotADatabase) => {
            "The file is no SQLite database; name another one in SQLite3DataFile, or move it away"
        }
        Some(ErrorCode::DatabaseCorrupt) => {
            "The file is damaged; restore a copy of it, or move it away and start with an empty one"
        }
        Some(ErrorCode::ReadOnly | ErrorCode::PermissionDenied) => ELSEWHERE,
        Some(ErrorCode::DiskFull) => MAKE_ROOM,
        _ => LOOK,
    };
    StoreError::Open { place, reason, advice: advice.to_owned() }
}

pub fn write(
    connection: &mut Connection,
    condition: Option<&Bound>,
    statements: &[Bound],
) -> Result<(), EngineError> {
    let transaction = connection
        .transaction_with_behavior(TransactionBehavior::Immediate)
        .map_err(|error| failed(&error))?;
    let run = |(sql, values): &Bound| {
        transaction
            .prepare_cached(sql)
            .and_then(|mut statement| {
                statement.execute(rusqlite::params_from_iter(values.iter().map(to_sqlite)))
            })
            .map_err(|error| failed(&error))
    };
    if let Some(condition) = condition
        && run(condition)? == 0
    {
        return Err(EngineError::Conflict);
    }
    for statement in statements {
        run(statement)?;
    }
    transaction.commit().map_err(|error| match error.sqlite_error_code() {
        // The commit may stand in the log of the file without being flushed: the next to open the file may find it.
        Some(ErrorCode::SystemIoFailure) => EngineError::Unconfirmed(text(&error)),
        _ => failed(&error),
    })
}

pub fn read(
    connection: &Connection,
    sql: &str,
    values: &[Value],
) -> Result<Vec<Vec<Value>>, EngineError> {
    let read = || {
        let mut statement = connection.prepare_cached(sql)?;
        let columns = statement.column_count();
        let values = rusqlite::params_from_iter(values.iter().map(to_sqlite));
        let rows = statement.query_map(values, |row| {
            (0..columns).map(|at| row.get::<_, SqliteValue>(at).map(from_sqlite)).collect()
        })?;
        rows.collect::<Result<_, _>>()
    };
    read().map_err(|error: rusqlite::Error| failed(&error))
}

fn failed(error: &rusqlite::Error) -> EngineError {
    EngineError::Failed(text(error))
}

/// An error that a person can do something about says what.
fn text(error: &rusqlite::Error) -> String {
    match error.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => format!("{error}. Make room on the disk"),
        Some(ErrorCode::ReadOnly) => format!("{error}. This account may no longer write there"),
        _ => error.to_string(),
    }
}

fn to_sqlite(value: &Value) -> SqliteValue {
    match value {
        Value::Null => SqliteValue::Null,
        Value::Int(number) => SqliteValue::Integer(*number),
        Value::Text(text) => SqliteValue::Text(text.clone()),
    }
}

fn from_sqlite(value: SqliteValue) -> Value {
    match value {
        SqliteValue::Integer(number) => Value::Int(number),
        SqliteValue::Text(text) => Value::Text(text),
        SqliteValue::Null | SqliteValue::Real(_) | SqliteValue::Blob(_) => Value::Null,
    }
}
