//! A schema on a server as the engine.

use std::time::Duration;

use mysql::consts::CapabilityFlags;
use mysql::prelude::Queryable;
use mysql::{ClientIdentity, Conn, Error, Opts, OptsBuilder, SslOpts, TxOpts};
use r2d2_mysql::MySqlConnectionManager;

use super::{Bound, Engine, EngineError, Value};
use crate::error::{StoreError, migration};
use crate::settings::MySqlSettings;

mod migrations {
    refinery::embed_migrations!("../../migrations/mysql");
}

/// Most connections to the server.
const MOST_CONNECTIONS: u32 = 16;
/// A value that does not fit is an error, whatever the server's own setting says.
const STRICT: &str = "SET SESSION sql_mode = 'STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION'";

// Error numbers of the server: <https://dev.mysql.com/doc/mysql-errors/9.0/en/server-error-reference.html>
const DENIED_TO_SCHEMA: u16 = 1044;
const DENIED: u16 = 1045;
const NO_SUCH_SCHEMA: u16 = 1049;
const DENIED_TO_TABLE: u16 = 1142;
const DENIED_WITHOUT_PASSWORD: u16 = 1698;
const READ_ONLY: [u16; 2] = [1290, 1836];

pub fn open(settings: &MySqlSettings) -> Result<Engine, StoreError> {
    let options = options(settings);
    let place = settings.place();
    let refused = |error: Error| refusal(settings, &error);
    let made = make_schema(&options, &settings.database).map_err(refused)?;
    let within = options.db_name(Some(settings.database.clone()));
    let mut first = match (Conn::new(Opts::from(within.clone())), made) {
        (Ok(connection), _) => connection,
        // That it could not be made matters only when it is not there.
        (Err(error), Err(made)) if number(&error) == Some(NO_SUCH_SCHEMA) => {
            return Err(refused(made));
        }
        (Err(error), _) => return Err(refused(error)),
    };
    migrations::migrations::runner().run(&mut first).map_err(|error| migration(&place, &error))?;
    drop(first);
    let pool = r2d2::Pool::builder()
        .error_handler(Box::new(r2d2::NopErrorHandler)) // whoever waits for a connection is told
        .max_size(settings.connections.clamp(1, MOST_CONNECTIONS))
        .min_idle(Some(1))
        .connection_timeout(settings.connect_limit.max(Duration::from_secs(1)))
        .build(MySqlConnectionManager::new(within))
        .map_err(|error| StoreError::Open {
            place,
            reason: error.to_string(),
            advice: look(settings),
        })?;
    Ok(Engine::MySql(pool))
}

fn options(settings: &MySqlSettings) -> OptsBuilder {
    let tls = settings.tls.as_ref().map(|tls| {
        let identity = tls.identity.clone().map(|(chain, key)| ClientIdentity::new(chain, key));
        let ssl = SslOpts::default()
            .with_danger_accept_invalid_certs(tls.skip_verify)
            .with_client_identity(identity);
        match &tls.ca_file {
            Some(file) => ssl.with_root_cert_path(Some(file.clone())),
            None => ssl,
        }
    });
    OptsBuilder::new()
        .ip_or_hostname(Some(settings.host.clone()))
        .tcp_port(settings.port)
        .user(Some(settings.user.clone()))
        .pass(Some(settings.password.clone()))
        .tcp_connect_timeout(Some(settings.connect_limit))
        .read_timeout(Some(settings.read_limit))
        .write_timeout(Some(settings.read_limit))
        .prefer_socket(false)
        // A condition counts the rows it found, also when it changed nothing in them.
        .additional_capabilities(CapabilityFlags::CLIENT_FOUND_ROWS)
        .init(vec![STRICT])
        .ssl_opts(tls)
}

/// The outer result is about the server, the inner one about the schema.
fn make_schema(options: &OptsBuilder, schema: &str) -> Result<Result<(), Error>, Error> {
    let mut connection = Conn::new(Opts::from(options.clone()))?;
    let schema = schema.replace('`', "``");
    Ok(connection.query_drop(format!("CREATE DATABASE IF NOT EXISTS `{schema}`")))
}

/// What the server or the system said, without the library's wrapping.
fn words(error: &Error) -> String {
    match error {
        Error::MySqlError(said) => said.to_string(),
        Error::IoError(said) => said.to_string(),
        Error::DriverError(said) => said.to_string(),
        _ => error.to_string(),
    }
}

fn number(error: &Error) -> Option<u16> {
    match error {
        Error::MySqlError(said) => Some(said.code),
        _ => None,
    }
}

fn refusal(settings: &MySqlSettings, error: &Error) -> StoreError {
    let advice = match number(error) {
        Some(DENIED | DENIED_WITHOUT_PASSWORD) => format!(
            "The account {} or its password is wrong (MySQLOrchestratorUser, MySQLOrchestratorPassword)",
            settings.user
        ),
        Some(DENIED_TO_SCHEMA | DENIED_TO_TABLE) => {
            format!(
                "Grant ALL on the schema {} to the account {}",
                settings.database, settings.user
            )
        }
        Some(number) if READ_ONLY.contains(&number) => {
            "The server is read-only; name one that takes writes in MySQLOrchestratorHost"
                .to_owned()
        }
        Some(_) | None => look(settings),
    };
    StoreError::Open { place: settings.place(), reason: words(error), advice }
}

fn look(settings: &MySqlSettings) -> String {
    format!(
        "Check that a server runs at {}:{} and answers within {:?} (MySQLOrchestratorHost, MySQLOrchestratorPort)",
        settings.host, settings.port, settings.connect_limit
    )
}

pub fn write(
    connection: &mut Conn,
    condition: Option<&Bound>,
    statements: &[Bound],
) -> Result<(), EngineError> {
    let mut transaction = connection.start_transaction(TxOpts::default()).map_err(failed)?;
    if let Some((sql, values)) = condition {
        let found = transaction.exec_iter(*sql, to_mysql(values)).map_err(failed)?.affected_rows();
        if found == 0 {
            return Err(EngineError::Conflict);
        }
    }
    for (sql, values) in statements {
        transaction.exec_drop(*sql, to_mysql(values)).map_err(failed)?;
    }
    transaction.commit().map_err(|error| match error {
        Error::MySqlError(_) => failed(error), // the server answered: it did not commit
        _ => EngineError::Unconfirmed(words(&error)),
    })
}

pub fn read(
    connection: &mut Conn,
    sql: &str,
    values: &[Value],
) -> Result<Vec<Vec<Value>>, EngineError> {
    let rows: Vec<mysql::Row> = connection.exec(sql, to_mysql(values)).map_err(failed)?;
    Ok(rows.into_iter().map(|row| row.unwrap().into_iter().map(from_mysql).collect()).collect())
}

#[expect(clippy::needless_pass_by_value, reason = "the shape that `map_err` wants")]
fn failed(error: Error) -> EngineError {
    EngineError::Failed(words(&error))
}

fn to_mysql(values: &[Value]) -> mysql::Params {
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
        mysql::Value::NULL
        | mysql::Value::Float(_)
        | mysql::Value::Double(_)
        | mysql::Value::Date(..)
        | mysql::Value::Time(..) => Value::Null,
    }
}
