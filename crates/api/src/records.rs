//! Records that people keep about servers, as JSON.

use std::time::Duration;

use ham4db_domain as domain;
use ham4db_domain::checks::seconds_between;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::keys::InstanceKey;
use crate::times::timestamp;

/// One line of the audit.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Audit {
    /// Number.
    pub audit_id: u64,
    /// When.
    pub audit_timestamp: String,
    /// What kind of thing happened.
    pub audit_type: String,
    /// To which server.
    pub audit_instance_key: InstanceKey,
    /// What happened.
    pub message: String,
}

/// A maintenance lock.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Maintenance {
    /// Number by which it can be released.
    pub maintenance_id: i64,
    /// The server.
    pub key: InstanceKey,
    /// Since when.
    pub begin_timestamp: String,
    /// For how long.
    pub seconds_elapsed: u64,
    /// It is held.
    pub is_active: bool,
    /// By whom.
    pub owner: String,
    /// Why.
    pub reason: String,
}

impl Maintenance {
    /// The lock on `key` as it is at `now`.
    pub fn of(
        key: &domain::key::InstanceKey,
        lock: &domain::registry::Maintenance,
        now: Timestamp,
    ) -> Self {
        let elapsed = Duration::try_from_secs_f64(seconds_between(lock.begins, now));
        Self {
            maintenance_id: Self::id_of(lock),
            key: key.into(),
            begin_timestamp: timestamp(lock.begins),
            seconds_elapsed: elapsed.unwrap_or_default().as_secs(),
            is_active: lock.ends > now,
            owner: lock.owner.clone(),
            reason: lock.reason.clone(),
        }
    }

    /// A number for the lock: the microsecond in which it was taken, which is the same on every node.
    pub fn id_of(lock: &domain::registry::Maintenance) -> i64 {
        lock.begins.as_microsecond()
    }
}

/// A registered promotion rule.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct CandidateDatabaseInstance {
    /// Host.
    pub hostname: String,
    /// Port.
    pub port: u16,
    /// The rule.
    pub promotion_rule: String,
    /// When it was registered.
    pub last_suggested_string: String,
    /// When it expires.
    pub promotion_rule_expiry: String,
}

impl CandidateDatabaseInstance {
    /// The rule registered for `key`, which holds for `expiry`.
    pub fn of(
        key: &domain::key::InstanceKey,
        candidate: &domain::registry::Candidate,
        expiry: Duration,
    ) -> Self {
        Self {
            hostname: key.host.clone(),
            port: key.port,
            promotion_rule: candidate.rule.name().to_owned(),
            last_suggested_string: timestamp(candidate.registered),
            promotion_rule_expiry: timestamp(
                candidate.registered.checked_add(expiry).unwrap_or(Timestamp::MAX),
            ),
        }
    }
}
