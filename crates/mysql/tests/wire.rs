//! The wire against real servers of all five flavours, each started for its test on free ports.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "this file holds nothing but tests")]

use std::{
    net::{Ipv4Addr, SocketAddr, TcpListener},
    path::{Path, PathBuf},
    process::Command,
    sync::Arc,
    time::{Duration, Instant},
};

use ham4db_domain::checks::FailureKind;
use ham4db_mysql::wire::{Connection, Target, TlsFiles, TlsMode, TlsSettings, WireError};
use tempfile::TempDir;
use tokio::time::timeout;

const FLAVOURS: [&str; 5] =
    ["mysql-9.7", "mysql-5.6", "mariadb-10.5", "mariadb-10.11", "mariadb-11.8"];

const NOBODIES: [&str; 8] = ["a", "b", "c", "d", "nobody", "no-one", "nemo", "outis"];

const LIMIT: Duration = Duration::from_secs(10);

/// One server of its own; it goes when it is dropped.
struct Server {
    flavour: &'static str,
    port: u16,
    folder: TempDir,
}

impl Server {
    fn start(flavour: &'static str, options: &[String]) -> Self {
        let folder = TempDir::new().unwrap();
        let port = free_port();
        let mut arguments = vec!["start", "--flavour", flavour, "--shape", "none", "--replicas"];
        let port_text = port.to_string();
        arguments.extend(["0", "--ttl", "900", "--base-port", &port_text]);
        for option in options {
            arguments.extend(["--server-opt", option]);
        }
        let server = Self { flavour, port, folder };
        arguments.push("--dir");
        let path = server.path();
        arguments.push(path.to_str().unwrap());
        topology(&arguments);
        server
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("t")
    }

    fn order(&self, what: &str, rest: &[&str]) -> String {
        let path = self.path();
        topology(&[&[what, path.to_str().unwrap(), "0"], rest].concat())
    }

    fn sql(&self, sql: &str) {
        self.order("sql", &[sql]);
    }

    fn pid(&self) -> u64 {
        let text = std::fs::read_to_string(self.path().join("topology.json")).unwrap();
        let topology: serde_json::Value = serde_json::from_str(&text).unwrap();
        topology["servers"][0]["pid"].as_u64().expect("a pid")
    }

    fn addr(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.port).into()
    }

    fn target(&self, tls: TlsMode) -> Target {
        Target {
            host: "127.0.0.1".to_owned(),
            port: self.port,
            user: "ham4db".to_owned(),
            password: "ham4db".to_owned(),
            tls,
            connect_limit: LIMIT,
        }
    }

    async fn open(&self, tls: TlsMode) -> Result<Connection, WireError> {
        self.open_as("ham4db", "ham4db", tls).await
    }

    async fn open_as(
        &self,
        user: &str,
        password: &str,
        tls: TlsMode,
    ) -> Result<Connection, WireError> {
        let mut target = self.target(tls);
        user.clone_into(&mut target.user);
        password.clone_into(&mut target.password);
        let opened = timeout(LIMIT, Connection::open(&target, self.addr())).await;
        opened.unwrap_or_else(|_| panic!("{}: no login within {LIMIT:?}", self.flavour))
    }

    async fn plain(&self) -> Connection {
        self.open(TlsMode::Off).await.unwrap_or_else(|error| panic!("{}: {error:?}", self.flavour))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let path = self.path();
        let _ = Command::new(script()).arg("stop").arg(&path).output(); // it may not have started
    }
}

fn script() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/servers/topology")
}

fn topology(arguments: &[&str]) -> String {
    let output = Command::new(script()).args(arguments).output().expect("topology script");
    let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
    assert!(
        output.status.success(),
        "topology {arguments:?}: {}{}",
        text(&output.stdout),
        text(&output.stderr)
    );
    text(&output.stdout)
}

fn signal(pid: u64, name: &str) {
    let status = Command::new("kill").args(["-s", name, &pid.to_string()]).status().unwrap();
    assert!(status.success(), "kill -s {name} {pid}");
}

