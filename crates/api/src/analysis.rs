//! What is wrong with a server, as JSON.

use ham4db_domain::analysis::{AnalysisCode, Facts, Problem};
use ham4db_domain::checks::seconds_between;
use ham4db_domain::topology::Topology;
use serde::{Deserialize, Serialize};

use crate::cluster::ClusterInfo;
use crate::instance::View;
use crate::keys::{BinlogCoordinates, InstanceKey, keys};

/// What is wrong with one server, and what that was read from.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
#[expect(missing_docs, reason = "the fields are the published names")]
pub struct ReplicationAnalysis {
    pub analyzed_instance_key: InstanceKey,
    pub analyzed_instance_master_key: InstanceKey,
    pub cluster_details: ClusterInfo,
    pub analyzed_instance_data_center: String,
    pub analyzed_instance_region: String,
    pub analyzed_instance_physical_environment: String,
    pub analyzed_instance_binlog_coordinates: BinlogCoordinates,
    pub is_master: bool,
    pub is_replication_group_member: bool,
    pub is_co_master: bool,
    pub last_check_valid: bool,
    pub last_check_partial_success: bool,
    pub count_replicas: u64,
    pub count_valid_replicas: u64,
    pub count_valid_replicating_replicas: u64,
    pub count_replicas_failing_to_connect_to_master: u64,
    pub count_downtimed_replicas: u64,
    pub replication_depth: u64,
    pub replicas: Vec<InstanceKey>,
    pub slave_hosts: Vec<InstanceKey>,
    pub is_failing_to_connect_to_master: bool,
    pub analysis: String,
    pub description: String,
    pub structure_analysis: Option<Vec<String>>,
    pub is_downtimed: bool,
    pub is_replicas_downtimed: bool,
    pub downtime_end_timestamp: String,
    pub downtime_remaining_seconds: i64,
    pub is_binlog_server: bool,
    #[serde(rename = "PseudoGTIDImmediateTopology")]
    pub pseudo_gtid_immediate_topology: bool,
    #[serde(rename = "OracleGTIDImmediateTopology")]
    pub oracle_gtid_immediate_topology: bool,
    #[serde(rename = "MariaDBGTIDImmediateTopology")]
    pub mariadb_gtid_immediate_topology: bool,
    pub binlog_server_immediate_topology: bool,
    pub semi_sync_master_enabled: bool,
    pub semi_sync_master_status: bool,
    pub semi_sync_master_wait_for_replica_count: u64,
    pub semi_sync_master_clients: u64,
    pub count_semi_sync_replicas_enabled: u64,
    pub count_logging_replicas: u64,
    pub count_statement_based_logging_replicas: u64,
    pub count_mixed_based_logging_replicas: u64,
    pub count_row_based_logging_replicas: u64,
    pub count_distinct_major_versions_logging_replicas: u64,
    pub count_delayed_replicas: u64,
    pub count_lagging_replicas: u64,
    pub is_actionable_recovery: bool,
    pub processing_node_hostname: String,
    pub processing_node_token: String,
    pub count_additional_agreeing_nodes: u64,
    pub start_active_period: String,
    pub skippable_due_to_downtime: bool,
    #[serde(rename = "GTIDMode")]
    pub gtid_mode: String,
    #[serde(rename = "MinReplicaGTIDMode")]
    pub min_replica_gtid_mode: String,
    #[serde(rename = "MaxReplicaGTIDMode")]
    pub max_replica_gtid_mode: String,
    #[serde(rename = "MaxReplicaGTIDErrant")]
    pub max_replica_gtid_errant: String,
    pub command_hint: String,
    pub is_read_only: bool,
}

impl ReplicationAnalysis {
    /// The problem as it is shown, with what is known of its server.
    pub fn of(
        problem: &Problem,
        topology: &Topology,
        cluster: ClusterInfo,
        view: &View<'_>,
    ) -> Self {
        let warnings: Vec<_> =
            problem.warnings.iter().map(|warning| warning.name().to_owned()).collect();
        let replicas = keys(topology.replicas_of(&problem.key).map(|replica| &replica.key));
        let mut shown = Self {
            analyzed_instance_key: InstanceKey::from(&problem.key),
            cluster_details: cluster,
            analysis: problem.code.name().to_owned(),
            description: describe(problem),
            structure_analysis: (!warnings.is_empty()).then_some(warnings),
            is_actionable_recovery: problem.actionable,
            skippable_due_to_downtime: problem.skippable,
            is_replicas_downtimed: problem.replicas_downtimed,
            replicas: replicas.clone(),
            slave_hosts: replicas,
            ..Self::default()
        };
        let source = topology.get(&problem.key).and_then(|member| {
            member.instance.as_ref()?.replication.as_ref().map(|at| InstanceKey::from(&at.source))
        });
        shown.analyzed_instance_master_key = source.unwrap_or_default();
        shown.show_server(&problem.facts);
        shown.show_replicas(&problem.facts);
        shown.show_semi_sync(&problem.facts);
        if let Some(downtime) = view.registry.downtime(&problem.key, view.now) {
            shown.is_downtimed = true;
            shown.downtime_end_timestamp = crate::timestamp(downtime.ends);
            shown.downtime_remaining_seconds = remaining_s(downtime.ends, view);
        }
        shown
    }

