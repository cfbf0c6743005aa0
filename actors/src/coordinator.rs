//! Decides whether something is done about a failure, opens recoveries in the log, and keeps one run a recovery.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use actix::prelude::*;
use ham4db_domain::analysis::{AnalysisCode, Problem};
use ham4db_domain::checks::seconds_between;
use ham4db_domain::command::{Order, Reply};
use ham4db_domain::explain::Explanation;
use ham4db_domain::hooks::{HookFacts, HookList, hooks_of};
use ham4db_domain::key::InstanceKey;
use ham4db_domain::recovery::{
    Circumstances, Outcome, Refusal, detection_of, may_begin, open_recovery,
};
use ham4db_domain::registry::{Detection, RecoveryUid, Registry};
use ham4db_domain::step::Step;
use ham4db_domain::topology::{Topology, alias_of};
use ham4db_store::Store;
use jiff::Timestamp;
use log::Level;
use tokio::sync::{oneshot, watch};

use crate::analyst::{Diagnosed, Problems, RestartReceivers};
use crate::crew::Crew;
use crate::hooks;
use crate::raft_role::Propose;
use crate::run::{RecoveryRun, RunEnded, Surroundings};

/// A person asks for a recovery of a failed server. Answered when it is over.
#[derive(Debug, Message)]
#[rtype(result = "Result<(RecoveryUid, Outcome), NotRecovered>")]
pub struct Recover {
    /// The failed server.
    pub failed: InstanceKey,
    /// Who is to take over, if that matters.
    pub wanted: Option<InstanceKey>,
    /// Run no hooks.
    pub skip_hooks: bool,
    /// Who asks.
    pub by: String,
}

/// Why a recovery that a person asked for did not come to an end.
#[derive(Debug, Clone, thiserror::Error)]
pub enum NotRecovered {
    /// Nothing that could be recovered is known of this server.
    #[error("{0} is not known, or nothing is wrong with it that a recovery could mend")]
    NothingWrong(InstanceKey),
    /// The rules forbid it.
    #[error("not begun: {0}")]
    Refused(String),
    /// It was begun, and this node stopped carrying it out.
    #[error("begun, but this node stopped before its end; the leader goes on with it")]
    Interrupted,
    /// The log could not take it.
    #[error("the log did not take it: {0}")]
    Log(String),
}

/// Owns the runs, and what was last refused.
pub struct RecoveryCoordinator {
    around: Surroundings,
    problems: watch::Receiver<Arc<Problems>>,
    store: Store,
    /// When this process began to watch servers.
    started: Timestamp,
    /// Recoveries that are being opened or carried out.
    runs: HashMap<RecoveryUid, Running>,
    /// Failed servers about which something is being decided or done.
    busy: HashSet<InstanceKey>,
    /// The last refusal of each failure, so that the same is said once.
    refusals: HashMap<InstanceKey, (AnalysisCode, String)>,
    /// When each failure that is still there was first seen by this node.
    suspected: HashMap<InstanceKey, Timestamp>,
}

struct Running {
    failed: InstanceKey,
    address: Addr<RecoveryRun>,
    waiting: Vec<oneshot::Sender<Option<Outcome>>>,
}

/// What a recovery is begun with.
struct Beginning {
    problem: Problem,
    topology: Arc<Topology>,
    request: Option<Recover>,
}

impl RecoveryCoordinator {
    /// A coordinator without runs.
    pub fn new(
        around: Surroundings,
        problems: watch::Receiver<Arc<Problems>>,
        store: Store,
    ) -> Self {
        let (runs, busy) = (HashMap::new(), HashSet::new());
        Self {
            around,
            problems,
            store,
            started: Timestamp::now(),
            runs,
            busy,
            refusals: HashMap::new(),
            suspected: HashMap::new(),
        }
    }