/// Stops a process; returns when the last of its threads stands still, which takes a moment on a busy machine.
fn freeze(pid: u64) {
    signal(pid, "STOP");
    let deadline = Instant::now() + LIMIT;
    let threads = || std::fs::read_dir(format!("/proc/{pid}/task")).unwrap().flatten();
    // Behind the name, which may contain blanks, stands the state (proc(5)).
    let stands =
        |stat: &str| stat.rsplit(')').next().is_some_and(|rest| rest.trim().starts_with('T'));
    let stat = |thread: std::fs::DirEntry| std::fs::read_to_string(thread.path().join("stat"));
    while !threads().filter_map(|thread| stat(thread).ok()).all(|stat| stands(&stat)) {
        assert!(Instant::now() < deadline, "{pid} does not stop");
        std::thread::yield_now();
    }
}

/// The first file of that name below `folder`.
fn find(folder: &Path, name: &str) -> Option<PathBuf> {
    for entry in std::fs::read_dir(folder).ok()?.flatten() {
        let path = entry.path();
        let found = if path.is_dir() { find(&path, name) } else { None };
        let found = found.or_else(|| path.ends_with(name).then(|| path.clone()));
        if found.is_some() {
            return found;
        }
    }
    None
}

/// Free at this moment, and likely a moment later.
fn free_port() -> u16 {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port()
}

fn trusting() -> TlsMode {
    let files = TlsFiles { skip_verify: true, ..TlsFiles::default() };
    TlsMode::IfNeeded(Arc::new(TlsSettings::load(&files).unwrap()))
}

/// `Required` with the same settings as `mode`.
fn required(mode: &TlsMode) -> TlsMode {
    match mode {
        TlsMode::Off => panic!("no settings"),
        TlsMode::IfNeeded(settings) | TlsMode::Required(settings) => {
            TlsMode::Required(settings.clone())
        }
    }
}

#[tokio::test]
async fn the_right_password_opens_a_session_and_a_wrong_one_is_denied() {
    for flavour in FLAVOURS {
        let server = Server::start(flavour, &[]);
        for tls in [TlsMode::Off, trusting()] {
            for (user, password) in [("ham4db", "ham4db"), ("root", ""), ("ham4db", "ham4db")] {
                let mut connection = server.open_as(user, password, tls.clone()).await.unwrap();
                let sets = connection.query("SELECT connection_id() AS id, user() AS u").await;
                let sets = sets.unwrap();
                let row = sets[0].first().unwrap();
                assert_eq!(row.get_u64("id"), Some(connection.id().into()), "{flavour}");
                assert!(row.get("u").unwrap().starts_with(user), "{flavour}: {row:?}");
            }
            // MySQL asks accounts that do not exist for proofs of any kind, chosen by their names.
            let denied = [("ham4db", "wrong"), ("ham4db", "")].into_iter();
            for (user, password) in denied.chain(NOBODIES.map(|user| (user, "ham4db"))) {
                let error = server.open_as(user, password, tls.clone()).await.unwrap_err();
                assert_eq!(error.kind(), FailureKind::AccessDenied, "{flavour}: {error:?}");
                assert_eq!(error.code(), Some(1045), "{flavour}: {error:?}");
            }
        }
    }
}

#[tokio::test]
async fn statements_in_one_text_are_answered_one_by_one_up_to_the_first_that_fails() {
    for flavour in FLAVOURS {
        let server = Server::start(flavour, &[]);
        let mut connection = server.plain().await;
        let sql =
            "SET @a = 7; SELECT @a AS a, NULL AS n, '' AS e UNION ALL SELECT 8, 'x', 'ü'; DO 1";
        let sets = connection.query(sql).await.unwrap();
        assert_eq!(sets.len(), 3, "{flavour}");
        assert!(sets[0].is_empty() && sets[2].is_empty(), "{flavour}: {sets:?}");
        let cells: Vec<Vec<_>> =
            sets[1].rows().map(|row| row.iter().map(|(_, cell)| cell).collect()).collect();
        let expected = [[Some("7"), None, Some("")], [Some("8"), Some("x"), Some("ü")]];
        assert_eq!(cells, expected, "{flavour}");

        match connection.query("SELECT 1; SELECT no_such_column; SELECT 3").await.unwrap_err() {
            WireError::Statement { index: 1, error, before } => {
                assert_eq!((error.code, before.len()), (1054, 1), "{flavour}");
                assert_eq!(before[0].first().and_then(|row| row.get_u64(0)), Some(1));
            }
            error => panic!("{flavour}: {error:?}"),
        }
        let error = connection.query("SELECT no_such_column").await.unwrap_err();
        assert_eq!(error.kind(), FailureKind::Query, "{flavour}: {error:?}");
        connection.ping().await.unwrap();
    }
}

