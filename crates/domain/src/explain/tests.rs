//! The pages as people see them. `UPDATE_PAGES=1 cargo test` writes them anew, to be read in review.

use std::path::PathBuf;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::*;
use crate::analysis::Facts;
use crate::fixture::{Fleet, circumstances, gtids, key, now, problem};
use crate::instance::PromotionRule;
use crate::recovery::{Attempts, Next, next, plan};
use crate::registry::{Acknowledgement, Closed, Disabled, Fence, Recovery, Registry};

fn ms(milliseconds: i64) -> Timestamp {
    now().checked_add(SignedDuration::from_millis(milliseconds)).unwrap()
}

/// Compares with the stored page, line by line.
fn assert_page(name: &str, page: &str) {
    let too_wide = page.lines().find(|line| line.chars().count() > WIDTH);
    assert_eq!(too_wide, None, "a line of {name} is too wide");
    let path =
        PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(format!("src/explain/pages/{name}.txt"));
    if std::env::var_os("UPDATE_PAGES").is_some() {
        std::fs::write(&path, page).unwrap();
    }
    let stored = std::fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(page.lines().collect::<Vec<_>>(), stored.lines().collect::<Vec<_>>(), "{name}");
}

/// A failover with a bit of everything.
fn fleet() -> Fleet {
    let mut fleet = Fleet::mysql(4)
        .with("p", |p| p.gtid.executed = gtids("1-103"))
        .with("r1", |r1| r1.detected_rule = Some(PromotionRule::PreferNot))
        .with("r2", |r2| r2.gtid.executed = gtids("1-102"))
        .with("r3", |r3| r3.detected_rule = Some(PromotionRule::Prefer))
        .without("r4");
    fleet.registry = Registry::default();
    fleet
}

fn facts() -> Facts {
    Facts {
        is_source: true,
        replicas: 4,
        valid_replicas: 3,
        replicating: 0,
        failing_to_connect: 3,
        valid_oracle_gtid: 3,
        ..Facts::default()
    }
}

/// A whole recovery, every step of which takes 20 ms.
fn story(fleet: &Fleet) -> (Explanation, Recovery) {
    let mut problem = fleet.problem();
    problem.facts = facts();
    let mut explanation = Explanation::of_problem(&problem, &fleet.view, Some(ms(-120)), ms(40));
    let mut recovery = fleet.recovery();
    recovery.id = 17;
    let (mut view, attempts) = (fleet.view.clone(), Attempts::default());
    let mut at = 40;
    let outcome = loop {
        match next(&view, &recovery, &fleet.registry, &fleet.policy, &attempts, now()) {
            Next::Perform(steps) => {
                for step in steps {
                    at += 20;
                    view = step.apply_to(&view);
                    recovery.steps.push(AuditedStep {
                        at: ms(at),
                        took: Some(Duration::from_millis(20)),
                        message: step.to_string(),
                        error: None,
                    });
                    explanation.plan.push(step);
                }
            }
            Next::Choose(choice) => recovery.choice = Some(choice),
            Next::Close(outcome) => break outcome,
        }
    };
    explanation.recovery = Some(recovery.uid.clone());
    explanation.choice.clone_from(&recovery.choice);
    explanation.steps.clone_from(&recovery.steps);
    explanation.hooks.push(HookRun {
        list: "PostFailoverProcesses".into(),
        command: "/usr/local/bin/tell-proxy {successorHost} {successorPort}".into(),
        at: ms(at + 30),
        took: Duration::from_millis(1300),
        ended: "exit 3".into(),
        ok: false,
        output: "proxy1: done\nproxy2: connection refused".into(),
    });
    explanation.outcome = Some(outcome.clone());
    recovery.closed = Some(Closed { at: ms(at), outcome, explanation: None });
    (explanation, recovery)
}

