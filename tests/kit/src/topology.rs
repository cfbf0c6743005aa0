//! Throw-away servers that replicate, through `tests/servers/topology`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use mysql::prelude::Queryable;
use mysql::{Conn, OptsBuilder, Row};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tempfile::TempDir;

use crate::{KitError, free_block};

/// Seconds after which a forgotten topology stops itself.
const FORGOTTEN_AFTER_S: u32 = 900;

/// How long a server may take to connect or to answer.
const ANSWER: Duration = Duration::from_secs(10);

/// Which server program runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flavour {
    /// MySQL 9.7.
    Mysql97,
    /// `MySQL` 5.6, whose package is a third party's.
    Mysql56,
    /// `MariaDB` 10.5.
    Mariadb105,
    /// `MariaDB` 10.11.
    Mariadb1011,
    /// `MariaDB` 11.8.
    Mariadb118,
}

impl Flavour {
    /// All of them.
    pub const ALL: [Self; 5] =
        [Self::Mysql97, Self::Mysql56, Self::Mariadb105, Self::Mariadb1011, Self::Mariadb118];

    /// The name the scripts know.
    pub fn name(self) -> &'static str {
        match self {
            Self::Mysql97 => "mysql-9.7",
            Self::Mysql56 => "mysql-5.6",
            Self::Mariadb105 => "mariadb-10.5",
            Self::Mariadb1011 => "mariadb-10.11",
            Self::Mariadb118 => "mariadb-11.8",
        }
    }

    /// The flavour of that name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|flavour| flavour.name() == name)
    }

    /// Whether statements use the words source and replica alone.
    pub fn says_replica(self) -> bool {
        self == Self::Mysql97
    }
}

/// Who follows whom.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// All replicas follow the primary.
    Star,
    /// Each follows the one before it.
    Chain,
    /// Two replicas below each server.
    Tree,
}

impl Shape {
    fn name(self) -> &'static str {
        match self {
            Self::Star => "star",
            Self::Chain => "chain",
            Self::Tree => "tree",
        }
    }
}

/// How replicas find their place in the source's log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gtid {
    /// By transaction ids.
    On,
    /// By binlog file and position.
    Off,
}

/// Running servers: number 0 is the first primary, 1 and up are its replicas.
///
/// Besides the accounts of the script there is `app` without password, an ordinary account that
/// `read_only` holds back, and a database `kit` with a table `entries` for the writer.
pub struct Topology {
    /// What the servers are.
    pub flavour: Flavour,
    servers: u16,
    first_port: u16,
    folder: TempDir,
}

impl Topology {
    /// Starts a primary with `replicas` replicas and waits until they replicate.
    ///
    /// # Errors
    /// What the script says when it cannot.
    pub fn start(
        flavour: Flavour,
        replicas: u16,
        shape: Shape,
        gtid: Gtid,
    ) -> Result<Self, KitError> {
        Self::start_for(FORGOTTEN_AFTER_S, flavour, replicas, shape, gtid)
    }

    /// [`Topology::start`] with the seconds after which it stops itself, when the value was never dropped.
    ///
    /// # Errors
    /// What the script says when it cannot.
    pub fn start_for(
        ttl_s: u32,
        flavour: Flavour,
        replicas: u16,
        shape: Shape,
        gtid: Gtid,
    ) -> Result<Self, KitError> {
        let folder = tempfile::Builder::new()
            .prefix("ham4db-servers-")
            .tempdir()
            .map_err(KitError::io("no temporary folder for servers"))?;
        let first_port = free_block(replicas + 1)?;
        let topology = Self { flavour, servers: replicas + 1, first_port, folder };
        let (port, replicas, ttl) =
            (first_port.to_string(), replicas.to_string(), ttl_s.to_string());
        let gtid = if gtid == Gtid::On { "on" } else { "off" };
        let at = topology.place();
        script(&[
            "start",
            "--flavour",
            flavour.name(),
            "--dir",
            &at,
            "--base-port",
            &port,
            "--replicas",
            &replicas,
            "--shape",
            shape.name(),
            "--gtid",
            gtid,
            "--ttl",
            &ttl,
        ])?;
        topology.prepare()?;
        Ok(topology)
    }

    /// How many servers there are, dead ones included.
    pub fn servers(&self) -> usize {
        usize::from(self.servers)
    }

    /// The port of server `n`.
    pub fn port(&self, n: usize) -> u16 {
        self.first_port + u16::try_from(n).unwrap_or(0)
    }

