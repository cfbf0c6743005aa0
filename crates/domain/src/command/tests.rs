//! What the log's commands come to.

use super::*;
use crate::fixture::{Fleet, key, later, now};
use crate::recovery::{Kind, Loss, Outcome, open_recovery};
use crate::registry::LOST_IN_RECOVERY;

/// A registry with one open recovery of `p`.
fn opened() -> (Registry, RecoveryUid) {
    let fleet = Fleet::mysql(3);
    let mut registry = Registry::default();
    let uid = RecoveryUid("one".to_owned());
    let recovery = open_recovery(uid.clone(), &fleet.problem(), &fleet.view, now());
    let reply = order(&mut registry, 0, Order::OpenRecovery { recovery: Box::new(recovery) });
    assert_eq!(reply, Reply::Numbered { id: 1 });
    (registry, uid)
}

fn order(registry: &mut Registry, seconds: i64, order: Order) -> Reply {
    apply(registry, &Command { at: later(seconds), by: "test".to_owned(), order }).reply
}

fn chosen(uid: &RecoveryUid, host: &str) -> Order {
    let choice = Choice {
        promoted: key(host),
        reason: "test".to_owned(),
        catch_up_from: None,
        followers: Vec::new(),
        lost: Vec::new(),
        rejected: Vec::new(),
        position: None,
        loss: Loss::default(),
    };
    Order::Choose { uid: uid.clone(), choice }
}

fn closed(uid: &RecoveryUid, outcome: Outcome) -> Order {
    Order::CloseRecovery { uid: uid.clone(), outcome, explanation: None }
}

fn recovered(host: &str, lost: &[&str]) -> Outcome {
    let lost = lost.iter().map(|host| key(host)).collect();
    Outcome::Recovered { successor: key(host), lost, errors: Vec::new() }
}

#[test]
fn a_cluster_has_one_open_recovery_at_most() {
    let (mut registry, uid) = opened();
    let again =
        Recovery { uid: RecoveryUid("two".to_owned()), ..registry.recoveries[&uid].clone() };
    let open = Order::OpenRecovery { recovery: Box::new(again) };
    assert!(matches!(order(&mut registry, 1, open.clone()), Reply::Refused { .. }));
    assert_eq!(registry.recoveries.len(), 1);
    order(&mut registry, 2, closed(&uid, recovered("r1", &[])));
    assert_eq!(order(&mut registry, 3, open), Reply::Numbered { id: 2 });
}

#[test]
fn the_first_choice_stands() {
    let (mut registry, uid) = opened();
    assert_eq!(order(&mut registry, 1, chosen(&uid, "r1")), Reply::Done);
    assert!(matches!(order(&mut registry, 2, chosen(&uid, "r2")), Reply::Refused { .. }));
    assert_eq!(order(&mut registry, 3, chosen(&uid, "r1")), Reply::Done);
    let choice = registry.recoveries[&uid].choice.as_ref();
    assert_eq!(choice.map(|choice| &choice.promoted), Some(&key("r1")));
}

#[test]
fn the_old_primary_is_fenced_as_soon_as_its_successor_is_settled() {
    let (mut registry, uid) = opened();
    assert!(registry.fences.is_empty());
    order(&mut registry, 1, chosen(&uid, "r1"));
    let fence = &registry.fences[&key("p")];
    assert_eq!((&fence.successor, fence.confirmed), (&key("r1"), None));
}

#[test]
fn who_takes_over_is_fenced_no_longer() {
    let (mut registry, uid) = opened();
    order(&mut registry, 1, chosen(&uid, "r1"));
    order(&mut registry, 2, closed(&uid, recovered("r1", &[])));
    // The old primary, built anew and put back by hand, takes over from r1.
    let mut back = registry.recoveries[&uid].clone();
    (back.uid, back.closed, back.choice) = (RecoveryUid("two".to_owned()), None, None);
    (back.intent.failed, back.intent.replicas) = (key("r1"), vec![key("p"), key("r2")]);
    let second = back.uid.clone();
    order(&mut registry, 3, Order::OpenRecovery { recovery: Box::new(back) });
    order(&mut registry, 4, chosen(&second, "p"));
    assert_eq!(registry.fences.keys().collect::<Vec<_>>(), [&key("r1")]);
}

