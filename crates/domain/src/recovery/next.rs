//! What is to be done next in a recovery, from what the servers look like now.
//!
//! Progress is never stored: only the intent is, and the choice once it is made. Whoever carries a recovery out calls
//! [`next`] on a fresh view after every group of steps, also when somebody else began it.

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::instance::{Instance, ThreadState};
use crate::key::InstanceKey;
use crate::policy::RecoveryPolicy;
use crate::promotion::Question;
use crate::recovery::{Attempts, Choice, Intent, Kind, Outcome, intermediate, primary};
use crate::registry::{Recovery, Registry};
use crate::step::{SourcePosition, Step};
use crate::topology::Topology;

/// What to do next.
#[derive(Debug, Clone, PartialEq)]
pub enum Next {
    /// Take these steps, then look at the servers again. Steps of one server are taken in their order, the first
    /// failure ends them; different servers are independent of each other and are changed at once.
    Perform(Vec<Step>),
    /// Settle this choice in the log.
    Choose(Choice),
    /// Nothing is left to do.
    Close(Outcome),
}

/// Says what is to be done next, until the answer is [`Next::Close`].
pub fn next(
    view: &Topology,
    recovery: &Recovery,
    registry: &Registry,
    policy: &RecoveryPolicy,
    attempts: &Attempts,
    now: Timestamp,
) -> Next {
    if let Some(closed) = &recovery.closed {
        return Next::Close(closed.outcome.clone());
    }
    let scene = Scene { view, recovery, registry, policy, attempts, now };
    match (recovery.intent.kind, &recovery.choice) {
        (Kind::Primary, None) => primary::decide(&scene),
        (Kind::Primary, Some(choice)) => primary::carry_out(&scene, choice),
        (Kind::Intermediate, None) => intermediate::decide(&scene),
        (Kind::Intermediate, Some(choice)) => intermediate::carry_out(&scene, choice),
    }
}

/// Everything a decision may read.
#[derive(Debug, Clone, Copy)]
pub(super) struct Scene<'a> {
    pub(super) view: &'a Topology,
    pub(super) recovery: &'a Recovery,
    pub(super) registry: &'a Registry,
    pub(super) policy: &'a RecoveryPolicy,
    pub(super) attempts: &'a Attempts,
    pub(super) now: Timestamp,
}

/// How often a step is tried on one server.
pub(super) const TRIES: usize = 2;

