//! Says what is wrong: looks at each cluster that changed, and asks for a closer look where that decides something.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use actix::prelude::*;
use ham4db_domain::analysis::{AnalysisCode, Input, Memory, Problem, Urgent, analyze, urgent};
use ham4db_domain::key::InstanceKey;
use ham4db_domain::registry::Registry;
use ham4db_domain::topology::Topology;
use jiff::Timestamp;
use tokio::sync::watch;
use tokio::time::Instant;

use crate::discovery::ProbeAll;
use crate::fleet::LiveFleet;
use crate::keeper::{ClustersChanged, Suspicious};
use crate::settings::LiveSettings;

/// Told to the recovery coordinator: what is wrong in a cluster now, as far as something can be done about it.
#[derive(Debug, Clone, Message)]
#[rtype(result = "()")]
pub struct Diagnosed {
    /// The cluster.
    pub topology: Arc<Topology>,
    /// All that is wrong in it.
    pub problems: Vec<Problem>,
}

/// All that is wrong, by cluster. Clusters without problems are left out.
pub type Problems = BTreeMap<String, Vec<Problem>>;

/// How often a cluster in trouble is looked at again without any event.
const AGAIN_EVERY: Duration = Duration::from_millis(500);
/// Least time between two urgent readings of a server, while the trouble is fresh.
const FRESH_GAP: Duration = Duration::from_millis(50);
/// How long trouble counts as fresh.
const FRESH_FOR: Duration = Duration::from_secs(5);
/// Least time between two urgent readings of a server after that.
const OLD_GAP: Duration = Duration::from_secs(1);

/// How long a position is remembered at which a server seemed locked.
const REMEMBER: Duration = Duration::from_hours(1);

/// Owns what is wrong with each cluster, and since when.
pub struct Analyst {
    settings: LiveSettings,
    fleet: LiveFleet,
    registry: watch::Receiver<Arc<Registry>>,
    published: watch::Sender<Arc<Problems>>,
    discovery: Recipient<ProbeAll>,
    reports: Option<ReportTo>,
    memory: Memory,
    problems: Problems,
    /// The latest picture of each cluster with problems, which may be newer than the published one.
    latest: BTreeMap<String, Arc<Topology>>,
    trouble: HashMap<String, Trouble>,
}

/// A cluster in which something may be about to be decided.
struct Trouble {
    since: Instant,
    next_look: Instant,
    /// What is to be read when that time comes, if a timer is set for it.
    waiting: Option<Vec<InstanceKey>>,
}

/// Tells the analyst who acts on its findings.
#[derive(Message)]
#[rtype(result = "()")]
pub struct ReportTo {
    /// Who decides about recoveries.
    pub diagnosed: Recipient<Diagnosed>,
    /// Who restarts receivers.
    pub restarts: Recipient<RestartReceivers>,
}

/// Asks to stop and start the receivers of these replicas.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct RestartReceivers(pub Vec<InstanceKey>);

impl Analyst {
    /// An analyst that has not looked at anything yet.
    pub fn new(
        settings: LiveSettings,
        fleet: LiveFleet,
        registry: watch::Receiver<Arc<Registry>>,
        published: watch::Sender<Arc<Problems>>,
        discovery: Recipient<ProbeAll>,
    ) -> Self {
        let (problems, latest, trouble) = (Problems::new(), BTreeMap::new(), HashMap::new());
        Self {
            settings,
            fleet,
            registry,
            published,
            discovery,
            reports: None,
            memory: Memory::default(),
            problems,
            latest,
            trouble,
        }
    }

    /// Looks at one cluster.
    fn examine(&mut self, topology: &Arc<Topology>, ctx: &mut Context<Self>) {
        let Some(cluster) = topology.cluster().map(str::to_owned) else { return };
        let registry = self.registry.borrow().clone();
        let found = {
            let policy = &self.settings.borrow().analysis;
            let now = Timestamp::now();
            analyze(&Input { topology, registry: &registry, memory: &self.memory, policy, now })
        };
        self.note_changes(&cluster, &found);
        self.look_closer(&cluster, topology, &registry, &found, ctx);
        let failing = |problems: &[Problem]| {
            problems.iter().any(|problem| problem.code != AnalysisCode::NoProblem)
        };
        let failed_before = self.problems.get(&cluster).is_some_and(|problems| failing(problems));
        // Also once when all is well again.
        if (failing(&found) || failed_before)
            && let Some(reports) = &self.reports
        {
            let diagnosed = Diagnosed { topology: topology.clone(), problems: found.clone() };
            if reports.diagnosed.try_send(diagnosed).is_err() {
                log::warn!("cluster.name":% = cluster; "the recovery coordinator is busy; {cluster} is reported again");
            }
        }
        let before = if found.is_empty() {
            self.latest.remove(&cluster);
            self.problems.remove(&cluster)
        } else {
            self.latest.insert(cluster.clone(), topology.clone());
            self.problems.insert(cluster, found.clone())
        };
        if before.unwrap_or_default() != found {
            self.published.send_replace(Arc::new(self.problems.clone()));
        }
    }

