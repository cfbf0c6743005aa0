//! The backend database, where ham4db keeps what it knows.

use serde_json::Value;

use crate::config::file::Given;
use crate::config::kinds::{
    Bool, FilePath, Kind, Mismatch, Password, Port, Seconds, SpanOrOff, Text, Whole, text,
};
use crate::config::table::Status::{Acted, Ignored};
use crate::config::table::{Status::NotYet, group};

/// Which database holds what ham4db knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Engine {
    /// A file beside the process.
    Sqlite,
    /// A MySQL server.
    MySql,
}

/// The name of an engine, in the ancestors' many spellings.
pub struct EngineName;

impl Kind for EngineName {
    type Field = Engine;
    type Default = Engine;
    fn initial(default: Engine) -> Engine {
        default
    }
    fn read(given: &Given) -> Result<Engine, Mismatch> {
        match text(given)?.trim().to_ascii_lowercase().as_str() {
            "" | "mysql" => Ok(Engine::MySql),
            name if name.contains("sqlite") => Ok(Engine::Sqlite),
            _ => Err(Mismatch::NotAllowed),
        }
    }
    fn show(field: &Engine) -> Value {
        match field {
            Engine::Sqlite => "sqlite".into(),
            Engine::MySql => "mysql".into(),
        }
    }
    fn allowed() -> String {
        "\"sqlite\" or \"mysql\"".to_owned()
    }
}

group! {
    /// The backend database, where ham4db keeps what it knows.
    backend: Backend;

    /// Which database is used. Without this key it is MySQL when a host is given, and SQLite otherwise.
    "BackendDB" => engine: EngineName = Engine::Sqlite; Acted, AtStart;
    /// File of the SQLite database.
    "SQLite3DataFile" => sqlite_file: FilePath = "ham4db.sqlite3"; Acted, AtStart;
    /// Does not bring the tables up to date at start.
    "SkipOrchestratorDatabaseUpdate" | "SkipDatabaseUpdate" => skip_update: Bool = false; NotYet, AtStart;
    /// Refuses to start on tables of another version.
    "PanicIfDifferentDatabaseDeploy" => refuse_other_version: Bool = false; NotYet, AtStart;
    /// Host of the MySQL server.
    "MySQLOrchestratorHost" | "BackendDBHost" => host: Text = "127.0.0.1"; Acted, AtStart;
    /// Port of the MySQL server.
    "MySQLOrchestratorPort" | "BackendDBPort" => port: Port = 3306; Acted, AtStart;
    /// Schema on the MySQL server.
    "MySQLOrchestratorDatabase" | "BackendDatabase" => database: Text = ""; Acted, AtStart;
    /// User on the MySQL server.
    "MySQLOrchestratorUser" | "BackendDBUser" => user: Text = ""; Acted, AtStart;
    /// Password of that user; `${NAME}` takes it from the environment.
    "MySQLOrchestratorPassword" | "BackendDBPassword" => password: Password = ""; Acted, AtStart;
    /// File with user and password in a section `[client]`; they win over the two keys.
    "MySQLOrchestratorCredentialsConfigFile" | "MySQLCredentialsConfigFile"
        => credentials_file: FilePath = ""; Acted, AtStart;
    /// Private key shown to the MySQL server.
    "MySQLOrchestratorSSLPrivateKeyFile" | "MySQLSSLPrivateKeyFile" => tls_key_file: FilePath = ""; Acted, AtStart;
    /// Certificate shown to the MySQL server.
    "MySQLOrchestratorSSLCertFile" | "MySQLSSLCertFile" => tls_cert_file: FilePath = ""; Acted, AtStart;
    /// Authority that signed the certificate of the MySQL server.
    "MySQLOrchestratorSSLCAFile" | "MySQLSSLCAFile" => tls_ca_file: FilePath = ""; Acted, AtStart;
    /// Does not verify the certificate of the MySQL server.
    "MySQLOrchestratorSSLSkipVerify" | "MySQLSSLSkipVerify" => tls_skip_verify: Bool = false; Acted, AtStart;
    /// Uses TLS to the MySQL server, with the certificate of its own if one is named.
    "MySQLOrchestratorUseMutualTLS" | "MySQLUseMutualTLS" => mutual_tls: Bool = false; Acted, AtStart;
    /// How long an answer of the MySQL server is awaited.
    "MySQLOrchestratorReadTimeoutSeconds" | "MySQLReadTimeoutSeconds"
        => read_timeout: Seconds<1, 3_600> = 30; Acted, AtStart;
    /// Gives up a connection to a MySQL server that has become read-only.
    "MySQLOrchestratorRejectReadOnly" | "MySQLRejectReadOnly" => reject_read_only: Bool = false; NotYet, AtStart;
    /// Connections to the MySQL server, at most; more than 16 are never made.
    "MySQLOrchestratorMaxPoolConnections" | "MaxPoolConnections"
        => max_connections: Whole<u32, 1, 10_000> = 128; Acted, AtStart;
    /// Greatest packet exchanged with the MySQL server; -1 is the server's own limit.
    "MySQLOrchestratorMaxAllowedPacket" => max_packet_bytes: Whole<i64, -1, 1_073_741_824> = -1;
        Ignored("the limit of the server is used"), AtStart;
    /// How long a connection is kept before it is replaced; 0 is for ever.
    "MySQLConnectionLifetimeSeconds" | "ConnectionLifetimeSeconds"
        => connection_lifetime: SpanOrOff<1_000, 31_536_000> = 0; NotYet, AtStart;
}
