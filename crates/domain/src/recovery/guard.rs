//! Whether a recovery may begin, and if not, why.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use crate::analysis::{AnalysisCode, Problem};
use crate::checks::{ProbeFailure, seconds_between};
use crate::key::InstanceKey;
use crate::policy::{PromotionPolicy, RecoveryPolicy};
use crate::promotion::{NoChoice, Question, choose};
use crate::recovery::{Intent, Kind, Outcome, keys, kind_of};
use crate::registry::{Recovery, Registry};
use crate::topology::Topology;

/// What else the decision depends on.
#[derive(Debug, Clone)]
pub struct Circumstances {
    /// Now.
    pub now: Timestamp,
    /// When this process began to watch servers.
    pub started: Timestamp,
    /// Alias of the cluster, or its name.
    pub alias: String,
    /// This node leads.
    pub leads: bool,
    /// Since when the server is seen as failed without a break; `None` when that begins now.
    pub failed_since: Option<Timestamp>,
    /// A person asked for it: filters, downtime, the global switch, blocks and waiting times do not count.
    pub forced: bool,
    /// Who is to take over, when a person said so.
    pub wanted: Option<InstanceKey>,
}

/// Why a recovery does not begin, in words for users.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// No recovery exists for this.
    #[error("{} is noted and shown; there is no recovery for it", code.name())]
    NothingToDo {
        /// What was found.
        code: AnalysisCode,
    },
    /// Replicas are just reconnecting.
    #[error(
        "replicas were told to reconnect a moment ago; if the failure is still there when they have, it is acted upon"
    )]
    InGrace,
    /// Another node decides.
    #[error("this node does not lead")]
    NotLeading,
    /// The cluster is being recovered.
    #[error(
        "recovery {id} of this cluster is open: {failed} failed, begun at {}",
        clock(*since)
    )]
    Open {
        /// Its number.
        id: u64,
        /// What it replaces.
        failed: InstanceKey,
        /// Since when.
        since: Timestamp,
    },
    /// A person holds the server.
    #[error("{key} is under maintenance by {owner} until {} ({reason})", clock(*until))]
    Maintenance {
        /// The failed server.
        key: InstanceKey,
        /// Who holds it.
        owner: String,
        /// Why.
        reason: String,
        /// Until when.
        until: Timestamp,
    },
    /// Switched off everywhere.
    #[error(
        "recoveries were switched off everywhere by {by} at {}; `ham4db enable-global-recoveries` switches them on",
        clock(*at)
    )]
    Disabled {
        /// By whom.
        by: String,
        /// When.
        at: Timestamp,
    },
    /// The failed server, or all its replicas, are in downtime.
    #[error("{key} is in downtime until {}, set by {owner}: {reason}", clock(*until))]
    Downtimed {
        /// A server in downtime.
        key: InstanceKey,
        /// Who set it.
        owner: String,
        /// Why.
        reason: String,
        /// Until when.
        until: Timestamp,
    },
    /// Not configured to be recovered.
    #[error(
        "the cluster {cluster} (alias {alias}) matches no filter in {setting}, so it is not recovered automatically; \
         `ham4db recover -i {key}` recovers it by hand"
    )]
    NotConfigured {
        /// The failed server.
        key: InstanceKey,
        /// Its cluster.
        cluster: String,
        /// The cluster's alias.
        alias: String,
        /// The key of the configuration.
        setting: &'static str,
    },
    /// It took over a short while ago.
    #[error(
        "{key} itself took over in recovery {id} and failed again within the block period; automatic recovery is \
         blocked until {}, or until somebody acknowledges: `ham4db ack-recovery --id {id} --reason …`",
        clock(*until)
    )]
    JustPromoted {
        /// The failed server.
        key: InstanceKey,
        /// The recovery that promoted it.
        id: u64,
        /// Until when.
        until: Timestamp,
    },
    /// The cluster was recovered a short while ago.
    #[error(
        "recovery {id} of this cluster ({failed} failed at {}) blocks automatic recoveries until {}, or until somebody \
         acknowledges it: `ham4db ack-recovery --id {id} --reason …`",
        clock(*since),
        clock(*until)
    )]
    Blocked {
        /// The blocking recovery.
        id: u64,
        /// What it replaced.
        failed: InstanceKey,
        /// When it began.
        since: Timestamp,
        /// Until when.
        until: Timestamp,
    },
    /// The last try was given up a moment ago.
    #[error("recovery {id} was given up at {} ({reason}); the next try is at {}", clock(*at), clock(*until))]
    Pausing {
        /// The recovery.
        id: u64,
        /// When it was given up.
        at: Timestamp,
        /// Why.
        reason: String,
        /// When the next one may begin.
        until: Timestamp,
    },
    /// The process lives.
    #[error(
        "{key} {failure}; a server that lives and cannot be told to stop taking writes is not replaced automatically"
    )]
    Alive {
        /// The server.
        key: InstanceKey,
        /// How it answered.
        failure: ProbeFailure,
    },
    /// Not everybody has been looked at since the start.
    #[error("ham4db has just started and has not looked at all of them yet: {}", keys(missing))]
    JustStarted {
        /// Who was not looked at.
        missing: Vec<InstanceKey>,
    },
    /// The primary has never been seen, so its replicas may not all be known.
    #[error(
        "{key} has never been seen alive, so more replicas of it may exist than have been found; waiting {:.0} s more",
        left.as_secs_f64().ceil()
    )]
    NeverSeen {
        /// The failed server.
        key: InstanceKey,
        /// For how long.
        left: Duration,
    },
    /// The failure has to last.
    #[error(
        "the failure has to last {:.0} s in this cluster (MasterFailureConfirmationSeconds), {:.1} s more",
        window.as_secs_f64(),
        left.as_secs_f64()
    )]
    Confirming {
        /// How long it has to last.
        window: Duration,
        /// What is left.
        left: Duration,
    },
    /// Nobody can take over.
    #[error(transparent)]
    NoChoice(NoChoice),
}

