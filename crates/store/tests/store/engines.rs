//! The engines that every claim is tried on. A server is started once, by the first test that needs it.

use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use ham4db_store::{MySqlSettings, Store, StoreSettings};
use ham4db_testkit::{Flavour, Gtid, Shape, Topology};
use mysql::prelude::Queryable;
use mysql::{Conn, OptsBuilder};
use tempfile::TempDir;

use crate::CLAIMS;

/// Where the store keeps its rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EngineKind {
    Sqlite,
    MySql,
    MariaDb,
}

/// An empty backend of one test.
pub struct Backend {
    pub settings: StoreSettings,
    _folder: Option<TempDir>,
    _server: Option<InUse>,
}

impl Backend {
    pub fn new(kind: EngineKind) -> Self {
        match kind {
            EngineKind::Sqlite => {
                let folder = tempfile::tempdir().unwrap();
                let settings = StoreSettings::Sqlite { file: folder.path().join("ham4db.sqlite3") };
                Self { settings, _folder: Some(folder), _server: None }
            }
            EngineKind::MySql => Self::on(&MYSQL),
            EngineKind::MariaDb => Self::on(&MARIADB),
        }
    }

    /// A backend on a server for a test that is not one of the claims of every engine.
    pub fn extra(kind: EngineKind) -> Self {
        match kind {
            EngineKind::Sqlite => {}
            EngineKind::MySql => MYSQL.expect_one_more(),
            EngineKind::MariaDb => MARIADB.expect_one_more(),
        }
        Self::new(kind)
    }

    fn on(server: &'static Server) -> Self {
        static SCHEMAS: AtomicUsize = AtomicUsize::new(0);
        let number = SCHEMAS.fetch_add(1, Ordering::Relaxed);
        let (in_use, port) = server.begin();
        let settings = StoreSettings::MySql(on_port(port, &format!("store_{number}")));
        Self { settings, _folder: None, _server: Some(in_use) }
    }

    pub fn open(&self) -> Store {
        Store::open(&self.settings).unwrap()
    }

    /// The server and the schema of a MySQL or MariaDB.
    pub fn server(&self) -> Option<MySqlSettings> {
        match &self.settings {
            StoreSettings::Sqlite { .. } => None,
            StoreSettings::MySql(settings) => Some(settings.clone()),
        }
    }

    /// The file of an SQLite.
    pub fn file(&self) -> Option<PathBuf> {
        match &self.settings {
            StoreSettings::Sqlite { file } => Some(file.clone()),
            StoreSettings::MySql(_) => None,
        }
    }

    /// Runs a statement past the store.
    pub fn run(&self, sql: &str) {
        match &self.settings {
            StoreSettings::Sqlite { file } => {
                rusqlite::Connection::open(file).unwrap().execute_batch(sql).unwrap();
            }
            StoreSettings::MySql(settings) => connect(settings).query_drop(sql).unwrap(),
        }
    }

    /// The first column of what a statement gives, past the store.
    pub fn texts(&self, sql: &str) -> Vec<String> {
        match &self.settings {
            StoreSettings::Sqlite { file } => {
                let connection = rusqlite::Connection::open(file).unwrap();
                let mut statement = connection.prepare(sql).unwrap();
                let rows = statement.query_map([], |row| row.get(0)).unwrap();
                rows.collect::<Result<_, _>>().unwrap()
            }
            StoreSettings::MySql(settings) => connect(settings).query(sql).unwrap(),
        }
    }
}

/// A connection past the store.
pub fn connect(settings: &MySqlSettings) -> Conn {
    let options = OptsBuilder::new()
        .ip_or_hostname(Some(settings.host.clone()))
        .tcp_port(settings.port)
        .user(Some(settings.user.clone()))
        .pass(Some(settings.password.clone()))
        .db_name(Some(settings.database.clone()))
        .prefer_socket(false);
    Conn::new(options).unwrap()
}

/// A schema on a server of this machine.
pub fn on_port(port: u16, schema: &str) -> MySqlSettings {
    MySqlSettings {
        host: "127.0.0.1".to_owned(),
        port,
        user: "root".to_owned(),
        password: String::new(),
        database: schema.to_owned(),
        connections: 4,
        connect_limit: Duration::from_secs(2),
        read_limit: Duration::from_secs(10),
        tls: None,
    }
}

static MYSQL: Server = Server::new(Flavour::Mysql97);
static MARIADB: Server = Server::new(Flavour::Mariadb1011);

/// Seconds after which the servers stop themselves, when not every test was run.
const FORGOTTEN_AFTER_S: u32 = 300;

struct Server {
    flavour: Flavour,
    running: Mutex<Option<Topology>>,
    left: AtomicUsize,
}

impl Server {
    const fn new(flavour: Flavour) -> Self {
        Self { flavour, running: Mutex::new(None), left: AtomicUsize::new(CLAIMS) }
    }

    fn expect_one_more(&self) {
        self.left.fetch_add(1, Ordering::Relaxed);
    }

    fn begin(&'static self) -> (InUse, u16) {
        let in_use = InUse(self); // first, so that a test whose server does not start counts as well
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        let server = running.get_or_insert_with(|| {
            Topology::start_for(FORGOTTEN_AFTER_S, self.flavour, 0, Shape::Star, Gtid::On).unwrap()
        });
        (in_use, server.port(0))
    }
}

/// A test is using a server; the last one of all stops it.
struct InUse(&'static Server);

impl Drop for InUse {
    fn drop(&mut self) {
        if self.0.left.fetch_sub(1, Ordering::Relaxed) == 1 {
            drop(self.0.running.lock().unwrap_or_else(PoisonError::into_inner).take());
        }
    }
}
