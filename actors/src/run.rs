//! Carries one recovery out: looks, asks the domain what is next, does it, until the recovery is closed.
//!
//! There are no choices in here: [`ham4db_domain::recovery::next`] makes them. Nothing of the progress is stored,
//! so a run that begins anew after a crash goes on where the servers stand.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use actix::prelude::*;
use ham4db_consensus::{Leadership, ProposeError};
use ham4db_domain::command::{Order, Reply};
use ham4db_domain::explain::{Explanation, HookRun};
use ham4db_domain::hooks::{HookFacts, HookList, hooks_of};
use ham4db_domain::key::InstanceKey;
use ham4db_domain::recovery::{Attempts, Choice, Next, Outcome, next};
use ham4db_domain::registry::{AuditedStep, Recovery, RecoveryUid, Registry};
use ham4db_domain::step::Step;
use ham4db_domain::topology::Topology;
use ham4db_mysql::server::Servers;
use jiff::Timestamp;
use tokio::sync::watch;

use crate::crew::{Crew, Taken};
use crate::discovery::ProbeAll;
use crate::fleet::LiveFleet;
use crate::hooks;
use crate::raft_role::Propose;
use crate::settings::LiveSettings;

/// What every recovery needs of its surroundings.
#[derive(Clone)]
pub struct Surroundings {
    /// Connections to servers.
    pub servers: Arc<dyn Servers>,
    /// Settings in force.
    pub settings: LiveSettings,
    /// The picture of all servers.
    pub fleet: LiveFleet,
    /// What was agreed on.
    pub registry: watch::Receiver<Arc<Registry>>,
    /// Whether this node leads, and in which term.
    pub leadership: watch::Receiver<Leadership>,
    /// The way to the log.
    pub log: Recipient<Propose>,
    /// Readings on demand.
    pub discovery: Recipient<ProbeAll>,
}

/// Told to the coordinator when a recovery is over, well or not.
#[derive(Debug, Clone, Message)]
#[rtype(result = "()")]
pub struct RunEnded {
    /// The recovery.
    pub uid: RecoveryUid,
    /// How it ended; `None` when this node stopped before its end.
    pub outcome: Option<Outcome>,
}

/// One recovery under way.
pub struct RecoveryRun {
    uid: RecoveryUid,
    resumed: bool,
    surroundings: Surroundings,
    coordinator: Recipient<RunEnded>,
}

impl RecoveryRun {
    /// A run of the open recovery `uid`, which was begun a moment ago unless it is `resumed`.
    pub fn new(
        uid: RecoveryUid,
        resumed: bool,
        surroundings: Surroundings,
        coordinator: Recipient<RunEnded>,
    ) -> Self {
        Self { uid, resumed, surroundings, coordinator }
    }
}

impl Actor for RecoveryRun {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        let uid = self.uid.clone();
        let run = Run::new(self.uid.clone(), self.resumed, self.surroundings.clone());
        ctx.spawn(run.drive().into_actor(self).map(move |ended, run, ctx| {
            let outcome = match ended {
                Ok(outcome) => Some(outcome),
                Err(stopped) => {
                    log::warn!("recovery.id":% = uid, "error":% = stopped; "recovery {uid} stops here: {stopped}");
                    None
                }
            };
            // The last message of this actor.
            run.coordinator.do_send(RunEnded { uid, outcome });
            ctx.stop();
        }));
    }
}

