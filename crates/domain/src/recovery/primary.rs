//! The steps by which a primary is replaced.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::checks::seconds_between;
use crate::instance::Instance;
use crate::key::InstanceKey;
use crate::promotion::{
    Method, beyond, choose, loss_without, must_apply_first, still_to_fetch, transactions,
};
use crate::recovery::fence::{fence_steps, takes_no_writes};
use crate::recovery::next::{Next, Scene, receiver_was_told_to_run};
use crate::recovery::{Choice, Outcome};
use crate::step::{ApplyTarget, SourcePosition, Step};

/// How long one wait for progress lasts where progress, not time, is what counts.
const PROGRESS: Duration = Duration::from_secs(10);

/// How often making the promoted server the primary is tried.
const PROMOTION_TRIES: usize = 3;

/// Until a choice is settled, nothing is done that cannot be undone.
pub(super) fn decide(scene: &Scene<'_>) -> Next {
    let failed = &scene.intent().failed;
    let by_person = scene.recovery.requested_by.is_some();
    if let Some(old) = scene.current(failed) {
        if !by_person {
            let reason = format!("{failed} answers again, before anybody was chosen in its place");
            return scene.give_up(Outcome::Aborted { reason });
        }
        if let Some(next) = fence(scene, old) {
            return next;
        }
    }
    let excluded = excluded(scene);
    if let Some(reason) = veto_of_backlog(scene) {
        return scene.give_up(Outcome::Aborted { reason });
    }
    let question = scene.question(&excluded);
    let choice = match choose(&question) {
        Ok(choice) => choice,
        Err(refusal) => {
            return scene.give_up(Outcome::Aborted { reason: refusal.to_string() });
        }
    };
    let stops = receivers_to_stop(scene);
    if !stops.is_empty() {
        return Next::Perform(stops);
    }
    let waits: Vec<Step> = must_apply_first(&question, &choice)
        .iter()
        .filter_map(|key| scene.current(key))
        .flat_map(|instance| apply_received(scene, instance))
        .collect();
    if waits.is_empty() { Next::Choose(choice) } else { Next::Perform(waits) }
}

/// Servers that failed to do what a candidate must do.
fn excluded(scene: &Scene<'_>) -> BTreeMap<InstanceKey, String> {
    scene
        .orphans()
        .filter_map(|instance| {
            let key = &instance.key;
            let reason = scene
                .given_up(key, "stop-receiving")
                .or_else(|| scene.given_up(key, "start-applying"))
                .or_else(|| waited_in_vain(scene, key))?;
            Some((key.clone(), reason))
        })
        .collect()
}

/// Waiting for the relay log to be applied came to nothing, by the configured measure.
fn waited_in_vain(scene: &Scene<'_>, key: &InstanceKey) -> Option<String> {
    let last = scene.attempts.last_error(key, "wait-applied")?;
    let over = if scene.policy.promotion.wait_until_applied {
        scene.attempts.stands_still(key, "wait-applied")
    } else {
        time_left(scene).is_zero()
    };
    over.then(|| format!("it did not apply all it received: {last}"))
}

/// `FailMasterPromotionIfSQLThreadNotUpToDate`: nobody takes the place of a candidate that did not apply everything.
fn veto_of_backlog(scene: &Scene<'_>) -> Option<String> {
    if !scene.policy.promotion.fail_if_not_applied {
        return None;
    }
    scene.orphans().find_map(|instance| {
        let reason = waited_in_vain(scene, &instance.key)?;
        Some(format!(
            "{}: {reason}; FailMasterPromotionIfSQLThreadNotUpToDate forbids promoting anybody then",
            instance.key
        ))
    })
}

/// What is left of the time that may be spent on applying relay logs.
fn time_left(scene: &Scene<'_>) -> Duration {
    let spent_s = seconds_between(scene.recovery.opened, scene.now).max(0.0);
    let spent = Duration::try_from_secs_f64(spent_s).unwrap_or(Duration::MAX);
    scene.policy.promotion.apply_limit.saturating_sub(spent)
}

fn receivers_to_stop(scene: &Scene<'_>) -> Vec<Step> {
    scene
        .orphans()
        .filter(|instance| receiver_was_told_to_run(instance))
        .filter(|instance| scene.given_up(&instance.key, "stop-receiving").is_none())
        .map(|instance| Step::StopReceiving { server: instance.key.clone() })
        .collect()
}