    fn note_changes(&self, cluster: &str, found: &[Problem]) {
        let code_of = |problems: &[Problem], key: &InstanceKey| {
            problems
                .iter()
                .find(|problem| problem.key == *key)
                .map_or(AnalysisCode::NoProblem, |problem| problem.code)
        };
        let before = self.problems.get(cluster).map_or(&[][..], Vec::as_slice);
        for problem in found.iter().filter(|problem| code_of(before, &problem.key) != problem.code)
        {
            log::info!(
                "instance.key":% = problem.key, "cluster.name":% = cluster, "analysis.code" = problem.code.name();
                "{}: {}: {}", problem.key, problem.code.name(), problem.code.description()
            );
        }
        for problem in before.iter().filter(|problem| problem.code != AnalysisCode::NoProblem) {
            if code_of(found, &problem.key) == AnalysisCode::NoProblem {
                log::info!("instance.key":% = problem.key, "cluster.name":% = cluster; "{}: {} is over", problem.key, problem.code.name());
            }
        }
    }

    /// Has servers read again whose answers decide what the problem is.
    fn look_closer(
        &mut self,
        cluster: &str,
        topology: &Arc<Topology>,
        registry: &Registry,
        found: &[Problem],
        ctx: &mut Context<Self>,
    ) {
        let now = Timestamp::now();
        let mut wanted = Vec::new();
        let mut rest = Vec::new();
        for urgent in found.iter().flat_map(|problem| urgent(problem, topology, registry)) {
            match urgent {
                Urgent::Reprobe { key } => wanted.push(key),
                Urgent::NotePosition { key, position } => {
                    self.memory.note_position(key, position, now);
                }
                Urgent::RestartReceiver { .. } => rest.push(urgent),
            }
        }
        self.restart_receivers(rest, now);
        if wanted.is_empty() {
            self.trouble.remove(cluster);
        } else {
            self.ask(cluster, wanted, ctx);
        }
    }

    /// Has receivers restarted, so that a locked source shows itself; seldom, and only while recoveries are on.
    fn restart_receivers(&mut self, wanted: Vec<Urgent>, now: Timestamp) {
        if wanted.is_empty() || self.registry.borrow().recoveries_disabled.is_some() {
            return;
        }
        let replicas: Vec<_> = self
            .memory
            .admit(wanted, now)
            .into_iter()
            .filter_map(|urgent| match urgent {
                Urgent::RestartReceiver { replica, .. } => Some(replica),
                Urgent::Reprobe { .. } | Urgent::NotePosition { .. } => None,
            })
            .collect();
        if let (false, Some(reports)) = (replicas.is_empty(), &self.reports) {
            // At most once in half a minute for each source.
            reports.restarts.do_send(RestartReceivers(replicas));
        }
    }

    /// Asks for readings, often at first and less often when the trouble stays.
    fn ask(&mut self, cluster: &str, wanted: Vec<InstanceKey>, ctx: &mut Context<Self>) {
        let now = Instant::now();
        let trouble = self.trouble.entry(cluster.to_owned()).or_insert(Trouble {
            since: now,
            next_look: now,
            waiting: None,
        });
        if now >= trouble.next_look {
            let gap = if trouble.since.elapsed() < FRESH_FOR { FRESH_GAP } else { OLD_GAP };
            trouble.next_look = now + gap;
            // A full mailbox means that discovery is about to read what was asked for before.
            let _ = self.discovery.try_send(ProbeAll(wanted));
        } else if trouble.waiting.replace(wanted).is_none() {
            let cluster = cluster.to_owned();
            ctx.run_later(trouble.next_look - now, move |analyst, ctx| {
                let waiting =
                    analyst.trouble.get_mut(&cluster).and_then(|trouble| trouble.waiting.take());
                if let Some(wanted) = waiting {
                    analyst.ask(&cluster, wanted, ctx);
                }
            });
        }
    }

    /// Time passes without events too: windows end, silence grows.
    fn again(&mut self, ctx: &mut Context<Self>) {
        let fleet = self.fleet.borrow().clone();
        self.memory.prune(Timestamp::now(), REMEMBER);
        self.latest.retain(|name, _| fleet.clusters.contains_key(name.as_str()));
        self.problems.retain(|name, _| fleet.clusters.contains_key(name.as_str()));
        for topology in self.latest.values().cloned().collect::<Vec<_>>() {
            self.examine(&topology, ctx);
        }
    }
}

impl Actor for Analyst {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.run_interval(AGAIN_EVERY, Analyst::again);
    }
}

impl Handler<ReportTo> for Analyst {
    type Result = ();

    fn handle(&mut self, report_to: ReportTo, _: &mut Self::Context) {
        self.reports = Some(report_to);
    }
}

impl Handler<ClustersChanged> for Analyst {
    type Result = ();

    fn handle(&mut self, ClustersChanged(clusters): ClustersChanged, ctx: &mut Self::Context) {
        for topology in &clusters {
            self.examine(topology, ctx);
        }
    }
}

impl Handler<Suspicious> for Analyst {
    type Result = ();

    /// The server's replicas are read at once: they tell whether it is silent for them as well.
    fn handle(&mut self, Suspicious { topology, key }: Suspicious, ctx: &mut Self::Context) {
        let cluster =
            topology.get(&key).map(|member| member.place.cluster.clone()).unwrap_or_default();
        let replicas: Vec<_> =
            topology.replicas_of(&key).map(|member| member.key.clone()).collect();
        if !replicas.is_empty() {
            self.ask(&cluster, replicas, ctx);
        }
    }
}
