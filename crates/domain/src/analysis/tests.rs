//! The rules on counted facts: no server, no database, no clock.

use std::collections::HashSet;

use super::AnalysisCode::*;
use super::rules::{GROUP_RULES, RULES, first_match};
use super::warnings::{self, WARNINGS};
use super::{AnalysisCode, Facts, Response, StructureWarning};

/// A healthy primary with three replicas.
fn primary() -> Facts {
    Facts { is_source: true, depth: 0, ..replicated(3) }
}

/// A healthy replica with three replicas.
fn intermediate() -> Facts {
    Facts { depth: 1, ..replicated(3) }
}

fn co_primary() -> Facts {
    Facts { is_co_source: true, ..intermediate() }
}

fn replicated(replicas: u32) -> Facts {
    Facts {
        valid: true,
        replicas,
        valid_replicas: replicas,
        replicating: replicas,
        lag_known: replicas,
        valid_oracle_gtid: replicas,
        logging: replicas,
        ..Facts::default()
    }
}

fn unreachable(facts: Facts) -> Facts {
    Facts { valid: false, ..facts }
}

fn orphaned(facts: Facts) -> Facts {
    Facts { replicating: 0, ..facts }
}

/// `facts` with so many replicas, so many of them valid, none replicating.
fn left(facts: Facts, replicas: u32, valid_replicas: u32) -> Facts {
    Facts { replicas, valid_replicas, replicating: 0, ..facts }
}

fn semi_sync(active: bool, wait_for: u32, clients: u32) -> Facts {
    Facts {
        semi_sync_enabled: true,
        semi_sync_active: active,
        semi_sync_wait_for: wait_for,
        semi_sync_clients: clients,
        ..primary()
    }
}

#[test]
fn each_state_of_a_primary_gets_its_code() {
    let dead = unreachable(primary());
    let lagging = Facts { lagging: 3, ..dead.clone() };
    let partial = Facts { partial: true, ..dead.clone() };
    let read_only = Facts { read_only: true, wants_writable: true, ..primary() };
    let cases = [
        ("all is well", primary(), NoProblem),
        ("it had no replica", left(dead.clone(), 0, 0), DeadMasterWithoutReplicas),
        ("no replica replicates", orphaned(dead.clone()), DeadMaster),
        ("all replicas are gone", left(dead.clone(), 3, 0), DeadMasterAndReplicas),
        ("one replica is gone", left(dead.clone(), 3, 2), DeadMasterAndSomeReplicas),
        ("all lag", lagging.clone(), UnreachableMasterWithLaggingReplicas),
        (
            "all lag, one on purpose",
            Facts { delayed: 1, ..lagging.clone() },
            UnreachableMasterWithLaggingReplicas,
        ),
        ("all lag on purpose", Facts { delayed: 3, ..lagging.clone() }, UnreachableMaster),
        ("one lags not", Facts { lagging: 2, ..lagging.clone() }, UnreachableMaster),
        (
            "one has an unknown lag",
            Facts { lagging: 2, lag_known: 2, ..lagging.clone() },
            UnreachableMasterWithLaggingReplicas,
        ),
        (
            "no lag is known",
            Facts { lagging: 0, lag_known: 0, ..lagging.clone() },
            UnreachableMaster,
        ),
        (
            "lag hides partial success",
            Facts { partial: true, ..lagging },
            UnreachableMasterWithLaggingReplicas,
        ),
        ("replicas still replicate", dead.clone(), UnreachableMaster),
        ("it half answered", partial.clone(), NoProblem),
        (
            "it half answered, one replica cannot connect",
            Facts { replicating: 2, failing_to_connect: 1, ..partial.clone() },
            UnreachableMaster,
        ),
        ("it half answered, no replica replicates", orphaned(partial), DeadMaster),
        ("it is read-only", read_only.clone(), NoWriteableMasterStructureWarning),
        (
            "it is read-only and that is fine",
            Facts { wants_writable: false, ..read_only.clone() },
            NoProblem,
        ),
        ("its single replica stopped", left(primary(), 1, 1), MasterSingleReplicaNotReplicating),
        ("its single replica died", left(primary(), 1, 0), MasterSingleReplicaDead),
        ("all replicas stopped", orphaned(primary()), AllMasterReplicasNotReplicating),
        (
            "all replicas stopped or died",
            left(primary(), 3, 2),
            AllMasterReplicasNotReplicatingOrDead,
        ),
        ("all replicas died", left(primary(), 3, 0), NoProblem),
    ];
    expect(cases);
}

