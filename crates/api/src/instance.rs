//! One server as JSON.

use std::time::Duration;

use ham4db_domain as domain;
use ham4db_domain::analysis::instance_problems;
use ham4db_domain::checks::seconds_between;
use ham4db_domain::instance::{Replication, SemiSync, ThreadState};
use ham4db_domain::policy::AnalysisPolicy;
use ham4db_domain::registry::Registry;
use ham4db_domain::topology::Member;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::keys::{
    BinlogCoordinates, InstanceKey, NullBool, NullInt64, keys, nanoseconds, saturating,
};
use crate::times::timestamp_or_empty;

/// One server. What is not known is 0, "" or not valid, as readers of this JSON expect.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
#[expect(missing_docs, reason = "the fields are the published names")]
pub struct Instance {
    pub key: InstanceKey,
    pub instance_alias: String,
    pub uptime: u64,
    #[serde(rename = "ServerID")]
    pub server_id: u64,
    #[serde(rename = "ServerUUID")]
    pub server_uuid: String,
    pub version: String,
    pub version_comment: String,
    pub flavor_name: String,
    pub read_only: bool,
    #[serde(rename = "Binlog_format")]
    pub binlog_format: String,
    pub binlog_row_image: String,
    pub log_bin_enabled: bool,
    pub log_slave_updates_enabled: bool,
    pub log_replication_updates_enabled: bool,
    pub self_binlog_coordinates: BinlogCoordinates,
    pub master_key: InstanceKey,
    #[serde(rename = "MasterUUID")]
    pub master_uuid: String,
    #[serde(rename = "AncestryUUID")]
    pub ancestry_uuid: String,
    pub is_detached_master: bool,
    #[serde(rename = "Slave_SQL_Running")]
    pub slave_sql_running: bool,
    #[serde(rename = "ReplicationSQLThreadRuning")]
    pub replication_sql_thread_runing: bool,
    #[serde(rename = "Slave_IO_Running")]
    pub slave_io_running: bool,
    #[serde(rename = "ReplicationIOThreadRuning")]
    pub replication_io_thread_runing: bool,
    #[serde(rename = "ReplicationSQLThreadState")]
    pub replication_sql_thread_state: i8,
    #[serde(rename = "ReplicationIOThreadState")]
    pub replication_io_thread_state: i8,
    pub has_replication_filters: bool,
    #[serde(rename = "GTIDMode")]
    pub gtid_mode: String,
    #[serde(rename = "SupportsOracleGTID")]
    pub supports_oracle_gtid: bool,
    #[serde(rename = "UsingOracleGTID")]
    pub using_oracle_gtid: bool,
    #[serde(rename = "UsingMariaDBGTID")]
    pub using_mariadb_gtid: bool,
    #[serde(rename = "UsingPseudoGTID")]
    pub using_pseudo_gtid: bool,
    pub read_binlog_coordinates: BinlogCoordinates,
    pub exec_binlog_coordinates: BinlogCoordinates,
    pub is_detached: bool,
    pub relaylog_coordinates: BinlogCoordinates,
    #[serde(rename = "LastSQLError")]
    pub last_sql_error: String,
    #[serde(rename = "LastIOError")]
    pub last_io_error: String,
    pub seconds_behind_master: NullInt64,
    #[serde(rename = "SQLDelay")]
    pub sql_delay: u64,
    pub executed_gtid_set: String,
    pub gtid_purged: String,
    pub gtid_errant: String,
    pub slave_lag_seconds: NullInt64,
    pub replication_lag_seconds: NullInt64,
    pub slave_hosts: Vec<InstanceKey>,
    pub replicas: Vec<InstanceKey>,
    pub cluster_name: String,
    pub suggested_cluster_alias: String,
    pub data_center: String,
    pub region: String,
    pub physical_environment: String,
    pub replication_depth: u64,
    pub is_co_master: bool,
    pub has_replication_credentials: bool,
    pub replication_credentials_available: bool,
    pub semi_sync_available: bool,
    pub semi_sync_priority: u64,
    pub semi_sync_master_plugin_new_version: bool,
    pub semi_sync_replica_plugin_new_version: bool,
    pub semi_sync_master_enabled: bool,
    pub semi_sync_replica_enabled: bool,
    pub semi_sync_master_timeout: u64,
    pub semi_sync_master_wait_for_replica_count: u64,
    pub semi_sync_master_status: bool,
    pub semi_sync_master_clients: u64,
    pub semi_sync_replica_status: bool,
    pub last_seen_timestamp: String,
    pub is_last_check_valid: bool,
    pub is_up_to_date: bool,
    pub is_recently_checked: bool,
    pub seconds_since_last_seen: NullInt64,
    #[serde(rename = "CountMySQLSnapshots")]
    pub count_mysql_snapshots: u64,
    pub is_candidate: bool,
    pub promotion_rule: String,
    pub is_downtimed: bool,
    pub downtime_reason: String,
    pub downtime_owner: String,
    pub downtime_end_timestamp: String,
    pub elapsed_downtime: i64,
    pub unresolved_hostname: String,
    #[serde(rename = "AllowTLS")]
    pub allow_tls: bool,
    #[serde(rename = "ReplicationSSLCAFile")]
    pub replication_ssl_ca_file: String,
    #[serde(rename = "ReplicationSSLCAPath")]
    pub replication_ssl_ca_path: String,
    #[serde(rename = "ReplicationSSLCert")]
    pub replication_ssl_cert: String,
    #[serde(rename = "ReplicationSSLCipher")]
    pub replication_ssl_cipher: String,
    #[serde(rename = "ReplicationSSLCRLFile")]
    pub replication_ssl_crl_file: String,
    #[serde(rename = "ReplicationSSLCRLPath")]
    pub replication_ssl_crl_path: String,
    #[serde(rename = "ReplicationSSLKey")]
    pub replication_ssl_key: String,
    #[serde(rename = "ReplicationSSLVerifyServerCert")]
    pub replication_ssl_verify_server_cert: NullBool,
    #[serde(rename = "ReplicationTLSVersion")]
    pub replication_tls_version: String,
    #[serde(rename = "ReplicationTLSCiphersuites")]
    pub replication_tls_ciphersuites: String,
    pub replication_source_public_key_path: String,
    pub replication_get_source_public_key: NullBool,
    pub problems: Vec<String>,
    pub last_discovery_latency: i64,
    pub replication_group_name: String,
    pub replication_group_is_single_primary: bool,
    pub replication_group_member_state: String,
    pub replication_group_member_role: String,
    pub replication_group_members: Vec<InstanceKey>,
    pub replication_group_primary_instance_key: InstanceKey,
    #[serde(rename = "QSP")]
    pub qsp: Empty,
}

