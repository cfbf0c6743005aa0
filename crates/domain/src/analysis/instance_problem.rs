//! What is wrong with a server looked at alone.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::instance::ThreadState;
use crate::policy::AnalysisPolicy;
use crate::topology::Member;

/// What is wrong with a server looked at alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum InstanceProblem {
    /// The latest probe failed.
    LastCheckInvalid,
    /// It has not been looked at for five poll intervals.
    NotRecentlyChecked,
    /// It has replication threads and they do not run.
    NotReplicating,
    /// Its lag differs from its configured delay by more than is reasonable.
    ReplicationLag,
    /// It has transactions of its own.
    ErrantGtid,
    /// It is in a group and not ONLINE there.
    GroupReplicationMemberNotOnline,
}

impl InstanceProblem {
    /// The published name.
    pub fn name(self) -> &'static str {
        match self {
            Self::LastCheckInvalid => "last_check_invalid",
            Self::NotRecentlyChecked => "not_recently_checked",
            Self::NotReplicating => "not_replicating",
            Self::ReplicationLag => "replication_lag",
            Self::ErrantGtid => "errant_gtid",
            Self::GroupReplicationMemberNotOnline => "group_replication_member_not_online",
        }
    }
}

/// The state of a server in one word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// The latest probe failed.
    Invalid,
    /// It has not been looked at for five poll intervals.
    Unchecked,
    /// It does not replicate.
    NonReplicating,
    /// It lags.
    Lag,
    /// All is well.
    Ok,
}

impl Status {
    /// The published name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Invalid => "invalid",
            Self::Unchecked => "unchecked",
            Self::NonReplicating => "nonreplicating",
            Self::Lag => "lag",
            Self::Ok => "ok",
        }
    }
}

/// A server counts as looked at for this many poll intervals.
const RECENT_POLLS: u32 = 5;

/// The state of a server in one word.
pub fn health(member: &Member, policy: &AnalysisPolicy, now: Timestamp) -> Status {
    if !member.checks.valid() {
        return Status::Invalid;
    }
    if !member.checks.checked_within(now, policy.poll * RECENT_POLLS) {
        return Status::Unchecked;
    }
    let Some(instance) = member.instance.as_deref() else { return Status::Ok };
    let Some(replication) = instance.replication.as_ref() else { return Status::Ok };
    let has_threads = replication.io_thread != ThreadState::Absent
        && replication.sql_thread != ThreadState::Absent;
    if has_threads && !instance.is_replicating() {
        return Status::NonReplicating;
    }
    let off_s = replication.lag_s.map_or(0, |lag| lag.abs_diff(replication.delay_s));
    if off_s > policy.reasonable_lag.as_secs() { Status::Lag } else { Status::Ok }
}

/// All that is wrong with a server: at most one matter of health, then errant transactions and group membership.
pub fn instance_problems(
    member: &Member,
    policy: &AnalysisPolicy,
    now: Timestamp,
) -> Vec<InstanceProblem> {
    let health = match health(member, policy, now) {
        Status::Invalid => Some(InstanceProblem::LastCheckInvalid),
        Status::Unchecked => Some(InstanceProblem::NotRecentlyChecked),
        Status::NonReplicating => Some(InstanceProblem::NotReplicating),
        Status::Lag => Some(InstanceProblem::ReplicationLag),
        Status::Ok => None,
    };
    let group = member.instance.as_ref().and_then(|instance| instance.group.as_ref());
    let errant = (!member.errant.is_empty()).then_some(InstanceProblem::ErrantGtid);
    let offline = group
        .is_some_and(|group| group.state != "ONLINE")
        .then_some(InstanceProblem::GroupReplicationMemberNotOnline);
    health.into_iter().chain(errant).chain(offline).collect()
}
