//! What the log may say, and what applying it comes to.
//!
//! Variants and fields are only ever added: old logs stay readable. `apply` reads no clock and draws no random
//! number; whatever it needs of either stands in the command.

mod recoveries;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::explain::Explanation;
use crate::instance::PromotionRule;
use crate::key::InstanceKey;
use crate::recovery::{Choice, Outcome};
use crate::registry::{
    Acknowledgement, AuditedStep, Candidate, Detection, Disabled, Downtime, Fence, Maintenance,
    Recovery, RecoveryUid, Registry,
};
use recoveries::{acknowledge, choose, close, detect, open, with_open};

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

/// A row of the replicated state, by the place it has in the registry.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Row {
    /// `downtimes`.
    Downtime(InstanceKey),
    /// `maintenance`.
    Maintenance(InstanceKey),
    /// `candidates`.
    Candidate(InstanceKey),
    /// `tags` of one server.
    Tags(InstanceKey),
    /// `aliases`.
    Alias(String),
    /// `recoveries_disabled`.
    Switch,
    /// `seeds`.
    Seed(InstanceKey),
    /// `forgotten`.
    Forgotten(InstanceKey),
    /// `detections`, one of them.
    Detection(u64),
    /// `recoveries`.
    Recovery(RecoveryUid),
    /// `fences`.
    Fence(InstanceKey),
}

/// What applying a command came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Applied {
    /// The answer.
    pub reply: Reply,
    /// The rows that are different now, or gone.
    pub rows: Vec<Row>,
}

impl Applied {
    fn done(rows: Vec<Row>) -> Self {
        Self { reply: Reply::Done, rows }
    }

    fn refused(reason: impl Into<String>) -> Self {
        Self { reply: Reply::Refused { reason: reason.into() }, rows: Vec::new() }
    }

    fn removed(existed: bool, row: Row) -> Self {
        if existed {
            Self::done(vec![row])
        } else {
            Self { reply: Reply::NotFound, rows: Vec::new() }
        }
    }
}

/// Most lines of a recovery's story that are kept.
const MOST_STEPS: usize = 1000;

