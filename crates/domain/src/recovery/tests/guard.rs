use std::time::Duration;

use super::*;
use crate::analysis::AnalysisCode;
use crate::checks::{FailureKind, ProbeFailure};
use crate::filters::ClusterFilters;
use crate::fixture::{later, problem};
use crate::recovery::{Circumstances, may_begin};
use crate::registry::{
    Acknowledgement, Closed, Disabled, Downtime, LOST_IN_RECOVERY, Maintenance, RecoveryUid,
};

fn verdict(fleet: &Fleet, circumstances: &Circumstances) -> Result<(), (&'static str, String)> {
    may_begin(&fleet.problem(), &fleet.view, &fleet.registry, &fleet.policy, circumstances)
        .map_err(|refusal| (refusal.kind(), refusal.to_string()))
}

fn kind(fleet: &Fleet) -> &'static str {
    verdict(fleet, &circumstances()).err().map_or("allowed", |(kind, _)| kind)
}

fn closed(fleet: &Fleet, uid: &str, seconds_ago: i64, outcome: Outcome) -> Recovery {
    let mut recovery = fleet.recovery();
    recovery.uid = RecoveryUid(uid.into());
    recovery.id = 7;
    recovery.opened = later(-seconds_ago);
    recovery.closed = Some(Closed { at: later(-seconds_ago), outcome, explanation: None });
    recovery
}

fn with(mut fleet: Fleet, recovery: Recovery) -> Fleet {
    fleet.registry.recoveries.insert(recovery.uid.clone(), recovery);
    fleet
}

fn success(successor: &str) -> Outcome {
    Outcome::Recovered { successor: key(successor), lost: Vec::new(), errors: Vec::new() }
}

#[test]
fn each_thing_that_stands_against_a_recovery_is_named() {
    let fleet = Fleet::mysql(2);
    let downtime = Downtime {
        owner: "ann".into(),
        reason: LOST_IN_RECOVERY.into(),
        begins: later(-10),
        ends: later(10),
    };
    let lock = Maintenance {
        owner: "bob".into(),
        reason: "disk".into(),
        begins: later(-10),
        ends: later(10),
    };
    let mut cases = vec![("allowed", fleet.clone())];
    let mut case = |name, change: &dyn Fn(&mut Fleet)| {
        let mut fleet = fleet.clone();
        change(&mut fleet);
        cases.push((name, fleet));
    };
    case("disabled", &|fleet| {
        let disabled = Disabled { by: "ann".into(), at: later(-10) };
        fleet.registry.recoveries_disabled = Some(disabled);
    });
    case("downtimed", &|fleet| {
        fleet.registry.downtimes.insert(key("p"), downtime.clone());
    });
    case("maintenance", &|fleet| {
        fleet.registry.maintenance.insert(key("p"), lock.clone());
    });
    case("not-configured", &|fleet| {
        fleet.policy.primaries = ClusterFilters::parse(&["alias=other"]).unwrap();
    });
    case("confirming", &|fleet| {
        let all = ClusterFilters::parse(&["*"]).unwrap();
        fleet.policy.confirmation = vec![(all, Duration::from_secs(5))];
    });
    case("alive", &|fleet| {
        *fleet = fleet.clone().with_member("p", |p| {
            let detail = "error 1040".to_owned();
            p.checks.failure = Some(ProbeFailure { kind: FailureKind::TooManyConnections, detail });
        });
    });
    case("just-started", &|fleet| {
        *fleet = fleet.clone().with_member("r2", |r2| r2.checks.last_checked = Some(later(-7200)));
    });
    case("no-choice", &|fleet| {
        for host in ["r1", "r2"] {
            *fleet = fleet.clone().with(host, |facts| facts.binlog.enabled = false);
        }
    });
    case("open", &|fleet| {
        let open = fleet.recovery();
        fleet.registry.recoveries.insert(open.uid.clone(), open);
    });
    case("blocked", &|fleet| {
        let earlier = closed(fleet, "old", 100, success("r9"));
        fleet.registry.recoveries.insert(earlier.uid.clone(), earlier);
    });
    case("just-promoted", &|fleet| {
        let mut earlier = closed(fleet, "old", 100, success("p"));
        earlier.cluster = "before:3306".into();
        earlier.alias = "before:3306".into();
        earlier.intent.failed = key("before");
        fleet.registry.recoveries.insert(earlier.uid.clone(), earlier);
    });
    case("pausing", &|fleet| {
        let given_up = Outcome::Aborted { reason: "a hook".into() };
        let earlier = closed(fleet, "old", 2, given_up);
        fleet.registry.recoveries.insert(earlier.uid.clone(), earlier);
    });
    for (name, fleet) in &cases {
        assert_eq!(kind(fleet), *name, "{:?}", verdict(fleet, &circumstances()));
    }
}

