//! What is done about each code.

use serde::{Deserialize, Serialize};

use super::AnalysisCode;

/// What is done about a problem.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Response {
    /// The primary is replaced.
    ReplacePrimary,
    /// One of two co-primaries is replaced by the other.
    ReplaceCoPrimary,
    /// The replicas of an intermediate primary are moved away.
    ReplaceIntermediate,
    /// The replicas of a group member are moved to another.
    ReplaceGroupMember,
    /// Semi-synchronous replication is switched on at replicas, so that commits go on.
    UnlockSemiSync,
    /// Surplus semi-synchronous replicas are switched to asynchronous.
    TrimSemiSync,
    /// The primary is made writable.
    MakeWritable,
    /// It is recorded and detection hooks run; nothing is changed.
    Detect,
    /// It is shown, no more.
    Show,
}

impl Response {
    /// Something is changed on servers.
    pub fn is_actionable(self) -> bool {
        match self {
            Self::ReplacePrimary
            | Self::ReplaceCoPrimary
            | Self::ReplaceIntermediate
            | Self::ReplaceGroupMember
            | Self::UnlockSemiSync
            | Self::TrimSemiSync
            | Self::MakeWritable => true,
            Self::Detect | Self::Show => false,
        }
    }

    /// It is recorded as a detection and detection hooks run.
    pub fn is_detected(self) -> bool {
        self != Self::Show
    }
}

impl AnalysisCode {
    /// What is done about it.
    pub fn response(self) -> Response {
        match self {
            Self::DeadMaster | Self::DeadMasterAndSomeReplicas => Response::ReplacePrimary,
            Self::DeadCoMaster | Self::DeadCoMasterAndSomeReplicas => Response::ReplaceCoPrimary,
            Self::DeadIntermediateMaster
            | Self::DeadIntermediateMasterAndSomeReplicas
            | Self::DeadIntermediateMasterWithSingleReplicaFailingToConnect
            | Self::AllIntermediateMasterReplicasFailingToConnectOrDead => {
                Response::ReplaceIntermediate
            }
            Self::DeadReplicationGroupMemberWithReplicas => Response::ReplaceGroupMember,
            Self::LockedSemiSyncMaster => Response::UnlockSemiSync,
            Self::MasterWithTooManySemiSyncReplicas => Response::TrimSemiSync,
            Self::NoWriteableMasterStructureWarning => Response::MakeWritable,
            Self::DeadMasterAndReplicas
            | Self::DeadIntermediateMasterAndReplicas
            | Self::UnreachableMaster
            | Self::UnreachableMasterWithLaggingReplicas
            | Self::UnreachableIntermediateMasterWithLaggingReplicas
            | Self::AllMasterReplicasNotReplicating
            | Self::AllMasterReplicasNotReplicatingOrDead => Response::Detect,
            Self::NoProblem
            | Self::DeadMasterWithoutReplicas
            | Self::LockedSemiSyncMasterHypothesis
            | Self::MasterSingleReplicaNotReplicating
            | Self::MasterSingleReplicaDead
            | Self::UnreachableCoMaster
            | Self::AllCoMasterReplicasNotReplicating
            | Self::DeadIntermediateMasterWithSingleReplica
            | Self::UnreachableIntermediateMaster
            | Self::AllIntermediateMasterReplicasNotReplicating
            | Self::BinlogServerFailingToConnectToMaster
            | Self::FirstTierReplicaFailingToConnectToMaster => Response::Show,
        }
    }

    /// Not acted on while the replicas' receivers have just been restarted and are reconnecting.
    pub(super) fn waits_for_reconnecting_replicas(self) -> bool {
        matches!(
            self,
            Self::DeadMaster | Self::DeadMasterAndSomeReplicas | Self::LockedSemiSyncMaster
        )
    }

    /// Of no interest when all replicas are in downtime.
    ///
    /// `MasterSingleReplicaNotReplicating` and `DeadIntermediateMaster` are published as not among them.
    pub(super) fn concerns_replicas_only(self) -> bool {
        matches!(
            self,
            Self::AllMasterReplicasNotReplicating
                | Self::AllMasterReplicasNotReplicatingOrDead
                | Self::MasterSingleReplicaDead
                | Self::AllCoMasterReplicasNotReplicating
                | Self::DeadIntermediateMasterWithSingleReplica
                | Self::DeadIntermediateMasterWithSingleReplicaFailingToConnect
                | Self::DeadIntermediateMasterAndReplicas
                | Self::DeadIntermediateMasterAndSomeReplicas
                | Self::AllIntermediateMasterReplicasFailingToConnectOrDead
                | Self::AllIntermediateMasterReplicasNotReplicating
        )
    }
}
