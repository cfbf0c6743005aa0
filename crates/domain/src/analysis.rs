//! What is wrong with a server: codes, structure warnings, and the facts they were read from.

mod facts;
mod instance_problem;
mod response;
mod rules;
mod urgent;
mod warnings;

use std::cmp::Reverse;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::key::InstanceKey;
use crate::policy::AnalysisPolicy;
use crate::registry::Registry;
use crate::topology::Topology;

pub use facts::Facts;
pub use instance_problem::{InstanceProblem, Status, health, instance_problems};
pub use response::Response;
pub use urgent::{Memory, Urgent, urgent};

macro_rules! names {
    ($(#[$meta:meta])* $enum:ident { $($(#[$doc:meta])* $name:ident => $words:literal,)+ }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        pub enum $enum { $($(#[$doc])* $name,)+ }

        impl $enum {
            /// All of them, in the order in which they are tried and shown.
            pub const ALL: &[Self] = &[$(Self::$name,)+];

            /// The published name.
            pub fn name(self) -> &'static str {
                match self { $(Self::$name => stringify!($name),)+ }
            }

            /// What it means, in words for users.
            pub fn description(self) -> &'static str {
                match self { $(Self::$name => $words,)+ }
            }
        }
    };
}

names! {
    /// What is wrong with a server. Spelled as published, because users match on it.
    AnalysisCode {
        /// Nothing.
        NoProblem => "no problem",
        /// Primary dead, nobody to take over.
        DeadMasterWithoutReplicas => "the primary cannot be reached and has no replica",
        /// Primary dead, every replica says so.
        DeadMaster => "the primary cannot be reached and none of its replicas is replicating",
        /// Primary dead and all replicas with it.
        DeadMasterAndReplicas => "neither the primary nor any of its replicas can be reached",
        /// Primary dead, some replicas with it.
        DeadMasterAndSomeReplicas => "the primary cannot be reached; some replicas cannot be reached either and none of the others is replicating",
        /// Primary unreachable, all replicas lag.
        UnreachableMasterWithLaggingReplicas => "the primary cannot be reached and all its replicas are lagging",
        /// Primary unreachable for us, replicas still replicate.
        UnreachableMaster => "the primary cannot be reached but replicas still replicate from it; perhaps a network or host problem",
        /// Semi-synchronous primary waits for acknowledgements that do not come.
        LockedSemiSyncMaster => "the semi-synchronous primary is locked: too few replicas acknowledge",
        /// As above, not yet sure.
        LockedSemiSyncMasterHypothesis => "the semi-synchronous primary seems locked; more samples are needed",
        /// More replicas acknowledge than wanted.
        MasterWithTooManySemiSyncReplicas => "more semi-synchronous replicas are on than the primary waits for",
        /// The primary is read-only; also a structure warning.
        NoWriteableMasterStructureWarning => "the primary is read-only although it has replicas",
        /// The only replica does not replicate.
        MasterSingleReplicaNotReplicating => "the primary is fine; its single replica is not replicating",
        /// The only replica is dead.
        MasterSingleReplicaDead => "the primary is fine; its single replica cannot be reached",
        /// No replica replicates.
        AllMasterReplicasNotReplicating => "the primary is fine; none of its replicas is replicating",
        /// No replica replicates, some are dead.
        AllMasterReplicasNotReplicatingOrDead => "the primary is fine; its replicas are dead or not replicating",
        /// Co-primary dead.
        DeadCoMaster => "the co-primary cannot be reached and none of its replicas is replicating",
        /// Co-primary dead, some replicas with it.
        DeadCoMasterAndSomeReplicas => "the co-primary cannot be reached; some replicas cannot be reached either and none of the others is replicating",
        /// Co-primary unreachable for us.
        UnreachableCoMaster => "the co-primary cannot be reached but replicas still replicate from it",
        /// Nobody replicates from the co-primary.
        AllCoMasterReplicasNotReplicating => "the co-primary is fine; none of its replicas is replicating",
        /// Intermediate primary dead, its replica cannot connect to it.
        DeadIntermediateMasterWithSingleReplicaFailingToConnect => "the intermediate primary cannot be reached and its single replica fails to connect to it",
        /// Intermediate primary dead with one replica.
        DeadIntermediateMasterWithSingleReplica => "the intermediate primary cannot be reached and its single replica is not replicating",
        /// Intermediate primary dead.
        DeadIntermediateMaster => "the intermediate primary cannot be reached and none of its replicas is replicating",
        /// Intermediate primary dead, some replicas with it.
        DeadIntermediateMasterAndSomeReplicas => "the intermediate primary cannot be reached; some replicas cannot be reached either and none of the others is replicating",
        /// Intermediate primary dead and all replicas with it.
        DeadIntermediateMasterAndReplicas => "neither the intermediate primary nor any of its replicas can be reached",
        /// Intermediate primary unreachable, all replicas lag.
        UnreachableIntermediateMasterWithLaggingReplicas => "the intermediate primary cannot be reached and all its replicas are lagging",
        /// Intermediate primary unreachable for us.
        UnreachableIntermediateMaster => "the intermediate primary cannot be reached but replicas still replicate from it",
        /// Replicas cannot connect to a living intermediate primary.
        AllIntermediateMasterReplicasFailingToConnectOrDead => "the intermediate primary answers, but its replicas are dead or fail to connect to it",
        /// Nobody replicates from a living intermediate primary.
        AllIntermediateMasterReplicasNotReplicating => "the intermediate primary answers; none of its reachable replicas is replicating",
        /// A binlog server has lost its source.
        BinlogServerFailingToConnectToMaster => "the binlog server fails to connect to its source",
        /// A replica of the primary cannot connect to it.
        FirstTierReplicaFailingToConnectToMaster => "a replica fails to connect to the primary",
        /// A group member with replicas is dead.
        DeadReplicationGroupMemberWithReplicas => "the group member cannot be reached and its replicas are not replicating",
    }
}

