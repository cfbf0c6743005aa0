//! What is wrong with a server, as JSON.

use ham4db_domain::analysis::{AnalysisCode, Problem};
use ham4db_domain::checks::seconds_between;
use ham4db_domain::topology::{Member, Topology};
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
        if let Some(member) = topology.get(&problem.key) {
            shown.show_member(member);
        }
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

    fn show_member(&mut self, member: &Member) {
        self.last_check_valid = member.checks.valid();
        self.last_check_partial_success = member.checks.partial;
        self.replication_depth = member.place.depth.into();
        let Some(instance) = &member.instance else { return };
        let replication = instance.replication.as_ref();
        self.analyzed_instance_master_key = replication.map(|at| &at.source).into();
        self.analyzed_instance_data_center.clone_from(&instance.location.data_center);
        self.analyzed_instance_region.clone_from(&instance.location.region);
        self.analyzed_instance_physical_environment.clone_from(&instance.location.environment);
        self.analyzed_instance_binlog_coordinates =
            BinlogCoordinates::binary(instance.binlog.position.as_ref());
        self.is_replication_group_member = instance.group.is_some();
        self.is_binlog_server = instance.is_binlog_server();
        self.gtid_mode = instance.gtid.mode.clone().unwrap_or_default();
        self.is_read_only = instance.read_only;
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
