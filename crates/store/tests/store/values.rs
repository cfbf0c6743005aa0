//! Values that the claims are tried with: each field that can hold something holds something.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use ham4db_domain::analysis::AnalysisCode;
use ham4db_domain::checks::{Checks, FailureKind, ProbeFailure};
use ham4db_domain::command::{Acknowledged, Command, Order};
use ham4db_domain::coordinates::BinlogCoordinates;
use ham4db_domain::explain::{Explanation, Observation};
use ham4db_domain::gtid::GtidSet;
use ham4db_domain::instance::{
    Binlog, BinlogFormat, GtidState, Heartbeat, Instance, Location, Positioning, PromotionRule,
    Replication, ReplicationTls, SemiSync, ThreadState,
};
use ham4db_domain::key::InstanceKey;
use ham4db_domain::recovery::{Choice, Intent, Kind, LastKnown, Loss, Outcome, Rejected};
use ham4db_domain::registry::{
    Acknowledgement, AuditedStep, Detection, Downtime, Fence, Maintenance, Recovery, RecoveryUid,
};
use ham4db_domain::topology::{Member, Place};
use ham4db_domain::version::{Flavor, Version};
use jiff::{SignedDuration, Timestamp};

pub fn key(host: &str) -> InstanceKey {
    InstanceKey::new(host, 3306)
}

/// A fixed moment with more digits than a database's own time type would keep.
pub fn now() -> Timestamp {
    "2026-03-01T03:00:00.123456789Z".parse().unwrap()
}

pub fn later(seconds: i64) -> Timestamp {
    now().checked_add(SignedDuration::from_secs(seconds)).unwrap()
}

pub fn command(order: Order) -> Command {
    Command { at: now(), by: "ann".to_owned(), order }
}

pub fn alias(cluster: &str, alias: &str) -> Command {
    command(Order::SetClusterAlias { cluster: cluster.to_owned(), alias: alias.to_owned() })
}

pub fn uid(number: u32) -> RecoveryUid {
    RecoveryUid(format!("7b1c2c5e-0000-4000-8000-{number:012}"))
}

/// A recovery of `p`, or another server, that is about to be opened.
pub fn recovery(number: u32, failed: &str) -> Order {
    let step = AuditedStep {
        at: now(),
        took: Some(Duration::from_micros(1500)),
        message: "opened".to_owned(),
        error: Some("it's \"quoted\" \\ and\nbroken".to_owned()),
    };
    Order::OpenRecovery {
        recovery: Box::new(Recovery {
            uid: uid(number),
            id: 0,
            cluster: key(failed).to_string(),
            alias: String::new(),
            code: AnalysisCode::DeadMaster,
            intent: Intent {
                kind: Kind::Primary,
                failed: key(failed),
                replicas: vec![InstanceKey::new(format!("2001:db8::{number}"), 3307)],
                stopped: Vec::new(),
                source: None,
                wanted: None,
                last_known: LastKnown { executed: gtids(), ..LastKnown::default() },
                skip_hooks: true,
            },
            requested_by: Some("ann".to_owned()),
            node: "node-1".to_owned(),
            term: 7,
            opened: now(),
            begun: None,
            choice: None,
            hooks_started: BTreeSet::new(),
            steps: vec![step],
            closed: None,
            acknowledged: None,
        }),
    }
}

fn choice() -> Choice {
    Choice {
        promoted: key("r1"),
        reason: "it has most".to_owned(),
        position: BinlogCoordinates::new("binlog.000007", 1000),
        followers: vec![key("r2")],
        lost: Vec::new(),
        rejected: vec![Rejected { key: key("r3"), reason: "it lags".to_owned() }],
        catch_up_from: None,
        loss: Loss { transactions: Some(3), unknown_for: None, words: "three".to_owned() },
    }
}