    /// The little that a record keeps of a problem.
    pub(crate) fn recorded(
        key: &ham4db_domain::key::InstanceKey,
        code: AnalysisCode,
        cluster: &str,
        alias: &str,
    ) -> Self {
        Self {
            analyzed_instance_key: InstanceKey::from(key),
            analysis: code.name().to_owned(),
            description: code.description().to_owned(),
            cluster_details: ClusterInfo {
                cluster_name: cluster.to_owned(),
                cluster_alias: alias.to_owned(),
                ..ClusterInfo::default()
            },
            ..Self::default()
        }
    }

    fn show_server(&mut self, facts: &Facts) {
        self.analyzed_instance_data_center.clone_from(&facts.location.data_center);
        self.analyzed_instance_region.clone_from(&facts.location.region);
        self.analyzed_instance_physical_environment.clone_from(&facts.location.environment);
        self.analyzed_instance_binlog_coordinates =
            BinlogCoordinates::binary(facts.position.as_ref());
        self.is_master = facts.is_source;
        self.is_replication_group_member = facts.is_group_member;
        self.is_co_master = facts.is_co_source;
        self.is_binlog_server = facts.is_binlog_server;
        self.last_check_valid = facts.valid;
        self.last_check_partial_success = facts.partial;
        self.replication_depth = facts.depth.into();
        self.is_failing_to_connect_to_master = facts.self_failing_to_connect;
        self.is_read_only = facts.read_only;
        self.gtid_mode = facts.gtid_mode.clone().unwrap_or_default();
    }

    fn show_replicas(&mut self, facts: &Facts) {
        let throughout = |count: u32| count > 0 && count == facts.valid_replicas;
        self.count_replicas = facts.replicas.into();
        self.count_valid_replicas = facts.valid_replicas.into();
        self.count_valid_replicating_replicas = facts.replicating.into();
        self.count_replicas_failing_to_connect_to_master = facts.failing_to_connect.into();
        self.count_downtimed_replicas = facts.downtimed_replicas.into();
        self.count_delayed_replicas = facts.delayed.into();
        self.count_lagging_replicas = facts.lagging.into();
        self.count_logging_replicas = facts.logging.into();
        self.count_statement_based_logging_replicas = facts.logging_statement.into();
        self.count_mixed_based_logging_replicas = facts.logging_mixed.into();
        self.count_row_based_logging_replicas = facts.logging_row.into();
        self.count_distinct_major_versions_logging_replicas = facts.logging_versions.into();
        self.pseudo_gtid_immediate_topology = facts.pseudo_gtid;
        self.oracle_gtid_immediate_topology = throughout(facts.valid_oracle_gtid);
        self.mariadb_gtid_immediate_topology = throughout(facts.valid_mariadb_gtid);
        self.binlog_server_immediate_topology = throughout(facts.valid_binlog_servers);
        self.min_replica_gtid_mode = facts.replica_gtid_modes.first().cloned().unwrap_or_default();
        self.max_replica_gtid_mode = facts.replica_gtid_modes.last().cloned().unwrap_or_default();
        self.max_replica_gtid_errant.clone_from(&facts.errant);
    }

    fn show_semi_sync(&mut self, facts: &Facts) {
        self.semi_sync_master_enabled = facts.semi_sync_enabled;
        self.semi_sync_master_status = facts.semi_sync_active;
        self.semi_sync_master_wait_for_replica_count = facts.semi_sync_wait_for.into();
        self.semi_sync_master_clients = facts.semi_sync_clients.into();
        self.count_semi_sync_replicas_enabled = facts.semi_sync_replicas.into();
    }
}

/// The problem in words; for a mere weakness of the structure, that one's.
fn describe(problem: &Problem) -> String {
    let weakness = problem.warnings.first().filter(|_| problem.code == AnalysisCode::NoProblem);
    weakness.map_or(problem.code.description(), |warning| warning.description()).to_owned()
}

#[expect(clippy::cast_possible_truncation, reason = "seconds of a downtime fit")]
fn remaining_s(ends: jiff::Timestamp, view: &View<'_>) -> i64 {
    seconds_between(view.now, ends) as i64
}
