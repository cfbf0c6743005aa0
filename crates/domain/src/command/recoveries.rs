//! What becomes of the registry when recoveries are opened, carried on, closed and acknowledged.

use std::collections::BTreeSet;
use std::time::Duration;

use jiff::Timestamp;

use super::{Acknowledged, Applied, Reply, Row};
use crate::checks::seconds_between;
use crate::explain::Explanation;
use crate::recovery::{Choice, Kind, Outcome};
use crate::registry::{
    Acknowledgement, Closed, Detection, Downtime, Fence, LOST_IN_RECOVERY, Recovery, RecoveryUid,
    Registry,
};

/// How long a server is in downtime that a recovery left behind, unless it is found following somebody again.
const LOST_FOR: jiff::SignedDuration = jiff::SignedDuration::from_hours(365 * 24);
/// How many detections are kept; the oldest go first.
const MOST_DETECTIONS: usize = 1000;

pub(super) fn detect(registry: &mut Registry, detection: &Detection, period_s: u64) -> Applied {
    let noted = registry.detections.iter().any(|noted| {
        noted.failed == detection.failed
            && noted.actionable == detection.actionable
            && seconds_between(noted.at, detection.at) < Duration::from_secs(period_s).as_secs_f64()
    });
    if noted {
        return Applied::refused("this failure is noted already");
    }
    let id = registry.detections.last().map_or(1, |last| last.id + 1);
    let mut rows = vec![Row::Detection(id)];
    registry.detections.push(Detection { id, ..detection.clone() });
    if registry.detections.len() > MOST_DETECTIONS {
        rows.push(Row::Detection(registry.detections.remove(0).id));
    }
    Applied { reply: Reply::Numbered { id }, rows }
}

/// One open recovery a cluster, and a server takes part in one at a time.
pub(super) fn open(registry: &mut Registry, recovery: &Recovery) -> Applied {
    let members = |recovery: &Recovery| {
        let intent = &recovery.intent;
        intent.replicas.iter().chain([&intent.failed]).cloned().collect::<BTreeSet<_>>()
    };
    let wanted = members(recovery);
    let in_the_way =
        registry.recoveries.values().filter(|other| other.closed.is_none()).find(|other| {
            other.cluster == recovery.cluster
                || (!other.alias.is_empty() && other.alias == recovery.alias)
                || !members(other).is_disjoint(&wanted)
        });
    if let Some(other) = in_the_way {
        return Applied::refused(format!(
            "recovery {} of {} is open since {}",
            other.id, other.intent.failed, other.opened
        ));
    }
    registry.next_recovery_id += 1;
    let id = registry.next_recovery_id;
    registry.recoveries.insert(recovery.uid.clone(), Recovery { id, ..recovery.clone() });
    Applied { reply: Reply::Numbered { id }, rows: vec![Row::Recovery(recovery.uid.clone())] }
}

pub(super) fn choose(
    registry: &mut Registry,
    uid: &RecoveryUid,
    choice: &Choice,
    at: Timestamp,
) -> Applied {
    let applied = with_open(registry, uid, |recovery| match &recovery.choice {
        Some(before) if before.promoted != choice.promoted => {
            Err(format!("{} was chosen before", before.promoted))
        }
        Some(_) => Ok(()),
        None => {
            recovery.choice = Some(choice.clone());
            Ok(())
        }
    });
    fence_failed(registry, uid, choice, at, applied)
}

/// From the moment a primary's successor is settled, the old one must not take writes any more.
fn fence_failed(
    registry: &mut Registry,
    uid: &RecoveryUid,
    choice: &Choice,
    at: Timestamp,
    mut applied: Applied,
) -> Applied {
    let failed = registry
        .recoveries
        .get(uid)
        .filter(|recovery| recovery.intent.kind == Kind::Primary)
        .map(|recovery| recovery.intent.failed.clone());
    if let (Reply::Done, Some(failed)) = (&applied.reply, failed) {
        let fence = Fence {
            recovery: uid.clone(),
            successor: choice.promoted.clone(),
            since: at,
            confirmed: None,
            last_error: None,
        };
        registry.fences.entry(failed.clone()).or_insert(fence);
        // Whoever takes over is to take writes, whatever it was before.
        registry.fences.remove(&choice.promoted);
        applied.rows.extend([Row::Fence(failed), Row::Fence(choice.promoted.clone())]);
    }
    applied
}

