//! How a recovery begins: the failure as it is noted, and what the recovery is to bring about.

use std::collections::BTreeSet;

use jiff::Timestamp;

use crate::analysis::{AnalysisCode, Problem, Response};
use crate::instance::Instance;
use crate::key::InstanceKey;
use crate::recovery::next::receiver_was_told_to_run;
use crate::recovery::{Intent, Kind, LastKnown};
use crate::registry::{Detection, Recovery, RecoveryUid};
use crate::topology::Topology;

/// What kind of server a recovery of this failure replaces; `None` when none is to be replaced.
pub fn kind_of(code: AnalysisCode) -> Option<Kind> {
    match code.response() {
        Response::ReplacePrimary => Some(Kind::Primary),
        Response::ReplaceIntermediate => Some(Kind::Intermediate),
        Response::ReplaceCoPrimary
        | Response::ReplaceGroupMember
        | Response::UnlockSemiSync
        | Response::TrimSemiSync
        | Response::MakeWritable
        | Response::Detect
        | Response::Show => None,
    }
}

/// The failure as it is noted; `None` for what is shown and no more.
pub fn detection_of(problem: &Problem, now: Timestamp) -> Option<Detection> {
    if problem.code.response() == Response::Show {
        return None;
    }
    Some(Detection {
        id: 0,
        failed: problem.key.clone(),
        cluster: problem.cluster.clone(),
        code: problem.code,
        actionable: problem.actionable,
        at: now,
    })
}

/// A recovery of `problem`, ready to be opened: its alias, node, term and requester are left to the caller.
pub fn open_recovery(
    uid: RecoveryUid,
    problem: &Problem,
    topology: &Topology,
    now: Timestamp,
) -> Recovery {
    let has_source = topology.get(&problem.key).is_some_and(|member| member.source().is_some());
    let by_place = if has_source { Kind::Intermediate } else { Kind::Primary };
    let kind = kind_of(problem.code).unwrap_or(by_place);
    Recovery {
        uid,
        id: 0,
        cluster: problem.cluster.clone(),
        alias: problem.cluster.clone(),
        code: problem.code,
        intent: Intent::of(kind, &problem.key, topology),
        requested_by: None,
        node: String::new(),
        term: 0,
        opened: now,
        begun: None,
        choice: None,
        hooks_started: BTreeSet::new(),
        steps: Vec::new(),
        closed: None,
        acknowledged: None,
    }
}

impl Intent {
    /// What replacing `failed` has to bring about, with the last that is known of it.
    pub fn of(kind: Kind, failed: &InstanceKey, topology: &Topology) -> Self {
        let replicas = || topology.replicas_of(failed);
        let stopped = replicas().filter(|member| {
            member.instance.as_ref().is_some_and(|instance| !receiver_was_told_to_run(instance))
        });
        let member = topology.get(failed);
        let facts = member.and_then(|member| member.instance.as_deref());
        let seen = member.and_then(|member| member.checks.last_seen);
        Self {
            kind,
            failed: failed.clone(),
            replicas: replicas().map(|member| member.key.clone()).collect(),
            stopped: stopped.map(|member| member.key.clone()).collect(),
            source: facts.and_then(Instance::source).cloned(),
            wanted: None,
            last_known: facts.map_or_else(LastKnown::default, |facts| LastKnown::of(facts, seen)),
            skip_hooks: false,
        }
    }
}

impl LastKnown {
    fn of(facts: &Instance, seen: Option<Timestamp>) -> Self {
        Self {
            seen,
            executed: facts.gtid.executed.clone(),
            binlog_pos: facts.gtid.binlog_pos.clone(),
            position: facts.binlog.position.clone(),
            data_center: facts.location.data_center.clone(),
            region: facts.location.region.clone(),
            environment: facts.location.environment.clone(),
        }
    }
}