    /// Goes on with what an earlier process, or an earlier leader, began.
    fn resume(&mut self, ctx: &mut Context<Self>) {
        let registry = self.around.registry.borrow().clone();
        for recovery in registry.recoveries.values().filter(|recovery| recovery.closed.is_none()) {
            if !self.runs.contains_key(&recovery.uid) {
                log::warn!(
                    "recovery.id":% = recovery.uid, "cluster.name" = recovery.cluster.as_str();
                    "going on with the recovery of {} that was begun at {}", recovery.intent.failed, recovery.opened
                );
                self.busy.insert(recovery.intent.failed.clone());
                self.run(recovery.uid.clone(), recovery.intent.failed.clone(), true, ctx);
            }
        }
    }

    fn run(
        &mut self,
        uid: RecoveryUid,
        failed: InstanceKey,
        resumed: bool,
        ctx: &mut Context<Self>,
    ) {
        let run =
            RecoveryRun::new(uid.clone(), resumed, self.around.clone(), ctx.address().recipient());
        let address = run.start();
        self.runs.insert(uid, Running { failed, address, waiting: Vec::new() });
    }

    /// A run that panicked is replaced by a new one, which looks at the servers and goes on.
    fn revive(&mut self, ctx: &mut Context<Self>) {
        let dead: Vec<_> = self
            .runs
            .iter()
            .filter(|(_, running)| !running.address.connected())
            .map(|(uid, running)| (uid.clone(), running.failed.clone()))
            .collect();
        for (uid, failed) in dead {
            let waiting = self.runs.remove(&uid).map(|running| running.waiting).unwrap_or_default();
            let open = self
                .around
                .registry
                .borrow()
                .recoveries
                .get(&uid)
                .is_some_and(|recovery| recovery.closed.is_none());
            if open {
                log::error!("recovery.id":% = uid; "the run of recovery {uid} died; starting it anew");
                self.run(uid.clone(), failed, true, ctx);
                if let Some(running) = self.runs.get_mut(&uid) {
                    running.waiting = waiting;
                }
            } else {
                self.busy.remove(&failed);
            }
        }
    }

    /// May something be done about a problem now?
    fn judge(
        &self,
        problem: &Problem,
        topology: &Topology,
        request: Option<&Recover>,
    ) -> Result<(), Refusal> {
        let settings = self.around.settings.borrow();
        let registry = self.around.registry.borrow();
        let circumstances = Circumstances {
            now: Timestamp::now(),
            started: self.started,
            alias: alias_of(topology, &registry, &settings.aliases, Timestamp::now()),
            leads: self.around.leadership.borrow().leads,
            failed_since: self.suspected.get(&problem.key).copied(),
            forced: request.is_some(),
            wanted: request.and_then(|request| request.wanted.clone()),
        };
        may_begin(problem, topology, &registry, &settings.recovery, &circumstances)
    }

    /// A recovery has dealt with this very failure: what is left of it is no news.
    fn is_dealt_with(&self, problem: &Problem) -> bool {
        let registry = self.around.registry.borrow();
        let since = self.suspected.get(&problem.key);
        registry.recoveries.values().any(|recovery| {
            recovery.intent.failed == problem.key
                && recovery.closed.as_ref().is_some_and(|closed| {
                    matches!(closed.outcome, Outcome::Recovered { .. })
                        && since.is_none_or(|since| *since <= closed.at)
                })
        })
    }

    /// Notes a refusal, once for as long as its reason stays the same.
    fn refused(&mut self, problem: &Problem, topology: &Arc<Topology>, refusal: &Refusal) {
        if self.is_dealt_with(problem) {
            return;
        }
        let words = refusal.to_string();
        let said = self.refusals.get(&problem.key);
        if said.is_some_and(|(code, kind)| *code == problem.code && *kind == refusal.kind()) {
            return;
        }
        self.refusals.insert(problem.key.clone(), (problem.code, refusal.kind().to_owned()));
        let level = match refusal {
            // The problem itself was logged; that nothing can be done about it is no news.
            Refusal::NothingToDo { .. } | Refusal::InGrace | Refusal::NotLeading => Level::Debug,
            _ => Level::Warn,
        };
        log::log!(
            level, "instance.key":% = problem.key, "cluster.name" = problem.cluster.as_str(), "analysis.code" = problem.code.name();
            "no recovery of {} ({}): {words}", problem.key, problem.code.name()
        );
        if matches!(refusal, Refusal::Pausing { .. }) {
            return; // the recovery that was given up tells why
        }
        let mut explanation = self.draft(problem, topology);
        explanation.refusal = Some(words);
        let store = self.store.clone();
        actix::spawn(async move {
            let saved =
                tokio::task::spawn_blocking(move || store.save_explanation(&explanation)).await;
            if let Ok(Err(error)) = saved {
                log::error!("error":% = error; "a refusal was not stored");
            }
        });
    }

