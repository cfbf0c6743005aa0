//! What is recovered, who may be promoted, and what is done about the rest.

use crate::config::kinds::{
    Bool, Clusters, Confirmations, Hosts, LONG_S, Limit, LimitSeconds, Minutes, Seconds, SpanOrOff,
};
use crate::config::table::Status::{Acted, NotYet};
use crate::config::table::group;

group! {
    /// What is recovered, who may be promoted, and what is done about the rest.
    recovery: Recovery;

    /// Clusters whose dead primary is replaced automatically.
    "RecoverMasterClusterFilters" => primaries: Clusters = (); Acted, OnReload;
    /// Clusters whose dead intermediate primaries are bypassed automatically.
    "RecoverIntermediateMasterClusterFilters" => intermediates: Clusters = (); Acted, OnReload;
    /// How long a primary must stay dead before its recovery starts: cluster filters with a number of seconds
    /// each, the first that matches counts. Nothing is waited for without an entry.
    "MasterFailureConfirmationSeconds" => confirmation: Confirmations = (); Acted, OnReload;
    /// How long a failure that was detected is not announced again.
    "FailureDetectionPeriodBlockMinutes" => detection_block: Minutes<0, 5_256_000> = 60; Acted, OnReload;
    /// How long, after a recovery, no other starts in the same cluster by itself.
    "RecoveryPeriodBlockSeconds" | "RecoveryPeriodBlockMinutes" * 60 => block: Seconds<0, LONG_S> = 3_600;
        Acted, OnReload;
    /// Makes the promoted server writable.
    "ApplyMySQLPromotionAfterMasterFailover" => make_writable: Bool = true; Acted, OnReload;
    /// Makes the old primary read-only and ends its clients' connections, as soon as it can be reached.
    "FenceOldPrimary" => fence: Bool = true; Acted, OnReload;
    /// Detaches replicas that cannot follow the promoted server.
    "DetachLostReplicasAfterMasterFailover" | "DetachLostSlavesAfterMasterFailover"
        => detach_lost: Bool = true; Acted, OnReload;
    /// Detaches the promoted server from its old source instead of forgetting that source.
    "MasterFailoverDetachReplicaMasterHost" | "MasterFailoverDetachSlaveMasterHost"
        => detach_promoted: Bool = false; Acted, OnReload;
    /// Promotes only in the data centre of the old primary.
    "PreventCrossDataCenterMasterFailover" => same_data_center: Bool = false; Acted, OnReload;
    /// Promotes only in the region of the old primary.
    "PreventCrossRegionMasterFailover" => same_region: Bool = false; Acted, OnReload;
    /// Promotes, for a dead co-primary, only the other one.
    "CoMasterRecoveryMustPromoteOtherCoMaster" => other_co_primary_only: Bool = true; NotYet, OnReload;
    /// Servers that are never promoted: addresses, or expressions on `host:port`.
    "PromotionIgnoreHostnameFilters" => ignore: Hosts = (); Acted, OnReload;
    /// Refuses to promote a server that lags more; 0 is any. Needs `ReplicationLagQuery`.
    "FailMasterPromotionOnLagMinutes" => fail_on_lag: SpanOrOff<60_000, 525_600> = 0; Acted, OnReload;
    /// Refuses to promote a server that has not applied its relay log.
    "FailMasterPromotionIfSQLThreadNotUpToDate" => fail_if_not_applied: Bool = false; Acted, OnReload;
    /// Waits for the relay log of the candidate as long as it makes progress, however long that takes.
    "DelayMasterPromotionIfSQLThreadNotUpToDate" => wait_until_applied: Bool = false; Acted, OnReload;
    /// How long a candidate may take to apply its relay log before it is given up. With
    /// `DelayMasterPromotionIfSQLThreadNotUpToDate` the time counts only while nothing is applied.
    "RelayLogApplyTimeoutSeconds" => apply_limit: Seconds<0, 86_400> = 60; Acted, OnReload;
    /// Refuses a promotion that is estimated to lose more transactions; -1 is any number.
    "MaxPromotionLossTransactions" => max_loss_transactions: Limit = None; Acted, OnReload;
    /// Refuses a promotion that is estimated to lose more than the transactions of so many seconds; -1 is any.
    "MaxPromotionLossSeconds" => max_loss: LimitSeconds = None; Acted, OnReload;
    /// Moves replicas that are delayed by more than this after the recovery; 0 is none.
    "PostponeReplicaRecoveryOnLagMinutes" | "PostponeSlaveRecoveryOnLagMinutes"
        => postpone_on_lag: SpanOrOff<60_000, 525_600> = 0; NotYet, OnReload;
    /// Lets a replica be of an older version than its source.
    "LowerReplicaVersionAllowed" => lower_replica_version_allowed: Bool = false; Acted, OnReload;
    /// Considers replication filters when deciding who can replicate from whom.
    "VerifyReplicationFilters" => verify_replication_filters: Bool = false; Acted, OnReload;
}
