//! The service from its configuration to its last signal: opens the backend, starts the actors, listens, reads the
//! configuration again when asked to, and ends in order.

use std::io;
use std::num::NonZero;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use ham4db_actors::settings::Settings;
use ham4db_consensus::LocalLog;
use ham4db_mysql::MySqlServers;
use ham4db_mysql::settings::MySqlSettings;
use ham4db_mysql::wire::TlsSettingsError;
use ham4db_store::{Store, StoreError};
use jiff::Timestamp;
use log::LevelFilter;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{Semaphore, mpsc, watch};

use crate::app::{Node, Seeds};
use crate::config::{Config, Notice, Problems, Sources};
use crate::http::server::{Bound, ListenError, bind, listen};
use crate::http::state::{FrontSettings, Node as ThisNode, Reload, STORE_READERS, State};
use crate::settings;

/// Exit code of a service that cannot go on: whoever started it should start it again.
const BROKEN: u8 = 70;
/// Threads that carry probers, at most; two keep up with thousands of servers.
const PROBER_THREADS: usize = 2;
/// How long requests that are being answered may go on after a signal to stop.
const STOP_LIMIT: Duration = Duration::from_secs(6);

/// Why the service did not start, or ended.
#[derive(Debug, thiserror::Error)]
pub enum ServiceError {
    /// The configuration cannot be used.
    #[error("the configuration cannot be used:\n{0}")]
    Config(Problems),
    /// A certificate for watched servers cannot be used.
    #[error("TLS for watched servers: {0}")]
    Tls(#[from] TlsSettingsError),
    /// The backend cannot be used.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The address cannot be used.
    #[error(transparent)]
    Listen(#[from] ListenError),
    /// The system refused something that it never should.
    #[error("cannot receive signals: {0}")]
    Signals(io::Error),
    /// Something that exists once is gone.
    #[error("the {0} has ended unexpectedly; the service ends, and has to be started again")]
    Gone(&'static str),
    /// The front end ended by itself.
    #[error(
        "the HTTP server has ended unexpectedly; the service ends, and has to be started again"
    )]
    FrontEnded,
}

impl ServiceError {
    /// What the process tells whoever started it.
    pub fn exit_code(&self) -> ExitCode {
        match self {
            Self::Gone(_) | Self::FrontEnded => ExitCode::from(BROKEN),
            _ => ExitCode::FAILURE,
        }
    }
}

/// Runs the service until it is told to stop. `level` says how much is logged under a configuration.
///
/// # Errors
/// When it cannot start, or cannot go on.
pub fn run(
    sources: Sources,
    level: impl Fn(&Config) -> LevelFilter + 'static,
) -> Result<(), ServiceError> {
    let (config, notices) = Config::load(&sources).map_err(|problems| {
        warn(&problems.notices);
        ServiceError::Config(problems)
    })?;
    log::set_max_level(level(&config));
    warn(&notices);
    let front = bind(&settings::listen(&config))?;
    let store = Store::open(&settings::backend(&config))?;
    let log = Arc::new(LocalLog::open(store.clone())?);
    let stored = store.load_members()?;
    log::info!(
        "backend {} is open: {} servers, {} recoveries known",
        store.place(),
        stored.len(),
        log.registry().borrow().recoveries.len()
    );
    actix::System::new().block_on(async move {
        let (live, reloads) = Live::new(config, sources, Box::new(level))?;
        serve(live, reloads, front, Backend { store, log, stored }).await
    })
}

/// The backend as it was found.
struct Backend {
    store: Store,
    log: Arc<LocalLog>,
    stored: Vec<ham4db_domain::topology::Server>,
}

async fn serve(
    live: Live,
    reloads: mpsc::Receiver<Reload>,
    front: Bound,
    Backend { store, log, stored }: Backend,
) -> Result<(), ServiceError> {
    let mut stops = Stops::new().map_err(ServiceError::Signals)?;
    let hangups = signal(SignalKind::hangup()).map_err(ServiceError::Signals)?;
    let servers = Arc::new(MySqlServers::new(live.servers.subscribe()));
    let threads = std::thread::available_parallelism().map_or(1, NonZero::get).min(PROBER_THREADS);
    let node = Node::start(live.settings.subscribe(), servers, store, log, stored, threads);
    let state = State {
        fleet: node.readers.fleet.clone(),
        registry: node.readers.registry.clone(),
        problems: node.readers.problems.clone(),
        settings: node.readers.settings.clone(),
        front: live.front.subscribe(),
        leadership: node.readers.leadership.clone(),
        leader: node.gateway.clone().recipient(),
        store: node.readers.store.clone(),
        store_permits: Arc::new(Semaphore::new(STORE_READERS)),
        reload: live.reload.clone(),
        node: Arc::new(this_node(&live.node, &live.config)),
    };
    let at = front.to_string();
    let front = listen(front, state)?;
    let handle = front.handle();
    log::info!("listening on {at}");
    let seeds = node.seeds.clone();
    let registry = node.readers.registry.clone();
    let reloading = live.reload_when_asked(reloads, hangups, seeds);
    let ended = tokio::select! {
        name = stops.next() => { log::info!("{name}: stopping"); Ok(()) }
        gone = node.watch_over() => Err(ServiceError::Gone(gone)),
        _ = front => Err(ServiceError::FrontEnded),
        () = reloading => Err(ServiceError::FrontEnded),
    };
    if tokio::time::timeout(STOP_LIMIT, handle.stop(true)).await.is_err() {
        log::warn!("requests were cut off: they did not end within {} s", STOP_LIMIT.as_secs());
    }
    for recovery in
        registry.borrow().recoveries.values().filter(|recovery| recovery.closed.is_none())
    {
        log::warn!(
            "the recovery {} of {} is not over: the next start continues it",
            recovery.uid,
            recovery.intent.failed
        );
    }
    ended
}

/// The two signals that end a service.
struct Stops {
    terminate: Signal,
    interrupt: Signal,
}

impl Stops {
    fn new() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
        }
    }
}

