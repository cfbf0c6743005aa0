//! The steps by which the replicas of a failed intermediate primary get another source.

use std::collections::BTreeMap;

use crate::analysis::AnalysisCode;
use crate::promotion::choose;
use crate::recovery::next::{Next, Scene};
use crate::recovery::{Choice, Outcome};
use crate::step::{SourcePosition, Step};

/// Nothing is stopped for the decision: the primary lives and has everything.
pub(super) fn decide(scene: &Scene<'_>) -> Next {
    let failed = &scene.intent().failed;
    let may_answer = scene.recovery.requested_by.is_some()
        || scene.recovery.code == AnalysisCode::AllIntermediateMasterReplicasFailingToConnectOrDead;
    if scene.current(failed).is_some() && !may_answer {
        let reason = format!("{failed} answers again, before its replicas were moved");
        return Next::Close(Outcome::Aborted { reason });
    }
    match choose(&scene.question(&BTreeMap::new())) {
        Ok(choice) => Next::Choose(choice),
        Err(refusal) => Next::Close(Outcome::Aborted { reason: refusal.to_string() }),
    }
}

/// All go below the chosen server; when that is one of them, it goes below the failed server's source.
pub(super) fn carry_out(scene: &Scene<'_>, choice: &Choice) -> Next {
    let leader = scene.orphans().filter(|instance| instance.key == choice.promoted);
    let leader = leader.filter_map(|instance| Some((instance, scene.intent().source.as_ref()?)));
    let followers = choice
        .followers
        .iter()
        .filter_map(|key| scene.current(key))
        .filter(|follower| scene.is_ours(follower, &choice.promoted))
        .map(|follower| (follower, &choice.promoted));
    let steps: Vec<Step> = leader
        .chain(followers)
        .filter(|(server, source)| scene.could_not_follow(server, source).is_none())
        .map(|(server, source)| scene.bring_below(server, source, SourcePosition::Unchanged))
        .filter(|steps| !steps.is_empty())
        .flatten()
        .collect();
    if steps.is_empty() { Next::Close(ended(scene, choice)) } else { Next::Perform(steps) }
}

fn ended(scene: &Scene<'_>, choice: &Choice) -> Outcome {
    let promoted = &choice.promoted;
    let (lost, mut errors) =
        scene.stragglers(choice, |follower| scene.could_not_follow(follower, promoted));
    let leader = scene.orphans().find(|instance| instance.key == *promoted);
    if let Some(leader) = leader {
        let source = scene.intent().source.as_ref().unwrap_or(promoted);
        let reason = scene.could_not_follow(leader, source).unwrap_or_default();
        errors.push(format!("{promoted} does not follow {source}: {reason}"));
    }
    let moved = choice
        .followers
        .iter()
        .filter_map(|key| scene.current(key))
        .any(|follower| follower.source() == Some(promoted));
    if !moved && !choice.followers.is_empty() {
        let reason = format!("no replica could be moved below {promoted}: {}", errors.join("; "));
        return Outcome::Failed { reason };
    }
    Outcome::Recovered { successor: promoted.clone(), lost, errors }
}