#[test]
fn each_state_of_semi_synchronous_replication_gets_its_code() {
    let locked = semi_sync(true, 2, 1);
    let exact = Facts { wants_exact_semi_sync: true, ..semi_sync(true, 2, 3) };
    let cases = [
        ("enough acknowledge", semi_sync(true, 2, 2), NoProblem),
        ("locked", Facts { stale: true, ..locked.clone() }, LockedSemiSyncMaster),
        ("perhaps locked", locked.clone(), LockedSemiSyncMasterHypothesis),
        ("fallen back", semi_sync(false, 2, 1), NoProblem),
        ("locked though unreachable", unreachable(locked.clone()), UnreachableMaster),
        (
            "locked and unreachable with no opinion",
            Facts { partial: true, ..unreachable(locked.clone()) },
            LockedSemiSyncMasterHypothesis,
        ),
        ("locked hides stopped replicas", orphaned(locked), LockedSemiSyncMasterHypothesis),
        ("too many acknowledge", exact.clone(), MasterWithTooManySemiSyncReplicas),
        ("too many and nobody minds", Facts { wants_exact_semi_sync: false, ..exact }, NoProblem),
    ];
    expect(cases);
}

#[test]
fn each_state_of_a_co_primary_gets_its_code() {
    let dead = unreachable(co_primary());
    let cases = [
        ("all is well", co_primary(), NoProblem),
        ("none replicates", orphaned(dead.clone()), DeadCoMaster),
        ("only the other co-primary followed", left(dead.clone(), 1, 1), DeadCoMaster),
        ("one replica is gone", left(dead.clone(), 3, 2), DeadCoMasterAndSomeReplicas),
        ("all replicas are gone", left(dead.clone(), 3, 0), DeadIntermediateMasterAndReplicas),
        ("replicas still replicate", dead, UnreachableCoMaster),
        (
            "none replicates from a living one",
            orphaned(co_primary()),
            AllCoMasterReplicasNotReplicating,
        ),
    ];
    expect(cases);
}

#[test]
fn each_state_of_an_intermediate_primary_gets_its_code() {
    let dead = unreachable(intermediate());
    let failing =
        |valid: u32| Facts { failing_to_connect: valid, ..left(intermediate(), 3, valid) };
    let failing_single = Facts { failing_to_connect: 1, ..left(dead.clone(), 1, 1) };
    let failing_itself = Facts { self_failing_to_connect: true, ..intermediate() };
    let cases = [
        ("all is well", intermediate(), NoProblem),
        ("no replicas", left(dead.clone(), 0, 0), NoProblem),
        (
            "its single replica cannot connect",
            failing_single,
            DeadIntermediateMasterWithSingleReplicaFailingToConnect,
        ),
        (
            "its single replica stopped",
            left(dead.clone(), 1, 1),
            DeadIntermediateMasterWithSingleReplica,
        ),
        ("none replicates", orphaned(dead.clone()), DeadIntermediateMaster),
        ("one replica is gone", left(dead.clone(), 3, 2), DeadIntermediateMasterAndSomeReplicas),
        ("all replicas are gone", left(dead.clone(), 3, 0), DeadIntermediateMasterAndReplicas),
        (
            "all lag",
            Facts { lagging: 3, ..dead.clone() },
            UnreachableIntermediateMasterWithLaggingReplicas,
        ),
        ("replicas still replicate", dead.clone(), UnreachableIntermediateMaster),
        ("it half answered", Facts { partial: true, ..dead.clone() }, NoProblem),
        (
            "it half answered, one cannot connect",
            Facts { partial: true, failing_to_connect: 1, ..dead },
            NoProblem,
        ),
        ("none can connect", failing(3), AllIntermediateMasterReplicasFailingToConnectOrDead),
        (
            "none can connect, one is gone",
            failing(2),
            AllIntermediateMasterReplicasFailingToConnectOrDead,
        ),
        (
            "none replicates from a living one",
            orphaned(intermediate()),
            AllIntermediateMasterReplicasNotReplicating,
        ),
        ("all replicas died", left(intermediate(), 3, 0), NoProblem),
        (
            "a binlog server cannot connect",
            Facts { is_binlog_server: true, ..failing_itself.clone() },
            BinlogServerFailingToConnectToMaster,
        ),
        (
            "a first tier replica cannot connect",
            failing_itself.clone(),
            FirstTierReplicaFailingToConnectToMaster,
        ),
        ("a second tier replica cannot connect", Facts { depth: 2, ..failing_itself }, NoProblem),
    ];
    expect(cases);
}