/// Written as `{}`; filled by nothing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Empty {}

/// What a server is shown against: the clock, what users told of it, and what counts as late.
#[derive(Debug, Clone, Copy)]
pub struct View<'a> {
    /// The moment of the request.
    pub now: Timestamp,
    /// What users told.
    pub registry: &'a Registry,
    /// What counts as late.
    pub policy: &'a AnalysisPolicy,
}

/// Version of a server of which nothing has been seen yet.
const UNKNOWN_VERSION: &str = "Unknown";

impl Instance {
    /// The member as it is seen now.
    pub fn of(member: &Member, view: &View<'_>) -> Self {
        let mut shown = match member.instance.as_deref() {
            Some(instance) => Self::of_facts(instance),
            None => Self { version: UNKNOWN_VERSION.to_owned(), ..Self::default() },
        };
        shown.key = InstanceKey::from(&member.key);
        shown.show_place(member);
        shown.show_checks(member, view);
        shown.show_orders(member, view);
        shown.problems = instance_problems(member, view.policy, view.now)
            .into_iter()
            .map(|problem| problem.name().to_owned())
            .collect();
        shown
    }

    fn of_facts(facts: &domain::instance::Instance) -> Self {
        let mut shown = Self {
            instance_alias: facts.alias.clone().unwrap_or_default(),
            uptime: facts.uptime_s.unwrap_or_default(),
            server_id: facts.server_id.map_or(0, u64::from),
            server_uuid: facts.server_uuid.clone().unwrap_or_default(),
            version: facts.version.text().to_owned(),
            version_comment: facts.version_comment.clone(),
            flavor_name: facts.flavor.name().to_owned(),
            read_only: facts.read_only,
            binlog_format: facts
                .binlog
                .format
                .map(|format| format.name().to_owned())
                .unwrap_or_default(),
            binlog_row_image: facts.binlog.row_image.clone().unwrap_or_default(),
            log_bin_enabled: facts.binlog.enabled,
            log_slave_updates_enabled: facts.binlog.logs_updates,
            log_replication_updates_enabled: facts.binlog.logs_updates,
            self_binlog_coordinates: BinlogCoordinates::binary(facts.binlog.position.as_ref()),
            gtid_mode: facts.gtid.mode.clone().unwrap_or_default(),
            supports_oracle_gtid: facts.supports_oracle_gtid(),
            using_oracle_gtid: facts.uses_oracle_gtid(),
            using_mariadb_gtid: facts.uses_mariadb_gtid(),
            using_pseudo_gtid: facts.pseudo_gtid,
            executed_gtid_set: facts.gtid.executed.to_string(),
            gtid_purged: facts.gtid.purged.to_string(),
            slave_hosts: keys(&facts.replicas),
            replicas: keys(&facts.replicas),
            data_center: facts.location.data_center.clone(),
            region: facts.location.region.clone(),
            physical_environment: facts.location.environment.clone(),
            last_discovery_latency: nanoseconds(facts.latency),
            ..Self::default()
        };
        shown.show_threads(facts);
        if let Some(replication) = &facts.replication {
            shown.show_replication(replication);
        }
        shown.show_semi_sync(&facts.semi_sync);
        if let Some(group) = &facts.group {
            shown.replication_group_name.clone_from(&group.name);
            shown.replication_group_is_single_primary = group.single_primary;
            shown.replication_group_member_state.clone_from(&group.state);
            shown.replication_group_member_role.clone_from(&group.role);
            shown.replication_group_members = keys(&group.members);
            shown.replication_group_primary_instance_key = group.primary.as_ref().into();
        }
        shown
    }