    /// `host:port` of server `n`.
    pub fn key(&self, n: usize) -> String {
        format!("127.0.0.1:{}", self.port(n))
    }

    /// The number of the server at `key`.
    pub fn number(&self, key: &str) -> Option<usize> {
        (0..self.servers()).find(|n| self.key(*n) == key)
    }

    /// Ends server `n` with SIGKILL, at the moment that is returned: for those who measure.
    ///
    /// # Errors
    /// When it does not run.
    pub fn kill_at_once(&self, n: usize) -> Result<Instant, KitError> {
        self.strike(n, Signal::KILL)
    }

    /// Stops server `n` with SIGSTOP, at the moment that is returned.
    ///
    /// # Errors
    /// When it does not run.
    pub fn freeze_at_once(&self, n: usize) -> Result<Instant, KitError> {
        self.strike(n, Signal::STOP)
    }

    /// Lets server `n` go on with SIGCONT, at the moment that is returned.
    ///
    /// # Errors
    /// When it does not run.
    pub fn thaw_at_once(&self, n: usize) -> Result<Instant, KitError> {
        self.strike(n, Signal::CONT)
    }

    fn strike(&self, n: usize, signal: Signal) -> Result<Instant, KitError> {
        let path = Path::new(&self.place()).join("topology.json");
        let text = fs::read_to_string(&path)
            .map_err(KitError::io(format!("{} cannot be read", path.display())))?;
        let pid = serde_json::from_str::<Value>(&text)
            .ok()
            .and_then(|all| all["servers"][n]["pid"].as_i64())
            .and_then(|pid| i32::try_from(pid).ok())
            .and_then(Pid::from_raw)
            .ok_or_else(|| KitError::Node(format!("{} names no process {n}", path.display())))?;
        let at = Instant::now();
        kill_process(pid, signal)
            .map_err(|error| KitError::io(format!("server {n} does not run"))(error.into()))?;
        Ok(at)
    }

    /// Ends server `n` with SIGKILL and returns when it is gone.
    ///
    /// # Errors
    /// When it does not run.
    pub fn kill(&self, n: usize) -> Result<(), KitError> {
        self.order("kill", n)
    }

    /// Stops server `n` with SIGSTOP: it keeps its connections and says nothing.
    ///
    /// # Errors
    /// When it does not run.
    pub fn freeze(&self, n: usize) -> Result<(), KitError> {
        self.order("freeze", n)
    }

    /// Lets a frozen server go on.
    ///
    /// # Errors
    /// When it does not run.
    pub fn thaw(&self, n: usize) -> Result<(), KitError> {
        self.order("thaw", n)
    }

    /// Starts server `n` on its data, ending it first if it runs, and returns when it answers.
    ///
    /// # Errors
    /// When it does not answer in time.
    pub fn restart(&self, n: usize) -> Result<(), KitError> {
        self.order("restart", n)
    }

    /// Connects to server `n` as root.
    ///
    /// # Errors
    /// When it does not let us in.
    pub fn connect(&self, n: usize) -> Result<Conn, KitError> {
        connect(self.port(n), "root", ANSWER)
    }

    /// Asks server `n` as root and returns the rows; no connection is kept.
    ///
    /// # Errors
    /// When it cannot be asked, or refuses.
    pub fn sql(&self, n: usize, sql: &str) -> Result<Vec<Row>, KitError> {
        let mut connection = self.connect(n)?;
        connection.query(sql).map_err(|source| self.refused(n, sql, source))
    }

    /// The first column of the first row of `sql` on server `n`, if there is one.
    ///
    /// # Errors
    /// When it cannot be asked, or refuses.
    pub fn value(&self, n: usize, sql: &str) -> Result<Option<String>, KitError> {
        let mut connection = self.connect(n)?;
        let value: Option<Option<String>> =
            connection.query_first(sql).map_err(|source| self.refused(n, sql, source))?;
        Ok(value.flatten())
    }

    /// Numbers of the servers that answer within a second and are not read-only.
    pub fn writable_servers(&self) -> Vec<usize> {
        let writable = |n: &usize| {
            let mut connection = connect(self.port(*n), "root", Duration::from_secs(1)).ok()?;
            connection.query_first::<u8, _>("SELECT @@global.read_only").ok()?
        };
        (0..self.servers()).filter(|n| writable(n) == Some(0)).collect()
    }