#[tokio::test]
async fn pipelined_statements_fail_each_on_its_own() {
    // Some flavours have no certificate of their own: they borrow that of MySQL 9.7.
    let lender = Server::start("mysql-9.7", &[]);
    let borrowed = ["cert", "key"].map(|part| {
        let file = find(&lender.path(), &format!("server-{part}.pem")).expect("a certificate");
        format!("ssl_{part}={}", file.display())
    });
    for flavour in FLAVOURS {
        let bare = ["mariadb-10.5", "mariadb-10.11"].contains(&flavour);
        let server = Server::start(flavour, if bare { &borrowed } else { &[] });
        pipeline(flavour, &mut server.plain().await).await;
        if flavour != "mysql-5.6" {
            let mut connection = server.open(required(&trusting())).await.unwrap();
            assert!(connection.is_tls(), "{flavour}");
            pipeline(flavour, &mut connection).await;
        }
    }
}

async fn pipeline(flavour: &str, connection: &mut Connection) {
    for round in 0..20 {
        let first = format!("SELECT {round} AS round");
        let sqls = [&first, "SELECT no_such_column", "DO 0", "SELECT", "SHOW VARIABLES"];
        let answers = timeout(LIMIT, connection.query_each(&sqls)).await.unwrap().unwrap();
        let codes: Vec<_> =
            answers.iter().map(|a| a.as_ref().map_or_else(|e| e.code, |_| 0)).collect();
        assert_eq!(codes, [0, 1054, 0, 1064, 0], "{flavour}");
        let row = answers[0].as_ref().unwrap().first().unwrap();
        assert_eq!(row.get_u64("round"), Some(round), "{flavour}");
        assert!(answers[4].as_ref().unwrap().len() > 300, "{flavour}");
    }
    // More than both sockets hold at once, in both directions.
    let big = format!("SELECT '{}' AS big", "x".repeat(60_000));
    let answers = timeout(LIMIT, connection.query_each(&[big.as_str(); 100])).await.unwrap();
    let answers = answers.unwrap();
    assert_eq!(answers.len(), 100);
    for answer in answers {
        assert_eq!(answer.unwrap().first().unwrap().get("big").map(str::len), Some(60_000));
    }
    connection.ping().await.unwrap();
}

#[tokio::test]
async fn a_killed_server_is_noticed_at_once() {
    for flavour in FLAVOURS {
        let server = Server::start(flavour, &[]);
        let mut connection = server.plain().await;
        connection.ping().await.unwrap();
        // A timer that wins the race does no harm.
        let early = timeout(Duration::from_millis(20), connection.closed()).await;
        assert!(early.is_err(), "{flavour}: {early:?}");
        connection.ping().await.unwrap();

        let pid = server.pid();
        let begin = Instant::now();
        signal(pid, "KILL");
        let reason = timeout(LIMIT, connection.closed()).await.unwrap();
        let took = begin.elapsed();
        println!("{flavour}: noticed {took:?} after kill -9 ({reason:?})");
        assert_eq!(reason.kind(), FailureKind::ConnectionLost, "{flavour}: {reason:?}");
        assert!(took < Duration::from_secs(1), "{flavour}: {took:?}");
        assert!(!connection.is_usable());
        let error = connection.ping().await.unwrap_err();
        assert!(matches!(error, WireError::Unusable), "{flavour}: {error:?}");
    }
}

