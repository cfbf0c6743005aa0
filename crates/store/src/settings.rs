//! Where the backend database is.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

/// Where the backend database is.
#[derive(Debug, Clone)]
pub enum StoreSettings {
    /// A SQLite file, made when it is missing.
    Sqlite {
        /// The file.
        file: PathBuf,
    },
    /// A schema on a MySQL or MariaDB server, made when it is missing and the account may.
    MySql(MySqlSettings),
}

/// A schema on a server.
#[derive(Clone)]
pub struct MySqlSettings {
    /// Host name or address.
    pub host: String,
    /// TCP port.
    pub port: u16,
    /// Account.
    pub user: String,
    /// Its password.
    pub password: String,
    /// Schema.
    pub database: String,
    /// Connections at the most.
    pub connections: u32,
    /// Limit of a connection attempt.
    pub connect_limit: Duration,
    /// Limit of a statement.
    pub read_limit: Duration,
    /// TLS; `None` is without.
    pub tls: Option<BackendTls>,
}

/// TLS towards the backend.
#[derive(Debug, Clone, Default)]
pub struct BackendTls {
    /// CA file.
    pub ca_file: Option<PathBuf>,
    /// Our certificate chain and its key.
    pub identity: Option<(PathBuf, PathBuf)>,
    /// Do not verify the server's certificate.
    pub skip_verify: bool,
}

impl MySqlSettings {
    /// Account, server and schema, for messages.
    pub(crate) fn place(&self) -> String {
        format!("{}@{}:{}/{}", self.user, self.host, self.port, self.database)
    }
}

/// Without the password.
impl fmt::Debug for MySqlSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MySqlSettings({})", self.place())
    }
}
