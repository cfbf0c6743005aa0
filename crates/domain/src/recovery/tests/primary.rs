use super::*;
use crate::fixture::{gtids, later};
use crate::instance::{PromotionRule, ThreadState};

#[test]
fn a_healthy_fleet_is_recovered_in_three_groups() {
    let mut run = Run::of(&Fleet::mysql(3));
    let outcome = run.finish();
    assert_eq!(recovered(&outcome), (&key("r1"), &[][..], &[][..]));
    let expected = [
        "stop receiving on r1:3306",
        "stop receiving on r2:3306",
        "stop receiving on r3:3306",
        "make r1:3306 forget its source",
        "make r1:3306 writable",
        "point r2:3306 at r1:3306",
        "start replication on r2:3306",
        "point r3:3306 at r1:3306",
        "start replication on r3:3306",
    ];
    assert_eq!(run.texts(), expected);
    assert_eq!(run.groups, 3);
}

#[test]
fn what_was_received_is_applied_before_anybody_takes_writes() {
    let fleet = Fleet::mysql(2)
        .with("r1", |r1| r1.gtid.retrieved = gtids("90-120"))
        .with("r2", |r2| r2.gtid.retrieved = gtids("90-110"));
    let mut run = Run::of(&fleet);
    let outcome = run.finish();
    assert_eq!(recovered(&outcome).0, &key("r1"));
    assert_eq!(run.texts()[2], "wait until r1:3306 has applied all it received, at most 30 s");
    assert_eq!(run.fleet.instance("r1").gtid.executed, gtids("1-120"));
    assert_eq!(run.fleet.instance("r2").gtid.executed, gtids("1-120"));
}

#[test]
fn a_preferred_candidate_fetches_what_it_lacks_from_the_replica_that_is_ahead() {
    for fleet in [Fleet::mysql(3), Fleet::mariadb(3)] {
        let ahead = |facts: &mut crate::instance::Instance| {
            facts.gtid.executed = if facts.gtid.mode.is_some() {
                gtids("1-150")
            } else {
                crate::gtid::GtidSet::default()
            };
            if facts.gtid.slave_pos.is_some() {
                let position = "0-1-150".parse().ok();
                facts.gtid.slave_pos.clone_from(&position);
                facts.gtid.binlog_pos.clone_from(&position);
                facts.gtid.io_pos = position;
            }
        };
        let fleet =
            fleet.with("r3", ahead).with("r2", |r2| r2.detected_rule = Some(PromotionRule::Prefer));
        let mut run = Run::of(&fleet);
        let outcome = run.finish();
        let (successor, lost, errors) = recovered(&outcome);
        assert_eq!((successor, lost, errors), (&key("r2"), &[][..], &[][..]));
        let choice = run.recovery.choice.as_ref().unwrap();
        assert_eq!(choice.catch_up_from, Some(key("r3")));
        assert_eq!(choice.loss.transactions, Some(0), "{:?}", choice.loss);
        assert!(choice.reason.contains("50 transactions"), "{}", choice.reason);
        let texts = run.texts();
        assert_eq!(texts[3], "point r2:3306 at r3:3306");
        let r2 = run.fleet.instance("r2");
        assert!(r2.gtid.executed == gtids("1-150") || r2.gtid.executed.is_empty());
        assert!(r2.gtid.slave_pos.as_ref().is_none_or(|pos| pos.to_string() == "0-1-150"));
    }
}

#[test]
fn without_gtid_replicas_go_on_from_the_promoted_servers_own_position() {
    let mut run = Run::of(&Fleet::by_file(3));
    let outcome = run.finish();
    assert_eq!(recovered(&outcome), (&key("r1"), &[][..], &[][..]));
    let moves: Vec<_> = run.texts().into_iter().filter(|text| text.starts_with("point")).collect();
    let expected = [
        "point r2:3306 at r1:3306 from binlog.000007:1000",
        "point r3:3306 at r1:3306 from binlog.000007:1000",
    ];
    assert_eq!(moves, expected);
}