    fn draft(&self, problem: &Problem, topology: &Topology) -> Explanation {
        Explanation::of_problem(
            problem,
            topology,
            self.suspected.get(&problem.key).copied(),
            Timestamp::now(),
        )
    }

    fn consider(&mut self, problem: Problem, topology: &Arc<Topology>, ctx: &mut Context<Self>) {
        if self.busy.contains(&problem.key) {
            return;
        }
        self.suspected.entry(problem.key.clone()).or_insert_with(Timestamp::now);
        if !self.around.leadership.borrow().leads {
            return;
        }
        let verdict = self.judge(&problem, topology, None);
        if let Err(refusal @ Refusal::NothingToDo { .. }) = &verdict {
            self.refused(&problem, topology, refusal);
            self.only_detect(problem, topology.clone(), ctx);
            return;
        }
        self.busy.insert(problem.key.clone());
        let beginning = Beginning { problem, topology: topology.clone(), request: None };
        self.detect(beginning, verdict, ctx);
    }

    /// Registers what no recovery exists for, without keeping the server busy: a slow hook must not delay what is
    /// done when it turns out to be worse.
    fn only_detect(&self, problem: Problem, topology: Arc<Topology>, ctx: &mut Context<Self>) {
        let around = self.around.clone();
        let detected = async move {
            if let Err(error) = detect(&around, &problem, &topology).await {
                log::error!("detection of {}: {error}", problem.key);
            }
        };
        ctx.spawn(detected.into_actor(self));
    }

    /// Registers the detection and runs its hooks, then begins what may be begun.
    fn detect(
        &mut self,
        beginning: Beginning,
        verdict: Result<(), Refusal>,
        ctx: &mut Context<Self>,
    ) {
        let around = self.around.clone();
        let problem = beginning.problem.clone();
        let topology = beginning.topology.clone();
        let detected = async move { detect(&around, &problem, &topology).await };
        ctx.spawn(detected.into_actor(self).map(move |detected, coordinator, ctx| {
            let key = beginning.problem.key.clone();
            match (detected, verdict) {
                (Err(error), _) => {
                    log::error!("instance.key":% = key; "detection of {key}: {error}");
                    coordinator.busy.remove(&key);
                }
                (Ok(()), Err(refusal)) => {
                    coordinator.refused(&beginning.problem, &beginning.topology, &refusal);
                    coordinator.busy.remove(&key);
                }
                (Ok(()), Ok(())) => coordinator.begin(beginning, None, ctx),
            }
        }));
    }