#[test]
fn a_person_who_insists_passes_over_everything_but_facts() {
    let forced = Circumstances { forced: true, ..circumstances() };
    let fleet = Fleet::mysql(2);
    let mut blocked = with(fleet.clone(), closed(&fleet, "old", 100, success("r9")));
    blocked.registry.recoveries_disabled = Some(Disabled { by: "ann".into(), at: later(-10) });
    blocked.policy.primaries = ClusterFilters::default();
    assert_eq!(verdict(&blocked, &forced), Ok(()));
    let open = with(fleet.clone(), fleet.recovery());
    assert_eq!(verdict(&open, &forced).unwrap_err().0, "open");
    let follower = Circumstances { leads: false, ..forced };
    assert_eq!(verdict(&fleet, &follower).unwrap_err().0, "not-leading");
}

#[test]
fn a_block_ends_with_its_period_or_with_an_acknowledgement() {
    let fleet = Fleet::mysql(2);
    let mut recovery = closed(&fleet, "old", 3599, success("r9"));
    assert_eq!(kind(&with(fleet.clone(), recovery.clone())), "blocked");
    let words = verdict(&with(fleet.clone(), recovery.clone()), &circumstances()).unwrap_err().1;
    assert!(words.contains("recovery 7") && words.contains("03:00:01 UTC"), "{words}");
    recovery.opened = later(-3601);
    assert_eq!(kind(&with(fleet.clone(), recovery.clone())), "allowed");
    recovery.opened = later(-10);
    recovery.acknowledged =
        Some(Acknowledgement { by: "ann".into(), at: now(), comment: "seen".into() });
    assert_eq!(kind(&with(fleet, recovery)), "allowed");
}

#[test]
fn a_recovery_blocks_the_cluster_under_its_new_name_too() {
    let fleet = Fleet::mysql(2);
    let mut earlier = closed(&fleet, "old", 100, success("r2"));
    earlier.cluster = "gone:3306".into();
    earlier.alias = "gone:3306".into();
    earlier.intent.failed = key("gone");
    assert_eq!(kind(&with(fleet, earlier)), "blocked");
}

#[test]
fn a_failure_that_lasted_is_confirmed() {
    let mut fleet = Fleet::mysql(2);
    let all = ClusterFilters::parse(&["*"]).unwrap();
    fleet.policy.confirmation = vec![(all, Duration::from_secs(5))];
    let since =
        |seconds: i64| Circumstances { failed_since: Some(later(-seconds)), ..circumstances() };
    assert_eq!(verdict(&fleet, &since(4)).unwrap_err().0, "confirming");
    assert_eq!(verdict(&fleet, &since(5)), Ok(()));
}

#[test]
fn a_primary_that_was_never_seen_has_to_wait_for_its_replicas_to_be_found() {
    let fleet = Fleet::mysql(2).with_member("p", |p| p.checks.last_seen = None);
    let started = |seconds: i64| Circumstances { started: later(-seconds), ..circumstances() };
    assert_eq!(verdict(&fleet, &started(1)).unwrap_err().0, "never-seen");
    assert_eq!(verdict(&fleet, &started(16)), Ok(()));
}

#[test]
fn what_has_no_recovery_is_not_begun_even_by_force() {
    let fleet = Fleet::mysql(2);
    let forced = Circumstances { forced: true, ..circumstances() };
    for code in AnalysisCode::ALL {
        let problem = problem("p", *code);
        let verdict = may_begin(&problem, &fleet.view, &fleet.registry, &fleet.policy, &forced);
        let kind = verdict.err().map(|refusal| refusal.kind());
        assert_eq!(
            kind == Some("nothing-to-do"),
            crate::recovery::kind_of(*code).is_none(),
            "{code:?}"
        );
    }
}

#[test]
fn tries_that_were_given_up_are_repeated_less_and_less_often() {
    let pauses_s: Vec<i64> = (1..=8)
        .map(|times| {
            let mut fleet = Fleet::mysql(2);
            for number in 1..=times {
                let given_up = Outcome::Aborted { reason: "a hook".into() };
                let earlier = closed(&fleet, &format!("try {number}"), 0, given_up);
                fleet.registry.recoveries.insert(earlier.uid.clone(), earlier);
            }
            let (problem, now) = (fleet.problem(), circumstances());
            match may_begin(&problem, &fleet.view, &fleet.registry, &fleet.policy, &now) {
                Err(crate::recovery::Refusal::Pausing { at, until, .. }) => {
                    until.duration_since(at).as_secs()
                }
                other => panic!("{other:?}"),
            }
        })
        .collect();
    assert_eq!(pauses_s, [5, 10, 20, 40, 80, 160, 300, 300]);
}
