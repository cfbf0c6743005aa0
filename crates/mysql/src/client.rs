//! The port on real servers: one connection each, made when needed, and kept.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use ham4db_domain::checks::{FailureKind, ProbeFailure};
use ham4db_domain::key::InstanceKey;
use ham4db_domain::step::Step;
use tokio::sync::watch;
use tokio::time::{Instant, timeout_at};

use crate::perform;
use crate::probe::{Session, failure, hung};
use crate::resolver::Resolver;
use crate::server::{Performed, Server, Servers, Snapshot, StepError};
use crate::settings::MySqlSettings;
use crate::wire::{Connection, Target};

/// Real servers, reached with the settings in force.
pub struct MySqlServers {
    settings: watch::Receiver<Arc<MySqlSettings>>,
    resolver: Arc<Resolver>,
}

impl MySqlServers {
    /// Servers that follow the settings as they change.
    pub fn new(settings: watch::Receiver<Arc<MySqlSettings>>) -> Self {
        Self { settings, resolver: Arc::new(Resolver::new()) }
    }

    /// Servers with settings that never change.
    pub fn fixed(settings: MySqlSettings) -> Self {
        Self::new(watch::channel(Arc::new(settings)).1)
    }
}

impl Servers for MySqlServers {
    fn server(&self, key: &InstanceKey) -> Box<dyn Server> {
        Box::new(MySqlServer {
            key: key.clone(),
            settings: self.settings.clone(),
            resolver: self.resolver.clone(),
            session: None,
        })
    }
}

/// One real server.
struct MySqlServer {
    key: InstanceKey,
    settings: watch::Receiver<Arc<MySqlSettings>>,
    resolver: Arc<Resolver>,
    session: Option<Session>,
}

impl MySqlServer {
    fn settings(&self) -> Arc<MySqlSettings> {
        self.settings.borrow().clone()
    }

    /// The kept session, if it can still be used. Whoever takes it puts it back only when nothing went wrong, so
    /// that a future that is dropped half-way gives the connection up.
    fn take_session(&mut self) -> Option<Session> {
        self.session.take().filter(|session| session.connection.is_usable())
    }

    fn keep(&mut self, session: Session) {
        if session.connection.is_usable() {
            self.session = Some(session);
        }
    }

    /// Makes a new session: every address in turn, all within the deadline.
    async fn connect(&self, deadline: Instant) -> Result<Session, ProbeFailure> {
        let settings = self.settings();
        let InstanceKey { host, port } = &self.key;
        let keep = settings.limits.addresses;
        let addresses = self
            .resolver
            .addresses(host, *port, left(deadline), keep)
            .await
            .map_err(|detail| ProbeFailure { kind: FailureKind::Unresolvable, detail })?;
        let mut last = None;
        for (tried, address) in addresses.iter().enumerate() {
            let untried = u32::try_from(addresses.len() - tried).unwrap_or(u32::MAX);
            let share = left(deadline) / untried;
            let target = Target {
                host: host.clone(),
                port: *port,
                user: settings.account.user.clone(),
                password: settings.account.password.clone(),
                tls: settings.tls.clone(),
                // A little less than the share, so that it is this limit that ends the attempt.
                connect_limit: settings.limits.connect.min(share * 9 / 10),
            };
            let opened =
                timeout_at(Instant::now() + share, Connection::open(&target, *address)).await;
            last = Some(match opened {
                Ok(Ok(connection)) => return Ok(Session::new(connection)),
                Ok(Err(error)) => failure(&error),
                Err(_) => hung(share),
            });
            // A server that answers is the right one, whatever it says.
            if last.as_ref().is_some_and(|failure| failure.kind.shows_life()) {
                break;
            }
        }
        let failed = last.unwrap_or_else(|| ProbeFailure {
            kind: FailureKind::Unresolvable,
            detail: "it has no address".to_owned(),
        });
        if !failed.kind.shows_life() {
            self.resolver.doubt(host);
        }
        Err(failed)
    }

    /// The kept session, or a new one.
    async fn session(&mut self, deadline: Instant) -> Result<Session, ProbeFailure> {
        match self.take_session() {
            Some(session) => Ok(session),
            None => self.connect(deadline).await,
        }
    }

    async fn read(
        &self,
        session: &mut Session,
        deadline: Instant,
        limit: Duration,
    ) -> Result<Snapshot, ProbeFailure> {
        let settings = self.settings();
        match timeout_at(deadline, session.read(&self.key, &settings.probe)).await {
            Ok(outcome) => outcome,
            Err(_) => Err(hung(limit)),
        }
    }
}

#[async_trait]
impl Server for MySqlServer {
    async fn probe(&mut self, limit: Duration) -> Result<Snapshot, ProbeFailure> {
        let began = Instant::now();
        let deadline = began + limit;
        let mut outcome = Err(hung(limit));
        let kept = self.take_session();
        let is_kept = kept.is_some();
        if let Some(mut session) = kept {
            outcome = self.read(&mut session, deadline, limit).await;
            self.keep(session);
        }
        // A connection that the server closed while it was idle says nothing of the server.
        if !is_kept || matches!(&outcome, Err(failed) if failed.kind == FailureKind::ConnectionLost)
        {
            let mut session = self.connect(deadline).await?;
            outcome = self.read(&mut session, deadline, limit).await;
            self.keep(session);
        }
        let mut snapshot = outcome?;
        snapshot.instance.latency = began.elapsed();
        Ok(snapshot)
    }

    async fn check_alive(&mut self, limit: Duration) -> Result<(), ProbeFailure> {
        let deadline = Instant::now() + limit;
        if let Some(mut session) = self.take_session() {
            let pinged = timeout_at(deadline, session.connection.ping()).await;
            match pinged.map(|pinged| pinged.map_err(|error| failure(&error))) {
                Ok(Ok(())) => {
                    self.keep(session);
                    return Ok(());
                }
                Ok(Err(failed)) if failed.kind != FailureKind::ConnectionLost => {
                    return Err(failed);
                }
                Ok(Err(_)) => {}
                Err(_) => return Err(hung(limit)),
            }
        }
        let session = self.connect(deadline).await?;
        self.keep(session);
        Ok(())
    }

    async fn closed(&mut self) -> ProbeFailure {
        let Some(session) = &mut self.session else {
            return std::future::pending().await;
        };
        let reason = failure(&session.connection.closed().await);
        self.session = None;
        reason
    }

    async fn perform(&mut self, step: &Step, limit: Duration) -> Result<Performed, StepError> {
        let deadline = Instant::now() + limit;
        let unreached = |failure| StepError::NotReached { server: step.server().clone(), failure };
        let settings = self.settings();
        let mut session = self.session(deadline).await.map_err(unreached)?;
        let before = match perform::look(&mut session, step, &settings, deadline, limit).await {
            // Nothing has been changed yet, so a stale connection may be replaced.
            Err(StepError::NotReached { failure, .. })
                if failure.kind == FailureKind::ConnectionLost =>
            {
                session = self.connect(deadline).await.map_err(unreached)?;
                perform::look(&mut session, step, &settings, deadline, limit).await?
            }
            looked => looked?,
        };
        let outcome = perform::take(&mut session, step, before, &settings, deadline, limit).await;
        if !matches!(outcome, Err(StepError::Unknown { .. })) {
            self.keep(session);
        }
        outcome
    }

    fn disconnect(&mut self) {
        self.session = None;
    }
}

fn left(deadline: Instant) -> Duration {
    deadline.saturating_duration_since(Instant::now())
}
