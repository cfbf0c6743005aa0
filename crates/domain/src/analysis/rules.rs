//! The codes, each with the condition under which it holds.

use super::{AnalysisCode, Facts};
use AnalysisCode::{
    AllCoMasterReplicasNotReplicating, AllIntermediateMasterReplicasFailingToConnectOrDead,
    AllIntermediateMasterReplicasNotReplicating, AllMasterReplicasNotReplicating,
    AllMasterReplicasNotReplicatingOrDead, BinlogServerFailingToConnectToMaster, DeadCoMaster,
    DeadCoMasterAndSomeReplicas, DeadIntermediateMaster, DeadIntermediateMasterAndReplicas,
    DeadIntermediateMasterAndSomeReplicas, DeadIntermediateMasterWithSingleReplica,
    DeadIntermediateMasterWithSingleReplicaFailingToConnect, DeadMaster, DeadMasterAndReplicas,
    DeadMasterAndSomeReplicas, DeadMasterWithoutReplicas, DeadReplicationGroupMemberWithReplicas,
    FirstTierReplicaFailingToConnectToMaster, LockedSemiSyncMaster, LockedSemiSyncMasterHypothesis,
    MasterSingleReplicaDead, MasterSingleReplicaNotReplicating, MasterWithTooManySemiSyncReplicas,
    NoProblem, NoWriteableMasterStructureWarning, UnreachableCoMaster,
    UnreachableIntermediateMaster, UnreachableIntermediateMasterWithLaggingReplicas,
    UnreachableMaster, UnreachableMasterWithLaggingReplicas,
};

type Rule = (AnalysisCode, fn(&Facts) -> bool);

/// Names what is wrong, or [`NoProblem`].
pub(super) fn first_match(facts: &Facts) -> AnalysisCode {
    let rules = if facts.is_group_member { GROUP_RULES } else { RULES };
    rules.iter().find(|(_, matches)| matches(facts)).map_or(NoProblem, |(code, _)| *code)
}