    fn show_threads(&mut self, facts: &domain::instance::Instance) {
        let (io, sql) = facts
            .replication
            .as_ref()
            .map_or((ThreadState::Absent, ThreadState::Absent), |replication| {
                (replication.io_thread, replication.sql_thread)
            });
        self.replication_io_thread_state = state_number(io);
        self.replication_sql_thread_state = state_number(sql);
        self.replication_io_thread_runing = facts.io_running();
        self.slave_io_running = facts.io_running();
        self.replication_sql_thread_runing = facts.sql_running();
        self.slave_sql_running = facts.sql_running();
    }

    fn show_replication(&mut self, replication: &Replication) {
        self.master_key = InstanceKey::from(&replication.source);
        self.master_uuid = replication.source_uuid.clone().unwrap_or_default();
        self.is_detached_master = replication.source.is_detached();
        self.is_detached = replication.source.is_detached();
        self.has_replication_filters = replication.has_filters;
        self.read_binlog_coordinates = BinlogCoordinates::binary(replication.read.as_ref());
        self.exec_binlog_coordinates = BinlogCoordinates::binary(replication.executed.as_ref());
        self.relaylog_coordinates = BinlogCoordinates::relay(replication.relay.as_ref());
        self.last_sql_error.clone_from(&replication.sql_error);
        self.last_io_error.clone_from(&replication.io_error);
        self.seconds_behind_master = replication.seconds_behind.into();
        self.sql_delay = replication.delay_s;
        self.slave_lag_seconds = replication.lag_s.into();
        self.replication_lag_seconds = replication.lag_s.into();
        self.has_replication_credentials = replication.user.is_some();
        self.replication_credentials_available = replication.credentials_available;
        let tls = &replication.tls;
        self.allow_tls = tls.enabled;
        self.replication_ssl_ca_file.clone_from(&tls.ca_file);
        self.replication_ssl_ca_path.clone_from(&tls.ca_path);
        self.replication_ssl_cert.clone_from(&tls.cert);
        self.replication_ssl_cipher.clone_from(&tls.cipher);
        self.replication_ssl_crl_file.clone_from(&tls.crl_file);
        self.replication_ssl_crl_path.clone_from(&tls.crl_path);
        self.replication_ssl_key.clone_from(&tls.key);
        self.replication_ssl_verify_server_cert = tls.verify_server_cert.into();
        self.replication_tls_version.clone_from(&tls.tls_version);
        self.replication_tls_ciphersuites.clone_from(&tls.ciphersuites);
        self.replication_source_public_key_path.clone_from(&tls.public_key_path);
        self.replication_get_source_public_key = tls.get_public_key.into();
    }

