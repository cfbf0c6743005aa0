//! Small fleets for tests: a primary `p` and its replicas `r1`, `r2` …, seen a moment ago, the primary just dead.

use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use crate::analysis::{AnalysisCode, Facts, Problem};
use crate::checks::{Checks, FailureKind, ProbeFailure};
use crate::coordinates::BinlogCoordinates;
use crate::filters::{ClusterFilters, HostnameFilters};
use crate::gtid::GtidSet;
use crate::instance::{
    Binlog, BinlogFormat, GtidState, Heartbeat, Instance, Location, Positioning, Replication,
    ReplicationTls, SemiSync, ThreadState,
};
use crate::key::InstanceKey;
use crate::policy::{AnalysisPolicy, PromotionPolicy, RecoveryPolicy};
use crate::recovery::{Choice, Circumstances, Loss, open_recovery};
use crate::registry::{Recovery, RecoveryUid, Registry};
use crate::topology::{Member, Place, Topology};
use crate::version::{Flavor, Version};

/// The uuid of the primary.
pub(crate) const P: &str = "aaaaaaaa-0000-0000-0000-000000000000";
/// The uuid of somebody who is not in the fleet.
pub(crate) const OTHER: &str = "bbbbbbbb-0000-0000-0000-000000000000";

/// `host` on the usual port.
pub(crate) fn key(host: &str) -> InstanceKey {
    InstanceKey::new(host, 3306)
}

/// The primary's transactions `range`, such as `1-100`.
pub(crate) fn gtids(range: &str) -> GtidSet {
    if range.is_empty() { GtidSet::default() } else { format!("{P}:{range}").parse().unwrap() }
}

/// A fixed moment; the primary was last seen a second before.
pub(crate) fn now() -> Timestamp {
    "2026-03-01T03:00:00Z".parse().unwrap()
}

/// `seconds` after [`now`].
pub(crate) fn later(seconds: i64) -> Timestamp {
    now().checked_add(SignedDuration::from_secs(seconds)).unwrap()
}

/// A fleet with a dead primary.
#[derive(Debug, Clone)]
pub(crate) struct Fleet {
    pub(crate) view: Topology,
    pub(crate) registry: Registry,
    pub(crate) policy: RecoveryPolicy,
}

impl Fleet {
    /// MySQL with GTID: everybody has transactions 1-100.
    pub(crate) fn mysql(replicas: u32) -> Self {
        Self::new(replicas, Flavor::MySql, Positioning::OracleGtid)
    }

    /// MariaDB with GTID: everybody has 0-1-100.
    pub(crate) fn mariadb(replicas: u32) -> Self {
        Self::new(replicas, Flavor::MariaDb, Positioning::MariaDbSlavePos)
    }

    /// MySQL by file and position: everybody is at `binlog.000003:500`.
    pub(crate) fn by_file(replicas: u32) -> Self {
        Self::new(replicas, Flavor::MySql, Positioning::File)
    }

    fn new(replicas: u32, flavor: Flavor, positioning: Positioning) -> Self {
        let mut primary = instance("p", 1, flavor, positioning);
        primary.read_only = false;
        primary.super_read_only = primary.super_read_only.map(|_| false);
        let mut dead = member(primary);
        dead.checks.last_checked = Some(now());
        dead.checks.failure =
            Some(ProbeFailure { kind: FailureKind::Refused, detail: "connection refused".into() });
        let followers = (1..=replicas).map(|number| {
            let mut follower = instance(&format!("r{number}"), number + 1, flavor, positioning);
            follower.replication = Some(replication("p", positioning));
            let mut follower = member(follower);
            follower.checks.last_checked = Some(now());
            follower.checks.last_seen = Some(now());
            follower
        });
        let view = Topology::of([dead].into_iter().chain(followers).map(Arc::new));
        Self { view, registry: Registry::default(), policy: policy() }
    }

