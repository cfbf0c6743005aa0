//! The layout of a case file.

use std::collections::BTreeMap;

use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;

use super::CaseError;
use crate::checks::FailureKind;
use crate::key::InstanceKey;

/// A recorded state and a command to run against it.
#[derive(Debug, Clone, Deserialize)]
pub struct Case {
    /// Name of the case.
    pub id: String,
    /// What it is about.
    #[serde(default)]
    pub kind: String,
    /// What to run.
    pub command: Command,
    #[serde(default)]
    pub(super) settings: Settings,
    #[serde(default)]
    pub(super) instances: Vec<StoredInstance>,
    #[serde(default)]
    pub(super) downtimes: Vec<Lock>,
    #[serde(default)]
    pub(super) maintenance: Vec<Lock>,
    #[serde(default)]
    pub(super) promotion_rules: Vec<StoredRule>,
    #[serde(default)]
    pub(super) tags: Vec<StoredTag>,
    #[serde(default)]
    pub(super) stale_binlog_coordinates: Vec<Stale>,
    #[serde(default)]
    pub(super) cluster_aliases: Vec<ClusterAlias>,
    /// The answer, where it is recorded.
    #[serde(default)]
    pub expected: Expected,
}

/// A command and what it takes.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
#[expect(missing_docs, reason = "the fields are the options of the command line")]
pub struct Command {
    pub name: String,
    pub instance: Option<String>,
    pub destination: Option<String>,
    pub alias: Option<String>,
    pub tag: Option<String>,
    pub pattern: Option<String>,
    pub owner: Option<String>,
    pub reason: Option<String>,
    pub duration: Option<String>,
    #[serde(alias = "promotion-rule", alias = "rule")]
    pub promotion_rule: Option<String>,
    pub failed_source: Option<String>,
    pub promoted: Option<String>,
}

/// The recorded answer.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Expected {
    /// The command ends with an error.
    pub fails: bool,
    /// The lines printed.
    pub stdout_lines: Vec<String>,
    /// The order of the lines does not matter.
    pub sorted: bool,
    /// The answer of `replication-analysis` in structured form.
    pub entries: Option<Vec<ExpectedEntry>>,
}

/// One analysed server in a recorded answer.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[expect(missing_docs, reason = "the names say it")]
pub struct ExpectedEntry {
    pub host: String,
    pub port: u16,
    pub cluster: String,
    pub codes: Vec<String>,
}

/// Settings an answer depends on; those left out have their documented defaults.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub(super) struct Settings {
    pub(super) instance_poll_seconds: u64,
    pub(super) reasonable_instance_check_seconds: u64,
    pub(super) reasonable_replication_lag_seconds: u64,
    pub(super) reasonable_maintenance_replication_lag_seconds: u64,
    pub(super) reasonable_locked_semi_sync_master_seconds: u64,
    pub(super) reduce_replication_analysis_count: bool,
    pub(super) enforce_exact_semi_sync_replicas: bool,
    pub(super) recover_non_writeable_master: bool,
    pub(super) recover_locked_semi_sync_master: bool,
    pub(super) lower_replica_version_allowed: bool,
    pub(super) verify_replication_filters: bool,
    pub(super) prevent_cross_data_center_master_failover: bool,
    pub(super) prevent_cross_region_master_failover: bool,
    pub(super) promotion_ignore_hostname_filters: Vec<String>,
    pub(super) recovery_ignore_hostname_filters: Vec<String>,
    #[serde(rename = "OSCIgnoreHostnameFilters")]
    pub(super) osc_ignore_hostname_filters: Vec<String>,
    pub(super) default_instance_port: u16,
    pub(super) candidate_instance_expire_minutes: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            instance_poll_seconds: 5,
            reasonable_instance_check_seconds: 1,
            reasonable_replication_lag_seconds: 10,
            reasonable_maintenance_replication_lag_seconds: 20,
            reasonable_locked_semi_sync_master_seconds: 0,
            reduce_replication_analysis_count: true,
            enforce_exact_semi_sync_replicas: false,
            recover_non_writeable_master: false,
            recover_locked_semi_sync_master: false,
            lower_replica_version_allowed: false,
            verify_replication_filters: false,
            prevent_cross_data_center_master_failover: false,
            prevent_cross_region_master_failover: false,
            promotion_ignore_hostname_filters: Vec::new(),
            recovery_ignore_hostname_filters: Vec::new(),
            osc_ignore_hostname_filters: Vec::new(),
            default_instance_port: 3306,
            candidate_instance_expire_minutes: 60,
        }
    }
}