fn apply_received(scene: &Scene<'_>, instance: &Instance) -> Vec<Step> {
    let server = instance.key.clone();
    let limit = if scene.policy.promotion.wait_until_applied {
        PROGRESS
    } else {
        time_left(scene).max(Duration::from_secs(1))
    };
    let wait = Step::WaitApplied { server: server.clone(), target: ApplyTarget::Received, limit };
    if instance.sql_running() { vec![wait] } else { vec![Step::StartApplying { server }, wait] }
}

/// Once a choice is settled, it is carried out to the end.
pub(super) fn carry_out(scene: &Scene<'_>, choice: &Choice) -> Next {
    if let Some(old) = scene.current(&scene.intent().failed)
        && let Some(next) = fence(scene, old)
    {
        return next;
    }
    let Some(promoted) = scene.current(&choice.promoted) else {
        return unreachable_promoted(scene, choice);
    };
    catch_up(scene, choice, promoted)
        .or_else(|| promote(scene, promoted))
        .or_else(|| follow(scene, choice))
        .or_else(|| detach_lost(scene, choice))
        .unwrap_or_else(|| Next::Close(recovered(scene, choice)))
}

/// The chosen server does not answer: it is asked again, and if that is in vain, the recovery ends.
fn unreachable_promoted(scene: &Scene<'_>, choice: &Choice) -> Next {
    let server = choice.promoted.clone();
    let ask = Step::StopReceiving { server: server.clone() };
    let Some(reason) = scene.attempts.given_up(&server, ask.kind(), PROMOTION_TRIES) else {
        return Next::Perform(vec![ask]);
    };
    let member = scene.view.get(&server);
    let untouched = member.is_some_and(|member| member.source() == Some(&scene.intent().failed));
    let reason = format!("{server}, which was to take over, cannot be reached any more ({reason})");
    if untouched {
        scene.give_up(Outcome::Aborted { reason })
    } else {
        scene.give_up(Outcome::Failed { reason })
    }
}

/// The old primary answers and takes writes: it must not, before anybody else does.
fn fence(scene: &Scene<'_>, old: &Instance) -> Option<Next> {
    if takes_no_writes(old) || !scene.policy.fence {
        return None;
    }
    let key = &old.key;
    let Some(reason) = scene.given_up(key, "make-read-only") else {
        return Some(Next::Perform(fence_steps(key)));
    };
    let promoted =
        scene.recovery.choice.as_ref().and_then(|choice| scene.current(&choice.promoted));
    if promoted.is_some_and(|promoted| !promoted.read_only) {
        return None; // too late to go back; the fence is tried on after the recovery
    }
    let reason = format!(
        "{key} answers, takes writes and could not be made read-only ({reason}); a second server that takes writes would \
         be worse than none"
    );
    Some(scene.give_up(Outcome::Failed { reason }))
}

/// The promoted server fetches what another replica has and it lacks.
fn catch_up(scene: &Scene<'_>, choice: &Choice, promoted: &Instance) -> Option<Next> {
    let giver = choice.catch_up_from.as_ref()?;
    let source = promoted.source()?; // it is the primary already
    let missing = still_to_fetch(scene.view, choice)?;
    let server = promoted.key.clone();
    let gone = scene.current(giver).is_none();
    let tried = gone.then(|| "it cannot be reached any more".to_owned());
    let tried = tried.or_else(|| failed_to_fetch(scene, &server));
    if let Some(reason) = tried {
        let words = loss_without(&missing, promoted, &scene.policy.promotion).err()?;
        let reason =
            format!("{server} could not fetch what it lacks from {giver} ({reason}), and {words}");
        return Some(scene.give_up(Outcome::Failed { reason }));
    }
    let target = match Method::of(promoted) {
        Method::OracleGtid => ApplyTarget::Gtids { set: missing.set },
        Method::MariaDbGtid => ApplyTarget::Position { position: missing.position },
        Method::File => return None,
    };
    let limit = time_left(scene).max(PROGRESS);
    let wait = Step::WaitApplied { server: server.clone(), target, limit };
    let start = Step::StartReplication { server: server.clone() };
    let steps = if source == giver {
        vec![start, wait]
    } else {
        let at = SourcePosition::Unchanged;
        vec![Step::Repoint { server, source: giver.clone(), at }, start, wait]
    };
    Some(Next::Perform(steps))
}

fn failed_to_fetch(scene: &Scene<'_>, server: &InstanceKey) -> Option<String> {
    let kinds = ["repoint", "start-replication", "wait-applied"];
    kinds.iter().find_map(|kind| scene.given_up(server, kind))
}

