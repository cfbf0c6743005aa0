//! What counts as a problem.

use crate::config::kinds::{Bool, Hosts, Minutes, Seconds};
use crate::config::table::Status::{Acted, NotYet};
use crate::config::table::group;

group! {
    /// What counts as a problem.
    analysis: Analysis;

    /// Slack before a missing poll counts as a failed one.
    "ReasonableInstanceCheckSeconds" => reasonable_check: Seconds<0, 3_600> = 1; Acted, OnReload;
    /// Replication lag above this is a problem.
    "ReasonableReplicationLagSeconds" => reasonable_lag: Seconds<0, 86_400> = 10; Acted, OnReload;
    /// Replication lag above this keeps a replica from being moved or promoted in a planned take-over.
    "ReasonableMaintenanceReplicationLagSeconds" => reasonable_maintenance_lag: Seconds<0, 86_400> = 20;
        Acted, OnReload;
    /// Servers left out of the list of problems.
    "ProblemIgnoreHostnameFilters" => ignore_problems: Hosts = (); Acted, OnReload;
    /// Looks only at servers that can have a problem.
    "ReduceReplicationAnalysisCount" => reduce: Bool = true; Acted, OnReload;
    /// Servers left out of analysis: addresses, or expressions on the host name.
    "RecoveryIgnoreHostnameFilters" => ignore: Hosts = (); Acted, OnReload;
    /// Reports a primary that is read-only. This version does not make it writable.
    "RecoverNonWriteableMaster" => recover_read_only_primary: Bool = false; Acted, OnReload;
    /// Takes a primary that waits for semi-synchronous replicas for a failure.
    "RecoverLockedSemiSyncMaster" => recover_locked_semi_sync: Bool = false; NotYet, OnReload;
    /// How long such a primary must wait; 0 is `ReasonableReplicationLagSeconds`.
    "ReasonableLockedSemiSyncMasterSeconds" => locked_semi_sync_after: Seconds<0, 86_400> = 0; Acted, OnReload;
    /// Reports a primary with more semi-synchronous replicas than it waits for. This version does not switch them off.
    "EnforceExactSemiSyncReplicas" => exact_semi_sync: Bool = false; Acted, OnReload;
    /// How long a promotion rule given to a server lasts.
    "CandidateInstanceExpireMinutes" => candidate_expiry: Minutes<1, 5_256_000> = 60; Acted, OnReload;
    /// Asks the other nodes before a failure is believed.
    "ExpectFailureAnalysisConcensus" => consensus: Bool = true; NotYet, OnReload;
    /// Servers left out of the replicas named for schema changes.
    "OSCIgnoreHostnameFilters" => ignore_osc: Hosts = (); Acted, OnReload;
}
