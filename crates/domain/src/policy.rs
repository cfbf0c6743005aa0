//! The settings that decisions read: a plain copy of what the configuration says.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::filters::{ClusterFilters, HostnameFilters};

/// Settings of failure analysis.
#[derive(Debug, Clone)]
pub struct AnalysisPolicy {
    /// `InstancePollSeconds`.
    pub poll: Duration,
    /// `ReasonableInstanceCheckSeconds`.
    pub reasonable_check: Duration,
    /// `ReasonableReplicationLagSeconds`.
    pub reasonable_lag: Duration,
    /// `ReasonableMaintenanceReplicationLagSeconds`.
    pub reasonable_maintenance_lag: Duration,
    /// `ReasonableLockedSemiSyncMasterSeconds`.
    pub locked_semi_sync_after: Duration,
    /// `ReduceReplicationAnalysisCount`.
    pub reduce: bool,
    /// `EnforceExactSemiSyncReplicas`.
    pub exact_semi_sync: bool,
    /// `RecoverLockedSemiSyncMaster`.
    pub recover_locked_semi_sync: bool,
    /// `RecoverNonWriteableMaster`.
    pub recover_read_only_primary: bool,
    /// `RecoveryIgnoreHostnameFilters`, matched on the host alone.
    pub ignore: HostnameFilters,
    /// `CandidateInstanceExpireMinutes`.
    pub candidate_expiry: Duration,
}

/// Settings of the rules who may replicate from whom, and who may be promoted.
#[derive(Debug, Clone)]
pub struct PromotionPolicy {
    /// `LowerReplicaVersionAllowed`.
    pub lower_replica_version_allowed: bool,
    /// `VerifyReplicationFilters`.
    pub verify_replication_filters: bool,
    /// `PreventCrossDataCenterMasterFailover`.
    pub same_data_center: bool,
    /// `PreventCrossRegionMasterFailover`.
    pub same_region: bool,
    /// `PromotionIgnoreHostnameFilters`.
    pub ignore: HostnameFilters,
    /// `CandidateInstanceExpireMinutes`.
    pub candidate_expiry: Duration,
    /// `ReasonableMaintenanceReplicationLagSeconds`.
    pub reasonable_maintenance_lag: Duration,
    /// `FailMasterPromotionOnLagMinutes`.
    pub fail_on_lag: Option<Duration>,
    /// `FailMasterPromotionIfSQLThreadNotUpToDate`.
    pub fail_if_not_applied: bool,
    /// `DelayMasterPromotionIfSQLThreadNotUpToDate`: wait as long as the applier makes progress.
    pub wait_until_applied: bool,
    /// `RelayLogApplyTimeoutSeconds`: how long to wait for the relay log to be applied otherwise.
    pub apply_limit: Duration,
    /// `MaxPromotionLossTransactions`.
    pub max_loss_transactions: Option<u64>,
    /// `MaxPromotionLossSeconds`.
    pub max_loss: Option<Duration>,
}

/// Settings of recoveries.
#[derive(Debug, Clone)]
pub struct RecoveryPolicy {
    /// Who may be promoted.
    pub promotion: PromotionPolicy,
    /// `RecoverMasterClusterFilters`.
    pub primaries: ClusterFilters,
    /// `RecoverIntermediateMasterClusterFilters`.
    pub intermediates: ClusterFilters,
    /// `RecoveryPeriodBlockSeconds`.
    pub block: Duration,
    /// `FailureDetectionPeriodBlockMinutes`.
    pub detection_block: Duration,
    /// `MasterFailureConfirmationSeconds`: cluster filter to how long a primary must stay dead.
    pub confirmation: Vec<(ClusterFilters, Duration)>,
    /// `ApplyMySQLPromotionAfterMasterFailover`.
    pub make_writable: bool,
    /// `DetachLostReplicasAfterMasterFailover`.
    pub detach_lost: bool,
    /// `MasterFailoverDetachReplicaMasterHost`: detach the promoted server instead of resetting it.
    pub detach_promoted: bool,
    /// `FenceOldPrimary`.
    pub fence: bool,
    /// `MaxConcurrentReplicaOperations`.
    pub concurrency: usize,
}

/// Where names of clusters come from.
#[derive(Debug, Clone, Default)]
pub struct AliasPolicy {
    /// `ClusterNameToAlias`: regular expression on the cluster's name to alias, in the order of the file.
    pub by_name: Vec<(String, String)>,
    /// Aliases by their exact name, for look-ups that need no expression.
    pub manual: BTreeMap<String, String>,
}
