//! What users told ham4db and what it decided: the state that the log of commands builds, the same on every node.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::analysis::AnalysisCode;
use crate::explain::Explanation;
use crate::instance::PromotionRule;
use crate::key::InstanceKey;
use crate::recovery::{Choice, Intent, Outcome};

/// The replicated state. Changed only by [`crate::command::apply`].
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Registry {
    /// Servers whose failures are, for a time, not acted upon.
    pub downtimes: BTreeMap<InstanceKey, Downtime>,
    /// Servers locked by a person.
    pub maintenance: BTreeMap<InstanceKey, Maintenance>,
    /// Registered promotion rules.
    pub candidates: BTreeMap<InstanceKey, Candidate>,
    /// Tags of each server: name to value.
    pub tags: BTreeMap<InstanceKey, BTreeMap<String, String>>,
    /// Aliases set by hand: cluster name to alias.
    pub aliases: BTreeMap<String, String>,
    /// Why recoveries are switched off everywhere; `None` when they are on.
    pub recoveries_disabled: Option<Disabled>,
    /// Servers that a person asked to discover.
    pub seeds: BTreeSet<InstanceKey>,
    /// Servers that a person asked to forget, and when.
    pub forgotten: BTreeMap<InstanceKey, Timestamp>,
    /// Failures that were noticed, newest last; bounded.
    pub detections: Vec<Detection>,
    /// Recoveries that are open, or were closed not long ago, by uid.
    pub recoveries: BTreeMap<RecoveryUid, Recovery>,
    /// Old primaries that must not take writes, until confirmed.
    pub fences: BTreeMap<InstanceKey, Fence>,
    /// Number given to the next recovery.
    pub next_recovery_id: u64,
}

/// A time in which a server's failures are not acted upon.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Downtime {
    /// Who asked for it.
    pub owner: String,
    /// Why.
    pub reason: String,
    /// When it began.
    pub begins: Timestamp,
    /// When it ends.
    pub ends: Timestamp,
}

/// Reason of the downtime that a recovery puts on the servers it lost.
pub const LOST_IN_RECOVERY: &str = "lost-in-recovery";

/// A lock on a server, taken by a person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Maintenance {
    /// Who holds it.
    pub owner: String,
    /// Why.
    pub reason: String,
    /// Since when.
    pub begins: Timestamp,
    /// Until when.
    pub ends: Timestamp,
}

/// A registered promotion rule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Candidate {
    /// The rule.
    pub rule: PromotionRule,
    /// When it was last registered; it expires after `CandidateInstanceExpireMinutes`.
    pub registered: Timestamp,
}

/// Recoveries are switched off everywhere.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Disabled {
    /// Who switched them off.
    pub by: String,
    /// When.
    pub at: Timestamp,
}

/// A failure that was noticed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Detection {
    /// Number, ascending.
    pub id: u64,
    /// The failed server.
    pub failed: InstanceKey,
    /// Its cluster.
    pub cluster: String,
    /// What was found.
    pub code: AnalysisCode,
    /// A recovery can do something about it.
    pub actionable: bool,
    /// When.
    pub at: Timestamp,
}

/// Stable name of a recovery: a uuid.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RecoveryUid(pub String);

impl std::fmt::Display for RecoveryUid {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// One recovery, from its opening to its acknowledgement.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Recovery {
    /// Stable name.
    pub uid: RecoveryUid,
    /// Number users see.
    pub id: u64,
    /// Cluster, as it was named when the recovery began.
    pub cluster: String,
    /// Alias of the cluster then; the cluster's name when it had none.
    pub alias: String,
    /// What had failed.
    pub code: AnalysisCode,
    /// What it is to bring about.
    pub intent: Intent,
    /// Who asked for it; `None` when ham4db decided by itself.
    pub requested_by: Option<String>,
    /// Node that opened it.
    pub node: String,
    /// Term of leadership in which it was opened.
    pub term: u64,
    /// When it was opened.
    pub opened: Timestamp,
    /// What was seen and which rule matched, for as long as it is open: whoever goes on with it tells the whole story.
    #[serde(default)]
    pub begun: Option<Box<Explanation>>,
    /// Who takes over, once that is decided. Never changed afterwards.
    pub choice: Option<Choice>,
    /// Hook lists that have been started, each at most once.
    pub hooks_started: BTreeSet<String>,
    /// What happened, in order; bounded.
    pub steps: Vec<AuditedStep>,
    /// How it ended; `None` while it is open.
    pub closed: Option<Closed>,
    /// A person has taken note; ends the block period.
    pub acknowledged: Option<Acknowledgement>,
}

/// One line of a recovery's story.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditedStep {
    /// When it ended.
    pub at: Timestamp,
    /// How long it took, where it took time.
    pub took: Option<Duration>,
    /// What happened.
    pub message: String,
    /// Why it failed; `None` when it did not.
    pub error: Option<String>,
}

/// The end of a recovery.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Closed {
    /// When.
    pub at: Timestamp,
    /// What came of it.
    pub outcome: Outcome,
    /// The whole story, for `why`.
    pub explanation: Option<Box<Explanation>>,
}

/// A person has taken note of a recovery.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Acknowledgement {
    /// Who.
    pub by: String,
    /// When.
    pub at: Timestamp,
    /// What they had to say.
    pub comment: String,
}

/// An old primary that must not take writes any more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fence {
    /// The recovery that put it up.
    pub recovery: RecoveryUid,
    /// Who took over.
    pub successor: InstanceKey,
    /// Since when.
    pub since: Timestamp,
    /// When the server was found read-only with its clients gone; `None` while that is still to be done.
    pub confirmed: Option<Timestamp>,
    /// Why the latest attempt failed.
    pub last_error: Option<String>,
}

impl Registry {
    /// The downtime of `key` that is in effect at `now`.
    pub fn downtime(&self, key: &InstanceKey, now: Timestamp) -> Option<&Downtime> {
        self.downtimes.get(key).filter(|downtime| downtime.ends > now)
    }

    /// `key` is under a maintenance lock at `now`.
    pub fn in_maintenance(&self, key: &InstanceKey, now: Timestamp) -> bool {
        self.maintenance.get(key).is_some_and(|lock| lock.ends > now)
    }

    /// The promotion rule registered for `key`, unless it has expired.
    pub fn rule(
        &self,
        key: &InstanceKey,
        now: Timestamp,
        expiry: Duration,
    ) -> Option<PromotionRule> {
        let candidate = self.candidates.get(key)?;
        let age_s = crate::checks::seconds_between(candidate.registered, now);
        (age_s <= expiry.as_secs_f64()).then_some(candidate.rule)
    }
}