#[test]
fn of_group_members_only_the_loss_of_their_replicas_is_named() {
    let member = |facts: Facts| Facts { is_group_member: true, ..facts };
    let cases = [
        ("all is well", member(primary()), NoProblem),
        (
            "none replicates",
            member(orphaned(unreachable(primary()))),
            DeadReplicationGroupMemberWithReplicas,
        ),
        ("no replicas", member(left(unreachable(primary()), 0, 0)), NoProblem),
        ("replicas still replicate", member(unreachable(primary())), NoProblem),
        (
            "it lives",
            member(Facts { shows_life: true, ..orphaned(unreachable(primary())) }),
            NoProblem,
        ),
    ];
    expect(cases);
}

fn expect<const N: usize>(cases: [(&str, Facts, AnalysisCode); N]) {
    for (name, facts, expected) in cases {
        assert_eq!(first_match(&facts), expected, "{name}: {facts:#?}");
    }
}

/// States with every combination of what the rules of servers with up to three replicas read.
fn space() -> impl Iterator<Item = Facts> {
    let counts = (0..=3_u32).flat_map(|replicas| {
        (0..=replicas).flat_map(move |valid| {
            (0..=valid).flat_map(move |replicating| {
                (0..=valid - replicating)
                    .map(move |failing| (replicas, valid, replicating, failing))
            })
        })
    });
    let bits = |count: u32| 0..(1_u32 << count);
    counts.flat_map(move |(replicas, valid_replicas, replicating, failing_to_connect)| {
        bits(13).map(move |bit| {
            let on = |index: u32| bit & (1 << index) != 0;
            let all = |index: u32| if on(index) { valid_replicas } else { 0 };
            Facts {
                is_source: on(0) && !on(1),
                is_co_source: on(1),
                depth: u32::from(!on(0)),
                valid: on(2),
                shows_life: on(3) && !on(2),
                partial: on(4) && !on(2),
                read_only: on(5),
                wants_writable: on(5),
                semi_sync_enabled: on(6),
                semi_sync_active: on(6),
                semi_sync_wait_for: 2,
                semi_sync_clients: if on(7) { 3 } else { 1 },
                wants_exact_semi_sync: true,
                stale: on(8),
                lagging: all(9),
                lag_known: valid_replicas,
                delayed: all(10),
                is_binlog_server: on(11),
                self_failing_to_connect: on(12),
                replicas,
                valid_replicas,
                replicating,
                failing_to_connect,
                ..Facts::default()
            }
        })
    })
}

/// No rule may be hidden behind an earlier one.
#[test]
fn every_rule_can_win() {
    let won: HashSet<usize> =
        space().filter_map(|facts| RULES.iter().position(|(_, matches)| matches(&facts))).collect();
    let hidden: Vec<_> =
        (0..RULES.len()).filter(|index| !won.contains(index)).map(|index| RULES[index].0).collect();
    assert!(hidden.is_empty(), "never won: {hidden:?}");
}