/// Carries out one command. The same commands give the same registry on every node.
pub fn apply(registry: &mut Registry, command: &Command) -> Applied {
    let at = command.at;
    match &command.order {
        Order::Discover { key } => {
            registry.seeds.insert(key.clone());
            registry.forgotten.remove(key);
            Applied::done(vec![Row::Seed(key.clone()), Row::Forgotten(key.clone())])
        }
        Order::Forget { key } => forget(registry, key, at),
        Order::BeginDowntime { key, downtime } => {
            registry.downtimes.insert(key.clone(), downtime.clone());
            Applied::done(vec![Row::Downtime(key.clone())])
        }
        Order::EndDowntime { key } => {
            Applied::removed(registry.downtimes.remove(key).is_some(), Row::Downtime(key.clone()))
        }
        Order::BeginMaintenance { key, maintenance } => match registry.maintenance.get(key) {
            Some(held) if held.ends > at => Applied::refused(format!(
                "{key} is locked by {} until {}: {}",
                held.owner, held.ends, held.reason
            )),
            _ => {
                registry.maintenance.insert(key.clone(), maintenance.clone());
                Applied::done(vec![Row::Maintenance(key.clone())])
            }
        },
        Order::EndMaintenance { key } => Applied::removed(
            registry.maintenance.remove(key).is_some(),
            Row::Maintenance(key.clone()),
        ),
        Order::RegisterCandidate { rule: PromotionRule::Must, .. } => {
            Applied::refused("the rule `must` cannot be registered")
        }
        Order::RegisterCandidate { key, rule } => {
            registry.candidates.insert(key.clone(), Candidate { rule: *rule, registered: at });
            Applied::done(vec![Row::Candidate(key.clone())])
        }
        Order::Tag { key, name, value } => {
            registry.tags.entry(key.clone()).or_default().insert(name.clone(), value.clone());
            Applied::done(vec![Row::Tags(key.clone())])
        }
        Order::Untag { key, name } => {
            let tags = registry.tags.entry(key.clone()).or_default();
            let existed = tags.remove(name).is_some();
            if tags.is_empty() {
                registry.tags.remove(key);
            }
            Applied::removed(existed, Row::Tags(key.clone()))
        }
        Order::SetClusterAlias { cluster, alias } if alias.is_empty() => Applied::removed(
            registry.aliases.remove(cluster).is_some(),
            Row::Alias(cluster.clone()),
        ),
        Order::SetClusterAlias { cluster, alias } => {
            registry.aliases.insert(cluster.clone(), alias.clone());
            Applied::done(vec![Row::Alias(cluster.clone())])
        }
        Order::SetGlobalRecoveries { enabled } => {
            registry.recoveries_disabled =
                (!enabled).then(|| Disabled { by: command.by.clone(), at });
            Applied::done(vec![Row::Switch])
        }
        Order::RegisterDetection { detection, period_s } => detect(registry, detection, *period_s),
        Order::OpenRecovery { recovery } => open(registry, recovery),
        Order::Choose { uid, choice } => choose(registry, uid, choice, at),
        Order::StartHooks { uid, list } => with_open(registry, uid, |recovery| {
            if recovery.hooks_started.insert(list.clone()) {
                Ok(())
            } else {
                Err(format!("the hooks of {list} were started before"))
            }
        }),
        Order::AuditSteps { uid, steps } => with_open(registry, uid, |recovery| {
            let room = MOST_STEPS.saturating_sub(recovery.steps.len());
            recovery.steps.extend(steps.iter().take(room).cloned());
            Ok(())
        }),
        Order::CloseRecovery { uid, outcome, explanation } => {
            close(registry, uid, outcome, explanation.as_deref(), at)
        }
        Order::Acknowledge { which, acknowledgement } => {
            acknowledge(registry, which, acknowledgement)
        }
        Order::SetFence { key, fence } => {
            registry.fences.insert(key.clone(), fence.clone());
            Applied::done(vec![Row::Fence(key.clone())])
        }
        Order::RemoveFence { key } => {
            Applied::removed(registry.fences.remove(key).is_some(), Row::Fence(key.clone()))
        }
        Order::Purge { before } => purge(registry, *before, at),
    }
}

fn forget(registry: &mut Registry, key: &InstanceKey, at: Timestamp) -> Applied {
    registry.seeds.remove(key);
    registry.downtimes.remove(key);
    registry.candidates.remove(key);
    registry.tags.remove(key);
    registry.maintenance.remove(key);
    registry.fences.remove(key);
    registry.forgotten.insert(key.clone(), at);
    let rows = [
        Row::Seed,
        Row::Downtime,
        Row::Candidate,
        Row::Tags,
        Row::Maintenance,
        Row::Fence,
        Row::Forgotten,
    ];
    Applied::done(rows.into_iter().map(|row| row(key.clone())).collect())
}

fn purge(registry: &mut Registry, before: Timestamp, at: Timestamp) -> Applied {
    let mut rows = Vec::new();
    registry.recoveries.retain(|uid, recovery| {
        let keep = recovery.closed.as_ref().is_none_or(|closed| closed.at >= before);
        if !keep {
            rows.push(Row::Recovery(uid.clone()));
        }
        keep
    });
    registry.detections.retain(|detection| {
        let keep = detection.at >= before;
        if !keep {
            rows.push(Row::Detection(detection.id));
        }
        keep
    });
    registry.downtimes.retain(|key, downtime| {
        let keep = downtime.ends > at;
        if !keep {
            rows.push(Row::Downtime(key.clone()));
        }
        keep
    });
    registry.maintenance.retain(|key, lock| {
        let keep = lock.ends > at;
        if !keep {
            rows.push(Row::Maintenance(key.clone()));
        }
        keep
    });
    Applied::done(rows)
}

#[cfg(test)]
mod tests;