#[test]
fn a_recovery_that_changed_nothing_leaves_no_fence() {
    let (mut registry, uid) = opened();
    order(&mut registry, 1, chosen(&uid, "r1"));
    order(&mut registry, 2, closed(&uid, Outcome::Aborted { reason: "in vain".to_owned() }));
    assert!(registry.fences.is_empty() && registry.downtimes.is_empty());
}

#[test]
fn a_recovery_that_failed_half_way_keeps_the_fence() {
    let (mut registry, uid) = opened();
    order(&mut registry, 1, chosen(&uid, "r1"));
    order(&mut registry, 2, closed(&uid, Outcome::Failed { reason: "half way".to_owned() }));
    assert!(registry.fences.contains_key(&key("p")));
}

#[test]
fn the_old_primary_and_lost_replicas_are_in_downtime_and_the_successor_is_not() {
    let (mut registry, uid) = opened();
    let downtime = Downtime {
        owner: "ann".to_owned(),
        reason: "disk".to_owned(),
        begins: now(),
        ends: later(600),
    };
    order(&mut registry, 0, Order::BeginDowntime { key: key("r1"), downtime });
    order(&mut registry, 1, chosen(&uid, "r1"));
    order(&mut registry, 2, closed(&uid, recovered("r1", &["r3"])));
    let reasons: Vec<_> = registry
        .downtimes
        .iter()
        .map(|(key, at)| (key.host.as_str(), at.reason.as_str()))
        .collect();
    assert_eq!(reasons, [("p", LOST_IN_RECOVERY), ("r3", LOST_IN_RECOVERY)]);
    assert!(registry.downtime(&key("p"), later(364 * 86400)).is_some());
}

#[test]
fn a_dead_intermediate_primary_is_neither_fenced_nor_in_downtime() {
    let (mut registry, uid) = opened();
    registry.recoveries.get_mut(&uid).unwrap().intent.kind = Kind::Intermediate;
    order(&mut registry, 1, chosen(&uid, "r1"));
    order(&mut registry, 2, closed(&uid, recovered("r1", &["r3"])));
    assert!(registry.fences.is_empty());
    assert_eq!(registry.downtimes.keys().collect::<Vec<_>>(), [&key("r3")]);
}

#[test]
fn the_hooks_of_a_list_are_started_once() {
    let (mut registry, uid) = opened();
    let start = || Order::StartHooks { uid: uid.clone(), list: "PreFailoverProcesses".to_owned() };
    assert_eq!(order(&mut registry, 1, start()), Reply::Done);
    assert!(matches!(order(&mut registry, 2, start()), Reply::Refused { .. }));
}

#[test]
fn nothing_is_changed_in_a_recovery_that_is_over() {
    let (mut registry, uid) = opened();
    order(&mut registry, 1, closed(&uid, recovered("r1", &[])));
    let before = registry.clone();
    for late in [
        chosen(&uid, "r2"),
        closed(&uid, recovered("r2", &[])),
        Order::StartHooks { uid: uid.clone(), list: "PreFailoverProcesses".to_owned() },
    ] {
        assert!(matches!(order(&mut registry, 2, late), Reply::Refused { .. }));
    }
    assert_eq!(registry, before);
}

#[test]
fn commands_survive_being_written_and_read() {
    let (registry, uid) = opened();
    let recovery = Box::new(registry.recoveries[&uid].clone());
    for order in [
        Order::OpenRecovery { recovery },
        chosen(&uid, "r1"),
        closed(&uid, recovered("r1", &["r3"])),
        Order::SetGlobalRecoveries { enabled: false },
        Order::Acknowledge {
            which: Acknowledged::All,
            acknowledgement: Acknowledgement {
                at: now(),
                by: "ann".to_owned(),
                comment: "seen".to_owned(),
            },
        },
    ] {
        let command = Command { at: now(), by: "test".to_owned(), order };
        let written = serde_json::to_string(&command).unwrap();
        assert_eq!(serde_json::from_str::<Command>(&written).unwrap(), command, "{written}");
    }
}
