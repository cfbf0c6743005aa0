use super::*;
use crate::analysis::AnalysisCode;
use crate::fixture::{gtids, instance, member, problem, replication};
use crate::instance::Positioning;
use crate::recovery::open_recovery;
use crate::registry::RecoveryUid;
use crate::version::Flavor;

/// `p` lives and has `r1`, `r2`, `r3`; below `r1`, which has died, stand `c1` and `c2`.
fn fleet(positioning: Positioning, flavor: Flavor) -> Fleet {
    let fleet = match (positioning, flavor) {
        (Positioning::File, _) => Fleet::by_file(3),
        (_, Flavor::MariaDb) => Fleet::mariadb(3),
        (_, _) => Fleet::mysql(3),
    };
    let mut fleet = fleet.answering("p").without("r1");
    for (host, id) in [("c1", 11), ("c2", 12)] {
        let mut child = instance(host, id, flavor, positioning);
        child.replication = Some(replication("r1", positioning));
        fleet.view = fleet.view.with(member(child));
    }
    for host in ["r2", "r3"] {
        fleet = fleet.with(host, |facts| {
            let replication = facts.replication.as_mut().unwrap();
            replication.io_thread = crate::instance::ThreadState::Running;
            replication.io_errno = 0;
        });
    }
    fleet
}

fn run(fleet: &Fleet) -> Run {
    let mut run = Run::of(fleet);
    let problem = problem("r1", AnalysisCode::DeadIntermediateMaster);
    run.recovery = open_recovery(RecoveryUid("uid-1".into()), &problem, &fleet.view, now());
    run
}

fn sources(run: &Run, hosts: &[&str]) -> Vec<String> {
    let source =
        |host: &&str| run.fleet.instance(host).source().map_or("-", |key| &key.host).to_owned();
    hosts.iter().map(source).collect()
}

#[test]
fn replicas_go_below_a_sibling_of_their_dead_source() {
    for flavor in [Flavor::MySql, Flavor::MariaDb] {
        let positioning = match flavor {
            Flavor::MariaDb => Positioning::MariaDbSlavePos,
            _ => Positioning::OracleGtid,
        };
        let mut run = run(&fleet(positioning, flavor));
        let outcome = run.finish();
        assert_eq!(recovered(&outcome), (&key("r2"), &[][..], &[][..]));
        assert_eq!(sources(&run, &["c1", "c2", "r2"]), ["r2", "r2", "p"]);
        assert_eq!(run.groups, 1);
    }
}

#[test]
fn without_a_sibling_near_by_they_are_regrouped_before_they_go_far() {
    let far = |facts: &mut crate::instance::Instance| facts.location.data_center = "dc2".into();
    let mut run =
        run(&fleet(Positioning::OracleGtid, Flavor::MySql).with("r2", far).with("r3", far));
    let outcome = run.finish();
    assert_eq!(recovered(&outcome), (&key("c1"), &[][..], &[][..]));
    assert_eq!(sources(&run, &["c1", "c2"]), ["p", "c1"]);
}

#[test]
fn when_nobody_else_can_feed_them_they_go_below_the_source_of_their_source() {
    let no_log = |facts: &mut crate::instance::Instance| facts.binlog.logs_updates = false;
    let mut fleet = fleet(Positioning::OracleGtid, Flavor::MySql);
    for host in ["r2", "r3", "c1", "c2"] {
        fleet = fleet.with(host, no_log);
    }
    let mut run = run(&fleet);
    let outcome = run.finish();
    assert_eq!(recovered(&outcome).0, &key("p"));
    assert_eq!(sources(&run, &["c1", "c2"]), ["p", "p"]);
    let choice = run.recovery.choice.unwrap();
    assert_eq!(choice.rejected.len(), 4);
    assert!(choice.rejected.iter().all(|one| one.reason.contains("log_replica_updates")));
}

#[test]
fn a_mariadb_sibling_that_is_behind_the_replicas_cannot_feed_them() {
    let behind = |facts: &mut crate::instance::Instance| {
        facts.gtid.slave_pos = "0-1-90".parse().ok();
        facts.gtid.binlog_pos.clone_from(&facts.gtid.slave_pos);
        facts.gtid.io_pos.clone_from(&facts.gtid.slave_pos);
    };
    let fleet = fleet(Positioning::MariaDbSlavePos, Flavor::MariaDb).with("r2", behind);
    let mut run = run(&fleet);
    assert_eq!(recovered(&run.finish()).0, &key("r3"));
}

#[test]
fn a_mysql_sibling_that_is_behind_catches_up_and_feeds_them() {
    let fleet = fleet(Positioning::OracleGtid, Flavor::MySql)
        .with("p", |facts| facts.gtid.executed = gtids("1-110"))
        .with("r2", |facts| facts.gtid.executed = gtids("1-90"));
    let mut run = run(&fleet);
    assert_eq!(recovered(&run.finish()).0, &key("r2"));
}

#[test]
fn without_gtid_they_stay_and_the_reason_is_given() {
    let mut run = run(&fleet(Positioning::File, Flavor::MySql));
    let outcome = run.finish();
    assert!(aborted(&outcome).contains("without GTID"), "{outcome}");
    assert!(run.steps.is_empty());
}

#[test]
fn a_named_source_is_taken_or_nobody_is() {
    let fleet = fleet(Positioning::OracleGtid, Flavor::MySql);
    let mut wanted = run(&fleet);
    wanted.recovery.intent.wanted = Some(key("p"));
    assert_eq!(recovered(&wanted.finish()).0, &key("p"));
    let mut wanted = run(&fleet);
    wanted.recovery.intent.wanted = Some(key("nobody"));
    assert!(aborted(&wanted.finish()).contains("nobody:3306 was asked for"));
}

#[test]
fn when_the_source_above_is_dead_too_nothing_is_done() {
    let mut run = run(&fleet(Positioning::OracleGtid, Flavor::MySql).without("p"));
    assert!(aborted(&run.finish()).contains("the source of the failed server"));
}

#[test]
fn an_intermediate_that_answers_again_is_left_in_its_place() {
    let mut run = run(&fleet(Positioning::OracleGtid, Flavor::MySql).answering("r1"));
    assert!(aborted(&run.finish()).contains("answers again"));
}