impl Refusal {
    /// A name for the kind of refusal: the same as long as only times change.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::NothingToDo { .. } => "nothing-to-do",
            Self::InGrace => "in-grace",
            Self::NotLeading => "not-leading",
            Self::Open { .. } => "open",
            Self::Maintenance { .. } => "maintenance",
            Self::Disabled { .. } => "disabled",
            Self::Downtimed { .. } => "downtimed",
            Self::NotConfigured { .. } => "not-configured",
            Self::JustPromoted { .. } => "just-promoted",
            Self::Blocked { .. } => "blocked",
            Self::Pausing { .. } => "pausing",
            Self::Alive { .. } => "alive",
            Self::JustStarted { .. } => "just-started",
            Self::NeverSeen { .. } => "never-seen",
            Self::Confirming { .. } => "confirming",
            Self::NoChoice(_) => "no-choice",
        }
    }
}

/// How long to wait after a recovery that was given up before anything was changed; twice as long each further time.
const PAUSE: Duration = Duration::from_secs(5);
/// The longest such pause.
const LONGEST_PAUSE: Duration = Duration::from_mins(5);

/// How long after the start a server that was never seen alive may still have undiscovered replicas.
const FIRST_DISCOVERY: Duration = Duration::from_secs(15);

/// Says whether a recovery of `problem` may begin.
///
/// # Errors
/// The first thing that stands against it.
pub fn may_begin(
    problem: &Problem,
    topology: &Topology,
    registry: &Registry,
    policy: &RecoveryPolicy,
    circumstances: &Circumstances,
) -> Result<(), Refusal> {
    let Some(kind) = kind_of(problem.code) else {
        return Err(Refusal::NothingToDo { code: problem.code });
    };
    let case = Case { problem, kind, topology, registry, policy, circumstances };
    case.is_ours()?;
    if !circumstances.forced {
        case.is_allowed()?;
        case.is_not_blocked()?;
        case.is_certain()?;
    }
    case.has_successor()
}

struct Case<'a> {
    problem: &'a Problem,
    kind: Kind,
    topology: &'a Topology,
    registry: &'a Registry,
    policy: &'a RecoveryPolicy,
    circumstances: &'a Circumstances,
}