/// Why a run stops before its recovery is closed. The next leader, or the next start, goes on with it.
#[derive(Debug, thiserror::Error)]
enum Stopped {
    #[error("this node no longer leads in the term in which it began")]
    Deposed,
    #[error("the recovery is not in the log any more, or closed already")]
    Gone,
    #[error("the log did not take a command")]
    Log(#[source] ProposeError),
    #[error("the log refused a command: {0}")]
    Refused(String),
    #[error("the log is gone")]
    LogGone,
}

struct Run {
    uid: RecoveryUid,
    around: Surroundings,
    term: u64,
    began: Timestamp,
    crew: Crew,
    attempts: Attempts,
    /// Servers that did not answer this run, and when.
    silent: HashMap<InstanceKey, Timestamp>,
    /// What was audited before this run began, by an earlier one.
    earlier: Vec<AuditedStep>,
    story: Vec<AuditedStep>,
    hooks: Vec<HookRun>,
    plan: Vec<Step>,
    resumed: bool,
}

/// A step may not keep the others waiting longer; waits for relay logs have limits of their own.
const STEP_LIMIT: Duration = Duration::from_secs(20);

/// More rounds than any recovery needs; a recovery that reaches it is closed as failed.
const MOST_ROUNDS: usize = 200;

impl Run {
    fn new(uid: RecoveryUid, resumed: bool, around: Surroundings) -> Self {
        let (crew, term) = {
            let settings = around.settings.borrow();
            let probing = &settings.probing;
            let at_once = settings.recovery.concurrency;
            let crew = Crew::new(
                around.servers.clone(),
                probing.deadline,
                probing.step_limit.min(STEP_LIMIT),
                at_once,
            );
            (crew, around.leadership.borrow().term)
        };
        let earlier =
            around.registry.borrow().recoveries.get(&uid).map(|recovery| recovery.steps.clone());
        let (attempts, earlier) = (Attempts::default(), earlier.unwrap_or_default());
        let (story, hooks, plan) = (Vec::new(), Vec::new(), Vec::new());
        let (began, silent) = (Timestamp::now(), HashMap::new());
        Self {
            uid,
            around,
            term,
            began,
            crew,
            attempts,
            silent,
            earlier,
            story,
            hooks,
            plan,
            resumed,
        }
    }

    async fn drive(mut self) -> Result<Outcome, Stopped> {
        if self.resumed {
            self.wait_for_news().await?;
        }
        let outcome = match self.before().await? {
            Some(aborted) => aborted,
            None => self.work().await?,
        };
        self.after(&outcome).await?;
        self.close(outcome.clone()).await?;
        Ok(outcome)
    }

    /// Somebody else began this recovery: what is stored of the failed server may be older than its failure, so it is
    /// not acted upon before the server was asked by this process.
    async fn wait_for_news(&mut self) -> Result<(), Stopped> {
        let failed = self.recovery()?.intent.failed;
        let limit = self.around.settings.borrow().probing.deadline * 2;
        let began = self.began;
        let mut fleet = self.around.fleet.clone();
        let news = fleet.wait_for(|fleet| {
            let checks = fleet.member(&failed).map(|member| &member.checks);
            checks.and_then(|checks| checks.last_checked).is_some_and(|checked| checked >= began)
        });
        if !matches!(tokio::time::timeout(limit, news).await, Ok(Ok(_))) {
            log::warn!("instance.key":% = failed; "{failed} was not probed within {} s; going on with what is stored of it", limit.as_secs());
        }
        Ok(())
    }

    /// The hooks that may still forbid everything.
    async fn before(&mut self) -> Result<Option<Outcome>, Stopped> {
        let failed = self.run_hooks(HookList::PreFailover, None).await?;
        Ok(failed.map(|hook| Outcome::Aborted {
            reason: format!(
                "a hook of PreFailoverProcesses forbade it: {} ({})",
                hook.command, hook.ended
            ),
        }))
    }

    async fn work(&mut self) -> Result<Outcome, Stopped> {
        for _ in 0..MOST_ROUNDS {
            self.check_leadership()?;
            let recovery = self.recovery()?;
            let view = self.look(&recovery).await;
            let step = {
                let settings = self.around.settings.borrow();
                let registry = self.around.registry.borrow();
                next(
                    &view,
                    &recovery,
                    &registry,
                    &settings.recovery,
                    &self.attempts,
                    Timestamp::now(),
                )
            };
            match step {
                Next::Perform(steps) => self.perform(steps).await?,
                Next::Choose(choice) => self.choose(choice).await?,
                Next::Close(outcome) => return Ok(outcome),
            }
        }
        Ok(Outcome::Failed { reason: format!("no end after {MOST_ROUNDS} rounds; see the steps") })
    }