    /// With the facts of one server changed.
    pub(crate) fn with(mut self, host: &str, change: impl FnOnce(&mut Instance)) -> Self {
        let mut changed = Member::clone(self.view.get(&key(host)).unwrap());
        let mut instance = Instance::clone(changed.instance.as_ref().unwrap());
        change(&mut instance);
        changed.instance = Some(Arc::new(instance));
        self.view = self.view.with(changed);
        self
    }

    /// With the membership of one server changed.
    pub(crate) fn with_member(mut self, host: &str, change: impl FnOnce(&mut Member)) -> Self {
        let mut changed = Member::clone(self.view.get(&key(host)).unwrap());
        change(&mut changed);
        self.view = self.view.with(changed);
        self
    }

    /// With a server that does not answer.
    pub(crate) fn without(self, host: &str) -> Self {
        self.with_member(host, |member| {
            member.checks.last_seen = member
                .checks
                .last_seen
                .and_then(|seen| seen.checked_sub(SignedDuration::from_secs(1)).ok());
            let detail = "timed out".to_owned();
            member.checks.failure = Some(ProbeFailure { kind: FailureKind::Unreachable, detail });
        })
    }

    /// With a server, or the dead primary, that answers.
    pub(crate) fn answering(self, host: &str) -> Self {
        self.with_member(host, |member| {
            member.checks.last_seen = member.checks.last_checked;
            member.checks.failure = None;
        })
    }

    /// The facts of one server.
    pub(crate) fn instance(&self, host: &str) -> &Instance {
        self.view.get(&key(host)).unwrap().instance.as_ref().unwrap()
    }

    /// The failure of the primary.
    pub(crate) fn problem(&self) -> Problem {
        let all_answer =
            self.view.replicas_of(&key("p")).all(|replica| replica.current().is_some());
        let code = if all_answer {
            AnalysisCode::DeadMaster
        } else {
            AnalysisCode::DeadMasterAndSomeReplicas
        };
        problem("p", code)
    }

    /// A recovery of the primary that has just been opened.
    pub(crate) fn recovery(&self) -> Recovery {
        open_recovery(RecoveryUid("uid-1".into()), &self.problem(), &self.view, now())
    }

    /// A choice of `r1`.
    pub(crate) fn choice(&self) -> Choice {
        Choice {
            promoted: key("r1"),
            reason: "it was asked for".into(),
            position: self.instance("r1").binlog.position.clone(),
            followers: self.view.replicas_of(&key("p")).skip(1).map(|m| m.key.clone()).collect(),
            lost: Vec::new(),
            rejected: Vec::new(),
            catch_up_from: None,
            loss: Loss::default(),
        }
    }
}

/// A failure of `host` in the cluster of `p`.
pub(crate) fn problem(host: &str, code: AnalysisCode) -> Problem {
    Problem {
        key: key(host),
        cluster: key("p").to_string(),
        code,
        warnings: Vec::new(),
        facts: Facts { is_source: host == "p", ..Facts::default() },
        actionable: true,
        skippable: false,
        replicas_downtimed: false,
    }
}

/// The circumstances in which everything is allowed.
pub(crate) fn circumstances() -> Circumstances {
    Circumstances {
        now: now(),
        started: later(-3600),
        alias: "shop".into(),
        leads: true,
        failed_since: Some(now()),
        forced: false,
        wanted: None,
    }
}

/// A member seen a second before [`now`].
pub(crate) fn member(instance: Instance) -> Member {
    let seen = Some(later(-1));
    Member {
        key: instance.key.clone(),
        checks: Checks {
            last_attempted: seen,
            last_checked: seen,
            last_seen: seen,
            partial: false,
            failure: None,
        },
        silent_for: None,
        place: Place { cluster: key("p").to_string(), ..Place::default() },
        errant: GtidSet::default(),
        instance: Some(Arc::new(instance)),
    }
}

