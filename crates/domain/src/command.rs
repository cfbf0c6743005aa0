//! What the log may say, and what applying it comes to.
//!
//! Variants and fields are only ever added: old logs stay readable. `apply` reads no clock and draws no random
//! number; whatever it needs of either stands in the command.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::explain::Explanation;
use crate::instance::PromotionRule;
use crate::key::InstanceKey;
use crate::recovery::{Choice, Outcome};
use crate::registry::{
    Acknowledgement, AuditedStep, Detection, Downtime, Fence, Maintenance, Recovery, RecoveryUid,
};

/// One entry of the log.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Command {
    /// When it was proposed, by the proposer's clock.
    pub at: Timestamp,
    /// Who asked: a user name, or the node itself.
    pub by: String,
    /// What is to be done.
    pub order: Order,
}

/// What a command orders.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "order", rename_all = "kebab-case")]
pub enum Order {
    /// Watch this server.
    Discover {
        /// The server.
        key: InstanceKey,
    },
    /// Forget this server.
    Forget {
        /// The server.
        key: InstanceKey,
    },
    /// Set or replace a downtime.
    BeginDowntime {
        /// The server.
        key: InstanceKey,
        /// The downtime.
        downtime: Downtime,
    },
    /// End a downtime.
    EndDowntime {
        /// The server.
        key: InstanceKey,
    },
    /// Take a maintenance lock; refused when one is held.
    BeginMaintenance {
        /// The server.
        key: InstanceKey,
        /// The lock.
        maintenance: Maintenance,
    },
    /// Release a maintenance lock.
    EndMaintenance {
        /// The server.
        key: InstanceKey,
    },
    /// Register a promotion rule, as of the command's time.
    RegisterCandidate {
        /// The server.
        key: InstanceKey,
        /// The rule; `must` is refused.
        rule: PromotionRule,
    },
    /// Set a tag.
    Tag {
        /// The server.
        key: InstanceKey,
        /// Name.
        name: String,
        /// Value, may be empty.
        value: String,
    },
    /// Remove a tag from one server.
    Untag {
        /// The server.
        key: InstanceKey,
        /// Name.
        name: String,
    },
    /// Set a cluster's alias by hand; an empty alias removes it.
    SetClusterAlias {
        /// The cluster's name.
        cluster: String,
        /// The alias.
        alias: String,
    },
    /// Switch all automatic recoveries on or off.
    SetGlobalRecoveries {
        /// On.
        enabled: bool,
    },
    /// Note a failure. Refused when the same one is noted already and still in its period.
    RegisterDetection {
        /// The failure; its `id` is given on applying.
        detection: Detection,
        /// How long the same failure is not noted again, in seconds.
        period_s: u64,
    },
    /// Open a recovery. Refused while another one of the same cluster, or of a server in it, is open.
    OpenRecovery {
        /// The recovery, not closed; its `id` is given on applying.
        recovery: Box<Recovery>,
    },
    /// Settle who takes over. Refused when somebody else was chosen before.
    Choose {
        /// The recovery.
        uid: RecoveryUid,
        /// The choice.
        choice: Choice,
    },
    /// Note that a list of hooks is about to run. Refused when it was started before.
    StartHooks {
        /// The recovery.
        uid: RecoveryUid,
        /// Configuration key of the list.
        list: String,
    },
    /// Add lines to a recovery's story.
    AuditSteps {
        /// The recovery.
        uid: RecoveryUid,
        /// The lines.
        steps: Vec<AuditedStep>,
    },
    /// End a recovery. Refused when it has ended.
    CloseRecovery {
        /// The recovery.
        uid: RecoveryUid,
        /// What came of it.
        outcome: Outcome,
        /// The whole story.
        explanation: Option<Box<Explanation>>,
    },
    /// Take note of recoveries; ends their block periods.
    Acknowledge {
        /// Which.
        which: Acknowledged,
        /// By whom, when, and with which words.
        acknowledgement: Acknowledgement,
    },
    /// Put up a fence, or replace what is known of it.
    SetFence {
        /// The old primary.
        key: InstanceKey,
        /// The fence.
        fence: Fence,
    },
    /// Take a fence down: a person has put the server back in order.
    RemoveFence {
        /// The server.
        key: InstanceKey,
    },
    /// Drop what is too old to matter.
    Purge {
        /// Closed recoveries and detections older than this are dropped.
        before: Timestamp,
    },
}

/// Which recoveries an acknowledgement is for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "which", rename_all = "kebab-case")]
pub enum Acknowledged {
    /// All of them.
    All,
    /// One, by number.
    Id {
        /// The number.
        id: u64,
    },
    /// One, by uid.
    Uid {
        /// The uid.
        uid: RecoveryUid,
    },
    /// Those of a failed server.
    Instance {
        /// The server.
        key: InstanceKey,
    },
    /// Those of a cluster, by name or alias.
    Cluster {
        /// Name or alias.
        cluster: String,
    },
}

/// What applying a command came to. A refusal is an answer, not an error.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "reply", rename_all = "kebab-case")]
pub enum Reply {
    /// Done.
    Done,
    /// Done; this many things changed.
    Changed {
        /// How many.
        count: u64,
    },
    /// Done, under this number.
    Numbered {
        /// The number.
        id: u64,
    },
    /// There is nothing of that name.
    NotFound,
    /// Not done, because the state does not allow it.
    Refused {
        /// Why, in words for users.
        reason: String,
    },
}