    /// `host:port` server `n` follows with both threads running.
    pub fn follows(&self, n: usize) -> Option<String> {
        let new = self.flavour.says_replica();
        let sql = if new { "SHOW REPLICA STATUS" } else { "SHOW SLAVE STATUS" };
        let words = |new_word: &str, old_word: &str| {
            if new { new_word.to_owned() } else { old_word.to_owned() }
        };
        let row = self.sql(n, sql).ok()?.into_iter().next()?;
        let text = |name: String| row.get_opt::<String, _>(name.as_str())?.ok();
        let io = text(words("Replica_IO_Running", "Slave_IO_Running"))?;
        let applier = text(words("Replica_SQL_Running", "Slave_SQL_Running"))?;
        let host = text(words("Source_Host", "Master_Host"))?;
        let port = text(words("Source_Port", "Master_Port"))?;
        (io == "Yes" && applier == "Yes").then(|| format!("{host}:{port}"))
    }

    /// Repoints server `n` at another port of this machine, keeping its place in the log.
    ///
    /// # Errors
    /// When it refuses.
    pub fn follow_port(&self, n: usize, port: u16) -> Result<(), KitError> {
        let position = if self.flavour.name().starts_with("mariadb") {
            "MASTER_USE_GTID=slave_pos"
        } else if self.flavour.says_replica() {
            "SOURCE_AUTO_POSITION=1"
        } else {
            "MASTER_AUTO_POSITION=1"
        };
        let statements = if self.flavour.says_replica() {
            let change = format!(
                "CHANGE REPLICATION SOURCE TO SOURCE_HOST='127.0.0.1', SOURCE_PORT={port}, {position}"
            );
            ["STOP REPLICA".to_owned(), change, "START REPLICA".to_owned()]
        } else {
            let change =
                format!("CHANGE MASTER TO MASTER_HOST='127.0.0.1', MASTER_PORT={port}, {position}");
            ["STOP SLAVE".to_owned(), change, "START SLAVE".to_owned()]
        };
        statements.iter().try_for_each(|sql| self.sql(n, sql).map(|_| ()))
    }

    fn prepare(&self) -> Result<(), KitError> {
        let entries =
            "CREATE TABLE kit.entries (id BIGINT PRIMARY KEY, note VARCHAR(20)) ENGINE=InnoDB";
        for sql in [
            "CREATE USER 'app'@'127.%' IDENTIFIED BY ''",
            "GRANT SELECT, INSERT ON *.* TO 'app'@'127.%'",
            "CREATE DATABASE kit",
            entries,
        ] {
            self.sql(0, sql)?;
        }
        let arrived = |n| self.sql(n, "SELECT COUNT(*) FROM kit.entries").is_ok();
        crate::wait_for("the writer's table on every replica", ANSWER, || {
            (1..self.servers()).all(arrived).then_some(())
        })
    }

    fn order(&self, what: &str, n: usize) -> Result<(), KitError> {
        script(&[what, &self.place(), &n.to_string()])
    }

    fn place(&self) -> String {
        self.folder.path().join("t").to_string_lossy().into_owned()
    }

    fn refused(&self, n: usize, sql: &str, source: mysql::Error) -> KitError {
        KitError::Sql { key: self.key(n), sql: sql.to_owned(), source }
    }
}

impl Drop for Topology {
    fn drop(&mut self) {
        let place = self.place();
        if Path::new(&place).join("topology.json").exists() {
            // A test that failed cannot fail again: what was not stopped ends with its time to live.
            let _ = script(&["stop", &place]);
        }
    }
}

/// Connects to a server of this machine without a password.
pub(crate) fn connect(port: u16, user: &str, limit: Duration) -> Result<Conn, KitError> {
    let options = OptsBuilder::new()
        .ip_or_hostname(Some("127.0.0.1"))
        .tcp_port(port)
        .user(Some(user))
        .prefer_socket(false)
        .tcp_connect_timeout(Some(limit))
        .read_timeout(Some(limit))
        .write_timeout(Some(limit));
    Conn::new(options).map_err(|source| KitError::Sql {
        key: format!("127.0.0.1:{port}"),
        sql: format!("connecting as {user}"),
        source,
    })
}

fn script(arguments: &[&str]) -> Result<(), KitError> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../servers/topology");
    let done = Command::new(&path)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .output()
        .map_err(KitError::io(format!("{} cannot be run", path.display())))?;
    if done.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&done.stderr).trim().to_owned();
    Err(KitError::Program { what: format!("topology {}", arguments.join(" ")), said })
}