#[tokio::test]
async fn a_frozen_server_keeps_silent_and_a_cut_exchange_spoils_the_connection() {
    for flavour in FLAVOURS {
        let server = Server::start(flavour, &[]);
        let (mut idle, mut asking) = (server.plain().await, server.plain().await);
        let pid = server.pid();
        freeze(pid);
        let silence = Duration::from_millis(300);
        let (closed, ping) =
            tokio::join!(timeout(silence, idle.closed()), timeout(silence, asking.ping()));
        signal(pid, "CONT");
        assert!(closed.is_err() && ping.is_err(), "{flavour}: {closed:?} {ping:?}");
        assert!(idle.is_usable() && !asking.is_usable());
        idle.ping().await.unwrap();
        assert!(matches!(asking.ping().await, Err(WireError::Unusable)));
        assert!(matches!(asking.closed().await, WireError::Unusable));
    }
}

#[tokio::test]
async fn no_connection_left_is_told_apart() {
    for flavour in FLAVOURS {
        let server = Server::start(flavour, &["max_connections=10".to_owned()]);
        let mut held = Vec::new();
        let error = loop {
            match server.open_as("repl", "repl", TlsMode::Off).await {
                Ok(connection) => held.push(connection),
                Err(error) => break error,
            }
            assert!(held.len() < 20, "{flavour}: no limit");
        };
        assert_eq!(error.code(), Some(1040), "{flavour}: {error:?}");
        assert_eq!(error.kind(), FailureKind::TooManyConnections, "{flavour}");
    }
}

#[tokio::test]
async fn a_server_that_says_why_it_closes_is_heard() {
    for flavour in FLAVOURS {
        let server = Server::start(flavour, &[]);
        let mut idle = server.plain().await;
        idle.query("SET SESSION wait_timeout = 1").await.unwrap();
        let reason = timeout(LIMIT, idle.closed()).await.unwrap();
        println!("{flavour}: idle for too long: {reason:?}");
        assert_eq!(reason.kind(), FailureKind::ConnectionLost, "{flavour}: {reason:?}");
        if flavour == "mysql-9.7" {
            assert_eq!(reason.code(), Some(4031), "{flavour}: {reason:?}");
        }

        let mut killed = server.plain().await;
        server.sql(&format!("KILL {}", killed.id()));
        let reason = timeout(LIMIT, killed.closed()).await.unwrap();
        println!("{flavour}: killed by an administrator: {reason:?}");
        assert_eq!(reason.kind(), FailureKind::ConnectionLost, "{flavour}: {reason:?}");

        let mut guest = server.plain().await;
        signal(server.pid(), "TERM");
        let reason = timeout(LIMIT, guest.closed()).await.unwrap();
        println!("{flavour}: orderly shutdown: {reason:?}");
        assert_eq!(reason.kind(), FailureKind::ConnectionLost, "{flavour}: {reason:?}");
    }
}

#[tokio::test]
async fn tls_trusts_whom_it_is_told_to_trust() {
    let server = Server::start("mysql-9.7", &[]);
    let mut connection = server.open(required(&trusting())).await.unwrap();
    let sets = connection.query("SHOW STATUS LIKE 'Ssl_cipher'").await.unwrap();
    assert_ne!(sets[0].first().unwrap().get(1), Some(""));

    let load = |ca| {
        let files = TlsFiles { ca, ..TlsFiles::default() };
        TlsMode::Required(Arc::new(TlsSettings::load(&files).unwrap()))
    };
    let ca = find(&server.path(), "ca.pem").expect("the server's own CA");
    let mut connection = server.open(load(Some(ca))).await.unwrap();
    connection.ping().await.unwrap();
    assert!(connection.is_tls());

    let error = server.open(load(None)).await.unwrap_err();
    assert_eq!(error.kind(), FailureKind::Tls, "{error:?}");
}