#[test]
fn without_gtid_replicas_that_differ_are_left_as_they_were() {
    let behind = |facts: &mut crate::instance::Instance| {
        let replication = facts.replication.as_mut().unwrap();
        replication.read = "binlog.000003:400".parse().ok();
        replication.executed.clone_from(&replication.read);
    };
    let fleet = Fleet::by_file(3).with("r2", behind);
    let mut run = Run::of(&fleet);
    let outcome = run.finish();
    let reason = aborted(&outcome);
    assert!(
        reason.contains("binlog.000003:400") && reason.contains("binlog.000003:500"),
        "{reason}"
    );
    assert!(run.steps.is_empty(), "{:?}", run.texts());
}

#[test]
fn without_gtid_a_named_candidate_that_is_ahead_loses_those_behind() {
    let behind = |facts: &mut crate::instance::Instance| {
        let replication = facts.replication.as_mut().unwrap();
        replication.read = "binlog.000003:400".parse().ok();
        replication.executed.clone_from(&replication.read);
    };
    let fleet = Fleet::by_file(3).with("r2", behind);
    let mut run = Run::of(&fleet);
    run.recovery.intent.wanted = Some(key("r3"));
    let outcome = run.finish();
    assert_eq!(recovered(&outcome).1, [key("r2")]);
    assert!(run.texts().contains(&"detach r2:3306 from its source".to_owned()));
    run = Run::of(&fleet);
    run.recovery.intent.wanted = Some(key("r2"));
    let outcome = run.finish();
    let reason = aborted(&outcome);
    assert!(reason.starts_with("r2:3306 was asked for and cannot take over"), "{reason}");
}

#[test]
fn without_gtid_differences_are_judged_only_when_all_is_applied() {
    let unapplied = |facts: &mut crate::instance::Instance| {
        let replication = facts.replication.as_mut().unwrap();
        replication.executed = "binlog.000003:400".parse().ok();
    };
    let mut run = Run::of(&Fleet::by_file(3).with("r2", unapplied));
    let outcome = run.finish();
    assert_eq!(recovered(&outcome), (&key("r1"), &[][..], &[][..]));
    assert_eq!(run.texts()[3], "wait until r2:3306 has applied all it received, at most 30 s");
}

#[test]
fn a_primary_that_answers_before_the_choice_ends_the_recovery_and_receivers_run_again() {
    let mut run = Run::of(&Fleet::mysql(2));
    let Next::Perform(stops) = run.next() else { panic!("nothing to do") };
    run.perform(stops, &mut |_, _| None);
    run.fleet = run.fleet.clone().answering("p");
    let outcome = run.finish();
    assert!(aborted(&outcome).contains("answers again"), "{outcome}");
    let running = |host| run.fleet.instance(host).io_running();
    assert!(running("r1") && running("r2"));
    assert_eq!(run.texts().len(), 4);
}

#[test]
fn a_receiver_that_somebody_had_stopped_stays_stopped() {
    let stopped = |facts: &mut crate::instance::Instance| {
        facts.replication.as_mut().unwrap().io_thread = ThreadState::Stopped;
    };
    let mut run = Run::of(&Fleet::mysql(2).with("r2", stopped));
    let Next::Perform(stops) = run.next() else { panic!("nothing to do") };
    run.perform(stops, &mut |_, _| None);
    run.fleet = run.fleet.clone().answering("p");
    run.finish();
    assert_eq!(run.texts(), ["stop receiving on r1:3306", "start replication on r1:3306"]);
}

#[test]
fn a_primary_that_answers_after_the_choice_is_fenced_before_anything_else() {
    let mut run = Run::of(&Fleet::mysql(2));
    while run.recovery.choice.is_none() {
        match run.next() {
            Next::Perform(steps) => run.perform(steps, &mut |_, _| None),
            Next::Choose(choice) => run.recovery.choice = Some(choice),
            Next::Close(outcome) => panic!("{outcome}"),
        }
    }
    run.fleet = run.fleet.clone().answering("p");
    let outcome = run.finish();
    assert_eq!(recovered(&outcome).0, &key("r1"));
    assert_eq!(run.texts()[2..4], ["make p:3306 read-only", "end client connections of p:3306"]);
}

