//! Real servers in a topology, each cluster on free ports of its own; it goes when it is dropped.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::{Duration, Instant};

use ham4db_domain::instance::Instance;
use ham4db_domain::key::InstanceKey;
use ham4db_domain::step::Step;
use ham4db_mysql::MySqlServers;
use ham4db_mysql::server::{Performed, Server, Servers, Snapshot, StepError};
use ham4db_mysql::settings::{Account, Limits, MySqlSettings, ProbeSettings};
use ham4db_mysql::wire::{Connection, Target, TlsFiles, TlsMode, TlsSettings, WireError};
use tempfile::TempDir;

/// Longest that anything here may take.
pub const LIMIT: Duration = Duration::from_secs(20);

/// A primary, number 0, and replicas.
pub struct Cluster {
    pub flavour: &'static str,
    base_port: u16,
    folder: TempDir,
}

impl Cluster {
    /// Starts a primary and so many replicas, with further options of the `topology` script.
    pub fn start(flavour: &'static str, replicas: u16, options: &[&str]) -> Self {
        let cluster =
            Self { flavour, base_port: free_ports(replicas + 1), folder: TempDir::new().unwrap() };
        let (replicas, port) = (replicas.to_string(), cluster.base_port.to_string());
        let path = cluster.path();
        let path = path.to_str().unwrap();
        let start = ["start", "--flavour", flavour, "--replicas", &replicas, "--base-port", &port];
        topology(&[&start, ["--ttl", "900", "--dir", path].as_slice(), options].concat());
        cluster
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("t")
    }

    pub fn key(&self, number: u16) -> InstanceKey {
        InstanceKey::new("127.0.0.1", self.base_port + number)
    }

    /// Does `kill`, `freeze`, `thaw` or `restart` to a server.
    pub fn order(&self, what: &str, number: u16) {
        topology(&[what, self.path().to_str().unwrap(), &number.to_string()]);
    }

    /// An administrator's connection.
    pub async fn root(&self, number: u16) -> Connection {
        self.client(number, "root", "").await
    }

    pub async fn client(&self, number: u16, user: &str, password: &str) -> Connection {
        let opened = self.try_client(number, user, password).await;
        opened.unwrap_or_else(|error| panic!("{}: {error:?}", self.flavour))
    }

    /// Logs in, if the server lets us.
    pub async fn try_client(
        &self,
        number: u16,
        user: &str,
        password: &str,
    ) -> Result<Connection, WireError> {
        let key = self.key(number);
        let target = Target {
            host: key.host,
            port: key.port,
            user: user.to_owned(),
            password: password.to_owned(),
            tls: tls(),
            connect_limit: LIMIT,
        };
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, key.port));
        let opened = tokio::time::timeout(LIMIT, Connection::open(&target, address)).await;
        opened.expect("a login in time")
    }

    /// Runs statements as administrator, and gives the first cell of the last answer.
    pub async fn sql(&self, number: u16, sql: &str) -> Option<String> {
        let mut connection = self.root(number).await;
        let sets = connection.query(sql).await.unwrap_or_else(|error| panic!("{sql}: {error}"));
        sets.last()?.first()?.get(0).map(str::to_owned)
    }

    pub fn server(&self, number: u16) -> Box<dyn Server> {
        servers(ProbeSettings::default()).server(&self.key(number))
    }

    pub async fn probe(&self, number: u16) -> Snapshot {
        let probed = self.server(number).probe(LIMIT).await;
        probed.unwrap_or_else(|failure| panic!("{} {number}: {failure}", self.flavour))
    }

    pub async fn instance(&self, number: u16) -> Instance {
        self.probe(number).await.instance
    }

    pub async fn perform(&self, step: Step) -> Result<Performed, StepError> {
        let servers = servers(ProbeSettings::default());
        servers.server(step.server()).perform(&step, LIMIT).await
    }

    /// Takes a step, and takes it again: that must do no harm.
    pub async fn perform_twice(&self, step: Step) -> Performed {
        let first = self.perform(step.clone()).await;
        let first = first.unwrap_or_else(|error| panic!("{}: {step}: {error}", self.flavour));
        if let Err(error) = self.perform(step.clone()).await {
            panic!("{}: {step} again: {error}", self.flavour);
        }
        first
    }

    /// Reads a server until it is as wished.
    pub async fn until(
        &self,
        number: u16,
        what: &str,
        wished: impl Fn(&Instance) -> bool,
    ) -> Instance {
        let mut server = self.server(number);
        let deadline = Instant::now() + LIMIT;
        loop {
            let found = server.probe(LIMIT).await;
            if let Ok(snapshot) = &found
                && wished(&snapshot.instance)
            {
                return snapshot.instance.clone();
            }
            assert!(
                Instant::now() < deadline,
                "{} {number}: never {what}: {found:#?}",
                self.flavour
            );
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Waits until a query on a server gives this value.
    pub async fn until_sql(&self, number: u16, sql: &str, value: &str) {
        let deadline = Instant::now() + LIMIT;
        loop {
            let mut connection = self.root(number).await;
            let found = connection.query(sql).await.ok();
            let cell = found.as_ref().and_then(|sets| sets.last()?.first()?.get(0));
            if cell == Some(value) {
                return;
            }
            assert!(Instant::now() < deadline, "{} {number}: {sql}: {cell:?}", self.flavour);
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        let path = self.path();
        let _ = Command::new(script()).arg("stop").arg(&path).output(); // it may not have started
    }
}

/// Servers as ham4db reaches them, with these settings.
pub fn servers(probe: ProbeSettings) -> MySqlServers {
    servers_as("ham4db", probe)
}

pub fn servers_as(password: &str, probe: ProbeSettings) -> MySqlServers {
    MySqlServers::fixed(MySqlSettings {
        account: Account { user: "ham4db".to_owned(), password: password.to_owned() },
        tls: tls(),
        probe,
        limits: Limits::default(),
    })
}

fn tls() -> TlsMode {
    let files = TlsFiles { skip_verify: true, ..TlsFiles::default() };
    TlsMode::IfNeeded(TlsSettings::load(&files).unwrap().into())
}

/// The first of so many free ports in a row.
fn free_ports(count: u16) -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let own = u16::try_from(std::process::id() % 97).unwrap() * 10;
    for _ in 0..100 {
        let base = 26_000 + (own + NEXT.fetch_add(count, Ordering::Relaxed)) % 980;
        if (base..base + count).all(|port| TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok()) {
            return base;
        }
    }
    panic!("no {count} free ports in a row from 26000 on");
}

fn script() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/servers/topology")
}

fn topology(arguments: &[&str]) {
    let output = Command::new(script()).args(arguments).output().expect("topology script");
    let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
    assert!(
        output.status.success(),
        "topology {arguments:?}: {}{}",
        text(&output.stdout),
        text(&output.stderr)
    );
}