    fn show_semi_sync(&mut self, semi_sync: &SemiSync) {
        self.semi_sync_available = semi_sync.source.is_some() || semi_sync.replica.is_some();
        self.semi_sync_priority = semi_sync.priority.into();
        if let Some(source) = &semi_sync.source {
            self.semi_sync_master_plugin_new_version = source.new_names;
            self.semi_sync_master_enabled = source.enabled;
            self.semi_sync_master_timeout =
                u64::try_from(source.timeout.as_millis()).unwrap_or(u64::MAX);
            self.semi_sync_master_wait_for_replica_count = source.wait_for_replicas.into();
            self.semi_sync_master_status = source.active;
            self.semi_sync_master_clients = source.clients.into();
        }
        if let Some(replica) = &semi_sync.replica {
            self.semi_sync_replica_plugin_new_version = replica.new_names;
            self.semi_sync_replica_enabled = replica.enabled;
            self.semi_sync_replica_status = replica.active;
        }
    }

    fn show_place(&mut self, member: &Member) {
        let place = &member.place;
        self.cluster_name.clone_from(&place.cluster);
        self.suggested_cluster_alias = place.suggested_alias.clone().unwrap_or_default();
        self.replication_depth = place.depth.into();
        self.is_co_master = place.is_co_source;
        self.ancestry_uuid = place.ancestry.join(",");
        self.gtid_errant = member.errant.to_string();
    }

    fn show_checks(&mut self, member: &Member, view: &View<'_>) {
        let checks = &member.checks;
        self.last_seen_timestamp = timestamp_or_empty(checks.last_seen);
        self.is_last_check_valid = checks.valid();
        self.is_up_to_date = checks.checked_within(view.now, view.policy.poll);
        self.is_recently_checked = recently_checked(member, view);
        let age = checks.last_seen.map(|seen| whole_seconds(seconds_between(seen, view.now)));
        self.seconds_since_last_seen =
            NullInt64 { int64: age.unwrap_or_default(), valid: age.is_some() };
    }

    fn show_orders(&mut self, member: &Member, view: &View<'_>) {
        let rule = view
            .registry
            .rule(&member.key, view.now, view.policy.candidate_expiry)
            .or_else(|| member.instance.as_ref().and_then(|instance| instance.detected_rule));
        let rule = rule.unwrap_or_default();
        rule.name().clone_into(&mut self.promotion_rule);
        self.is_candidate = rule < domain::instance::PromotionRule::Neutral;
        if let Some(downtime) = view.registry.downtime(&member.key, view.now) {
            self.is_downtimed = true;
            self.downtime_reason.clone_from(&downtime.reason);
            self.downtime_owner.clone_from(&downtime.owner);
            self.downtime_end_timestamp = crate::timestamp(downtime.ends);
            let elapsed = view.now.duration_since(downtime.begins);
            self.elapsed_downtime = Duration::try_from(elapsed).map_or(0, nanoseconds);
        }
    }
}