    /// Opens the recovery in the log and starts its run.
    fn begin(
        &mut self,
        beginning: Beginning,
        waiting: Option<oneshot::Sender<Begun>>,
        ctx: &mut Context<Self>,
    ) {
        let Beginning { problem, topology, request } = beginning;
        let uid = RecoveryUid(uuid::Uuid::new_v4().to_string());
        let recovery = {
            let settings = self.around.settings.borrow();
            let registry = self.around.registry.borrow();
            let mut recovery = open_recovery(uid.clone(), &problem, &topology, Timestamp::now());
            recovery.alias = alias_of(&topology, &registry, &settings.aliases, Timestamp::now());
            recovery.node.clone_from(&settings.node);
            recovery.begun = Some(Box::new(self.draft(&problem, &topology)));
            recovery.term = self.around.leadership.borrow().term;
            if let Some(request) = &request {
                recovery.requested_by = Some(request.by.clone());
                recovery.intent.wanted.clone_from(&request.wanted);
                recovery.intent.skip_hooks = request.skip_hooks;
            }
            recovery
        };
        let node = recovery.node.clone();
        let opened = self
            .around
            .log
            .send(Propose::now(&node, Order::OpenRecovery { recovery: Box::new(recovery) }));
        ctx.spawn(opened.into_actor(self).map(move |reply, coordinator, ctx| {
            let failed = problem.key.clone();
            let opened = match reply {
                Ok(Ok(Reply::Refused { reason })) => Err(NotRecovered::Refused(reason)),
                Ok(Ok(_)) => Ok(()),
                Ok(Err(error)) => Err(NotRecovered::Log(error.to_string())),
                Err(gone) => Err(NotRecovered::Log(gone.to_string())),
            };
            let answer = match opened {
                Ok(()) => {
                    log::warn!(
                        "recovery.id":% = uid, "instance.key":% = failed, "analysis.code" = problem.code.name();
                        "recovery of {failed} begins: {}", problem.code.name()
                    );
                    coordinator.refusals.remove(&failed);
                    coordinator.run(uid.clone(), failed, false, ctx);
                    let (sender, receiver) = oneshot::channel();
                    if let Some(running) = coordinator.runs.get_mut(&uid) {
                        running.waiting.push(sender);
                    }
                    Ok((uid, receiver))
                }
                Err(error) => {
                    log::error!("instance.key":% = failed; "recovery of {failed} was not opened: {error}");
                    coordinator.busy.remove(&failed);
                    Err(error)
                }
            };
            if let Some(waiting) = waiting {
                let _ = waiting.send(answer); // whoever asked may have left
            }
        }));
    }
}

/// Notes the failure, and runs `OnFailureDetectionProcesses` when it is a new one.
async fn detect(
    around: &Surroundings,
    problem: &Problem,
    topology: &Topology,
) -> Result<(), String> {
    let settings = around.settings.borrow().clone();
    let Some(detection) = detection_of(problem, Timestamp::now()) else { return Ok(()) };
    if is_noted(&around.registry.borrow(), &detection, settings.recovery.detection_block) {
        return Ok(()); // what is said again and again need not go through the log again and again
    }
    let order = Order::RegisterDetection {
        detection,
        period_s: settings.recovery.detection_block.as_secs(),
    };
    let reply = around
        .log
        .send(Propose::now(&settings.node, order))
        .await
        .map_err(|error| error.to_string())?;
    match reply.map_err(|error| error.to_string())? {
        Reply::Refused { .. } | Reply::NotFound => return Ok(()), // noted before
        Reply::Done | Reply::Changed { .. } | Reply::Numbered { .. } => {}
    }
    let list = HookList::OnFailureDetection;
    let facts = {
        let registry = around.registry.borrow();
        let alias = alias_of(topology, &registry, &settings.aliases, Timestamp::now());
        HookFacts::of_detection(problem, topology, &settings.node)
            .with_cluster(&alias, &settings.recovery.primaries, &settings.recovery.intermediates)
            .with_downtime(&registry, &problem.key, Timestamp::now())
    };
    for hook in hooks_of(list, settings.hooks.list(list.key()), &facts) {
        let run = hooks::run(hook, &settings.hooks).await;
        if !run.ok {
            return Err(format!("a hook of {} failed: {} ({})", run.list, run.command, run.ended));
        }
    }
    Ok(())
}

/// The same failure is noted already, and its period has not ended.
fn is_noted(registry: &Registry, detection: &Detection, period: Duration) -> bool {
    registry.detections.iter().any(|noted| {
        noted.failed == detection.failed
            && noted.actionable == detection.actionable
            && seconds_between(noted.at, detection.at) < period.as_secs_f64()
    })
}

impl Actor for RecoveryCoordinator {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.set_mailbox_capacity(256);
        self.resume(ctx);
        ctx.run_interval(Duration::from_secs(1), RecoveryCoordinator::revive);
    }
}

impl Handler<Diagnosed> for RecoveryCoordinator {
    type Result = ();

