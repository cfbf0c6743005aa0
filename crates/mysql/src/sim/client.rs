//! The port on a simulated server.

use std::time::Duration;

use async_trait::async_trait;
use ham4db_domain::checks::{FailureKind, ProbeFailure};
use ham4db_domain::key::InstanceKey;
use ham4db_domain::step::{ApplyTarget, Step};
use tokio::time::{Instant, sleep, sleep_until};

use super::state::{Condition, SimServer, World};
use super::{Mishap, SimCluster};
use crate::dialect::dialect_of;
use crate::plan::{Plan, plan};
use crate::server::{Performed, Server, Snapshot, StepError};

/// How often a waiting step looks.
const LOOK: Duration = Duration::from_millis(10);

pub(super) struct SimClient {
    cluster: SimCluster,
    key: InstanceKey,
    /// Generation of the server's connections that ours belongs to.
    connection: Option<u64>,
}

/// What the network makes of an exchange.
enum Exchange {
    Answered(Duration),
    Failed(FailureKind, Duration),
    Silent(FailureKind),
}

impl SimClient {
    pub(super) fn new(cluster: SimCluster, key: InstanceKey) -> Self {
        Self { cluster, key, connection: None }
    }

    /// Has an exchange with the server: connects when needed, waits as long as it takes.
    async fn exchange(&mut self, limit: Duration) -> Result<(), ProbeFailure> {
        let deadline = Instant::now() + limit;
        let failed = |kind: FailureKind| ProbeFailure { kind, detail: "simulated".to_owned() };
        let (outcome, generation) = {
            let world = self.cluster.lock();
            let Some(server) = world.server(&self.key) else {
                return Err(failed(FailureKind::Unresolvable));
            };
            let is_open = self.connection == Some(server.generation);
            (outcome(server, is_open), server.generation)
        };
        let connection = self.connection.take();
        match outcome {
            Exchange::Answered(latency) if latency <= limit => {
                sleep(latency).await;
                self.connection = Some(generation);
                Ok(())
            }
            Exchange::Answered(_) => {
                sleep_until(deadline).await;
                Err(failed(FailureKind::Hung))
            }
            Exchange::Failed(kind, latency) => {
                sleep(latency.min(limit)).await;
                Err(failed(kind))
            }
            Exchange::Silent(kind) => {
                sleep_until(deadline).await;
                // A connection that was open only hangs.
                Err(failed(if connection.is_some() { FailureKind::Hung } else { kind }))
            }
        }
    }

    fn mishap(&self) -> Option<Mishap> {
        self.cluster.change(|world| {
            let mut mishap = None;
            world.edit(&self.key, |server| mishap = server.mishaps.pop_front());
            mishap
        })
    }

    /// What the step comes to, by the same plan as on a real server.
    fn planned(&self, step: &Step) -> Result<Plan, StepError> {
        let impossible = |reason| StepError::Impossible { server: self.key.clone(), reason };
        let instance = self
            .cluster
            .lock()
            .instance(&self.key)
            .ok_or_else(|| impossible("no such server".to_owned()))?;
        let dialect = dialect_of(instance.flavor, &instance.version);
        plan(step, &instance, dialect.as_ref(), None).map_err(impossible)
    }

    async fn wait_applied(
        &self,
        target: &ApplyTarget,
        limit: Duration,
    ) -> Result<Performed, StepError> {
        let deadline = Instant::now() + limit;
        loop {
            let (instance, is_drained) = {
                let world = self.cluster.lock();
                let drained = world
                    .server(&self.key)
                    .and_then(|server| server.replication.as_ref())
                    .is_none_or(super::state::SimReplication::is_drained);
                (world.instance(&self.key), drained)
            };
            let reached = match (target, &instance) {
                (ApplyTarget::Received, _) => is_drained,
                (ApplyTarget::Gtids { set }, Some(found)) => found.gtid.executed.contains(set),
                (ApplyTarget::Position { position }, Some(found)) => {
                    found.gtid.slave_pos.as_ref().is_some_and(|applied| applied.covers(position))
                }
                (_, None) => true,
            };
            let server = self.key.clone();
            if reached {
                return Ok(Performed::changed("waited"));
            }
            if instance.is_some_and(|found| !found.sql_running()) {
                let reason = "its applier is stopped".to_owned();
                return Err(StepError::Impossible { server, reason });
            }
            if Instant::now() >= deadline {
                let progress = "simulated lag".to_owned();
                return Err(StepError::LimitReached { server, limit, progress });
            }
            sleep(LOOK).await;
        }
    }
}

