//! The two engines behind one handful of operations; statements are shared, their grammar allows it.

use std::path::Path;

use mysql::prelude::Queryable;
use mysql::{Opts, OptsBuilder, SslOpts, TxOpts};
use r2d2_mysql::MySqlConnectionManager;
use r2d2_sqlite::SqliteConnectionManager;
use rusqlite::types::Value as SqliteValue;

use crate::error::StoreError;
use crate::settings::{MySqlSettings, StoreSettings};

mod sqlite_migrations {
    refinery::embed_migrations!("../../migrations/sqlite");
}
mod mysql_migrations {
    refinery::embed_migrations!("../../migrations/mysql");
}

/// One value of a statement or a row.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// NULL.
    Null,
    /// A number.
    Int(i64),
    /// A text.
    Text(String),
}

/// A statement with its values.
pub type Bound = (&'static str, Vec<Value>);

/// A pool of connections to the backend.
#[derive(Clone)]
pub enum Engine {
    /// Embedded.
    Sqlite(r2d2::Pool<SqliteConnectionManager>),
    /// A server.
    MySql(r2d2::Pool<MySqlConnectionManager>),
}

impl Engine {
    /// Opens the backend and brings its tables to this version.
    pub fn open(settings: &StoreSettings) -> Result<Self, StoreError> {
        match settings {
            StoreSettings::Sqlite { file } => open_sqlite(file),
            StoreSettings::MySql(settings) => open_mysql(settings),
        }
    }

    /// Runs statements in one transaction: all of them or none.
    pub fn write(&self, statements: &[Bound]) -> Result<(), String> {
        match self {
            Self::Sqlite(pool) => {
                let mut connection = pool.get().map_err(text)?;
                let transaction = connection.transaction().map_err(text)?;
                for (sql, values) in statements {
                    let values = values.iter().map(sqlite_value);
                    transaction
                        .prepare_cached(sql)
                        .and_then(|mut statement| {
                            statement.execute(rusqlite::params_from_iter(values))
                        })
                        .map_err(text)?;
                }
                transaction.commit().map_err(text)
            }
            Self::MySql(pool) => {
                let mut connection = pool.get().map_err(text)?;
                let mut transaction =
                    connection.start_transaction(TxOpts::default()).map_err(text)?;
                for (sql, values) in statements {
                    transaction.exec_drop(*sql, mysql_values(values)).map_err(text)?;
                }
                transaction.commit().map_err(text)
            }
        }
    }

    /// All rows that a statement gives.
    pub fn read(&self, sql: &str, values: &[Value]) -> Result<Vec<Vec<Value>>, String> {
        match self {
            Self::Sqlite(pool) => {
                let connection = pool.get().map_err(text)?;
                let mut statement = connection.prepare_cached(sql).map_err(text)?;
                let columns = statement.column_count();
                let rows = statement
                    .query_map(rusqlite::params_from_iter(values.iter().map(sqlite_value)), |row| {
                        (0..columns)
                            .map(|at| row.get::<_, SqliteValue>(at).map(from_sqlite))
                            .collect()
                    })
                    .map_err(text)?;
                rows.collect::<Result<_, _>>().map_err(text)
            }
            Self::MySql(pool) => {
                let mut connection = pool.get().map_err(text)?;
                let rows: Vec<mysql::Row> =
                    connection.exec(sql, mysql_values(values)).map_err(text)?;
                Ok(rows
                    .into_iter()
                    .map(|row| row.unwrap().into_iter().map(from_mysql).collect())
                    .collect())
            }
        }
    }
}

fn text(error: impl std::fmt::Display) -> String {
    error.to_string()
}

fn sqlite_value(value: &Value) -> SqliteValue {
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

fn mysql_values(values: &[Value]) -> mysql::Params {
    let values: Vec<mysql::Value> = values
        .iter()
        .map(|value| match value {
            Value::Null => mysql::Value::NULL,
            Value::Int(number) => mysql::Value::Int(*number),
            Value::Text(text) => mysql::Value::Bytes(text.clone().into_bytes()),
        })
        .collect();
    if values.is_empty() { mysql::Params::Empty } else { mysql::Params::Positional(values) }
}

fn from_mysql(value: mysql::Value) -> Value {
    match value {
        mysql::Value::Int(number) => Value::Int(number),
        mysql::Value::UInt(number) => Value::Int(i64::try_from(number).unwrap_or(i64::MAX)),
        mysql::Value::Bytes(bytes) => Value::Text(String::from_utf8_lossy(&bytes).into_owned()),
        _ => Value::Null,
    }
}

fn open_sqlite(file: &Path) -> Result<Engine, StoreError> {
    let place = file.display().to_string();
    let refused = |error: rusqlite::Error| sqlite_refusal(&place, &error);
    let mut first = rusqlite::Connection::open(file).map_err(refused)?;
    first.busy_timeout(std::time::Duration::from_secs(2)).map_err(refused)?;
    first.pragma_update(None, "journal_mode", "WAL").map_err(refused)?;
    sqlite_migrations::migrations::runner()
        .run(&mut first)
        .map_err(|error| StoreError::Migration { place: place.clone(), reason: full(&error) })?;
    drop(first);
    let manager = SqliteConnectionManager::file(file).with_init(|connection| {
        connection.busy_timeout(std::time::Duration::from_secs(10))?;
        connection.pragma_update(None, "synchronous", "FULL")
    });
    let pool =
        r2d2::Pool::builder().max_size(4).build(manager).map_err(|error| StoreError::Open {
            place: place.clone(),
            reason: error.to_string(),
            advice: "Check the file and its directory",
        })?;
    Ok(Engine::Sqlite(pool))
}

fn sqlite_refusal(place: &str, error: &rusqlite::Error) -> StoreError {
    let (reason, place) = (error.to_string(), place.to_owned());
    let advice = match error.sqlite_error_code() {
        Some(rusqlite::ErrorCode::DatabaseBusy | rusqlite::ErrorCode::DatabaseLocked) => {
            return StoreError::InUse { place };
        }
        Some(rusqlite::ErrorCode::NotADatabase) => {
            "The file is no SQLite database; name another one in SQLite3DataFile, or move it away"
        }
        Some(rusqlite::ErrorCode::ReadOnly | rusqlite::ErrorCode::PermissionDenied) => {
            "This account may not write there; change the permissions, or name another file in SQLite3DataFile"
        }
        Some(rusqlite::ErrorCode::DiskFull) => "The disk is full; make room, then start again",
        _ => "Check that the directory exists and can be written (SQLite3DataFile names the file)",
    };
    StoreError::Open { place, reason, advice }
}

fn open_mysql(settings: &MySqlSettings) -> Result<Engine, StoreError> {
    let place = format!("{}:{}/{}", settings.host, settings.port, settings.database);
    let open = |reason: String| {
        let advice = if reason.contains("1045") || reason.contains("1698") {
            "The account or its password is wrong (MySQLOrchestratorUser, MySQLOrchestratorPassword)"
        } else if reason.contains("1044") || reason.contains("1142") {
            "Grant the account ALL on the schema"
        } else {
            "Check MySQLOrchestratorHost and MySQLOrchestratorPort, and that the server runs"
        };
        StoreError::Open { place: place.clone(), reason, advice }
    };
    let tls = settings.tls.as_ref().map(|tls| {
        let ssl = SslOpts::default().with_danger_accept_invalid_certs(tls.skip_verify);
        match &tls.ca_file {
            Some(file) => ssl.with_root_cert_path(Some(file.clone())),
            None => ssl,
        }
    });
    let options = OptsBuilder::new()
        .ip_or_hostname(Some(settings.host.clone()))
        .tcp_port(settings.port)
        .user(Some(settings.user.clone()))
        .pass(Some(settings.password.clone()))
        .tcp_connect_timeout(Some(settings.connect_limit))
        .read_timeout(Some(settings.read_limit))
        .write_timeout(Some(settings.read_limit))
        .prefer_socket(false)
        .ssl_opts(tls);
    let mut plain =
        mysql::Conn::new(Opts::from(options.clone())).map_err(|error| open(error.to_string()))?;
    let schema = settings.database.replace('`', "``");
    let made = plain.query_drop(format!("CREATE DATABASE IF NOT EXISTS `{schema}`"));
    let within = options.db_name(Some(settings.database.clone()));
    let mut first = match mysql::Conn::new(Opts::from(within.clone())) {
        Ok(connection) => connection,
        Err(error) => {
            return Err(open(
                made.err().map_or_else(|| error.to_string(), |made| made.to_string()),
            ));
        }
    };
    mysql_migrations::migrations::runner()
        .run(&mut first)
        .map_err(|error| StoreError::Migration { place: place.clone(), reason: full(&error) })?;
    let pool = r2d2::Pool::builder()
        .max_size(settings.connections.clamp(1, 16))
        .min_idle(Some(1))
        .connection_timeout(settings.connect_limit.max(std::time::Duration::from_secs(1)))
        .build(MySqlConnectionManager::new(within))
        .map_err(|error| open(error.to_string()))?;
    Ok(Engine::MySql(pool))
}

/// An error with its causes.
fn full(error: &dyn std::error::Error) -> String {
    let mut words = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        words.push_str(": ");
        words.push_str(&error.to_string());
        cause = error.source();
    }
    words
}
