//! Recoveries of small fleets that exist in memory only: a step does what [`Step::apply_to`] says, or fails.

mod fence;
mod guard;
mod intermediate;
mod primary;
mod properties;

use crate::fixture::{Fleet, circumstances, key, now};
use crate::key::InstanceKey;
use crate::recovery::{Attempts, Next, Outcome, next};
use crate::registry::Recovery;
use crate::step::Step;
use crate::topology::Topology;

/// A recovery under way.
#[derive(Clone)]
struct Run {
    fleet: Fleet,
    recovery: Recovery,
    attempts: Attempts,
    steps: Vec<Step>,
    groups: usize,
}

/// More than any recovery of these fleets takes.
const MOST_GROUPS: usize = 60;

impl Run {
    fn of(fleet: &Fleet) -> Self {
        let recovery = fleet.recovery();
        let fleet = fleet.clone();
        Self { fleet, recovery, attempts: Attempts::default(), steps: Vec::new(), groups: 0 }
    }

    fn next(&self) -> Next {
        let Fleet { view, registry, policy } = &self.fleet;
        next(view, &self.recovery, registry, policy, &self.attempts, now())
    }

    /// To the end. `fails` is asked about each step before it is taken: its error, if it is to fail.
    fn finish_with(
        &mut self,
        mut fails: impl FnMut(&Step, &Topology) -> Option<String>,
    ) -> Outcome {
        loop {
            match self.next() {
                Next::Perform(steps) => self.perform(steps, &mut fails),
                Next::Choose(choice) => {
                    assert!(self.recovery.choice.is_none(), "chosen twice");
                    self.recovery.choice = Some(choice);
                }
                Next::Close(outcome) => return outcome,
            }
            assert!(self.groups <= MOST_GROUPS, "no end: {:#?}", self.steps);
        }
    }

    fn finish(&mut self) -> Outcome {
        self.finish_with(|_, _| None)
    }

    /// Takes one group: the first failure of a server ends its part.
    fn perform(
        &mut self,
        steps: Vec<Step>,
        fails: &mut impl FnMut(&Step, &Topology) -> Option<String>,
    ) {
        assert!(!steps.is_empty(), "an empty group");
        self.groups += 1;
        let mut broken: Vec<InstanceKey> = Vec::new();
        for step in steps {
            if broken.contains(step.server()) {
                continue;
            }
            let answers =
                self.fleet.view.get(step.server()).is_some_and(|member| member.current().is_some());
            let error = fails(&step, &self.fleet.view)
                .or_else(|| (!answers).then(|| "not reached".to_owned()));
            if let Some(error) = error {
                self.attempts.failed(&step, &error);
                broken.push(step.server().clone());
                continue;
            }
            self.attempts.taken(&step);
            self.fleet.view = step.apply_to(&self.fleet.view);
            self.steps.push(step);
            self.check();
        }
    }

    /// What must hold after every single step.
    fn check(&self) {
        let writable: Vec<_> = self
            .fleet
            .view
            .members()
            .filter(|member| member.current().is_some() && member.is_writable())
            .map(|member| &member.key)
            .collect();
        assert!(writable.len() <= 1, "two take writes: {writable:?} after {:#?}", self.steps);
    }

    fn texts(&self) -> Vec<String> {
        self.steps.iter().map(ToString::to_string).collect()
    }
}

/// Who follows whom in the end; a detached source shows as such.
fn links(view: &Topology) -> Vec<(String, Option<String>)> {
    view.members()
        .filter(|member| member.current().is_some())
        .map(|member| {
            let replication = member.current().and_then(|facts| facts.replication.as_ref());
            (
                member.key.host.clone(),
                replication.map(|replication| replication.source.host.clone()),
            )
        })
        .collect()
}

fn recovered(outcome: &Outcome) -> (&InstanceKey, &[InstanceKey], &[String]) {
    match outcome {
        Outcome::Recovered { successor, lost, errors } => (successor, lost, errors),
        Outcome::Failed { reason } | Outcome::Aborted { reason } => {
            panic!("not recovered: {reason}")
        }
    }
}

fn aborted(outcome: &Outcome) -> &str {
    match outcome {
        Outcome::Aborted { reason } => reason,
        Outcome::Recovered { .. } | Outcome::Failed { .. } => panic!("not given up: {outcome}"),
    }
}
