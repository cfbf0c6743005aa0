//! Recoveries as data: what one is to bring about, who takes over, and how it ended.

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

mod attempts;
mod fence;
mod guard;
mod intermediate;
mod next;
mod open;
mod plan;
mod primary;

use std::fmt;

use crate::coordinates::BinlogCoordinates;
use crate::gtid::{GtidSet, MariaDbPosition};
use crate::key::InstanceKey;

pub use attempts::Attempts;
pub use fence::{FenceState, fence_state, found_again};
pub use guard::{Circumstances, Refusal, may_begin};
pub use next::{Next, next};
pub use open::{detection_of, kind_of, open_recovery};
pub use plan::{Plan, plan, presume_dead};

/// What a recovery is to bring about. Recorded in the log before any step is taken.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Intent {
    /// What kind of server is replaced.
    pub kind: Kind,
    /// The server that failed.
    pub failed: InstanceKey,
    /// The replicas that followed it when the recovery was opened.
    pub replicas: Vec<InstanceKey>,
    /// Those of `replicas` whose receiver somebody had stopped before; giving up leaves it so.
    #[serde(default)]
    pub stopped: Vec<InstanceKey>,
    /// Its own source, for an intermediate primary.
    pub source: Option<InstanceKey>,
    /// The server a person asked for.
    pub wanted: Option<InstanceKey>,
    /// The last that was known of the failed server.
    pub last_known: LastKnown,
    /// No hooks are to run (`recover-lite`, `skipProcesses`).
    pub skip_hooks: bool,
}

/// What kind of server a recovery replaces.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// The primary of a cluster.
    Primary,
    /// A replica that has replicas.
    Intermediate,
}

/// The last that was known of a failed server, for the estimate of what is lost with it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct LastKnown {
    /// When it was last seen alive.
    pub seen: Option<Timestamp>,
    /// MySQL: what it had executed then.
    pub executed: GtidSet,
    /// MariaDB: what it had written then.
    pub binlog_pos: Option<MariaDbPosition>,
    /// Where it wrote then.
    pub position: Option<BinlogCoordinates>,
    /// Data centre.
    pub data_center: String,
    /// Region.
    pub region: String,
    /// Physical environment.
    pub environment: String,
}

/// Who takes over, who follows, who is lost, and why. Fixed in the log before the first irrevocable step.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Choice {
    /// The server that takes over.
    pub promoted: InstanceKey,
    /// Why this one, in words.
    pub reason: String,
    /// Where the promoted server's own binary log stood; replicas that follow by file and position go on there.
    #[serde(default)]
    pub position: Option<BinlogCoordinates>,
    /// The replicas that will follow it.
    pub followers: Vec<InstanceKey>,
    /// Replicas that cannot follow, each with the reason.
    pub lost: Vec<Rejected>,
    /// Candidates that were not chosen, each with the reason.
    pub rejected: Vec<Rejected>,
    /// A replica that has more than the promoted one, which fetches the difference from it first.
    pub catch_up_from: Option<InstanceKey>,
    /// What is lost with the failed server.
    pub loss: Loss,
}

/// A server and why it was not chosen, or not kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rejected {
    /// The server.
    pub key: InstanceKey,
    /// The reason, in words for users.
    pub reason: String,
}

/// What a promotion loses, as far as it can be known.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Loss {
    /// Transactions the failed server was known to have that the promoted one will not have; `None` when unknown.
    pub transactions: Option<u64>,
    /// Time between the last knowledge of the failed server and its failure: what was written in it is not counted.
    pub unknown_for: Option<Duration>,
    /// The estimate in words.
    pub words: String,
}

/// How a recovery ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "kebab-case")]
pub enum Outcome {
    /// Somebody took over.
    Recovered {
        /// Who.
        successor: InstanceKey,
        /// Replicas that were lost on the way.
        lost: Vec<InstanceKey>,
        /// What went wrong without spoiling the result.
        errors: Vec<String>,
    },
    /// Nobody was promoted; the reason says what was and was not changed.
    Failed {
        /// Why.
        reason: String,
    },
    /// Not begun, or given up before anything was changed.
    Aborted {
        /// Why.
        reason: String,
    },
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Recovered { successor, lost, .. } => {
                write!(f, "{successor} took over")?;
                if lost.is_empty() { Ok(()) } else { write!(f, "; lost: {}", keys(lost)) }
            }
            Self::Failed { reason } => write!(f, "failed: {reason}"),
            Self::Aborted { reason } => write!(f, "given up: {reason}"),
        }
    }
}

/// Keys in words: `a:1, b:2`.
pub(crate) fn keys<'a>(keys: impl IntoIterator<Item = &'a InstanceKey>) -> String {
    keys.into_iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests;