/// The story of a failure that nothing was done about.
pub fn explanation(host: &str, refusal: &str, decided: Timestamp) -> Explanation {
    Explanation {
        recovery: None,
        subject: key(host),
        cluster: key(host).to_string(),
        first_suspected: Some(now()),
        decided,
        observations: vec![Observation {
            at: now(),
            server: key("r1"),
            words: "the source is gone".to_owned(),
        }],
        problem: None,
        refusal: Some(refusal.to_owned()),
        choice: Some(choice()),
        plan: Vec::new(),
        steps: Vec::new(),
        hooks: Vec::new(),
        outcome: None,
    }
}

/// Commands in an order in which each of them changes something, every order at least once.
pub fn every_order() -> Vec<(&'static str, Command)> {
    let [p, q] = [key("p"), InstanceKey::new("fe80::1", 3310)];
    let acknowledgement =
        Acknowledgement { by: "ann".to_owned(), at: later(2), comment: "✔ seen".to_owned() };
    let explained = Some(Box::new(explanation("p", "-", later(1))));
    let outcome =
        Outcome::Recovered { successor: key("r1"), lost: vec![q.clone()], errors: Vec::new() };
    let tag = |value: &str| Order::Tag { key: p.clone(), name: "role".into(), value: value.into() };
    let orders = vec![
        ("discover", Order::Discover { key: p.clone() }),
        ("discover another", Order::Discover { key: q.clone() }),
        ("begin downtime", Order::BeginDowntime { key: p.clone(), downtime: downtime(3600) }),
        ("replace downtime", Order::BeginDowntime { key: p.clone(), downtime: downtime(60) }),
        ("begin maintenance", Order::BeginMaintenance { key: q.clone(), maintenance: lock() }),
        ("candidate", Order::RegisterCandidate { key: p.clone(), rule: PromotionRule::PreferNot }),
        ("tag", tag("shop")),
        ("tag without a value", tag("")),
        ("alias", alias("p:3306", "shop").order),
        ("alias removed", alias("p:3306", "").order),
        ("alias again", alias("p:3306", "the shop").order),
        ("recoveries off", Order::SetGlobalRecoveries { enabled: false }),
        ("detection", detection("p")),
        ("another detection", detection("q")),
        ("open", recovery(1, "p")),
        ("choose", Order::Choose { uid: uid(1), choice: choice() }),
        ("hooks", Order::StartHooks { uid: uid(1), list: "PreFailoverProcesses".into() }),
        ("audit", Order::AuditSteps { uid: uid(1), steps: vec![audited()] }),
        ("close", Order::CloseRecovery { uid: uid(1), outcome, explanation: explained }),
        ("acknowledge", Order::Acknowledge { which: Acknowledged::All, acknowledgement }),
        ("fence", Order::SetFence { key: q.clone(), fence: fence() }),
        ("fence confirmed", Order::SetFence { key: p.clone(), fence: fence() }),
        ("fence removed", Order::RemoveFence { key: q.clone() }),
        ("recoveries on", Order::SetGlobalRecoveries { enabled: true }),
        ("untag", Order::Untag { key: p.clone(), name: "role".into() }),
        ("end maintenance", Order::EndMaintenance { key: q.clone() }),
        ("end downtime", Order::EndDowntime { key: p.clone() }),
        ("forget", Order::Forget { key: p.clone() }),
        ("discover the forgotten", Order::Discover { key: p }),
        ("purge", Order::Purge { before: later(60) }),
    ];
    orders.into_iter().map(|(name, order)| (name, command(order))).collect()
}

fn downtime(seconds: i64) -> Downtime {
    Downtime {
        owner: "ann".to_owned(),
        reason: "a new disk".to_owned(),
        begins: now(),
        ends: later(seconds),
    }
}

fn lock() -> Maintenance {
    Maintenance { owner: "ann".to_owned(), reason: String::new(), begins: now(), ends: later(3600) }
}

fn detection(host: &str) -> Order {
    let detection = Detection {
        id: 0,
        failed: key(host),
        cluster: key(host).to_string(),
        code: AnalysisCode::DeadMaster,
        actionable: true,
        at: now(),
    };
    Order::RegisterDetection { detection, period_s: 60 }
}

