//! Who takes over from a failed server, and why nobody else does.
//!
//! [`choose`] is called on a view that was read after the receivers were stopped: what a replica has received is then
//! final. It may be called before that as well, to refuse what can be refused before anything is touched.

mod follow;
mod held;
mod intermediate;
mod loss;
mod primary;
mod rejection;

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::instance::{Instance, PromotionRule};
use crate::key::InstanceKey;
use crate::policy::PromotionPolicy;
use crate::recovery::{Choice, Intent, Kind, Rejected};
use crate::registry::Registry;
use crate::topology::{Member, Topology};

pub(crate) use follow::{beyond, transactions};
pub(crate) use held::Method;
pub(crate) use loss::loss_without;
pub(crate) use primary::{must_apply_first, still_to_fetch};

/// All that a choice is made from.
#[derive(Debug, Clone, Copy)]
pub struct Question<'a> {
    /// The servers as they are now.
    pub view: &'a Topology,
    /// What is to be brought about, with the last that was known of the failed server.
    pub intent: &'a Intent,
    /// Rules, downtimes and locks.
    pub registry: &'a Registry,
    /// Settings.
    pub policy: &'a PromotionPolicy,
    /// When the failure was acted upon: the age of the last knowledge counts to here.
    pub failed_at: Timestamp,
    /// Now.
    pub now: Timestamp,
    /// Servers that failed to do what a candidate must do, each with the reason.
    pub excluded: &'a BTreeMap<InstanceKey, String>,
}

/// Why nobody can take over, in words for users. Nothing may be touched then.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoChoice {
    /// There is nobody.
    #[error("{failed} has no replica that could take over")]
    NoReplica {
        /// The failed server.
        failed: InstanceKey,
    },
    /// Each one has a reason against it.
    #[error("none of the replicas of {failed} can take over: {}", list(rejected))]
    AllRejected {
        /// The failed server.
        failed: InstanceKey,
        /// The reasons.
        rejected: Vec<Rejected>,
    },
    /// The one that a person asked for cannot; nobody else is taken in its stead.
    #[error("{wanted} was asked for and cannot take over: {reason}")]
    NotTheWanted {
        /// Who was asked for.
        wanted: InstanceKey,
        /// Why not.
        reason: String,
        /// What was found of the others.
        rejected: Vec<Rejected>,
    },
    /// The replicas of an intermediate primary cannot be moved.
    #[error("the replicas of {failed} cannot be moved: {}", list(rejected))]
    NobodyCanMove {
        /// The failed server.
        failed: InstanceKey,
        /// The reasons.
        rejected: Vec<Rejected>,
    },
}

impl NoChoice {
    /// The servers that were considered, each with the reason against it.
    pub fn rejected(&self) -> &[Rejected] {
        match self {
            Self::NoReplica { .. } => &[],
            Self::AllRejected { rejected, .. }
            | Self::NotTheWanted { rejected, .. }
            | Self::NobodyCanMove { rejected, .. } => rejected,
        }
    }
}

fn list(rejected: &[Rejected]) -> String {
    let reasons: Vec<String> =
        rejected.iter().map(|one| format!("{}: {}", one.key, one.reason)).collect();
    reasons.join("; ")
}

/// Says who takes over, who follows, who is lost, and what is lost.
///
/// # Errors
/// When nobody can take over without breaking a rule or the stated loss.
pub fn choose(question: &Question<'_>) -> Result<Choice, NoChoice> {
    match question.intent.kind {
        Kind::Primary => primary::choose(question),
        Kind::Intermediate => intermediate::choose(question),
    }
}

/// How near a server stands to the failed one, nearest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Distance {
    SamePlace,
    SameDataCenter,
    SameRegion,
    Elsewhere,
}

impl Distance {
    fn words(self) -> &'static str {
        match self {
            Self::SamePlace => "in the data centre and environment of the failed server",
            Self::SameDataCenter => "in the data centre of the failed server",
            Self::SameRegion => "in the region of the failed server",
            Self::Elsewhere => "elsewhere",
        }
    }
}

impl Question<'_> {
    /// The replicas of the failed server, those of the beginning included, by key.
    fn replicas(&self) -> Vec<&Member> {
        let mut replicas: BTreeMap<&InstanceKey, &Member> = BTreeMap::new();
        let first = self.intent.replicas.iter().filter_map(|key| self.view.get(key));
        for member in first.chain(self.view.replicas_of(&self.intent.failed)) {
            replicas.insert(&member.key, member);
        }
        replicas.into_values().collect()
    }

    fn distance(&self, instance: &Instance) -> Distance {
        let (last, own) = (&self.intent.last_known, &instance.location);
        if last.data_center != own.data_center {
            return if !last.region.is_empty() && last.region == own.region {
                Distance::SameRegion
            } else {
                Distance::Elsewhere
            };
        }
        if last.environment == own.environment {
            Distance::SamePlace
        } else {
            Distance::SameDataCenter
        }
    }

    /// What a person registered counts before what the server says of itself.
    fn rule(&self, instance: &Instance) -> PromotionRule {
        self.registry
            .rule(&instance.key, self.now, self.policy.candidate_expiry)
            .or(instance.detected_rule)
            .unwrap_or_default()
    }
}
