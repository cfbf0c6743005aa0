//! The two engines behind one handful of operations; statements are shared, their grammar allows it.

mod mysql;
mod sqlite;

pub use sqlite::absolute;

use std::sync::Arc;
use std::time::Duration;

use r2d2_mysql::MySqlConnectionManager;
use r2d2_sqlite::SqliteConnectionManager;

use crate::error::StoreError;
use crate::settings::StoreSettings;

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

/// Why a statement did not do what it should.
#[derive(Debug, PartialEq, thiserror::Error)]
pub enum EngineError {
    /// Surely nothing was changed.
    #[error("{0}")]
    Failed(String),
    /// The commit was sent and not answered: perhaps everything was changed, perhaps nothing.
    #[error("{0}")]
    Unconfirmed(String),
    /// The condition of the transaction does not hold; nothing was changed.
    #[error("the condition of the transaction does not hold")]
    Conflict,
}

/// A pool of connections to the backend.
#[derive(Clone)]
pub enum Engine {
    /// Embedded.
    Sqlite {
        /// Its connections.
        pool: r2d2::Pool<SqliteConnectionManager>,
        /// Keeps other processes out of the file.
        _lock: Arc<std::fs::File>,
    },
    /// A server.
    MySql(r2d2::Pool<MySqlConnectionManager>),
}

impl Engine {
    /// Opens the backend and brings its tables to this version.
    pub fn open(settings: &StoreSettings) -> Result<Self, StoreError> {
        match settings {
            StoreSettings::Sqlite { file } => sqlite::open(file),
            StoreSettings::MySql(settings) => mysql::open(settings),
        }
    }

    /// Runs statements in one transaction: all of them or none. A condition is a statement that has to find a row,
    /// which is then locked until the end of the transaction.
    pub fn write(
        &self,
        condition: Option<&Bound>,
        statements: &[Bound],
    ) -> Result<(), EngineError> {
        match self {
            Self::Sqlite { pool, .. } => {
                let mut connection = pool.get().map_err(|error| busy(pool, &error))?;
                sqlite::write(&mut connection, condition, statements)
            }
            Self::MySql(pool) => {
                let mut connection = pool.get().map_err(|error| busy(pool, &error))?;
                mysql::write(&mut connection, condition, statements)
            }
        }
    }

    /// All rows that a statement gives.
    pub fn read(&self, sql: &str, values: &[Value]) -> Result<Vec<Vec<Value>>, EngineError> {
        match self {
            Self::Sqlite { pool, .. } => {
                let connection = pool.get().map_err(|error| busy(pool, &error))?;
                sqlite::read(&connection, sql, values)
            }
            Self::MySql(pool) => {
                let mut connection = pool.get().map_err(|error| busy(pool, &error))?;
                mysql::read(&mut connection, sql, values)
            }
        }
    }
}

/// No connection could be had within the pool's limit.
fn busy<M: r2d2::ManageConnection>(pool: &r2d2::Pool<M>, error: &r2d2::Error) -> EngineError {
    let state = pool.state();
    let limit: Duration = pool.connection_timeout();
    EngineError::Failed(if state.connections > 0 && state.idle_connections == 0 {
        format!("all {} connections are busy for {limit:?}", state.connections)
    } else {
        format!("no connection within {limit:?}: {error}")
    })
}