#[test]
fn an_old_primary_that_cannot_be_fenced_stops_the_promotion() {
    let mut run = Run::of(&Fleet::mysql(2));
    run.recovery.requested_by = Some("ann".into());
    run.fleet = run.fleet.clone().answering("p");
    let outcome =
        run.finish_with(|step, _| (step.kind() == "make-read-only").then(|| "denied".to_owned()));
    let Outcome::Failed { reason } = &outcome else { panic!("{outcome}") };
    assert!(reason.contains("denied") && run.texts().is_empty(), "{reason}");
}

#[test]
fn a_follower_that_cannot_be_moved_is_lost_and_the_rest_goes_on() {
    let mut run = Run::of(&Fleet::mysql(3));
    let outcome = run.finish_with(|step, _| {
        (step.kind() == "repoint" && *step.server() == key("r2")).then(|| "error 1201".to_owned())
    });
    let (_, lost, errors) = recovered(&outcome);
    assert_eq!(lost, [key("r2")]);
    assert!(errors[0].contains("error 1201"), "{errors:?}");
    let links = links(&run.fleet.view);
    assert!(links.contains(&("r2".into(), Some("//p".into()))), "{links:?}");
    assert!(links.contains(&("r3".into(), Some("r1".into()))), "{links:?}");
}

#[test]
fn a_candidate_that_does_not_apply_in_time_gives_way_to_the_next() {
    let mut fleet = Fleet::mysql(2)
        .with("r1", |r1| r1.gtid.retrieved = gtids("101-200"))
        .with("r2", |r2| r2.gtid.executed = gtids("1-110"));
    fleet.policy.promotion.apply_limit = std::time::Duration::ZERO;
    let mut run = Run::of(&fleet);
    let outcome = run.finish_with(|step, _| {
        (step.kind() == "wait-applied").then(|| "not there within 1 s".to_owned())
    });
    assert_eq!(recovered(&outcome).0, &key("r2"));
    let choice = run.recovery.choice.unwrap();
    assert_eq!(choice.loss.transactions, Some(90));
    assert!(choice.rejected[0].reason.contains("not there within 1 s"), "{:?}", choice.rejected);
    assert_eq!(choice.rejected[0].key, key("r1"));
}

#[test]
fn with_fail_if_not_applied_nobody_is_promoted_in_its_stead() {
    let mut fleet = Fleet::mysql(2).with("r1", |r1| r1.gtid.retrieved = gtids("101-200"));
    fleet.policy.promotion.apply_limit = std::time::Duration::ZERO;
    fleet.policy.promotion.fail_if_not_applied = true;
    let mut run = Run::of(&fleet);
    let outcome = run.finish_with(|step, _| {
        (step.kind() == "wait-applied").then(|| "not there within 1 s".to_owned())
    });
    let reason = aborted(&outcome);
    assert!(reason.contains("FailMasterPromotionIfSQLThreadNotUpToDate"), "{reason}");
}

#[test]
fn a_promoted_server_that_dies_before_its_promotion_leaves_the_replicas_as_they_were() {
    let mut run = Run::of(&Fleet::mysql(3));
    while run.recovery.choice.is_none() {
        match run.next() {
            Next::Perform(steps) => run.perform(steps, &mut |_, _| None),
            Next::Choose(choice) => run.recovery.choice = Some(choice),
            Next::Close(outcome) => panic!("{outcome}"),
        }
    }
    run.fleet = run.fleet.clone().without("r1");
    let outcome = run.finish();
    assert!(aborted(&outcome).contains("cannot be reached any more"), "{outcome}");
    assert!(links(&run.fleet.view).iter().all(|(_, source)| source.as_deref() == Some("p")));
}

