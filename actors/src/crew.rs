//! The servers that take part in a recovery, each with a connection of its own for as long as it lasts.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use ham4db_domain::checks::Checks;
use ham4db_domain::key::InstanceKey;
use ham4db_domain::registry::AuditedStep;
use ham4db_domain::step::Step;
use ham4db_domain::topology::{Member, Server as Known, Topology};
use ham4db_mysql::server::{Server, Servers};
use jiff::Timestamp;

/// What came of one step.
#[derive(Debug)]
pub struct Taken {
    /// The step.
    pub step: Step,
    /// What happened, for the recovery's story.
    pub audit: AuditedStep,
}

/// Connections to the servers that take part.
pub struct Crew {
    servers: Arc<dyn Servers>,
    connections: HashMap<InstanceKey, Box<dyn Server>>,
    probe_limit: Duration,
    step_limit: Duration,
    at_once: usize,
}

impl Crew {
    /// A crew without members.
    pub fn new(
        servers: Arc<dyn Servers>,
        probe_limit: Duration,
        step_limit: Duration,
        at_once: usize,
    ) -> Self {
        Self {
            servers,
            connections: HashMap::new(),
            probe_limit,
            step_limit,
            at_once: at_once.max(1),
        }
    }

    /// Reads the given servers, all at once, and puts what they say into the view. A server that does not answer is
    /// in the view as such.
    pub async fn look(&mut self, view: Topology, keys: &[InstanceKey]) -> Topology {
        self.connect(keys.iter());
        let limit = self.probe_limit;
        let readings: FuturesUnordered<_> = self
            .connections
            .iter_mut()
            .filter(|(key, _)| keys.contains(key))
            .map(|(key, server)| async move {
                let began = Timestamp::now();
                (key.clone(), began, server.probe(limit).await)
            })
            .collect();
        let readings: Vec<_> = readings.collect().await;
        let mut view = view;
        for (key, began, outcome) in readings {
            let before = view.get(&key).cloned();
            let now = Timestamp::now();
            let seen_before = before.as_ref().and_then(|member| member.checks.last_seen);
            let (instance, checks) = match outcome {
                Ok(snapshot) => {
                    let mut instance = snapshot.instance;
                    instance.key = key.clone();
                    let checks = Checks {
                        last_attempted: Some(began),
                        last_checked: Some(now),
                        last_seen: Some(now),
                        partial: snapshot.partial,
                        failure: None,
                    };
                    (Some(Arc::new(instance)), checks)
                }
                Err(failure) => {
                    let checks = Checks {
                        last_attempted: Some(began),
                        last_checked: Some(now),
                        last_seen: seen_before.filter(|seen| *seen < now),
                        partial: false,
                        failure: Some(failure),
                    };
                    (before.and_then(|member| member.instance.clone()), checks)
                }
            };
            view = put(&view, Known { key, instance, checks, silent_for: None });
        }
        view
    }

    /// Takes one group of steps, at most so many at once as the policy allows. Every step is tried.
    pub async fn perform(&mut self, steps: Vec<Step>) -> Vec<Taken> {
        self.connect(steps.iter().map(Step::server));
        let limit = self.step_limit;
        let jobs: Vec<_> = self
            .connections
            .iter_mut()
            .filter_map(|(key, server)| {
                let own: Vec<Step> =
                    steps.iter().filter(|step| step.server() == key).cloned().collect();
                (!own.is_empty()).then(|| take(server.as_mut(), own, limit))
            })
            .collect();
        let taken: Vec<Vec<Taken>> =
            futures_util::stream::iter(jobs).buffer_unordered(self.at_once).collect().await;
        taken.into_iter().flatten().collect()
    }

    fn connect<'a>(&mut self, keys: impl Iterator<Item = &'a InstanceKey>) {
        for key in keys {
            if !self.connections.contains_key(key) {
                self.connections.insert(key.clone(), self.servers.server(key));
            }
        }
    }
}

/// The view with newer facts of one server. Places stay: a recovery moves servers about, and is over when they have
/// moved.
fn put(view: &Topology, server: Known) -> Topology {
    if let Some(replaced) = view.replace(server.clone()) {
        return replaced;
    }
    let old = view.get(&server.key);
    view.with(Member {
        place: old.map(|member| member.place.clone()).unwrap_or_default(),
        errant: old.map(|member| member.errant.clone()).unwrap_or_default(),
        key: server.key,
        instance: server.instance,
        checks: server.checks,
        silent_for: server.silent_for,
    })
}

/// Takes steps of one server in order; the first failure ends them.
async fn take(server: &mut dyn Server, steps: Vec<Step>, limit: Duration) -> Vec<Taken> {
    let mut taken = Vec::new();
    for step in steps {
        let began = Instant::now();
        let limit = match &step {
            Step::WaitApplied { limit: own, .. } => limit + *own,
            _ => limit,
        };
        let outcome = server.perform(&step, limit).await;
        let took = began.elapsed();
        let (message, error) = match outcome {
            Ok(performed) => (format!("{step}{performed}"), None),
            Err(error) => (step.to_string(), Some(error.to_string())),
        };
        let failed = error.is_some();
        let audit = AuditedStep { at: Timestamp::now(), took: Some(took), message, error };
        taken.push(Taken { step, audit });
        if failed {
            break;
        }
    }
    taken
}
