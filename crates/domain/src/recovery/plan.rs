//! What a recovery would do now, without touching anything.

use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::analysis::{AnalysisCode, Facts, Problem};
use crate::checks::{FailureKind, ProbeFailure};
use crate::instance::{Instance, ThreadState};
use crate::key::InstanceKey;
use crate::policy::RecoveryPolicy;
use crate::recovery::{
    Attempts, Choice, Circumstances, Intent, Next, Outcome, may_begin, next, open_recovery,
};
use crate::registry::{RecoveryUid, Registry};
use crate::step::Step;
use crate::topology::{Member, Topology};

/// A recovery as it would go if every step went well.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// The failure it answers: the real one, or the one that was presumed.
    pub problem: Problem,
    /// The server lives; the plan says what would be done if it died now.
    pub presumed_dead: bool,
    /// Why no recovery would begin by itself; `None` when one would.
    pub refusal: Option<String>,
    /// What it is to bring about.
    pub intent: Intent,
    /// Who would take over.
    pub choice: Option<Choice>,
    /// The steps, group by group.
    pub groups: Vec<Vec<Step>>,
    /// How it would end.
    pub outcome: Outcome,
}

/// More groups than any plan needs.
const MOST_GROUPS: usize = 1000;

/// Plans the recovery of `failed`, which is presumed dead when it is not.
///
/// `None` when the server is unknown.
pub fn plan(
    view: &Topology,
    failed: &InstanceKey,
    wanted: Option<&InstanceKey>,
    problem: Option<&Problem>,
    registry: &Registry,
    policy: &RecoveryPolicy,
    circumstances: &Circumstances,
) -> Option<Plan> {
    let member = view.get(failed)?;
    let presumed_dead = member.current().is_some();
    let presumed = presume_dead(view, failed, circumstances.now);
    let problem = problem
        .filter(|problem| super::kind_of(problem.code).is_some())
        .cloned()
        .unwrap_or_else(|| presumed_problem(&presumed, member));
    let circumstances = Circumstances { wanted: wanted.cloned(), ..circumstances.clone() };
    let refusal = may_begin(&problem, &presumed, registry, policy, &circumstances);
    let mut recovery =
        open_recovery(RecoveryUid(String::new()), &problem, &presumed, circumstances.now);
    recovery.intent.wanted = wanted.cloned();
    let mut now = presumed;
    let mut groups = Vec::new();
    let attempts = Attempts::default();
    let outcome = loop {
        match next(&now, &recovery, registry, policy, &attempts, circumstances.now) {
            Next::Perform(steps) if groups.len() < MOST_GROUPS => {
                now = steps.iter().fold(now, |view, step| step.apply_to(&view));
                groups.push(steps);
            }
            Next::Perform(_) => {
                let reason = "the plan has no end".to_owned();
                break Outcome::Failed { reason };
            }
            Next::Choose(choice) => recovery.choice = Some(choice),
            Next::Close(outcome) => break outcome,
        }
    };
    Some(Plan {
        problem,
        presumed_dead,
        refusal: refusal.err().map(|refusal| refusal.to_string()),
        intent: recovery.intent,
        choice: recovery.choice,
        groups,
        outcome,
    })
}

/// The view as it would be a moment after `failed` died: it does not answer, its replicas try to reconnect.
#[must_use]
pub fn presume_dead(view: &Topology, failed: &InstanceKey, now: Timestamp) -> Topology {
    let Some(member) = view.get(failed).filter(|member| member.current().is_some()) else {
        return view.clone();
    };
    let mut dead = Member::clone(member);
    dead.checks.last_checked = Some(now);
    dead.checks.last_seen = dead.checks.last_seen.map(|seen| {
        let just_before = now.checked_sub(jiff::SignedDuration::from_millis(1)).unwrap_or(now);
        seen.min(just_before)
    });
    let detail = "presumed dead for this plan".to_owned();
    dead.checks.failure = Some(ProbeFailure { kind: FailureKind::Refused, detail });
    let replicas: Vec<_> = view.replicas_of(failed).cloned().collect();
    replicas.iter().fold(view.with(dead), |view, replica| {
        let Some(facts) = &replica.instance else { return view };
        let mut instance = Instance::clone(facts);
        if let Some(replication) = &mut instance.replication
            && replication.io_thread == ThreadState::Running
        {
            replication.io_thread = ThreadState::Other;
        }
        let mut member = Member::clone(replica);
        member.instance = Some(Arc::new(instance));
        view.with(member)
    })
}

/// The failure that a server's death would be.
fn presumed_problem(view: &Topology, member: &Member) -> Problem {
    let replicas: Vec<_> = view.replicas_of(&member.key).collect();
    let all_answer = replicas.iter().all(|replica| replica.current().is_some());
    let code = match (member.source().is_some(), all_answer) {
        _ if replicas.is_empty() => AnalysisCode::DeadMasterWithoutReplicas,
        (false, true) => AnalysisCode::DeadMaster,
        (false, false) => AnalysisCode::DeadMasterAndSomeReplicas,
        (true, true) => AnalysisCode::DeadIntermediateMaster,
        (true, false) => AnalysisCode::DeadIntermediateMasterAndSomeReplicas,
    };
    Problem {
        key: member.key.clone(),
        cluster: member.place.cluster.clone(),
        code,
        warnings: Vec::new(),
        facts: Facts::default(),
        actionable: true,
        skippable: false,
        replicas_downtimed: false,
    }
}