/// Rules for servers outside of groups. The first that matches wins, so the order is part of the meaning.
///
/// A server that shows life is never called dead: what would be a dead code is an unreachable one.
pub(super) const RULES: &[Rule] = &[
    (DeadMasterWithoutReplicas, |f| f.is_source && f.is_dead() && f.replicas == 0),
    (DeadMaster, |f| f.is_source && f.is_dead() && all_valid(f) && f.replicating == 0),
    (DeadMasterAndReplicas, |f| f.is_source && f.is_dead() && f.valid_replicas == 0),
    (DeadMasterAndSomeReplicas, |f| {
        f.is_source && f.is_dead() && some_valid(f) && f.replicating == 0
    }),
    (UnreachableMasterWithLaggingReplicas, |f| {
        f.is_source && !f.valid && f.all_lag() && f.replicating > 0
    }),
    (UnreachableMaster, |f| f.is_source && !f.valid && !f.partial && f.replicating > 0),
    (UnreachableMaster, |f| {
        f.is_source && !f.valid && f.partial && f.failing_to_connect > 0 && f.replicating > 0
    }),
    (UnreachableMaster, |f| f.is_source && f.lives_unreachably()),
    (LockedSemiSyncMaster, |f| locked_semi_sync(f) && f.stale),
    (LockedSemiSyncMasterHypothesis, locked_semi_sync),
    (MasterWithTooManySemiSyncReplicas, |f| {
        f.wants_exact_semi_sync
            && waits_for_replicas(f)
            && f.semi_sync_clients > f.semi_sync_wait_for
    }),
    (NoWriteableMasterStructureWarning, |f| {
        f.wants_writable && f.is_source && f.valid && f.read_only && f.replicating > 0
    }),
    (MasterSingleReplicaNotReplicating, |f| {
        f.is_source && f.valid && f.replicas == 1 && all_valid(f) && f.replicating == 0
    }),
    (MasterSingleReplicaDead, |f| {
        f.is_source && f.valid && f.replicas == 1 && f.valid_replicas == 0
    }),
    (AllMasterReplicasNotReplicating, |f| {
        f.is_source && f.valid && f.replicas > 1 && all_valid(f) && f.replicating == 0
    }),
    (AllMasterReplicasNotReplicatingOrDead, |f| {
        f.is_source && f.valid && f.replicas > 1 && some_valid(f) && f.replicating == 0
    }),
    (DeadCoMaster, |f| {
        f.is_co_source && f.is_dead() && f.replicas > 0 && all_valid(f) && f.replicating == 0
    }),
    (DeadCoMasterAndSomeReplicas, |f| {
        f.is_co_source && f.is_dead() && some_valid(f) && f.replicating == 0
    }),
    (UnreachableCoMaster, |f| f.is_co_source && !f.valid && !f.partial && f.replicating > 0),
    (UnreachableCoMaster, |f| f.is_co_source && f.lives_unreachably() && f.replicas > 0),
    (AllCoMasterReplicasNotReplicating, |f| {
        f.is_co_source && f.valid && f.replicas > 0 && f.replicating == 0
    }),
    (DeadIntermediateMasterWithSingleReplicaFailingToConnect, |f| {
        dead_intermediate(f)
            && f.replicas == 1
            && all_valid(f)
            && f.failing_to_connect == f.replicas
    }),
    (DeadIntermediateMasterWithSingleReplica, |f| {
        dead_intermediate(f) && f.replicas == 1 && all_valid(f)
    }),
    (DeadIntermediateMaster, |f| dead_intermediate(f) && f.replicas > 1 && all_valid(f)),
    (DeadIntermediateMasterAndSomeReplicas, |f| dead_intermediate(f) && some_valid(f)),
    (DeadIntermediateMasterAndReplicas, |f| {
        dead_intermediate(f) && f.replicas > 0 && f.valid_replicas == 0
    }),
    (UnreachableIntermediateMasterWithLaggingReplicas, |f| {
        !f.is_source && !f.valid && f.all_lag() && f.replicating > 0
    }),
    (UnreachableIntermediateMaster, |f| {
        !f.is_source && !f.valid && !f.partial && f.replicating > 0
    }),
    (UnreachableIntermediateMaster, |f| !f.is_source && f.lives_unreachably() && f.replicas > 0),
    (AllIntermediateMasterReplicasFailingToConnectOrDead, |f| {
        !f.is_source
            && f.valid
            && f.replicas > 1
            && f.replicating == 0
            && f.failing_to_connect > 0
            && f.failing_to_connect == f.valid_replicas
    }),
    (AllIntermediateMasterReplicasNotReplicating, |f| {
        !f.is_source && f.valid && f.valid_replicas > 0 && f.replicating == 0
    }),
    (BinlogServerFailingToConnectToMaster, |f| f.is_binlog_server && f.self_failing_to_connect),
    (FirstTierReplicaFailingToConnectToMaster, |f| f.depth == 1 && f.self_failing_to_connect),
];

/// Rules for members of a group: all else is left to the group.
pub(super) const GROUP_RULES: &[Rule] = &[(DeadReplicationGroupMemberWithReplicas, |f| {
    f.is_dead() && f.replicas > 0 && f.replicating == 0
})];

fn all_valid(facts: &Facts) -> bool {
    facts.valid_replicas == facts.replicas
}

fn some_valid(facts: &Facts) -> bool {
    facts.valid_replicas > 0 && facts.valid_replicas < facts.replicas
}

fn dead_intermediate(facts: &Facts) -> bool {
    !facts.is_source && facts.is_dead() && facts.replicating == 0
}

fn waits_for_replicas(facts: &Facts) -> bool {
    facts.is_source
        && facts.semi_sync_enabled
        && facts.semi_sync_active
        && facts.semi_sync_wait_for > 0
}

fn locked_semi_sync(facts: &Facts) -> bool {
    waits_for_replicas(facts) && facts.semi_sync_clients < facts.semi_sync_wait_for
}
