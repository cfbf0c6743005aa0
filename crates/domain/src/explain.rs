//! The story of a problem, a refusal or a recovery, stored with it and told by `why`.

mod facts;
mod observe;
mod page;

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::analysis::Problem;
use crate::key::InstanceKey;
use crate::recovery::{Choice, Outcome};
use crate::registry::{AuditedStep, Recovery, RecoveryUid};
use crate::step::Step;
use crate::topology::Topology;

pub use page::{Aftermath, WIDTH};

/// Why something was done, or was not.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Explanation {
    /// The recovery, when there was one.
    pub recovery: Option<RecoveryUid>,
    /// The server it is about.
    pub subject: InstanceKey,
    /// Its cluster, and the alias it had.
    pub cluster: String,
    /// When the story begins: the first sign of trouble.
    pub first_suspected: Option<Timestamp>,
    /// When the decision was taken.
    pub decided: Timestamp,
    /// What was seen: each server that was asked, and what it said.
    pub observations: Vec<Observation>,
    /// The rule that matched, with its facts.
    pub problem: Option<Problem>,
    /// Why nothing was done; `None` when something was.
    pub refusal: Option<String>,
    /// Who was considered, and why the others were not chosen.
    pub choice: Option<Choice>,
    /// What was to be done.
    pub plan: Vec<Step>,
    /// What was done, with times.
    pub steps: Vec<AuditedStep>,
    /// What the hooks said.
    pub hooks: Vec<HookRun>,
    /// How it ended; `None` when nothing was begun.
    pub outcome: Option<Outcome>,
}

/// What one server said of another, or of itself.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Observation {
    /// When.
    pub at: Timestamp,
    /// Who was asked.
    pub server: InstanceKey,
    /// What it said, or how it failed to answer.
    pub words: String,
}

/// One hook that was run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HookRun {
    /// Configuration key of the list.
    pub list: String,
    /// The command as configured.
    pub command: String,
    /// When it began.
    pub at: Timestamp,
    /// How long it ran.
    pub took: Duration,
    /// How it ended: `exit 0`, `exit 3`, `killed after 60 s` …
    pub ended: String,
    /// It ended well.
    pub ok: bool,
    /// The end of its output, bounded.
    pub output: String,
}

impl Explanation {
    /// The beginning of a story: what was seen and which rule matched. `first_suspected` is when trouble began.
    pub fn of_problem(
        problem: &Problem,
        topology: &Topology,
        first_suspected: Option<Timestamp>,
        now: Timestamp,
    ) -> Self {
        Self {
            recovery: None,
            subject: problem.key.clone(),
            cluster: problem.cluster.clone(),
            first_suspected,
            decided: now,
            observations: observe::observations(&problem.key, topology, now),
            problem: Some(problem.clone()),
            refusal: None,
            choice: None,
            plan: Vec::new(),
            steps: Vec::new(),
            hooks: Vec::new(),
            outcome: None,
        }
    }

    /// The story of a recovery as far as the log has it.
    pub fn of_recovery(recovery: &Recovery) -> Self {
        if let Some(told) =
            recovery.closed.as_ref().and_then(|closed| closed.explanation.as_deref())
        {
            return told.clone();
        }
        let begun = recovery.begun.as_deref().cloned().unwrap_or_else(|| Self {
            recovery: None,
            subject: recovery.intent.failed.clone(),
            cluster: recovery.cluster.clone(),
            first_suspected: None,
            decided: recovery.opened,
            observations: Vec::new(),
            problem: None,
            refusal: None,
            choice: None,
            plan: Vec::new(),
            steps: Vec::new(),
            hooks: Vec::new(),
            outcome: None,
        });
        Self {
            recovery: Some(recovery.uid.clone()),
            choice: recovery.choice.clone(),
            steps: recovery.steps.clone(),
            outcome: recovery.closed.as_ref().map(|closed| closed.outcome.clone()),
            ..begun
        }
    }
}

#[cfg(test)]
mod tests;