    fn handle(&mut self, Diagnosed { topology, problems }: Diagnosed, ctx: &mut Self::Context) {
        // What is no problem any more was a false alarm, or is over.
        for member in topology.members() {
            let still = problems.iter().any(|problem| {
                problem.key == member.key && problem.code != AnalysisCode::NoProblem
            });
            if !still {
                self.suspected.remove(&member.key);
                self.refusals.remove(&member.key);
            }
        }
        for problem in problems
            .into_iter()
            .filter(|problem| detection_of(problem, Timestamp::UNIX_EPOCH).is_some())
        {
            self.consider(problem, &topology, ctx);
        }
    }
}

impl Handler<RunEnded> for RecoveryCoordinator {
    type Result = ();

    fn handle(&mut self, ended: RunEnded, _: &mut Self::Context) {
        if let Some(running) = self.runs.remove(&ended.uid) {
            self.busy.remove(&running.failed);
            for waiting in running.waiting {
                let _ = waiting.send(ended.outcome.clone()); // whoever asked may have left
            }
        }
    }
}

impl Handler<Recover> for RecoveryCoordinator {
    type Result = ResponseActFuture<Self, Result<(RecoveryUid, Outcome), NotRecovered>>;

    fn handle(&mut self, request: Recover, ctx: &mut Self::Context) -> Self::Result {
        let begun = self.recover(request, ctx);
        let ended = async move {
            let (uid, over) = begun?.await.map_err(|_| NotRecovered::Interrupted)??;
            match over.await {
                Ok(Some(outcome)) => Ok((uid, outcome)),
                Ok(None) | Err(_) => Err(NotRecovered::Interrupted),
            }
        };
        Box::pin(ended.into_actor(self))
    }
}

type Begun = Result<(RecoveryUid, oneshot::Receiver<Option<Outcome>>), NotRecovered>;

impl RecoveryCoordinator {
    /// Begins what a person asked for, if the server has failed at all.
    fn recover(
        &mut self,
        request: Recover,
        ctx: &mut Context<Self>,
    ) -> Result<oneshot::Receiver<Begun>, NotRecovered> {
        let nothing = || NotRecovered::NothingWrong(request.failed.clone());
        let fleet = self.around.fleet.borrow().clone();
        let topology = fleet.topology_of(&request.failed).cloned().ok_or_else(nothing)?;
        let problems = self.problems.borrow().clone();
        let problem = topology.cluster().and_then(|cluster| {
            problems.get(cluster)?.iter().find(|problem| problem.key == request.failed).cloned()
        });
        let problem = problem.ok_or_else(nothing)?;
        if self.busy.contains(&problem.key) {
            return Err(NotRecovered::Refused(format!(
                "something is being done about {} already",
                problem.key
            )));
        }
        self.judge(&problem, &topology, Some(&request))
            .map_err(|refusal| NotRecovered::Refused(refusal.to_string()))?;
        self.busy.insert(problem.key.clone());
        let (sender, receiver) = oneshot::channel();
        self.begin(Beginning { problem, topology, request: Some(request) }, Some(sender), ctx);
        Ok(receiver)
    }
}

impl Handler<RestartReceivers> for RecoveryCoordinator {
    type Result = ();

    fn handle(&mut self, RestartReceivers(replicas): RestartReceivers, _: &mut Self::Context) {
        if !self.around.leadership.borrow().leads {
            return;
        }
        let steps = replicas.into_iter().flat_map(|replica| {
            [
                Step::StopReceiving { server: replica.clone() },
                Step::StartReplication { server: replica },
            ]
        });
        let steps: Vec<_> = steps.collect();
        let settings = self.around.settings.borrow().clone();
        let (probing, at_once) = (&settings.probing, settings.recovery.concurrency);
        let mut crew =
            Crew::new(self.around.servers.clone(), probing.deadline, probing.deadline, at_once);
        actix::spawn(async move {
            for taken in crew.perform(steps).await {
                match taken.audit.error {
                    None => {
                        log::info!("instance.key":% = taken.step.server(); "{}", taken.audit.message);
                    }
                    Some(error) => {
                        log::warn!("instance.key":% = taken.step.server(); "{}: {error}", taken.step);
                    }
                }
            }
        });
    }
}