pub(super) fn close(
    registry: &mut Registry,
    uid: &RecoveryUid,
    outcome: &Outcome,
    explanation: Option<&Explanation>,
    at: Timestamp,
) -> Applied {
    let mut applied = with_open(registry, uid, |recovery| {
        let explanation = explanation.cloned().map(Box::new);
        recovery.begun = None; // the explanation says it
        recovery.closed = Some(Closed { at, outcome: outcome.clone(), explanation });
        Ok(())
    });
    let Some(recovery) = registry.recoveries.get(uid).filter(|_| applied.reply == Reply::Done)
    else {
        return applied;
    };
    let (kind, failed) = (recovery.intent.kind, recovery.intent.failed.clone());
    match (outcome, kind) {
        (Outcome::Recovered { successor, lost, .. }, Kind::Primary) => {
            for key in [&failed].into_iter().chain(lost) {
                registry.downtimes.insert(key.clone(), lost_in_recovery(uid, at));
                applied.rows.push(Row::Downtime(key.clone()));
            }
            registry.downtimes.remove(successor);
            applied.rows.push(Row::Downtime(successor.clone()));
        }
        (Outcome::Recovered { lost, .. }, Kind::Intermediate) => {
            for key in lost {
                registry.downtimes.insert(key.clone(), lost_in_recovery(uid, at));
                applied.rows.push(Row::Downtime(key.clone()));
            }
        }
        // Nobody took over: the failed server is the primary again when it comes back.
        (Outcome::Aborted { .. }, Kind::Primary)
            if registry.fences.get(&failed).is_some_and(|fence| fence.recovery == *uid) =>
        {
            registry.fences.remove(&failed);
            applied.rows.push(Row::Fence(failed));
        }
        (Outcome::Aborted { .. } | Outcome::Failed { .. }, _) => {}
    }
    applied
}

fn lost_in_recovery(uid: &RecoveryUid, at: Timestamp) -> Downtime {
    Downtime {
        owner: format!("recovery {uid}"),
        reason: LOST_IN_RECOVERY.to_owned(),
        begins: at,
        ends: at.checked_add(LOST_FOR).unwrap_or(Timestamp::MAX),
    }
}

/// Changes an open recovery.
pub(super) fn with_open(
    registry: &mut Registry,
    uid: &RecoveryUid,
    change: impl FnOnce(&mut Recovery) -> Result<(), String>,
) -> Applied {
    match registry.recoveries.get_mut(uid) {
        None => Applied { reply: Reply::NotFound, rows: Vec::new() },
        Some(recovery) if recovery.closed.is_some() => Applied::refused("the recovery is over"),
        Some(recovery) => match change(recovery) {
            Ok(()) => Applied::done(vec![Row::Recovery(uid.clone())]),
            Err(reason) => Applied::refused(reason),
        },
    }
}

pub(super) fn acknowledge(
    registry: &mut Registry,
    which: &Acknowledged,
    acknowledgement: &Acknowledgement,
) -> Applied {
    let is_meant = |recovery: &Recovery| match which {
        Acknowledged::All => true,
        Acknowledged::Id { id } => recovery.id == *id,
        Acknowledged::Uid { uid } => recovery.uid == *uid,
        Acknowledged::Instance { key } => recovery.intent.failed == *key,
        Acknowledged::Cluster { cluster } => {
            recovery.cluster == *cluster || recovery.alias == *cluster
        }
    };
    let mut rows = Vec::new();
    for recovery in registry.recoveries.values_mut() {
        if recovery.acknowledged.is_none() && is_meant(recovery) {
            recovery.acknowledged = Some(acknowledgement.clone());
            rows.push(Row::Recovery(recovery.uid.clone()));
        }
    }
    let count = rows.len() as u64;
    let ends_detection = |detection: &Detection| match which {
        Acknowledged::Instance { key } => detection.failed == *key,
        Acknowledged::Cluster { cluster } => detection.cluster == *cluster,
        Acknowledged::All | Acknowledged::Id { .. } | Acknowledged::Uid { .. } => false,
    };
    let ended: Vec<u64> = registry
        .detections
        .iter()
        .filter(|detection| ends_detection(detection))
        .map(|detection| detection.id)
        .collect();
    registry.detections.retain(|detection| !ends_detection(detection));
    rows.extend(ended.into_iter().map(Row::Detection));
    Applied { reply: Reply::Changed { count }, rows }
}