/// The configuration in force, and those who follow it.
struct Live {
    config: Config,
    sources: Sources,
    node: String,
    level: Box<dyn Fn(&Config) -> LevelFilter>,
    settings: watch::Sender<Arc<Settings>>,
    servers: watch::Sender<Arc<MySqlSettings>>,
    front: watch::Sender<Arc<FrontSettings>>,
    reload: mpsc::Sender<Reload>,
}

impl Live {
    fn new(
        config: Config,
        sources: Sources,
        level: Box<dyn Fn(&Config) -> LevelFilter>,
    ) -> Result<(Self, mpsc::Receiver<Reload>), ServiceError> {
        let node = hostname();
        let (reload, reloads) = mpsc::channel(1);
        let live = Self {
            settings: watch::Sender::new(Arc::new(settings::actors(&config, &node))),
            servers: watch::Sender::new(Arc::new(settings::servers(&config)?)),
            front: watch::Sender::new(Arc::new(settings::front(&config))),
            config,
            sources,
            node,
            level,
            reload,
        };
        Ok((live, reloads))
    }

    /// Reads the configuration again at each SIGHUP and each request. Never ends.
    async fn reload_when_asked(
        mut self,
        mut asked: mpsc::Receiver<Reload>,
        mut hangups: Signal,
        seeds: Seeds,
    ) {
        loop {
            let request = tokio::select! {
                _ = hangups.recv() => None,
                request = asked.recv() => request,
            };
            let extra = request.as_ref().and_then(|request| request.extra_file.clone());
            let outcome = self.again(extra.as_deref()).await;
            match &outcome {
                Ok(()) => {
                    log::info!("the configuration was read again");
                    seeds.watch(self.settings.borrow().discovery.seeds.clone());
                }
                Err(problems) => log::error!("the configuration stays as it was: {problems}"),
            }
            if let Some(Reload { answer, .. }) = request {
                let _ = answer.send(outcome); // whoever asked may be gone
            }
        }
    }

    /// Takes over what the files say now, or nothing.
    async fn again(&mut self, extra_file: Option<&str>) -> Result<(), String> {
        let sources = match extra_file {
            Some(file) => self.sources.clone().and(file.as_ref()),
            None => self.sources.clone(),
        };
        let old = self.config.clone();
        let read = tokio::task::spawn_blocking(move || {
            let (config, notices) =
                old.reload(&sources).map_err(|problems| problems.to_string())?;
            let servers = settings::servers(&config).map_err(|error| error.to_string())?;
            Ok((config, notices, servers))
        });
        let (config, notices, servers) = read.await.map_err(|error| error.to_string()).flatten()?;
        warn(&notices);
        log::set_max_level((self.level)(&config));
        self.settings.send_replace(Arc::new(settings::actors(&config, &self.node)));
        self.servers.send_replace(Arc::new(servers));
        self.front.send_replace(Arc::new(settings::front(&config)));
        self.config = config;
        Ok(())
    }
}

fn warn(notices: &[Notice]) {
    for notice in notices {
        log::warn!("{notice}");
    }
}

fn this_node(hostname: &str, config: &Config) -> ThisNode {
    ThisNode {
        hostname: hostname.to_owned(),
        token: uuid::Uuid::new_v4().simple().to_string(),
        started: Timestamp::now(),
        backend: settings::backend_name(config).to_owned(),
    }
}

/// The name of this machine.
fn hostname() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    Some(name.trim().to_owned())
        .filter(|name| !name.is_empty())
        .unwrap_or_else(|| "localhost".to_owned())
}