impl Case<'_> {
    /// What even a person who insists cannot pass over.
    fn is_ours(&self) -> Result<(), Refusal> {
        if !self.circumstances.leads {
            return Err(Refusal::NotLeading);
        }
        let open = self
            .registry
            .recoveries
            .values()
            .find(|recovery| recovery.closed.is_none() && self.concerns(recovery));
        if let Some(open) = open {
            let failed = open.intent.failed.clone();
            return Err(Refusal::Open { id: open.id, failed, since: open.opened });
        }
        let key = &self.problem.key;
        let lock = self.registry.maintenance.get(key);
        match lock.filter(|lock| lock.ends > self.circumstances.now) {
            Some(lock) => Err(Refusal::Maintenance {
                key: key.clone(),
                owner: lock.owner.clone(),
                reason: lock.reason.clone(),
                until: lock.ends,
            }),
            None => Ok(()),
        }
    }

    /// Users have not forbidden it.
    fn is_allowed(&self) -> Result<(), Refusal> {
        if let Some(disabled) = &self.registry.recoveries_disabled {
            return Err(Refusal::Disabled { by: disabled.by.clone(), at: disabled.at });
        }
        let (problem, alias) = (self.problem, &self.circumstances.alias);
        let (filters, setting) = match self.kind {
            Kind::Primary => (&self.policy.primaries, "RecoverMasterClusterFilters"),
            Kind::Intermediate => {
                (&self.policy.intermediates, "RecoverIntermediateMasterClusterFilters")
            }
        };
        if !filters.matches(&problem.cluster, alias) {
            return Err(Refusal::NotConfigured {
                key: problem.key.clone(),
                cluster: problem.cluster.clone(),
                alias: alias.clone(),
                setting,
            });
        }
        let now = self.circumstances.now;
        let replicas = self.topology.replicas_of(&problem.key).map(|member| &member.key);
        let downtime = [&problem.key]
            .into_iter()
            .chain(replicas.filter(|_| problem.replicas_downtimed))
            .find_map(|key| self.registry.downtime(key, now).map(|downtime| (key, downtime)));
        match downtime {
            Some((key, downtime)) => Err(Refusal::Downtimed {
                key: key.clone(),
                owner: downtime.owner.clone(),
                reason: downtime.reason.clone(),
                until: downtime.ends,
            }),
            None => Ok(()),
        }
    }

    /// No earlier recovery stands against it.
    fn is_not_blocked(&self) -> Result<(), Refusal> {
        let earlier = self.registry.recoveries.values().filter(|one| one.acknowledged.is_none());
        earlier.filter(|one| self.concerns(one)).try_for_each(|one| self.is_not_blocked_by(one))
    }

    fn is_not_blocked_by(&self, earlier: &Recovery) -> Result<(), Refusal> {
        let Some(closed) = &earlier.closed else { return Ok(()) };
        let (id, now) = (earlier.id, self.circumstances.now);
        let until = after(earlier.opened, self.policy.block);
        match &closed.outcome {
            Outcome::Aborted { reason } => {
                let until = after(closed.at, self.pause());
                let (at, reason) = (closed.at, reason.clone());
                if now < until { Err(Refusal::Pausing { id, at, reason, until }) } else { Ok(()) }
            }
            _ if now >= until => Ok(()),
            Outcome::Recovered { successor, .. } if *successor == self.problem.key => {
                Err(Refusal::JustPromoted { key: successor.clone(), id, until })
            }
            Outcome::Recovered { .. } | Outcome::Failed { .. } => {
                let failed = earlier.intent.failed.clone();
                Err(Refusal::Blocked { id, failed, since: earlier.opened, until })
            }
        }
    }

    /// Tries that were given up are repeated less and less often: their hooks run each time.
    fn pause(&self) -> Duration {
        let given_up = |recovery: &&Recovery| {
            recovery.intent.failed == self.problem.key
                && recovery.acknowledged.is_none()
                && recovery.closed.as_ref().is_some_and(|closed| {
                    matches!(closed.outcome, Outcome::Aborted { .. })
                        && self.circumstances.now < after(closed.at, self.policy.block)
                })
        };
        let times = self.registry.recoveries.values().filter(given_up).count();
        let doublings = u32::try_from(times.saturating_sub(1)).unwrap_or(u32::MAX).min(16);
        (PAUSE * 2_u32.pow(doublings)).min(LONGEST_PAUSE)
    }

    /// The recovery was one of this cluster, whatever the cluster was called then: a failover renames it.
    fn concerns(&self, recovery: &Recovery) -> bool {
        let here = |key: &InstanceKey| {
            *key == self.problem.key
                || self
                    .topology
                    .get(key)
                    .is_some_and(|member| member.place.cluster == self.problem.cluster)
        };
        let successor = match recovery.closed.as_ref().map(|closed| &closed.outcome) {
            Some(Outcome::Recovered { successor, .. }) => Some(successor),
            Some(Outcome::Failed { .. } | Outcome::Aborted { .. }) | None => {
                recovery.choice.as_ref().map(|choice| &choice.promoted)
            }
        };
        recovery.cluster == self.problem.cluster
            || (!recovery.alias.is_empty() && recovery.alias == self.circumstances.alias)
            || here(&recovery.intent.failed)
            || successor.is_some_and(here)
    }

    /// The failure is certain enough to act on it.
    fn is_certain(&self) -> Result<(), Refusal> {
        if !self.problem.actionable {
            return Err(Refusal::InGrace);
        }
        let key = &self.problem.key;
        let member = self.topology.get(key);
        let failure = member.and_then(|member| member.checks.failure.as_ref());
        if let Some(failure) = failure.filter(|failure| failure.kind.shows_life()) {
            return Err(Refusal::Alive { key: key.clone(), failure: failure.clone() });
        }
        let Circumstances { now, started, .. } = *self.circumstances;
        let missing: Vec<InstanceKey> = member
            .into_iter()
            .chain(self.topology.replicas_of(key))
            .filter(|member| member.checks.last_checked.is_none_or(|checked| checked < started))
            .map(|member| member.key.clone())
            .collect();
        if !missing.is_empty() {
            return Err(Refusal::JustStarted { missing });
        }
        let left = remaining(started, FIRST_DISCOVERY, now);
        if member.is_none_or(|member| member.checks.last_seen.is_none()) && !left.is_zero() {
            return Err(Refusal::NeverSeen { key: key.clone(), left });
        }
        self.is_confirmed()
    }

    fn is_confirmed(&self) -> Result<(), Refusal> {
        let (cluster, alias) = (&self.problem.cluster, &self.circumstances.alias);
        let mut windows = self.policy.confirmation.iter();
        let window = windows.find(|(filters, _)| filters.matches(cluster, alias));
        let Some((_, window)) = window.filter(|_| self.kind == Kind::Primary) else {
            return Ok(());
        };
        let now = self.circumstances.now;
        let since = self.circumstances.failed_since.unwrap_or(now);
        let left = remaining(since, *window, now);
        if left.is_zero() { Ok(()) } else { Err(Refusal::Confirming { window: *window, left }) }
    }

    /// Somebody could take over, as far as is known. The loss is judged later, on servers that were read anew.
    fn has_successor(&self) -> Result<(), Refusal> {
        let promotion = &self.policy.promotion;
        let policy =
            PromotionPolicy { max_loss: None, max_loss_transactions: None, ..promotion.clone() };
        let mut intent = Intent::of(self.kind, &self.problem.key, self.topology);
        intent.wanted.clone_from(&self.circumstances.wanted);
        let question = Question {
            view: self.topology,
            intent: &intent,
            registry: self.registry,
            policy: &policy,
            failed_at: self.circumstances.now,
            now: self.circumstances.now,
            excluded: &std::collections::BTreeMap::new(),
        };
        choose(&question).map(|_| ()).map_err(Refusal::NoChoice)
    }
}

fn after(begin: Timestamp, length: Duration) -> Timestamp {
    let length = SignedDuration::try_from(length).unwrap_or(SignedDuration::MAX);
    begin.checked_add(length).unwrap_or(Timestamp::MAX)
}

fn remaining(begin: Timestamp, length: Duration, now: Timestamp) -> Duration {
    let passed_s = seconds_between(begin, now).max(0.0);
    length.saturating_sub(Duration::try_from_secs_f64(passed_s).unwrap_or(Duration::MAX))
}

/// A time of day that people can read: to the second, UTC.
fn clock(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M:%S UTC").to_string()
}