fn audited() -> AuditedStep {
    AuditedStep { at: now(), took: None, message: "promoted".to_owned(), error: None }
}

fn fence() -> Fence {
    Fence {
        recovery: uid(1),
        successor: key("r1"),
        since: now(),
        confirmed: Some(later(1)),
        last_error: Some("refused".to_owned()),
    }
}

fn gtids() -> GtidSet {
    "aaaaaaaa-0000-0000-0000-000000000000:1-100:200".parse().unwrap()
}

/// Server `number` of a fleet, as it was at its probe `round`.
pub fn member(number: u32, round: u32) -> Arc<Member> {
    let key = InstanceKey::new(format!("db-{number}.example.com"), 3306);
    let seen = Some(later(i64::from(round)));
    let failure = (round % 2 == 1)
        .then(|| ProbeFailure { kind: FailureKind::Hung, detail: format!("round {round}") });
    let partial = failure.is_some();
    Arc::new(Member {
        checks: Checks {
            last_attempted: seen,
            last_checked: seen,
            last_seen: seen,
            partial,
            failure,
        },
        instance: Some(Arc::new(instance(key.clone(), number, round))),
        key,
        silent_for: None,
        place: Place { cluster: "db-0.example.com:3306".to_owned(), ..Place::default() },
        errant: GtidSet::default(),
    })
}

/// A server that has only been heard of.
pub fn heard_of(number: u32) -> Arc<Member> {
    let mut member = Member::clone(&member(number, 0));
    member.instance = None;
    member.checks = Checks::default();
    Arc::new(member)
}

fn instance(key: InstanceKey, number: u32, round: u32) -> Instance {
    Instance {
        key,
        alias: None,
        server_id: Some(number),
        server_uuid: Some(format!("aaaaaaaa-0000-0000-0000-{number:012}")),
        version: Version::parse("9.7.0"),
        version_comment: "Community".to_owned(),
        flavor: Flavor::MySql,
        uptime_s: Some(u64::from(round)),
        read_only: number > 0,
        super_read_only: Some(true),
        location: Location { data_center: "dc1".to_owned(), ..Location::default() },
        binlog: Binlog {
            enabled: true,
            logs_updates: true,
            format: Some(BinlogFormat::Row),
            row_image: None,
            position: BinlogCoordinates::new("binlog.000007", 1000 + u64::from(round)),
        },
        replication: (number > 0).then(replication),
        other_channels: vec!["audit".to_owned()],
        gtid: GtidState {
            mode: Some("ON".to_owned()),
            executed: gtids(),
            purged: GtidSet::default(),
            retrieved: gtids(),
            slave_pos: "0-1-100".parse().ok(),
            binlog_pos: None,
            io_pos: None,
            domain_id: Some(0),
        },
        semi_sync: SemiSync::default(),
        group: None,
        replicas: Vec::new(),
        pseudo_gtid: false,
        detected_rule: Some(PromotionRule::Prefer),
        suggested_alias: Some("shop".to_owned()),
        cluster_domain: None,
        latency: Duration::from_micros(1234),
    }
}

fn replication() -> Replication {
    let place = BinlogCoordinates::new("binlog.000003", 500);
    Replication {
        source: InstanceKey::new("db-0.example.com", 3306),
        source_uuid: None,
        user: Some("repl".to_owned()),
        credentials_available: true,
        io_thread: ThreadState::Other,
        sql_thread: ThreadState::Running,
        read: place.clone(),
        executed: place,
        relay: None,
        io_errno: 2003,
        io_error: "error reconnecting to source".to_owned(),
        sql_errno: 0,
        sql_error: String::new(),
        seconds_behind: None,
        lag_s: Some(0),
        delay_s: 0,
        has_filters: false,
        positioning: Positioning::OracleGtid,
        heartbeat: Heartbeat::default(),
        tls: ReplicationTls::default(),
    }
}