/// A server that follows nobody and takes no writes.
pub(crate) fn instance(
    host: &str,
    server_id: u32,
    flavor: Flavor,
    positioning: Positioning,
) -> Instance {
    let is_mysql = flavor != Flavor::MariaDb;
    let position = "0-1-100".parse().ok().filter(|_| !is_mysql);
    let by_gtid = is_mysql && positioning == Positioning::OracleGtid;
    Instance {
        key: key(host),
        alias: None,
        server_id: Some(server_id),
        server_uuid: is_mysql.then(|| P.replace("aaaaaaaa", &format!("{server_id:08}"))),
        version: Version::parse(if is_mysql { "9.7.0" } else { "10.11.8-MariaDB" }),
        version_comment: String::new(),
        flavor,
        uptime_s: Some(1000),
        read_only: true,
        super_read_only: is_mysql.then_some(true),
        location: Location { data_center: "dc1".into(), ..Location::default() },
        binlog: Binlog {
            enabled: true,
            logs_updates: true,
            format: Some(BinlogFormat::Row),
            row_image: None,
            position: BinlogCoordinates::new("binlog.000007", 1000),
        },
        replication: None,
        other_channels: Vec::new(),
        gtid: GtidState {
            mode: is_mysql.then(|| if by_gtid { "ON".into() } else { "OFF".into() }),
            executed: gtids(if by_gtid { "1-100" } else { "" }),
            purged: GtidSet::default(),
            retrieved: GtidSet::default(),
            slave_pos: position.clone(),
            binlog_pos: position.clone(),
            io_pos: position,
            domain_id: None,
        },
        semi_sync: SemiSync::default(),
        group: None,
        replicas: Vec::new(),
        pseudo_gtid: false,
        detected_rule: None,
        suggested_alias: None,
        cluster_domain: None,
        latency: Duration::from_millis(1),
    }
}

/// Replication from `source`, its receiver trying to reconnect, everything applied.
pub(crate) fn replication(source: &str, positioning: Positioning) -> Replication {
    let place = BinlogCoordinates::new("binlog.000003", 500);
    Replication {
        source: key(source),
        source_uuid: None,
        user: Some("repl".into()),
        credentials_available: true,
        io_thread: ThreadState::Other,
        sql_thread: ThreadState::Running,
        read: place.clone(),
        executed: place,
        relay: None,
        io_errno: 2003,
        io_error: "error reconnecting to source".into(),
        sql_errno: 0,
        sql_error: String::new(),
        seconds_behind: None,
        lag_s: Some(0),
        delay_s: 0,
        has_filters: false,
        positioning,
        heartbeat: Heartbeat::default(),
        tls: ReplicationTls::default(),
    }
}

/// Defaults, with every cluster recovered.
pub(crate) fn policy() -> RecoveryPolicy {
    RecoveryPolicy {
        promotion: PromotionPolicy {
            lower_replica_version_allowed: false,
            verify_replication_filters: false,
            same_data_center: false,
            same_region: false,
            ignore: HostnameFilters::default(),
            candidate_expiry: Duration::from_hours(1),
            reasonable_maintenance_lag: Duration::from_secs(20),
            fail_on_lag: None,
            fail_if_not_applied: false,
            wait_until_applied: false,
            apply_limit: Duration::from_secs(30),
            max_loss_transactions: None,
            max_loss: None,
        },
        primaries: ClusterFilters::parse(&["*"]).unwrap(),
        intermediates: ClusterFilters::parse(&["*"]).unwrap(),
        block: Duration::from_hours(1),
        detection_block: Duration::from_hours(1),
        confirmation: Vec::new(),
        make_writable: true,
        detach_lost: true,
        detach_promoted: false,
        fence: true,
        concurrency: 5,
    }
}

/// Defaults of analysis.
pub(crate) fn analysis_policy() -> AnalysisPolicy {
    let seconds = Duration::from_secs;
    AnalysisPolicy {
        poll: seconds(5),
        reasonable_check: seconds(1),
        reasonable_lag: seconds(10),
        reasonable_maintenance_lag: seconds(20),
        locked_semi_sync_after: seconds(0),
        reduce: true,
        exact_semi_sync: false,
        recover_locked_semi_sync: false,
        recover_read_only_primary: false,
        ignore: HostnameFilters::default(),
        candidate_expiry: seconds(3600),
    }
}