#[test]
fn the_page_of_a_failover_tells_the_whole_story() {
    let fleet = fleet();
    let (explanation, recovery) = story(&fleet);
    let mut registry = fleet.registry.clone();
    registry.fences.insert(
        key("p"),
        Fence {
            recovery: recovery.uid.clone(),
            successor: key("r3"),
            since: ms(300),
            confirmed: None,
            last_error: None,
        },
    );
    registry.recoveries.insert(recovery.uid.clone(), recovery.clone());
    let aftermath = Aftermath::of(&explanation, &registry, Duration::from_hours(1));
    assert_page("failover", &explanation.page(&aftermath));
    let noted = Acknowledgement { by: "ann".into(), at: ms(90_000), comment: "power loss".into() };
    registry
        .recoveries
        .insert(recovery.uid.clone(), Recovery { acknowledged: Some(noted), ..recovery });
    let page = explanation.page(&Aftermath::of(&explanation, &registry, Duration::from_hours(1)));
    assert!(
        page.contains("Acknowledged by ann") && !page.contains("no automatic recovery"),
        "{page}"
    );
}

#[test]
fn the_page_of_a_refusal_says_what_stands_against_it_and_what_can_be_done() {
    let mut fleet = fleet();
    fleet.registry.recoveries_disabled = Some(Disabled { by: "ann".into(), at: ms(-600_000) });
    let mut problem = fleet.problem();
    problem.facts = facts();
    let refusal = crate::recovery::may_begin(
        &problem,
        &fleet.view,
        &fleet.registry,
        &fleet.policy,
        &circumstances(),
    );
    let mut explanation = Explanation::of_problem(&problem, &fleet.view, Some(ms(-120)), ms(40));
    explanation.refusal = refusal.err().map(|refusal| refusal.to_string());
    assert_page("refusal", &explanation.page(&Aftermath::default()));
}

#[test]
fn the_page_of_a_recovery_that_was_given_up_says_that_nothing_changed() {
    let mut fleet = fleet();
    fleet.policy.promotion.max_loss_transactions = Some(0);
    let (explanation, _) = story(&fleet);
    assert_page("given-up", &explanation.page(&Aftermath::default()));
}

#[test]
fn a_problem_without_recovery_has_a_page_too() {
    let fleet = fleet();
    let mut problem = problem("p", crate::analysis::AnalysisCode::UnreachableMaster);
    problem.facts = Facts { replicating: 3, failing_to_connect: 0, ..facts() };
    let explanation = Explanation::of_problem(&problem, &fleet.view, None, ms(40));
    assert_page("problem", &explanation.page(&Aftermath::default()));
}

#[test]
fn the_page_of_a_plan_shows_steps_that_run_at_the_same_time_together() {
    let fleet = fleet().answering("p");
    let planned =
        plan(&fleet.view, &key("p"), None, None, &fleet.registry, &fleet.policy, &circumstances());
    assert_page("plan", &planned.unwrap().page());
}

#[test]
fn the_page_of_an_impossible_plan_gives_each_reason() {
    let mut fleet = fleet().answering("p");
    for host in ["r1", "r2", "r3"] {
        fleet = fleet.with(host, |facts| facts.binlog.logs_updates = false);
    }
    let planned =
        plan(&fleet.view, &key("p"), None, None, &fleet.registry, &fleet.policy, &circumstances());
    assert_page("impossible-plan", &planned.unwrap().page());
}

#[test]
fn words_longer_than_a_line_are_broken() {
    let mut explanation = Explanation::of_problem(&fleet().problem(), &fleet().view, None, ms(40));
    explanation.refusal = Some(format!("because {} {}", "x".repeat(500), "ü".repeat(150)));
    let page = explanation.page(&Aftermath::default());
    assert!(page.lines().all(|line| line.chars().count() <= WIDTH), "{page}");
    assert_eq!(page.matches('x').count(), 500);
    assert_eq!(page.matches('ü').count(), 150);
}

#[test]
fn a_story_read_back_from_json_is_the_same() {
    let (explanation, _) = story(&fleet());
    let text = serde_json::to_string(&explanation).unwrap();
    assert_eq!(serde_json::from_str::<Explanation>(&text).unwrap(), explanation);
}
