//! Recoveries as JSON.

use ham4db_domain::analysis::AnalysisCode;
use ham4db_domain::recovery::{Intent, Kind, Outcome};
use ham4db_domain::registry::{AuditedStep, Detection, Recovery, RecoveryUid};
use serde::{Deserialize, Serialize};

use crate::analysis::ReplicationAnalysis;
use crate::keys::{BinlogCoordinates, InstanceKey, keys};
use crate::times::{timestamp, timestamp_or_empty};

/// One recovery, or one failure that was noticed.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
#[expect(missing_docs, reason = "the fields are the published names")]
pub struct TopologyRecovery {
    pub id: u64,
    #[serde(rename = "UID")]
    pub uid: String,
    pub analysis_entry: ReplicationAnalysis,
    pub successor_key: Option<InstanceKey>,
    pub successor_alias: String,
    pub successor_binlog_coordinates: Option<BinlogCoordinates>,
    pub is_active: bool,
    pub is_successful: bool,
    pub lost_replicas: Vec<InstanceKey>,
    pub participating_instance_keys: Vec<InstanceKey>,
    pub all_errors: Option<Vec<String>>,
    pub recovery_start_timestamp: String,
    pub recovery_end_timestamp: String,
    pub processing_node_hostname: String,
    pub processing_node_token: String,
    pub acknowledged: bool,
    pub acknowledged_at: String,
    pub acknowledged_by: String,
    pub acknowledged_comment: String,
    pub last_detection_id: u64,
    pub related_recovery_id: u64,
    #[serde(rename = "Type")]
    pub kind: String,
    pub recovery_type: String,
}

impl From<&Recovery> for TopologyRecovery {
    fn from(recovery: &Recovery) -> Self {
        let mut entry = ReplicationAnalysis::recorded(
            &recovery.intent.failed,
            recovery.code,
            &recovery.cluster,
            &recovery.alias,
        );
        entry.replicas = keys(&recovery.intent.replicas);
        entry.slave_hosts.clone_from(&entry.replicas);
        entry.count_replicas = recovery.intent.replicas.len() as u64;
        let closed = recovery.closed.as_ref();
        let mut shown = Self {
            id: recovery.id,
            uid: recovery.uid.0.clone(),
            analysis_entry: entry,
            successor_key: Some(InstanceKey::default()),
            is_active: closed.is_none(),
            participating_instance_keys: participants(recovery),
            all_errors: Some(vec![String::new()]),
            recovery_start_timestamp: timestamp(recovery.opened),
            recovery_end_timestamp: timestamp_or_empty(closed.map(|closed| closed.at)),
            processing_node_hostname: recovery.node.clone(),
            kind: kind(recovery.code, recovery.intent.kind).to_owned(),
            recovery_type: recovery_type(&recovery.intent).to_owned(),
            ..Self::default()
        };
        if let Some(closed) = closed {
            shown.show_outcome(&closed.outcome);
        }
        if let Some(acknowledgement) = &recovery.acknowledged {
            shown.acknowledged = true;
            shown.acknowledged_at = timestamp(acknowledgement.at);
            shown.acknowledged_by.clone_from(&acknowledgement.by);
            shown.acknowledged_comment.clone_from(&acknowledgement.comment);
        }
        shown
    }
}

impl TopologyRecovery {
    fn show_outcome(&mut self, outcome: &Outcome) {
        match outcome {
            Outcome::Recovered { successor, lost, errors } => {
                self.is_successful = true;
                self.successor_key = Some(InstanceKey::from(successor));
                self.lost_replicas = keys(lost);
                if !errors.is_empty() {
                    self.all_errors = Some(errors.clone());
                }
            }
            Outcome::Failed { reason } | Outcome::Aborted { reason } => {
                self.all_errors = Some(vec![reason.clone()]);
            }
        }
    }

    /// A failure that was noticed, and the recovery that dealt with it, if one did.
    pub fn of_detection(detection: &Detection, recovery: Option<&Recovery>) -> Self {
        let alias = recovery.map_or(&detection.cluster, |recovery| &recovery.alias);
        let mut entry = ReplicationAnalysis::recorded(
            &detection.failed,
            detection.code,
            &detection.cluster,
            alias,
        );
        entry.is_actionable_recovery = detection.actionable;
        Self {
            id: detection.id,
            analysis_entry: entry,
            recovery_start_timestamp: timestamp(detection.at),
            processing_node_hostname: recovery.map(|at| at.node.clone()).unwrap_or_default(),
            related_recovery_id: recovery.map_or(0, |recovery| recovery.id),
            ..Self::default()
        }
    }
}

/// Every server a recovery dealt with.
fn participants(recovery: &Recovery) -> Vec<InstanceKey> {
    let chosen = recovery.choice.iter().flat_map(|choice| {
        std::iter::once(&choice.promoted)
            .chain(&choice.followers)
            .chain(choice.lost.iter().map(|lost| &lost.key))
    });
    let mut participants = keys(chosen);
    participants.dedup();
    participants
}

fn kind(code: AnalysisCode, kind: Kind) -> &'static str {
    use AnalysisCode as Code;
    match (code, kind) {
        (Code::DeadCoMaster | Code::DeadCoMasterAndSomeReplicas, _) => "CoMasterRecovery",
        (Code::DeadReplicationGroupMemberWithReplicas, _) => "ReplicationGroupMemberRecovery",
        (_, Kind::Primary) => "MasterRecovery",
        (_, Kind::Intermediate) => "IntermediateMasterRecovery",
    }
}

/// How servers found their place. The published names know no way for file and position, so that is left open.
fn recovery_type(intent: &Intent) -> &'static str {
    let known = &intent.last_known;
    let by_gtid = !known.executed.is_empty() || known.binlog_pos.is_some();
    match intent.kind {
        Kind::Primary if by_gtid => "MasterRecoveryGTID",
        Kind::Primary | Kind::Intermediate => "NotMasterRecovery",
    }
}

/// One line of a recovery's story.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct TopologyRecoveryStep {
    /// Number within the recovery.
    pub id: u64,
    /// The recovery.
    #[serde(rename = "RecoveryUID")]
    pub recovery_uid: String,
    /// When.
    pub audit_at: String,
    /// What happened.
    pub message: String,
}

impl TopologyRecoveryStep {
    /// The line with this number.
    pub fn of(id: u64, uid: &RecoveryUid, step: &AuditedStep) -> Self {
        let message = match &step.error {
            Some(error) => format!("{}: {error}", step.message),
            None => step.message.clone(),
        };
        Self { id, recovery_uid: uid.0.clone(), audit_at: timestamp(step.at), message }
    }
}

/// A recovery that was not begun because another one ended not long ago.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct BlockedTopologyRecovery {
    /// The failed server.
    pub failed_instance_key: InstanceKey,
    /// Its cluster.
    pub cluster_name: String,
    /// What was found.
    pub analysis: String,
    /// When it was last blocked.
    pub last_blocked_timestamp: String,
    /// The recovery in the way.
    pub blocking_recovery_id: u64,
}