#[tokio::test]
async fn tls_is_used_where_the_server_demands_it() {
    let server = Server::start("mysql-9.7", &["require_secure_transport=ON".to_owned()]);
    let error = server.open(TlsMode::Off).await.unwrap_err();
    assert_eq!((error.code(), error.kind()), (Some(3159), FailureKind::Tls));
    let mut connection = server.open(trusting()).await.unwrap();
    assert!(connection.is_tls());
    connection.ping().await.unwrap();
}

#[tokio::test]
async fn an_account_may_demand_tls_or_a_client_certificate() {
    let server = Server::start("mysql-9.7", &[]);
    server.sql("CREATE USER s IDENTIFIED BY 's' REQUIRE SSL");
    server.sql("CREATE USER x IDENTIFIED BY 'x' REQUIRE X509");
    assert!(server.open_as("s", "s", trusting()).await.unwrap().is_tls());

    let file = |name| find(&server.path(), name).expect(name);
    let files = TlsFiles {
        ca: Some(file("ca.pem")),
        identity: Some((file("client-cert.pem"), file("client-key.pem"))),
        skip_verify: false,
    };
    let mutual = TlsMode::IfNeeded(Arc::new(TlsSettings::load(&files).unwrap()));
    assert!(server.open_as("x", "x", mutual).await.unwrap().is_tls());
    for tls in [TlsMode::Off, trusting()] {
        let error = server.open_as("x", "x", tls).await.unwrap_err();
        assert_eq!(error.kind(), FailureKind::AccessDenied, "{error:?}");
    }
}

#[tokio::test]
async fn sha256_accounts_can_log_in_with_and_without_tls() {
    let server = Server::start("mysql-9.7", &[]);
    server.sql("CREATE USER o IDENTIFIED WITH sha256_password BY 'secret'");
    for tls in [TlsMode::Off, trusting(), required(&trusting())] {
        server.open_as("o", "secret", tls.clone()).await.unwrap().ping().await.unwrap();
        let error = server.open_as("o", "other", tls).await.unwrap_err();
        assert_eq!(error.code(), Some(1045), "{error:?}");
    }
}

#[tokio::test]
async fn mixed_tls_logs_in_although_the_certificate_is_not_trusted() {
    let server = Server::start("mysql-9.7", &[]);
    let settings = TlsSettings::load(&TlsFiles::default()).unwrap();
    let mode = TlsMode::IfNeeded(Arc::new(settings));
    for _cold_then_cached in 0..2 {
        let mut connection = server.open(mode.clone()).await.unwrap();
        connection.ping().await.unwrap();
        assert!(!connection.is_tls());
    }
    let error = server.open_as("ham4db", "wrong", mode).await.unwrap_err();
    assert_eq!(error.code(), Some(1045), "{error:?}");
}

#[tokio::test]
async fn required_tls_is_refused_by_a_server_without_it() {
    let server = Server::start("mysql-5.6", &[]);
    let error = server.open(required(&trusting())).await.unwrap_err();
    assert!(matches!(error, WireError::NoTls), "{error:?}");
}

#[tokio::test]
async fn mariadb_accounts_with_ed25519_can_log_in() {
    let options = ["plugin_load_add=auth_ed25519".to_owned()];
    for flavour in ["mariadb-10.5", "mariadb-10.11", "mariadb-11.8"] {
        let server = Server::start(flavour, &options);
        server.sql("CREATE USER e IDENTIFIED VIA ed25519 USING PASSWORD('secret')");
        server.open_as("e", "secret", TlsMode::Off).await.unwrap();
        let error = server.open_as("e", "other", TlsMode::Off).await.unwrap_err();
        assert_eq!(error.kind(), FailureKind::AccessDenied, "{flavour}: {error:?}");
    }
}

#[tokio::test]
async fn nothing_that_listens_is_a_refusal() {
    let target = Target {
        host: "localhost".to_owned(),
        port: free_port(),
        user: "u".to_owned(),
        password: "p".to_owned(),
        tls: TlsMode::Off,
        connect_limit: LIMIT,
    };
    let addr = (Ipv4Addr::LOCALHOST, target.port).into();
    let error = Connection::open(&target, addr).await.unwrap_err();
    assert_eq!(error.kind(), FailureKind::Refused, "{error:?}");
}