/// The promoted server lets go of its source and takes writes.
fn promote(scene: &Scene<'_>, promoted: &Instance) -> Option<Next> {
    let server = promoted.key.clone();
    let follows = promoted.source().is_some();
    let let_go = match (scene.policy.detach_promoted, scene.policy.make_writable) {
        (true, _) => Some(Step::Detach { server: server.clone() }),
        (false, true) => Some(Step::ForgetSource { server: server.clone() }),
        (false, false) => None,
    };
    let mut steps: Vec<Step> = let_go.into_iter().filter(|_| follows).collect();
    if promoted.read_only && scene.policy.make_writable {
        steps.push(Step::MakeWritable { server: server.clone() });
    }
    if steps.is_empty() {
        return None;
    }
    let failure = ["forget-source", "detach", "make-writable"]
        .iter()
        .find_map(|kind| scene.attempts.given_up(&server, kind, PROMOTION_TRIES));
    match failure {
        None => Some(Next::Perform(steps)),
        Some(reason) if follows => {
            let reason = format!(
                "{server} was chosen and could not be promoted: {reason}; the replicas are as they were"
            );
            Some(scene.give_up(Outcome::Aborted { reason }))
        }
        Some(reason) => {
            let reason = format!(
                "{server} was chosen, has let go of its source and could not be made writable: {reason}; make it \
                 writable by hand, or acknowledge this recovery to have another one begun"
            );
            Some(scene.give_up(Outcome::Failed { reason }))
        }
    }
}

/// The others go below the promoted server. Whoever takes the steps keeps to `MaxConcurrentReplicaOperations`.
fn follow(scene: &Scene<'_>, choice: &Choice) -> Option<Next> {
    let steps: Vec<Step> = choice
        .followers
        .iter()
        .filter_map(|key| scene.current(key))
        .filter(|follower| scene.is_ours(follower, &choice.promoted))
        .filter(|follower| cannot_follow(scene, choice, follower).is_none())
        .map(|follower| {
            let at = match (Method::of(follower), &choice.position) {
                (Method::File, Some(position)) => {
                    SourcePosition::At { coordinates: position.clone() }
                }
                (Method::OracleGtid | Method::MariaDbGtid | Method::File, _) => {
                    SourcePosition::Unchanged
                }
            };
            scene.bring_below(follower, &choice.promoted, at)
        })
        .filter(|steps| !steps.is_empty())
        .flatten()
        .collect();
    (!steps.is_empty()).then_some(Next::Perform(steps))
}

/// Why a replica is not below the promoted server, and will not be.
fn cannot_follow(scene: &Scene<'_>, choice: &Choice, follower: &Instance) -> Option<String> {
    scene.could_not_follow(follower, &choice.promoted).or_else(|| has_more(scene, choice, follower))
}

/// It has transactions of the old primary that the promoted server could not get after all.
fn has_more(scene: &Scene<'_>, choice: &Choice, follower: &Instance) -> Option<String> {
    let promoted = scene.current(&choice.promoted)?;
    let errant = &scene.view.get(&follower.key)?.errant;
    if follower.source() != Some(&scene.intent().failed) {
        return None;
    }
    let beyond = beyond(follower, errant, promoted);
    (beyond > 0)
        .then(|| format!("it has {} that {} does not have", transactions(beyond), promoted.key))
}

/// Lost replicas must not follow the old primary when it comes back.
fn detach_lost(scene: &Scene<'_>, choice: &Choice) -> Option<Next> {
    if !scene.policy.detach_lost {
        return None;
    }
    let steps: Vec<Step> = scene
        .orphans()
        .filter(|instance| instance.key != choice.promoted)
        .filter(|instance| scene.given_up(&instance.key, "detach").is_none())
        .filter(|instance| {
            choice.lost.iter().any(|lost| lost.key == instance.key)
                || cannot_follow(scene, choice, instance).is_some()
        })
        .map(|instance| Step::Detach { server: instance.key.clone() })
        .collect();
    (!steps.is_empty()).then_some(Next::Perform(steps))
}

fn recovered(scene: &Scene<'_>, choice: &Choice) -> Outcome {
    let (lost, mut errors) =
        scene.stragglers(choice, |follower| cannot_follow(scene, choice, follower));
    if let Some(giver) = &choice.catch_up_from
        && let Some(reason) = scene.attempts.last_error(&choice.promoted, "wait-applied")
        && still_to_fetch(scene.view, choice).is_some()
    {
        errors.push(format!("not all was fetched from {giver}: {reason}"));
    }
    let detached = |key: &&InstanceKey| scene.given_up(key, "detach");
    errors.extend(lost.iter().filter_map(|key| {
        detached(&key).map(|reason| format!("{key} was not detached: {reason}"))
    }));
    Outcome::Recovered { successor: choice.promoted.clone(), lost, errors }
}