#[async_trait]
impl Server for SimClient {
    async fn probe(&mut self, limit: Duration) -> Result<Snapshot, ProbeFailure> {
        self.cluster.change(|world| world.edit(&self.key, |server| server.probes += 1));
        self.exchange(limit).await?;
        let instance = self.cluster.lock().instance(&self.key).ok_or_else(|| ProbeFailure {
            kind: FailureKind::Unresolvable,
            detail: "simulated".to_owned(),
        })?;
        Ok(Snapshot { instance, own_name: None, partial: false, complaints: Vec::new() })
    }

    async fn check_alive(&mut self, limit: Duration) -> Result<(), ProbeFailure> {
        self.exchange(limit).await
    }

    async fn closed(&mut self) -> ProbeFailure {
        let mut changes = self.cluster.changes.subscribe();
        loop {
            let generation = self.cluster.lock().server(&self.key).map(|server| server.generation);
            if self.connection.is_some() && self.connection != generation {
                self.connection = None;
                let detail = "simulated".to_owned();
                return ProbeFailure { kind: FailureKind::ConnectionLost, detail };
            }
            if changes.changed().await.is_err() {
                return std::future::pending().await;
            }
        }
    }

    async fn perform(&mut self, step: &Step, limit: Duration) -> Result<Performed, StepError> {
        let server = self.key.clone();
        if let Err(failure) = self.exchange(limit).await {
            return Err(StepError::NotReached { server, failure });
        }
        let lost =
            || ProbeFailure { kind: FailureKind::ConnectionLost, detail: "simulated".to_owned() };
        let mishap = self.mishap();
        let action = step.to_string();
        match mishap {
            Some(Mishap::NotReached) => {
                return Err(StepError::NotReached { server, failure: lost() });
            }
            Some(Mishap::OrderLost) => {
                return Err(StepError::Unknown { server, action, failure: lost() });
            }
            Some(Mishap::Refused(code)) => {
                let message = "simulated".to_owned();
                return Err(StepError::Refused { server, action, code, message, advice: "" });
            }
            Some(Mishap::AnswerLost) | None => {}
        }
        let planned = self.planned(step)?;
        let performed = match planned {
            Plan::Nothing(how) => Performed::already(how),
            Plan::WaitApplied(target) => {
                let Step::WaitApplied { limit: own, .. } = step else {
                    return Ok(Performed::already(""));
                };
                return self.wait_applied(&target, limit.min(*own)).await;
            }
            Plan::Run(_) | Plan::MakeReadOnly(_) | Plan::EndClients => {
                self.cluster.change(|world| take(world, &self.key, step));
                Performed::changed("simulated")
            }
        };
        match mishap {
            Some(Mishap::AnswerLost) => Err(StepError::Unknown { server, action, failure: lost() }),
            _ => Ok(performed),
        }
    }

    fn disconnect(&mut self) {
        self.connection = None;
    }
}

/// What comes of talking to a server in its condition, over an open connection or a new one.
fn outcome(server: &SimServer, is_open: bool) -> Exchange {
    match server.condition {
        Condition::Up => Exchange::Answered(server.latency),
        Condition::Killed => Exchange::Failed(FailureKind::Refused, Duration::ZERO),
        Condition::Frozen => Exchange::Silent(FailureKind::Hung),
        Condition::Isolated | Condition::CutOff => Exchange::Silent(FailureKind::Unreachable),
        Condition::TurnsDown(_) if is_open => Exchange::Answered(server.latency),
        Condition::TurnsDown(kind) => Exchange::Failed(kind, server.latency),
    }
}

/// Changes the server as the step says.
fn take(world: &mut World, key: &InstanceKey, step: &Step) {
    world.taken.push((Instant::now(), step.clone()));
    world.edit(key, |server| {
        let set_threads = |server: &mut SimServer, io: Option<bool>, sql: Option<bool>| {
            if let Some(replication) = &mut server.replication {
                replication.io_wanted = io.unwrap_or(replication.io_wanted);
                replication.sql_wanted = sql.unwrap_or(replication.sql_wanted);
                if sql == Some(true) {
                    replication.clear_error();
                }
            }
        };
        match step {
            Step::StopReceiving { .. } => set_threads(server, Some(false), None),
            Step::StopReplication { .. } => set_threads(server, Some(false), Some(false)),
            Step::StartReplication { .. } => set_threads(server, Some(true), Some(true)),
            Step::StartApplying { .. } => set_threads(server, None, Some(true)),
            Step::Repoint { source, at, .. } => server.repoint(source, at),
            Step::ForgetSource { .. } => server.replication = None,
            Step::Detach { .. } => {
                set_threads(server, Some(false), Some(false));
                if let Some(replication) = &mut server.replication {
                    replication.source = replication.source.detached();
                }
            }
            Step::MakeWritable { .. } => server.read_only = false,
            Step::MakeReadOnly { .. } => server.read_only = true,
            Step::WaitApplied { .. } | Step::EndClients { .. } => {}
        }
    });
}