impl<'a> Scene<'a> {
    pub(super) fn intent(&self) -> &'a Intent {
        &self.recovery.intent
    }

    /// The facts of a server that answers.
    pub(super) fn current(&self, key: &InstanceKey) -> Option<&'a Instance> {
        self.view.get(key).and_then(|member| member.current())
    }

    /// The replicas that answer and still follow the failed server.
    pub(super) fn orphans(&self) -> impl Iterator<Item = &'a Instance> {
        self.view.replicas_of(&self.recovery.intent.failed).filter_map(|member| member.current())
    }

    pub(super) fn question(&self, excluded: &'a BTreeMap<InstanceKey, String>) -> Question<'a> {
        Question {
            view: self.view,
            intent: self.intent(),
            registry: self.registry,
            policy: &self.policy.promotion,
            failed_at: self.recovery.opened,
            now: self.now,
            excluded,
        }
    }

    /// Steps of this kind have failed too often on `server`; says why.
    pub(super) fn given_up(&self, server: &InstanceKey, kind: &'static str) -> Option<String> {
        self.attempts.given_up(server, kind, TRIES)
    }

    /// Starts again what the recovery stopped, then ends it.
    pub(super) fn give_up(&self, outcome: Outcome) -> Next {
        let mut steps = self.leave_giver();
        steps.extend(self.restart_receivers());
        if steps.is_empty() { Next::Close(outcome) } else { Next::Perform(steps) }
    }

    /// The chosen server goes back to its place, when it was fetching from another replica.
    fn leave_giver(&self) -> Vec<Step> {
        let Some(choice) = &self.recovery.choice else { return Vec::new() };
        let chosen = self.current(&choice.promoted);
        let chosen = chosen.filter(|chosen| chosen.source() == choice.catch_up_from.as_ref());
        let Some(chosen) = chosen.filter(|chosen| chosen.source().is_some()) else {
            return Vec::new();
        };
        if self.given_up(&chosen.key, "repoint").is_some() {
            return Vec::new();
        }
        self.bring_below(chosen, &self.intent().failed, SourcePosition::Unchanged)
    }

    fn restart_receivers(&self) -> Vec<Step> {
        self.orphans()
            .filter(|instance| !receiver_was_told_to_run(instance))
            .map(|instance| &instance.key)
            .filter(|key| !self.intent().stopped.contains(key))
            .filter(|key| self.given_up(key, "start-replication").is_none())
            .map(|server| Step::StartReplication { server: server.clone() })
            .collect()
    }

    /// It follows the failed server or `source`; if not, somebody else has moved it, and it is left alone.
    pub(super) fn is_ours(&self, follower: &Instance, source: &InstanceKey) -> bool {
        let own = follower.source();
        own == Some(&self.intent().failed) || own == Some(source)
    }

    /// Why `follower` is not below `source`, and will not be.
    pub(super) fn could_not_follow(
        &self,
        follower: &Instance,
        source: &InstanceKey,
    ) -> Option<String> {
        let below = follower.source() == Some(source);
        self.given_up(&follower.key, "repoint")
            .filter(|_| !below)
            .or_else(|| self.failed_below(follower, source))
            .or_else(|| self.given_up(&follower.key, "start-replication"))
    }

    /// The error with which `follower` stopped below `source`. What it says before this run has started it may still be
    /// the error of its earlier source: servers keep it until the next start.
    fn failed_below(&self, follower: &Instance, source: &InstanceKey) -> Option<String> {
        let started = self.attempts.was_taken(&follower.key, "start-replication");
        let below = follower.source() == Some(source);
        thread_error(follower).filter(|_| below && started)
    }

    /// What brings `follower` below `source` and lets it run; empty when it is there, or has failed for good there.
    pub(super) fn bring_below(
        &self,
        follower: &Instance,
        source: &InstanceKey,
        at: SourcePosition,
    ) -> Vec<Step> {
        let server = follower.key.clone();
        let start = Step::StartReplication { server: server.clone() };
        if follower.source() != Some(source) {
            return vec![Step::Repoint { server, source: source.clone(), at }, start];
        }
        let told = receiver_was_told_to_run(follower) && applier_was_told_to_run(follower);
        if told || self.failed_below(follower, source).is_some() { Vec::new() } else { vec![start] }
    }

    /// The replicas that are lost in the end, and what went wrong with those that should have followed. `why` tells why
    /// a replica that can be reached is not below the promoted server.
    pub(super) fn stragglers(
        &self,
        choice: &Choice,
        why: impl Fn(&Instance) -> Option<String>,
    ) -> (Vec<InstanceKey>, Vec<String>) {
        let promoted = &choice.promoted;
        let mut lost: Vec<InstanceKey> = choice.lost.iter().map(|lost| lost.key.clone()).collect();
        let mut errors = Vec::new();
        for key in &choice.followers {
            let Some(follower) = self.current(key) else {
                errors.push(format!("{key} cannot be reached any more"));
                lost.push(key.clone());
                continue;
            };
            if let Some(reason) = why(follower).or_else(|| self.was_detached(follower)) {
                errors.push(format!("{key} does not follow {promoted}: {reason}"));
                lost.push(key.clone());
            } else if !self.is_ours(follower, promoted) {
                errors.push(format!("{key} was moved by somebody else in the meantime"));
            }
        }
        lost.sort();
        lost.dedup();
        (lost, errors)
    }

    fn was_detached(&self, follower: &Instance) -> Option<String> {
        let source = &follower.replication.as_ref()?.source;
        let detached = *source == self.intent().failed.detached();
        detached.then(|| "it could not follow and was detached".to_owned())
    }
}

/// The receiver runs, or tries to.
pub(super) fn receiver_was_told_to_run(instance: &Instance) -> bool {
    instance.replication.as_ref().is_some_and(|replication| match replication.io_thread {
        ThreadState::Running | ThreadState::Other => true,
        ThreadState::Stopped | ThreadState::Absent => false,
    })
}

fn applier_was_told_to_run(instance: &Instance) -> bool {
    instance.replication.as_ref().is_some_and(|replication| match replication.sql_thread {
        ThreadState::Running | ThreadState::Other => true,
        ThreadState::Stopped | ThreadState::Absent => false,
    })
}

/// The error that stopped a thread of replication.
fn thread_error(instance: &Instance) -> Option<String> {
    let replication = instance.replication.as_ref()?;
    if replication.sql_errno != 0 && !applier_was_told_to_run(instance) {
        Some(format!("applier, error {}: {}", replication.sql_errno, replication.sql_error))
    } else if replication.io_errno != 0 && !receiver_was_told_to_run(instance) {
        Some(format!("receiver, error {}: {}", replication.io_errno, replication.io_error))
    } else {
        None
    }
}