/// The latest ended probe is at most five intervals old.
fn recently_checked(member: &Member, view: &View<'_>) -> bool {
    member.checks.checked_within(view.now, view.policy.poll * 5)
}

fn state_number(state: ThreadState) -> i8 {
    match state {
        ThreadState::Absent => -1,
        ThreadState::Stopped => 0,
        ThreadState::Running => 1,
        ThreadState::Other => 2,
    }
}

/// Whole seconds, none when the clocks disagree.
fn whole_seconds(seconds: f64) -> i64 {
    saturating(Duration::try_from_secs_f64(seconds).unwrap_or_default().as_secs())
}

#[cfg(test)]
mod tests {
    use ham4db_domain::checks::Checks;
    use ham4db_domain::filters::HostnameFilters;
    use ham4db_domain::registry::Downtime;
    use ham4db_domain::topology::Place;

    use super::*;

    fn policy() -> AnalysisPolicy {
        AnalysisPolicy {
            poll: Duration::from_secs(5),
            reasonable_check: Duration::from_secs(1),
            reasonable_lag: Duration::from_secs(10),
            reasonable_maintenance_lag: Duration::from_secs(20),
            locked_semi_sync_after: Duration::from_secs(10),
            reduce: true,
            exact_semi_sync: false,
            recover_locked_semi_sync: false,
            recover_read_only_primary: false,
            ignore: HostnameFilters::default(),
            candidate_expiry: Duration::from_hours(1),
        }
    }

    #[test]
    fn a_server_only_heard_of_is_shown_as_unknown_and_not_as_fine() {
        let (registry, policy) = (Registry::default(), policy());
        let view = View { now: Timestamp::UNIX_EPOCH, registry: &registry, policy: &policy };
        let key = domain::key::InstanceKey::new("db1", 3306);
        let member = Member {
            key: key.clone(),
            instance: None,
            checks: Checks::default(),
            silent_for: None,
            place: Place { cluster: key.to_string(), ..Place::default() },
            errant: domain::gtid::GtidSet::default(),
        };
        let shown = Instance::of(&member, &view);
        assert_eq!((shown.version.as_str(), shown.is_last_check_valid), ("Unknown", false));
        assert_eq!(shown.problems, ["last_check_invalid"]);
        assert!(!shown.seconds_since_last_seen.valid && shown.last_seen_timestamp.is_empty());
        assert_eq!(shown.promotion_rule, "neutral");
    }

    #[test]
    fn a_downtime_is_shown_until_it_ends() {
        let (mut registry, policy) = (Registry::default(), policy());
        let key = domain::key::InstanceKey::new("db1", 3306);
        let at = |second| Timestamp::from_second(second).unwrap();
        let downtime =
            Downtime { owner: "me".into(), reason: "disk".into(), begins: at(10), ends: at(20) };
        registry.downtimes.insert(key.clone(), downtime);
        let member = Member {
            key,
            instance: None,
            checks: Checks::default(),
            silent_for: None,
            place: Place::default(),
            errant: domain::gtid::GtidSet::default(),
        };
        let show = |now| Instance::of(&member, &View { now, registry: &registry, policy: &policy });
        let during = show(at(15));
        assert!(during.is_downtimed && during.downtime_owner == "me");
        assert_eq!(during.elapsed_downtime, 5_000_000_000);
        assert_eq!(during.downtime_end_timestamp, "1970-01-01 00:00:20");
        assert!(!show(at(20)).is_downtimed);
    }
}