names! {
    /// A weakness of the structure, independent of failures.
    StructureWarning {
        /// No replica could be promoted and be followed.
        NoLoggingReplicasStructureWarning => "no replica writes what it replicates into its binary log",
        /// No method to move replicas after a failure.
        NoFailoverSupportStructureWarning => "replicas cannot be moved safely after a failure: no GTID, binlog server or Pseudo-GTID throughout",
        /// Formats differ.
        StatementAndMixedLoggingReplicasStructureWarning => "replicas log in STATEMENT and in MIXED format",
        /// Formats differ.
        StatementAndRowLoggingReplicasStructureWarning => "replicas log in STATEMENT and in ROW format",
        /// Formats differ.
        MixedAndRowLoggingReplicasStructureWarning => "replicas log in MIXED and in ROW format",
        /// Versions differ.
        MultipleMajorVersionsLoggingReplicasStructureWarning => "logging replicas run different major versions",
        /// GTID modes differ.
        DifferentGTIDModesStructureWarning => "gtid_mode differs between the server and its replicas",
        /// Errant transactions.
        ErrantGTIDStructureWarning => "a replica has transactions of its own",
        /// The primary is read-only.
        NoWriteableMasterStructureWarning => "the primary is read-only",
        /// Semi-synchronous replication has fallen back.
        NotEnoughValidSemiSyncReplicasStructureWarning => "too few semi-synchronous replicas: commits no longer wait",
    }
}

/// What was found about one server.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Problem {
    /// The server.
    pub key: InstanceKey,
    /// Its cluster's name.
    pub cluster: String,
    /// The first rule that matched, or [`AnalysisCode::NoProblem`].
    pub code: AnalysisCode,
    /// Weaknesses of the structure, in their fixed order.
    pub warnings: Vec<StructureWarning>,
    /// Everything the rules read.
    pub facts: Facts,
    /// A recovery can do something about it.
    pub actionable: bool,
    /// The server, or all replicas that matter, are in downtime.
    pub skippable: bool,
    /// All replicas are in downtime, and that is why it is skippable.
    pub replicas_downtimed: bool,
}

/// All that an analysis reads.
#[derive(Debug, Clone, Copy)]
pub struct Input<'a> {
    /// The servers.
    pub topology: &'a Topology,
    /// What users told.
    pub registry: &'a Registry,
    /// What earlier analyses left behind.
    pub memory: &'a Memory,
    /// Settings.
    pub policy: &'a AnalysisPolicy,
    /// The moment of the analysis.
    pub now: Timestamp,
}

/// Analyses every member and returns those with a problem or a warning: sources first, then the servers that name
/// their cluster, then those with more replicas.
///
/// Skippable ones are included and marked.
pub fn analyze(input: &Input<'_>) -> Vec<Problem> {
    let mut problems: Vec<Problem> = input
        .topology
        .members()
        .filter_map(|member| analyze_one(input, &member.key))
        .filter(Problem::is_notable)
        .collect();
    problems.sort_by_cached_key(|problem| {
        let facts = &problem.facts;
        (!facts.is_source, !facts.is_cluster_source, Reverse(facts.replicas), problem.key.clone())
    });
    problems
}

/// Analyses one server, whatever comes of it. Costs what it takes to count its replicas.
///
/// `None` for a server that is unknown, was never looked at, is left out by a maintenance lock or a filter, or, with
/// `ReduceReplicationAnalysisCount`, is a healthy server without replicas.
pub fn analyze_one(input: &Input<'_>, key: &InstanceKey) -> Option<Problem> {
    let member = input.topology.get(key)?;
    let left_out = member.checks.last_checked.is_none()
        || input.registry.in_maintenance(key, input.now)
        || input.policy.ignore.match_host(&key.host);
    if left_out {
        return None;
    }
    let facts = Facts::count(input, member);
    if input.policy.reduce && facts.replicas == 0 && facts.valid && !facts.self_failing_to_connect {
        return None;
    }
    let code = rules::first_match(&facts);
    let replicas_downtimed = facts.replicas > 0
        && facts.downtimed_replicas == facts.replicas
        && code.concerns_replicas_only();
    let in_grace = code.waits_for_reconnecting_replicas() && input.memory.in_grace(key, input.now);
    Some(Problem {
        key: key.clone(),
        cluster: member.place.cluster.clone(),
        code,
        warnings: warnings::all(&facts),
        actionable: code.response().is_actionable() && !in_grace,
        skippable: facts.is_downtimed || replicas_downtimed,
        replicas_downtimed,
        facts,
    })
}

impl Problem {
    /// There is a problem or a warning.
    pub fn is_notable(&self) -> bool {
        self.code != AnalysisCode::NoProblem || !self.warnings.is_empty()
    }

    /// The published names: the code, unless there is no problem, then the warnings.
    pub fn codes(&self) -> Vec<&'static str> {
        let code = (self.code != AnalysisCode::NoProblem).then(|| self.code.name());
        code.into_iter().chain(self.warnings.iter().map(|warning| warning.name())).collect()
    }

    /// The line that `replication-analysis` prints.
    pub fn line(&self) -> String {
        format!("{} (cluster {}): {}", self.key, self.cluster, self.codes().join(", "))
    }

    /// What kind of server it is, as hooks are told.
    pub fn instance_type(&self) -> &'static str {
        if self.facts.is_co_source {
            "co-master"
        } else if self.facts.is_group_member {
            "group-member"
        } else if self.facts.is_source {
            "master"
        } else {
            "intermediate-master"
        }
    }
}

#[cfg(test)]
mod tests;
