//! Claims about all recoveries, tried on thousands of fleets.

use proptest::prelude::*;

use super::*;
use crate::coordinates::BinlogCoordinates;
use crate::fixture::gtids;
use crate::instance::{BinlogFormat, Instance, PromotionRule, ThreadState};
use crate::promotion::transactions;
use crate::recovery::{Choice, plan};

/// How a replica of a generated fleet differs from a perfect one.
#[derive(Debug, Clone)]
struct Replica {
    /// Transactions it applied beyond the 100 that all have.
    applied: u64,
    /// Transactions it received beyond those.
    received: u64,
    rule: Option<PromotionRule>,
    answers: bool,
    logs: bool,
    errant: u64,
    purged: u64,
    broken: bool,
    receiver: ThreadState,
    applier: ThreadState,
    format: BinlogFormat,
    delay_s: u64,
}

fn replica() -> impl Strategy<Value = Replica> {
    let rules = prop_oneof![
        6 => Just(None),
        1 => Just(Some(PromotionRule::Prefer)),
        1 => Just(Some(PromotionRule::PreferNot)),
        1 => Just(Some(PromotionRule::MustNot)),
    ];
    let formats = prop_oneof![8 => Just(BinlogFormat::Row), 1 => Just(BinlogFormat::Mixed), 1 => Just(BinlogFormat::Statement)];
    let receiver = prop_oneof![
        6 => Just(ThreadState::Other), 1 => Just(ThreadState::Running), 1 => Just(ThreadState::Stopped)
    ];
    let applier = prop_oneof![8 => Just(ThreadState::Running), 1 => Just(ThreadState::Stopped)];
    let odds = |percent: u32| prop::bool::weighted(f64::from(percent) / 100.0);
    let rarely = |values: std::ops::Range<u64>| prop_oneof![9 => Just(0_u64), 1 => values];
    let counts = (0_u64..3, 0_u64..3, rarely(1..3), rarely(95..103), rarely(60..61));
    let switches = (odds(90), odds(92), odds(4));
    (counts, switches, (rules, receiver, applier, formats)).prop_map(
        |(counts, switches, states)| {
            let (rule, receiver, applier, format) = states;
            Replica {
                applied: counts.0,
                received: counts.1,
                errant: counts.2,
                purged: counts.3,
                delay_s: counts.4,
                answers: switches.0,
                logs: switches.1,
                broken: switches.2,
                rule,
                receiver,
                applier,
                format,
            }
        },
    )
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum By {
    MySql,
    MariaDb,
    File,
}

#[derive(Debug, Clone)]
struct Setup {
    by: By,
    replicas: Vec<Replica>,
    primary: u64,
    concurrency: usize,
    detach_lost: bool,
    most_lost: Option<u64>,
}

fn setup() -> impl Strategy<Value = Setup> {
    let by = prop_oneof![Just(By::MySql), Just(By::MariaDb), Just(By::File)];
    let most = prop_oneof![3 => Just(None), 1 => (0..4_u64).prop_map(Some)];
    (by, prop::collection::vec(replica(), 1..6), 0..4_u64, 1..4_usize, any::<bool>(), most)
        .prop_map(|(by, replicas, primary, concurrency, detach_lost, most_lost)| Setup {
            by,
            replicas,
            primary,
            concurrency,
            detach_lost,
            most_lost,
        })
}

fn fleet(setup: &Setup) -> Fleet {
    let count = u32::try_from(setup.replicas.len()).unwrap();
    let mut fleet = match setup.by {
        By::MySql => Fleet::mysql(count),
        By::MariaDb => Fleet::mariadb(count),
        By::File => Fleet::by_file(count),
    };
    let written = 100 + setup.primary;
    fleet = fleet.with("p", |p| {
        if setup.by == By::MySql {
            p.gtid.executed = gtids(&format!("1-{written}"));
        }
        if setup.by == By::MariaDb {
            p.gtid.binlog_pos = format!("0-1-{written}").parse().ok();
        }
    });
    for (at, replica) in setup.replicas.iter().enumerate() {
        let host = format!("r{}", at + 1);
        fleet = fleet.with(&host, |facts| shape(facts, replica, setup.by));
        if setup.by == By::MySql && replica.errant > 0 {
            let uuid = format!("{:08}-0000-0000-0000-00000000000{}", at + 2, at);
            let own: crate::gtid::GtidSet = format!("{uuid}:1-{}", replica.errant).parse().unwrap();
            fleet = fleet
                .with(&host, |facts| facts.gtid.executed = facts.gtid.executed.union(&own))
                .with_member(&host, |member| member.errant = own);
        }
        if !replica.answers {
            fleet = fleet.without(&host);
        }
    }
    fleet.policy.concurrency = setup.concurrency;
    fleet.policy.detach_lost = setup.detach_lost;
    fleet.policy.promotion.max_loss_transactions = setup.most_lost;
    fleet
}

fn shape(facts: &mut Instance, replica: &Replica, by: By) {
    let applied = 100 + replica.applied;
    let received = applied + replica.received;
    match by {
        By::MySql => {
            facts.gtid.executed = gtids(&format!("1-{applied}"));
            facts.gtid.retrieved = gtids(&format!("90-{received}"));
            facts.gtid.purged = gtids(&if replica.purged > 0 {
                format!("1-{}", replica.purged)
            } else {
                String::new()
            });
        }
        By::MariaDb => {
            facts.gtid.slave_pos = format!("0-1-{applied}").parse().ok();
            facts.gtid.binlog_pos.clone_from(&facts.gtid.slave_pos);
            facts.gtid.io_pos = format!("0-1-{received}").parse().ok();
        }
        By::File => {}
    }
    let replication = facts.replication.as_mut().unwrap();
    replication.executed = BinlogCoordinates::new("binlog.000003", applied * 10);
    replication.read = BinlogCoordinates::new("binlog.000003", received * 10);
    replication.io_thread = replica.receiver;
    replication.sql_thread = replica.applier;
    replication.delay_s = replica.delay_s;
    if replica.broken {
        replication.sql_errno = 1062;
        replication.sql_error = "duplicate".into();
        replication.sql_thread = ThreadState::Stopped;
    }
    facts.detected_rule = replica.rule;
    facts.binlog.logs_updates = replica.logs;
    facts.binlog.format = Some(replica.format);
}

/// What is left in the end is what was promised.
fn check_end(before: &Fleet, run: &Run, outcome: &Outcome) {
    let view = &run.fleet.view;
    let touched_dead = run.steps.iter().any(|step| *step.server() == key("p"));
    assert!(!touched_dead, "the dead server was touched");
    match outcome {
        Outcome::Recovered { successor, lost, .. } => {
            let choice = run.recovery.choice.as_ref().unwrap();
            assert_eq!(successor, &choice.promoted);
            let promoted = view.get(successor).unwrap().current().unwrap();
            assert!(!promoted.read_only && promoted.replication.is_none());
            for member in view.members().filter(|member| member.key != *successor) {
                let Some(facts) = member.current() else { continue };
                let follows = facts.source() == Some(successor);
                assert_ne!(follows, lost.contains(&member.key), "{}: {outcome:?}", member.key);
                let told = follows || facts.source().is_none() || !run.fleet.policy.detach_lost;
                assert!(told, "{} still follows the dead server", member.key);
            }
            everybody_has_a_reason(before, choice);
        }
        Outcome::Aborted { reason } => {
            assert!(!reason.is_empty() && run.recovery.choice.is_none());
            assert!(links(view) == links(&before.view), "links changed");
            assert!(view.members().filter(|m| m.key != key("p")).all(|m| !m.is_writable()));
        }
        Outcome::Failed { reason } => panic!("failed though no step did: {reason}"),
    }
}

/// Every replica is promoted, or was rejected with a reason; follows, or is lost with a reason.
fn everybody_has_a_reason(before: &Fleet, choice: &Choice) {
    for member in before.view.replicas_of(&key("p")) {
        let key = &member.key;
        let rejected = choice.rejected.iter().filter(|one| one.key == *key).count();
        let lost = choice.lost.iter().filter(|one| one.key == *key).count();
        let follows = choice.followers.iter().filter(|one| *one == key).count();
        if *key == choice.promoted {
            assert_eq!((rejected, lost, follows), (0, 0, 0), "{key}");
        } else {
            assert_eq!((rejected, lost + follows), (1, 1), "{key}: {choice:#?}");
        }
    }
    let reasons = choice.rejected.iter().chain(&choice.lost);
    assert!(reasons.clone().all(|one| !one.reason.is_empty()) && !choice.reason.is_empty());
}

/// No transaction that a reachable replica has or received is missing in the end without being counted as lost.
fn check_loss(run: &Run, outcome: &Outcome) {
    let Outcome::Recovered { successor, .. } = outcome else { return };
    let choice = run.recovery.choice.as_ref().unwrap();
    let promoted = run.fleet.view.get(successor).unwrap().current().unwrap();
    let known = &run.recovery.intent.last_known;
    let missing = match choice.loss.transactions {
        _ if promoted.gtid.mode.as_deref() == Some("ON") => {
            known.executed.subtract(&promoted.gtid.executed).count()
        }
        Some(_) if promoted.gtid.slave_pos.is_some() => {
            let position = known.binlog_pos.clone().unwrap();
            u128::from(position.ahead_of(promoted.gtid.slave_pos.as_ref().unwrap()))
        }
        Some(_) | None => return,
    };
    let told = u128::from(choice.loss.transactions.unwrap());
    assert!(missing <= told, "{} lost, {told} told", transactions(missing));
    if let Some(most) = run.fleet.policy.promotion.max_loss_transactions {
        assert!(told <= u128::from(most));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn a_recovery_ends_with_one_primary_and_all_others_below_it_or_lost_or_changes_nothing(
        setup in setup(),
    ) {
        let before = fleet(&setup);
        let mut run = Run::of(&before);
        let outcome = run.finish();
        check_end(&before, &run, &outcome);
        check_loss(&run, &outcome);
    }

    #[test]
    fn a_dry_run_shows_the_steps_that_are_taken_when_nothing_fails(setup in setup()) {
        let fleet = fleet(&setup);
        let mut run = Run::of(&fleet);
        let outcome = run.finish();
        let Fleet { view, registry, policy } = &fleet;
        let problem = fleet.problem();
        let plan =
            plan(view, &key("p"), None, Some(&problem), registry, policy, &circumstances()).unwrap();
        prop_assert_eq!(plan.groups.concat(), run.steps);
        prop_assert_eq!(plan.outcome, outcome);
        prop_assert_eq!(plan.choice, run.recovery.choice);
        prop_assert!(!plan.presumed_dead);
    }

    /// A leader may die after any step, and with it all that was only in its memory.
    #[test]
    fn a_recovery_cut_after_any_step_is_finished_by_the_rest(setup in setup()) {
        let fleet = fleet(&setup);
        let mut whole = Run::of(&fleet);
        let outcome = whole.finish();
        for cut in 0..whole.steps.len() {
            let mut run = Run::of(&fleet);
            let mut taken = 0;
            loop {
                match run.next() {
                    Next::Perform(steps) => {
                        let left = cut - taken;
                        let part: Vec<Step> = steps.into_iter().take(left).collect();
                        taken += part.len();
                        if !part.is_empty() {
                            run.perform(part, &mut |_, _| None);
                        }
                    }
                    Next::Choose(choice) => run.recovery.choice = Some(choice),
                    Next::Close(_) => break,
                }
                if taken == cut {
                    break;
                }
            }
            run.attempts = Attempts::default();
            prop_assert_eq!(&run.finish(), &outcome, "after {} steps", cut);
            prop_assert_eq!(links(&run.fleet.view), links(&whole.fleet.view));
        }
    }

    /// Steps may fail for good or once in a while.
    #[test]
    fn whatever_fails_the_recovery_ends_and_never_two_servers_take_writes(
        setup in setup(),
        failing in prop::collection::vec(0..40_usize, 0..6),
        dead_kind in prop::option::of(0..11_usize),
    ) {
        const KINDS: [&str; 11] = [
            "stop-receiving", "stop-replication", "start-replication", "start-applying", "wait-applied",
            "repoint", "forget-source", "detach", "make-writable", "make-read-only", "end-clients",
        ];
        let before = fleet(&setup);
        let mut run = Run::of(&before);
        run.recovery.opened = crate::fixture::later(-60);
        let mut index = 0;
        let outcome = run.finish_with(|step, _| {
            index += 1;
            let for_good = dead_kind.is_some_and(|kind| step.kind() == KINDS[kind]);
            let hit = failing.contains(&index);
            (for_good || hit).then(|| format!("failure {}", index / 2))
        });
        if let Outcome::Recovered { successor, .. } = &outcome {
            let promoted = run.fleet.view.get(successor).unwrap().current().unwrap();
            prop_assert!(!promoted.read_only && promoted.replication.is_none());
        }
        if let Outcome::Aborted { .. } = &outcome {
            let chosen = run.recovery.choice.as_ref().map(|choice| choice.promoted.clone());
            let stuck = chosen.is_some_and(|key| run.attempts.last_error(&key, "repoint").is_some());
            prop_assert!(stuck || links(&run.fleet.view) == links(&before.view));
        }
    }

    /// The old primary may come back at any moment; the promoted server takes writes only when it does not.
    #[test]
    fn an_old_primary_that_comes_back_is_fenced_before_anybody_else_takes_writes(
        setup in setup(),
        back_after in 0..12_usize,
    ) {
        let mut run = Run::of(&fleet(&setup));
        let mut is_back = false;
        let outcome = loop {
            if !is_back && run.steps.len() >= back_after {
                let promoted = run.recovery.choice.as_ref().map(|choice| choice.promoted.clone());
                let writes = promoted.is_some_and(|key| run.fleet.view.get(&key).unwrap().is_writable());
                if writes {
                    return Ok(()); // it came back too late for this claim; see the fence's own tests
                }
                run.fleet = run.fleet.clone().answering("p");
                is_back = true;
            }
            match run.next() {
                Next::Perform(steps) => run.perform(steps, &mut |_, _| None),
                Next::Choose(choice) => run.recovery.choice = Some(choice),
                Next::Close(outcome) => break outcome,
            }
            prop_assert!(run.groups <= MOST_GROUPS);
        };
        if is_back {
            let old = run.fleet.view.get(&key("p")).unwrap();
            let taken_over = matches!(outcome, Outcome::Recovered { .. });
            prop_assert_eq!(old.is_writable(), !taken_over, "{}", outcome);
        }
    }
}