/// Every published code is produced by some rule.
#[test]
fn every_code_has_a_rule() {
    let named: HashSet<AnalysisCode> =
        RULES.iter().chain(GROUP_RULES).map(|(code, _)| *code).collect();
    let missing: Vec<_> = AnalysisCode::ALL.iter().filter(|code| !named.contains(code)).collect();
    assert_eq!(missing, [&NoProblem]);
}

#[test]
fn a_server_that_lives_is_never_called_dead() {
    for facts in space().filter(|facts| facts.valid || facts.shows_life) {
        let code = first_match(&facts);
        let dead = code.name().starts_with("Dead");
        assert!(!dead, "{code:?}: {facts:#?}");
    }
}

#[test]
fn no_server_is_replaced_while_a_replica_replicates_from_it() {
    use Response::{ReplaceCoPrimary, ReplaceGroupMember, ReplaceIntermediate, ReplacePrimary};
    for facts in space().filter(|facts| facts.replicating > 0) {
        let response = first_match(&facts).response();
        let replaces = [ReplaceCoPrimary, ReplaceGroupMember, ReplaceIntermediate, ReplacePrimary];
        assert!(!replaces.contains(&response), "{response:?}: {facts:#?}");
    }
}

#[test]
fn each_weakness_of_the_structure_gets_its_warning() {
    use StructureWarning as W;
    let modes = |own: &str, replicas: &[&str]| Facts {
        gtid_mode: Some(own.into()),
        replica_gtid_modes: replicas.iter().map(|mode| (*mode).to_owned()).collect(),
        ..intermediate()
    };
    let formats = |statement, mixed, row| Facts {
        logging_statement: statement,
        logging_mixed: mixed,
        logging_row: row,
        ..primary()
    };
    let unsupported = Facts { valid_oracle_gtid: 2, ..primary() };
    let cases = [
        ("all is well", primary(), vec![]),
        (
            "no replica logs",
            Facts { logging: 0, ..primary() },
            vec![W::NoLoggingReplicasStructureWarning],
        ),
        (
            "one replica has no GTID",
            unsupported.clone(),
            vec![W::NoFailoverSupportStructureWarning],
        ),
        ("Pseudo-GTID will do", Facts { pseudo_gtid: true, ..unsupported }, vec![]),
        (
            "statement, mixed",
            formats(1, 1, 0),
            vec![W::StatementAndMixedLoggingReplicasStructureWarning],
        ),
        (
            "statement, row",
            formats(1, 0, 1),
            vec![W::StatementAndRowLoggingReplicasStructureWarning],
        ),
        ("mixed, row", formats(0, 1, 1), vec![W::MixedAndRowLoggingReplicasStructureWarning]),
        (
            "versions",
            Facts { logging_versions: 2, ..primary() },
            vec![W::MultipleMajorVersionsLoggingReplicasStructureWarning],
        ),
        ("GTID modes", modes("ON", &["OFF", "ON"]), vec![W::DifferentGTIDModesStructureWarning]),
        ("equal GTID modes", modes("ON", &["ON"]), vec![]),
        ("unknown GTID mode", Facts { gtid_mode: None, ..modes("", &["ON"]) }, vec![]),
        (
            "errant",
            Facts { errant: "u:1".into(), ..intermediate() },
            vec![W::ErrantGTIDStructureWarning],
        ),
        (
            "read-only",
            Facts { read_only: true, ..primary() },
            vec![W::NoWriteableMasterStructureWarning],
        ),
        ("a read-only replica", Facts { read_only: true, ..intermediate() }, vec![]),
        (
            "fallen back",
            semi_sync(false, 2, 1),
            vec![W::NotEnoughValidSemiSyncReplicasStructureWarning],
        ),
        ("in effect", semi_sync(true, 2, 1), vec![]),
    ];
    for (name, facts, expected) in cases {
        assert_eq!(warnings::all(&facts), expected, "{name}: {facts:#?}");
    }
    let order: Vec<_> = WARNINGS.iter().map(|(warning, _)| *warning).collect();
    assert_eq!(order, StructureWarning::ALL);
}