    /// The servers that take part, read now; the failed one as its own prober sees it, which tries all the time.
    async fn look(&mut self, recovery: &Recovery) -> Topology {
        let fleet = self.around.fleet.borrow().clone();
        let intent = &recovery.intent;
        let base = fleet
            .topology_of(&intent.failed)
            .map(|topology| (**topology).clone())
            .unwrap_or_default();
        let others = intent.replicas.iter().chain(&intent.source);
        let mut view = base;
        for key in others.clone() {
            if view.get(key).is_none()
                && let Some(member) = fleet.member(key)
            {
                view = view.with((**member).clone());
            }
        }
        if let Some(member) = fleet.member(&intent.failed) {
            view = view.with((**member).clone());
        }
        let answering: Vec<InstanceKey> = others
            .filter(|key| {
                let Some(member) = fleet.member(key) else { return true };
                let silent = self.silent.get(*key);
                let seen = member.checks.last_seen;
                member.checks.valid()
                    && silent.is_none_or(|since| seen.is_some_and(|seen| seen > *since))
            })
            .cloned()
            .collect();
        let view = self.crew.look(view, &answering).await;
        self.note_silence(&answering, &view);
        view
    }

    /// Who did not answer in time is not waited for again, until its own prober has heard of it.
    fn note_silence(&mut self, asked: &[InstanceKey], view: &Topology) {
        let is_silent = |key: &&InstanceKey| {
            view.get(key).is_some_and(|member| member.checks.failure.is_some())
        };
        let silent: Vec<_> = asked.iter().filter(is_silent).cloned().collect();
        if silent.is_empty() {
            return;
        }
        self.silent.extend(silent.iter().map(|key| (key.clone(), Timestamp::now())));
        // A full mailbox means that discovery is busy reading; this is to know sooner.
        let _ = self.around.discovery.try_send(ProbeAll(silent));
    }

    async fn perform(&mut self, steps: Vec<Step>) -> Result<(), Stopped> {
        for step in &steps {
            log::info!("recovery.id":% = self.uid, "recovery.step":% = step; "{step}");
        }
        self.plan.extend(steps.iter().cloned());
        let taken = self.crew.perform(steps).await;
        for Taken { step, audit } in &taken {
            match &audit.error {
                None => self.attempts.taken(step),
                Some(error) => {
                    log::warn!("recovery.id":% = self.uid, "recovery.step":% = step, "error" = error.as_str(); "{step} failed: {error}");
                    self.attempts.failed(step, error);
                }
            }
        }
        self.audit(taken.into_iter().map(|taken| taken.audit).collect());
        Ok(())
    }

    async fn choose(&mut self, choice: Choice) -> Result<(), Stopped> {
        let message = format!("{} takes over: {}", choice.promoted, choice.reason);
        log::info!("recovery.id":% = self.uid; "{message}");
        self.propose(Order::Choose { uid: self.uid.clone(), choice }).await?;
        self.note(message);
        Ok(())
    }

    /// What follows the work: the story is stored and hooks run.
    async fn after(&mut self, outcome: &Outcome) -> Result<(), Stopped> {
        let lists = HookList::after(self.recovery()?.intent.kind, outcome);
        for list in lists {
            self.run_hooks(*list, Some(outcome)).await?;
        }
        Ok(())
    }

    async fn close(&mut self, outcome: Outcome) -> Result<(), Stopped> {
        let recovery = self.recovery()?;
        log::info!("recovery.id":% = self.uid, "cluster.name" = recovery.cluster.as_str(); "recovery of {} is over: {outcome}", recovery.intent.failed);
        let explanation = self.explanation(&recovery, &outcome);
        let order = Order::CloseRecovery {
            uid: self.uid.clone(),
            outcome,
            explanation: Some(Box::new(explanation)),
        };
        self.propose(order).await?;
        let keys =
            recovery.intent.replicas.iter().chain([&recovery.intent.failed]).cloned().collect();
        let _ = self.around.discovery.try_send(ProbeAll(keys)); // only to show the result sooner
        Ok(())
    }