#[test]
fn a_loss_beyond_the_policy_is_refused_before_anything_is_touched() {
    let mut fleet = Fleet::mysql(2).with("p", |p| p.gtid.executed = gtids("1-150"));
    let mut run = Run::of(&fleet);
    recovered(&run.finish());
    assert_eq!(run.recovery.choice.unwrap().loss.transactions, Some(50));
    fleet.policy.promotion.max_loss_transactions = Some(49);
    let mut run = Run::of(&fleet);
    let outcome = run.finish();
    let reason = aborted(&outcome);
    assert!(reason.contains("50 transactions would be lost"), "{reason}");
    assert!(run.steps.is_empty());
    fleet.policy.promotion.max_loss_transactions = Some(50);
    fleet.policy.promotion.max_loss = Some(std::time::Duration::from_millis(500));
    let mut run = Run::of(&fleet);
    let outcome = run.finish();
    assert!(aborted(&outcome).contains("MaxPromotionLossSeconds"), "{outcome}");
}

#[test]
fn catching_up_in_vain_is_judged_by_the_loss_policy() {
    let mut fleet = Fleet::mysql(3)
        .with("r3", |r3| r3.gtid.executed = gtids("1-150"))
        .with("r2", |r2| r2.detected_rule = Some(PromotionRule::Prefer));
    let fails =
        |step: &Step, _: &Topology| (step.kind() == "wait-applied").then(|| "not there".to_owned());
    // What was fetched by starting replication is not seen in time.
    let forget = |run: &mut Run| {
        run.fleet = run.fleet.clone().with("r2", |r2| r2.gtid.executed = gtids("1-100"));
    };
    for (most, goes_on) in [(None, true), (Some(0), false)] {
        fleet.policy.promotion.max_loss_transactions = most;
        let mut run = Run::of(&fleet);
        let outcome = loop {
            match run.next() {
                Next::Perform(steps) => {
                    run.perform(steps, &mut { fails });
                    if run.fleet.instance("r2").source() == Some(&key("r3")) {
                        forget(&mut run);
                    }
                }
                Next::Choose(choice) => run.recovery.choice = Some(choice),
                Next::Close(outcome) => break outcome,
            }
        };
        if goes_on {
            let (successor, lost, errors) = recovered(&outcome);
            assert_eq!((successor, lost), (&key("r2"), &[key("r3")][..]));
            assert!(errors.iter().any(|error| error.contains("not there")), "{errors:?}");
        } else {
            let Outcome::Failed { reason } = outcome else { panic!("{outcome}") };
            assert!(reason.contains("50 transactions would be lost"), "{reason}");
        }
    }
}

#[test]
fn a_clock_that_is_behind_or_far_ahead_does_no_harm() {
    let mut run = Run::of(&Fleet::mysql(2));
    run.recovery.opened = later(100_000);
    recovered(&run.finish());
    let mut run = Run::of(&Fleet::mysql(2));
    run.recovery.opened = later(-100_000);
    recovered(&run.finish());
}

#[test]
fn a_replica_that_was_repointed_and_not_started_is_started_by_whoever_goes_on() {
    let mut run = Run::of(&Fleet::mysql(3));
    run.finish();
    // As if the process had died between the two steps on r2: its server still tells the error of its old source.
    run.fleet = run.fleet.clone().with("r2", |r2| {
        let replication = r2.replication.as_mut().unwrap();
        (replication.io_thread, replication.io_errno) = (ThreadState::Stopped, 2003);
    });
    (run.attempts, run.steps) = (Attempts::default(), Vec::new());
    let outcome = run.finish();
    assert_eq!(recovered(&outcome), (&key("r1"), &[][..], &[][..]));
    assert_eq!(run.texts(), ["start replication on r2:3306"]);
}

#[test]
fn a_replica_whose_thread_stops_below_the_promoted_server_is_lost() {
    let mut run = Run::of(&Fleet::mysql(3));
    run.finish();
    run.fleet = run.fleet.clone().with("r2", |r2| {
        let replication = r2.replication.as_mut().unwrap();
        (replication.io_thread, replication.io_errno) = (ThreadState::Stopped, 1236);
    });
    let outcome = run.finish();
    assert_eq!(recovered(&outcome).1, [key("r2")]);
}