/// One stored instance.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct StoredInstance {
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) alias: String,
    pub(super) identity: Identity,
    pub(super) location: StoredLocation,
    pub(super) cluster: Cluster,
    pub(super) checks: StoredChecks,
    pub(super) binlog: StoredBinlog,
    pub(super) source: Source,
    pub(super) replication: StoredReplication,
    pub(super) gtid: Gtid,
    pub(super) semi_sync: StoredSemiSync,
    pub(super) group_replication: Group,
    pub(super) replicas: Vec<KeyText>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct Identity {
    pub(super) server_id: Option<u32>,
    pub(super) server_uuid: String,
    pub(super) version: String,
    pub(super) version_comment: String,
    pub(super) uptime_seconds: Option<u64>,
    pub(super) is_binlog_server: bool,
    pub(super) read_only: bool,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct StoredLocation {
    pub(super) data_center: String,
    pub(super) region: String,
    pub(super) physical_environment: String,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct Cluster {
    pub(super) name: String,
    pub(super) suggested_alias: String,
    pub(super) replication_depth: u32,
    pub(super) is_co_source: bool,
    /// An addition of ours.
    pub(super) domain: String,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct StoredChecks {
    pub(super) last_checked: Option<Time>,
    pub(super) last_attempted_check: Option<Time>,
    pub(super) last_seen: Option<Time>,
    pub(super) last_check_partial_success: bool,
    pub(super) discovery_latency_ns: u64,
    /// An addition of ours: how the latest probe failed.
    pub(super) failure: Option<FailureKind>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct StoredBinlog {
    pub(super) enabled: bool,
    pub(super) log_replica_updates: bool,
    pub(super) format: String,
    pub(super) row_image: String,
    pub(super) file: String,
    pub(super) pos: u64,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct Source {
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) uuid: String,
    pub(super) ancestry_uuids: String,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
#[expect(clippy::struct_excessive_bools, reason = "mirrors the recorded fields")]
pub(super) struct StoredReplication {
    pub(super) io_running: bool,
    pub(super) sql_running: bool,
    pub(super) io_thread_state: Option<i8>,
    pub(super) sql_thread_state: Option<i8>,
    pub(super) read_file: String,
    pub(super) read_pos: u64,
    pub(super) exec_file: String,
    pub(super) exec_pos: u64,
    pub(super) relay_file: String,
    pub(super) relay_pos: u64,
    pub(super) last_io_error: String,
    pub(super) last_sql_error: String,
    pub(super) seconds_behind_source: Option<u64>,
    pub(super) lag_seconds: Option<u64>,
    pub(super) sql_delay_seconds: u64,
    pub(super) has_filters: bool,
    pub(super) tls_allowed: bool,
    pub(super) has_credentials: bool,
    pub(super) credentials_available: bool,
    /// Additions of ours.
    pub(super) last_io_errno: u32,
    pub(super) heartbeat_period_ms: Option<u64>,
    pub(super) silent_for_ms: Option<u64>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct Gtid {
    pub(super) mode: String,
    pub(super) using_oracle: bool,
    pub(super) using_mariadb: bool,
    pub(super) using_pseudo: bool,
    pub(super) executed: String,
    pub(super) purged: String,
    pub(super) errant: String,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct StoredSemiSync {
    pub(super) priority: u32,
    pub(super) source_enabled: bool,
    pub(super) source_active: bool,
    pub(super) source_timeout_ms: u64,
    pub(super) source_wait_for_replica_count: u32,
    pub(super) source_clients: u32,
    pub(super) replica_enabled: bool,
    pub(super) replica_active: bool,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct Group {
    pub(super) name: String,
    pub(super) single_primary: bool,
    pub(super) member_state: String,
    pub(super) member_role: String,
    pub(super) members: Vec<KeyText>,
    pub(super) primary_host: String,
    pub(super) primary_port: u16,
}

/// A downtime or a maintenance lock.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Lock {
    pub(super) host: String,
    pub(super) port: u16,
    #[serde(default = "yes")]
    pub(super) active: bool,
    #[serde(default)]
    pub(super) begins: Option<Time>,
    #[serde(default)]
    pub(super) ends: Option<Time>,
    #[serde(default)]
    pub(super) owner: String,
    #[serde(default)]
    pub(super) reason: String,
}

fn yes() -> bool {
    true
}

#[derive(Debug, Clone, Deserialize)]
pub(super) struct StoredRule {
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) rule: String,
}

#[derive(Debug, Clone, Deserialize)]
pub(super) struct StoredTag {
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) name: String,
    #[serde(default)]
    pub(super) value: String,
}

#[derive(Debug, Clone, Deserialize)]
pub(super) struct Stale {
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) file: String,
    pub(super) pos: u64,
    pub(super) first_seen: Time,
}

#[derive(Debug, Clone, Deserialize)]
pub(super) struct ClusterAlias {
    #[serde(alias = "cluster", alias = "name")]
    pub(super) cluster_name: String,
    pub(super) alias: String,
}

/// A key as two fields or as one text.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
pub(super) enum KeyText {
    Parts { host: String, port: u16 },
    Text(String),
}

impl KeyText {
    pub(super) fn key(&self, default_port: u16) -> Result<InstanceKey, CaseError> {
        match self {
            Self::Parts { host, port } => Ok(InstanceKey::new(host.clone(), *port)),
            Self::Text(text) => super::parse_key(text, default_port),
        }
    }
}

/// A time: absolute, all by one clock, or relative to the moment the case is run.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
pub(super) enum Time {
    Relative { seconds_from_now: i64 },
    Absolute(String),
}

impl Time {
    pub(super) fn at(&self, now: Timestamp) -> Result<Timestamp, CaseError> {
        match self {
            Self::Relative { seconds_from_now } => {
                now.checked_add(SignedDuration::from_secs(*seconds_from_now)).map_err(|error| {
                    CaseError::field("time", &seconds_from_now.to_string(), error.to_string())
                })
            }
            Self::Absolute(text) => text
                .parse::<DateTime>()
                .and_then(|time| time.to_zoned(TimeZone::UTC))
                .map(|zoned| zoned.timestamp())
                .map_err(|error| CaseError::field("time", text, error.to_string())),
        }
    }
}

/// Tags of each instance.
pub(super) fn tags_of(case: &Case) -> BTreeMap<InstanceKey, BTreeMap<String, String>> {
    let mut tags: BTreeMap<InstanceKey, BTreeMap<String, String>> = BTreeMap::new();
    for tag in &case.tags {
        let key = InstanceKey::new(tag.host.clone(), tag.port);
        tags.entry(key).or_default().insert(tag.name.clone(), tag.value.clone());
    }
    tags
}