    fn explanation(&mut self, recovery: &Recovery, outcome: &Outcome) -> Explanation {
        let mut explanation = Explanation::of_recovery(recovery);
        explanation.plan = std::mem::take(&mut self.plan);
        explanation.steps = self.earlier.iter().chain(&self.story).cloned().collect();
        explanation.hooks = std::mem::take(&mut self.hooks);
        explanation.outcome = Some(outcome.clone());
        explanation
    }

    /// Runs one list of hooks, at most once a recovery whoever carries it out; the first failure ends a list that may
    /// forbid, and is returned.
    async fn run_hooks(
        &mut self,
        list: HookList,
        outcome: Option<&Outcome>,
    ) -> Result<Option<HookRun>, Stopped> {
        let recovery = self.recovery()?;
        let settings = self.around.settings.borrow().clone();
        let commands = settings.hooks.list(list.key());
        if commands.is_empty() || recovery.intent.skip_hooks {
            return Ok(None);
        }
        self.check_leadership()?;
        let order = Order::StartHooks { uid: self.uid.clone(), list: list.key().to_owned() };
        match self.send(order).await? {
            Reply::Refused { .. } => return Ok(None), // they were started before
            Reply::Done | Reply::Changed { .. } | Reply::Numbered { .. } => {}
            Reply::NotFound => return Err(Stopped::Gone),
        }
        let fleet = self.around.fleet.borrow().clone();
        let facts = HookFacts::of(
            &recovery,
            outcome,
            fleet.topology_of(&recovery.intent.failed).map(AsRef::as_ref),
            &settings.node,
        )
        .with_cluster(
            &recovery.alias,
            &settings.recovery.primaries,
            &settings.recovery.intermediates,
        );
        for hook in hooks_of(list, commands, &facts) {
            let run = hooks::run(hook, &settings.hooks).await;
            let error = (!run.ok).then(|| run.ended.clone());
            let message = format!("hook of {}: {}", run.list, run.command);
            if let Some(ended) = &error {
                log::warn!("recovery.id":% = self.uid; "{message}: {ended}");
            }
            self.audit(vec![AuditedStep {
                at: Timestamp::now(),
                took: Some(run.took),
                message,
                error,
            }]);
            self.hooks.push(run.clone());
            if !run.ok && list.may_forbid() {
                return Ok(Some(run));
            }
        }
        Ok(None)
    }

    /// The recovery as the log has it.
    fn recovery(&self) -> Result<Recovery, Stopped> {
        let registry = self.around.registry.borrow();
        let recovery = registry.recoveries.get(&self.uid).ok_or(Stopped::Gone)?;
        if recovery.closed.is_some() { Err(Stopped::Gone) } else { Ok(recovery.clone()) }
    }

    fn check_leadership(&self) -> Result<(), Stopped> {
        let leadership = *self.around.leadership.borrow();
        if leadership.leads && leadership.term == self.term {
            Ok(())
        } else {
            Err(Stopped::Deposed)
        }
    }

    async fn propose(&self, order: Order) -> Result<(), Stopped> {
        match self.send(order).await? {
            Reply::Done | Reply::Changed { .. } | Reply::Numbered { .. } => Ok(()),
            Reply::NotFound => Err(Stopped::Gone),
            Reply::Refused { reason } => Err(Stopped::Refused(reason)),
        }
    }

    async fn send(&self, order: Order) -> Result<Reply, Stopped> {
        let node = self.around.settings.borrow().node.clone();
        self.around
            .log
            .send(Propose::now(&node, order))
            .await
            .map_err(|_| Stopped::LogGone)?
            .map_err(Stopped::Log)
    }

    fn note(&mut self, message: String) {
        self.audit(vec![AuditedStep { at: Timestamp::now(), took: None, message, error: None }]);
    }

    /// Adds lines to the story, here and in the log. The recovery does not wait for the log: the lines are for people.
    fn audit(&mut self, steps: Vec<AuditedStep>) {
        let node = self.around.settings.borrow().node.clone();
        let order = Order::AuditSteps { uid: self.uid.clone(), steps: steps.clone() };
        if self.around.log.try_send(Propose::now(&node, order)).is_err() {
            log::warn!("recovery.id":% = self.uid; "steps of recovery {} are not in the log: it is busy", self.uid);
        }
        self.story.extend(steps);
    }
}
