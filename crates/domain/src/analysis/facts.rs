//! The facts that rules read, counted from one server, its replicas and what users told of them.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::Input;
use crate::coordinates::BinlogCoordinates;
use crate::instance::{BinlogFormat, GroupMember, Instance, Location, ThreadState};
use crate::key::InstanceKey;
use crate::policy::AnalysisPolicy;
use crate::topology::Member;

/// All that a rule may read of one server, counted from the latest probes.
#[expect(clippy::struct_excessive_bools, reason = "each is one fact of its own")]
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Facts {
    /// It follows nobody and, in a group, is the primary.
    pub is_source: bool,
    /// It is in a replication group and not OFFLINE there.
    pub is_group_member: bool,
    /// It and one of its replicas follow each other.
    pub is_co_source: bool,
    /// The cluster is named after it.
    pub is_cluster_source: bool,
    /// It serves binary logs and holds no data.
    pub is_binlog_server: bool,
    /// Steps from the cluster's primary.
    pub depth: u32,
    /// Where it stands.
    pub location: Location,
    /// The latest probe was good and none has been hanging since.
    pub valid: bool,
    /// The probe failed in a way that only a living server process can cause.
    pub shows_life: bool,
    /// The latest probe read the basic facts and failed after them.
    pub partial: bool,
    /// `read_only` is set.
    pub read_only: bool,
    /// Where it writes its binary log.
    pub position: Option<BinlogCoordinates>,
    /// Its receiver cannot connect to its own source, while its applier runs.
    pub self_failing_to_connect: bool,

    /// Replicas configured to follow it.
    pub replicas: u32,
    /// Of `replicas`, those whose own latest probe was good.
    pub valid_replicas: u32,
    /// Of `valid_replicas`, those with both threads running; while the server does not answer, only those that
    /// hear of it.
    pub replicating: u32,
    /// Of `valid_replicas`, those whose running receiver has provably heard nothing for too long.
    pub silent: u32,
    /// Of `valid_replicas`, those whose receiver cannot connect while the applier runs.
    pub failing_to_connect: u32,
    /// Of `valid_replicas`, those whose lag is known.
    pub lag_known: u32,
    /// Of `lag_known`, those that lag unreasonably.
    pub lagging: u32,
    /// Of `valid_replicas`, those that apply with a configured delay.
    pub delayed: u32,
    /// Of `replicas`, those in downtime.
    pub downtimed_replicas: u32,

    /// Of `valid_replicas`, those that follow by MySQL's auto position.
    pub valid_oracle_gtid: u32,
    /// Of `valid_replicas`, those that follow by MariaDB GTID.
    pub valid_mariadb_gtid: u32,
    /// Of `valid_replicas`, the binlog servers.
    pub valid_binlog_servers: u32,
    /// Pseudo-GTID is injected.
    pub pseudo_gtid: bool,
    /// Of `replicas`, those that log what they replicate.
    pub logging: u32,
    /// Of `logging`, those in STATEMENT format.
    pub logging_statement: u32,
    /// Of `logging`, those in MIXED format.
    pub logging_mixed: u32,
    /// Of `logging`, those in ROW format.
    pub logging_row: u32,
    /// Major versions among `logging`.
    pub logging_versions: u32,
    /// Its `gtid_mode`; empty where there is none, `None` when nothing is known of it.
    pub gtid_mode: Option<String>,
    /// The `gtid_mode`s among its replicas, each once; empty text where there is none.
    pub replica_gtid_modes: BTreeSet<String>,
    /// Errant transactions of its replicas, those in downtime left out: the greatest text.
    pub errant: String,

    /// Semi-synchronous replication is on, source side.
    pub semi_sync_enabled: bool,
    /// It is in effect: commits wait.
    pub semi_sync_active: bool,
    /// Acknowledgements that a commit waits for.
    pub semi_sync_wait_for: u32,
    /// Replicas that acknowledge.
    pub semi_sync_clients: u32,
    /// Of `replicas`, those with the replica side on.
    pub semi_sync_replicas: u32,
    /// It has not written for longer than `ReasonableLockedSemiSyncMasterSeconds`.
    pub stale: bool,
    /// `EnforceExactSemiSyncReplicas`.
    pub wants_exact_semi_sync: bool,
    /// `RecoverNonWriteableMaster`.
    pub wants_writable: bool,

    /// It is in downtime.
    pub is_downtimed: bool,
    /// When that downtime ends.
    pub downtime_ends: Option<Timestamp>,
}

impl Facts {
    pub(super) fn count(input: &Input<'_>, member: &Member) -> Self {
        let mut facts = Self::of_member(input, member);
        facts.count_replicas(input, &member.key);
        facts
    }

    /// Neither answers nor shows any other sign of life.
    pub fn is_dead(&self) -> bool {
        !self.valid && !self.shows_life
    }

    /// It does not answer properly and yet lives, and this is no mere noise (a probe that failed half-way while
    /// its replicas are content).
    pub fn lives_unreachably(&self) -> bool {
        !self.valid && self.shows_life && !(self.partial && self.replicating > 0)
    }

    /// Every replica whose lag is known lags, and not all of them on purpose.
    pub fn all_lag(&self) -> bool {
        self.lagging > 0 && self.lagging == self.lag_known && self.delayed < self.valid_replicas
    }

    /// All valid replicas, and at least one, follow in a way in which they can be moved.
    pub fn has_failover_support(&self) -> bool {
        let all = |count: u32| count > 0 && count == self.valid_replicas;
        all(self.valid_oracle_gtid)
            || all(self.valid_mariadb_gtid)
            || all(self.valid_binlog_servers)
            || self.pseudo_gtid
    }

    fn of_member(input: &Input<'_>, member: &Member) -> Self {
        let policy = input.policy;
        let instance = member.instance.as_deref();
        let group = instance.and_then(|instance| instance.group.as_ref());
        let downtime = input.registry.downtime(&member.key, input.now);
        let semi_sync = instance.and_then(|instance| instance.semi_sync.source);
        let position = instance.and_then(|instance| instance.binlog.position.clone());
        Self {
            is_source: member.source().is_none() && group.is_none_or(is_primary),
            is_group_member: group.is_some_and(|group| group.state != "OFFLINE"),
            is_co_source: member.place.is_co_source,
            is_cluster_source: member.key.to_string() == member.place.cluster,
            is_binlog_server: instance.is_some_and(Instance::is_binlog_server),
            depth: member.place.depth,
            location: instance.map(|instance| instance.location.clone()).unwrap_or_default(),
            valid: member.checks.valid_within(policy.poll + policy.reasonable_check),
            shows_life: member.checks.shows_life(),
            partial: member.checks.partial,
            read_only: instance.is_some_and(|instance| instance.read_only),
            stale: position.as_ref().is_some_and(|position| {
                input.memory.is_stale(&member.key, position, policy, input.now)
            }),
            position,
            self_failing_to_connect: instance.is_some_and(fails_to_connect),
            pseudo_gtid: instance.is_some_and(|instance| instance.pseudo_gtid),
            gtid_mode: instance.map(gtid_mode),
            semi_sync_enabled: semi_sync.is_some_and(|source| source.enabled),
            semi_sync_active: semi_sync.is_some_and(|source| source.active),
            semi_sync_wait_for: semi_sync.map_or(0, |source| source.wait_for_replicas),
            semi_sync_clients: semi_sync.map_or(0, |source| source.clients),
            wants_exact_semi_sync: policy.exact_semi_sync,
            wants_writable: policy.recover_read_only_primary,
            is_downtimed: downtime.is_some(),
            downtime_ends: downtime.map(|downtime| downtime.ends),
            ..Self::default()
        }
    }

    fn count_replicas(&mut self, input: &Input<'_>, key: &InstanceKey) {
        let mut versions = BTreeSet::new();
        for replica in input.topology.replicas_of(key) {
            let Some(instance) = replica.instance.as_deref() else { continue };
            let downtimed = input.registry.downtime(&replica.key, input.now).is_some();
            self.replicas += 1;
            self.downtimed_replicas += u32::from(downtimed);
            self.is_co_source |= replica.place.is_co_source;
            self.replica_gtid_modes.insert(gtid_mode(instance));
            self.semi_sync_replicas +=
                u32::from(instance.semi_sync.replica.is_some_and(|replica| replica.enabled));
            if !downtimed {
                self.errant = std::mem::take(&mut self.errant).max(replica.errant.to_string());
            }
            if instance.binlog.enabled && instance.binlog.logs_updates {
                versions.insert(instance.major_version());
                self.count_logging(instance);
            }
            if replica.checks.valid() {
                self.count_valid(replica, instance, input.policy);
            }
        }
        self.logging_versions = u32::try_from(versions.len()).unwrap_or(u32::MAX);
        if !self.valid {
            self.replicating -= self.silent;
        }
    }

    fn count_logging(&mut self, instance: &Instance) {
        self.logging += 1;
        match instance.binlog.format {
            Some(BinlogFormat::Statement) => self.logging_statement += 1,
            Some(BinlogFormat::Mixed) => self.logging_mixed += 1,
            Some(BinlogFormat::Row) => self.logging_row += 1,
            None => {}
        }
    }

    /// Counts a replica with current facts; a silent one is still among `replicating` here.
    fn count_valid(&mut self, replica: &Member, instance: &Instance, policy: &AnalysisPolicy) {
        let replication = instance.replication.as_ref();
        let lag_s = replication.and_then(|replication| replication.lag_s);
        let both_run = instance.io_running() && instance.sql_running();
        self.valid_replicas += 1;
        self.replicating += u32::from(both_run);
        self.silent += u32::from(both_run && replica.receiver_is_silent());
        self.failing_to_connect += u32::from(fails_to_connect(instance));
        self.lag_known += u32::from(lag_s.is_some());
        self.lagging += u32::from(lag_s.is_some_and(|lag| lag > policy.reasonable_lag.as_secs()));
        self.delayed += u32::from(replication.is_some_and(|replication| replication.delay_s > 0));
        self.valid_oracle_gtid += u32::from(instance.uses_oracle_gtid());
        self.valid_mariadb_gtid += u32::from(instance.uses_mariadb_gtid());
        self.valid_binlog_servers += u32::from(instance.is_binlog_server());
    }
}

fn is_primary(group: &GroupMember) -> bool {
    group.role == "PRIMARY"
}

fn gtid_mode(instance: &Instance) -> String {
    instance.gtid.mode.clone().unwrap_or_default()
}

/// Error numbers with which a receiver says that it could not connect, or could not log in, to its source.
///
/// 1040 and 1203 too many connections, 1045 access denied, 1129 and 1130 host refused, 1158 to 1161 and 2002 to 2013
/// network, 2026 TLS, 2055 and 2061 connection lost and login method.
const CONNECT_ERRORS: &[u32] = &[
    1040, 1045, 1129, 1130, 1158, 1159, 1160, 1161, 1203, 2002, 2003, 2005, 2006, 2012, 2013, 2026,
    2055, 2061,
];

/// The receiver does not run because it cannot connect, while the applier runs.
///
/// The text is looked at as well because old states are stored without the number.
fn fails_to_connect(instance: &Instance) -> bool {
    let Some(replication) = instance.replication.as_ref() else { return false };
    replication.io_thread != ThreadState::Running
        && replication.sql_thread == ThreadState::Running
        && (CONNECT_ERRORS.contains(&replication.io_errno)
            || tells_of_failed_connect(&replication.io_error))
}

fn tells_of_failed_connect(text: &str) -> bool {
    let text = text.to_lowercase();
    let after_error = text.split_once("error ").map(|(_, rest)| rest).unwrap_or_default();
    after_error.contains("connecting to master") || after_error.contains("connecting to source")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::{AnalysisCode, Memory, analyze, analyze_one};
    use super::*;
    use crate::checks::FailureKind;
    use crate::fixture::{Fleet, analysis_policy, key, later, now};
    use crate::instance::Replication;
    use crate::registry::{Downtime, Maintenance};

    fn code(fleet: &Fleet) -> Option<AnalysisCode> {
        problem_of(fleet, &Memory::default()).map(|problem| problem.code)
    }

    fn problem_of(fleet: &Fleet, memory: &Memory) -> Option<super::super::Problem> {
        let (topology, registry) = (&fleet.view, &fleet.registry);
        let policy = analysis_policy();
        analyze_one(&Input { topology, registry, memory, policy: &policy, now: now() }, &key("p"))
    }

    fn replication(instance: &mut Instance) -> &mut Replication {
        instance.replication.as_mut().unwrap()
    }

    /// All replicas believe that they replicate.
    fn running(fleet: Fleet, period: Option<Duration>, silent_for: Option<Duration>) -> Fleet {
        ["r1", "r2"].into_iter().fold(fleet, |fleet, host| {
            fleet.with(host, |instance| {
                let replication = replication(instance);
                replication.io_thread = ThreadState::Running;
                replication.heartbeat.period = period;
                replication.heartbeat.silent_for = silent_for;
            })
        })
    }

    #[test]
    fn a_frozen_primary_is_dead_although_its_replicas_believe_that_they_replicate() {
        let ms = |number| Some(Duration::from_millis(number));
        let cases = [
            ("heard a moment ago", ms(1000), ms(400), AnalysisCode::UnreachableMaster),
            ("within the slack", ms(1000), ms(1249), AnalysisCode::UnreachableMaster),
            ("silent", ms(1000), ms(1251), AnalysisCode::DeadMaster),
            (
                "within the slack of a long period",
                ms(30_000),
                ms(32_999),
                AnalysisCode::UnreachableMaster,
            ),
            ("silent for a long period", ms(30_000), ms(33_001), AnalysisCode::DeadMaster),
            ("no period is known", None, ms(99_000), AnalysisCode::UnreachableMaster),
            ("heartbeats are off", ms(0), ms(99_000), AnalysisCode::UnreachableMaster),
            ("no silence is known", ms(1000), None, AnalysisCode::UnreachableMaster),
        ];
        for (name, period, silent, expected) in cases {
            let fleet = running(Fleet::mysql(2), period, silent);
            assert_eq!(code(&fleet), Some(expected), "{name}");
            assert_eq!(code(&fleet.answering("p")), Some(AnalysisCode::NoProblem), "{name}");
        }
        let timed = running(Fleet::mariadb(2), ms(1000), None);
        let timed = timed.with_member("r1", |member| member.silent_for = ms(2000));
        assert_eq!(code(&timed), Some(AnalysisCode::UnreachableMaster), "one still hears");
        let timed = timed.with_member("r2", |member| member.silent_for = ms(2000));
        assert_eq!(code(&timed), Some(AnalysisCode::DeadMaster), "timed by our clock");
    }

    #[test]
    fn a_primary_without_a_connection_left_is_unreachable_not_dead() {
        for kind in [FailureKind::TooManyConnections, FailureKind::AccessDenied, FailureKind::Tls] {
            let fleet = Fleet::mysql(2).with_member("p", |member| {
                member.checks.failure.as_mut().unwrap().kind = kind;
            });
            let code = code(&fleet);
            assert_eq!(code, Some(AnalysisCode::UnreachableMaster), "{kind:?}");
        }
        assert_eq!(code(&Fleet::mysql(2)), Some(AnalysisCode::DeadMaster));
    }

    #[test]
    fn a_failed_connection_is_known_by_its_number_or_its_text() {
        let fails = |state, errno, error: &str| {
            let fleet = Fleet::mysql(1).with("r1", |instance| {
                let replication = replication(instance);
                replication.io_thread = state;
                (replication.io_errno, replication.io_error) = (errno, error.to_owned());
            });
            fails_to_connect(fleet.instance("r1"))
        };
        assert!(fails(ThreadState::Other, 2003, ""));
        assert!(fails(ThreadState::Other, 1040, "zu viele Verbindungen"));
        assert!(fails(ThreadState::Stopped, 0, "error connecting to master 'u@h:1' - retry"));
        assert!(fails(ThreadState::Other, 0, "Error reconnecting to source 'u@h:1'"));
        assert!(!fails(ThreadState::Running, 2003, ""));
        assert!(!fails(ThreadState::Stopped, 1236, "Got fatal error 1236 from source"));
        assert!(!fails(ThreadState::Other, 0, ""));
    }

    #[test]
    fn the_lag_of_a_dead_replica_is_no_news() {
        let lagging = running(Fleet::mysql(2), None, None)
            .with("r1", |instance| replication(instance).lag_s = Some(60))
            .with("r2", |instance| replication(instance).lag_s = Some(0));
        assert_eq!(code(&lagging), Some(AnalysisCode::UnreachableMaster));
        let one_dead = lagging.without("r2");
        let expected = Some(AnalysisCode::UnreachableMasterWithLaggingReplicas);
        assert_eq!(code(&one_dead), expected);
    }

    #[test]
    fn downtime_makes_skippable_and_maintenance_hides() {
        let downtime =
            Downtime { owner: String::new(), reason: String::new(), begins: now(), ends: later(9) };
        let mut fleet = Fleet::mysql(2);
        fleet.registry.downtimes.insert(key("p"), downtime.clone());
        let problem = problem_of(&fleet, &Memory::default()).unwrap();
        assert!(problem.skippable && problem.actionable && !problem.replicas_downtimed);

        let mut fleet = Fleet::mysql(2).answering("p");
        for host in ["r1", "r2"] {
            fleet.registry.downtimes.insert(key(host), downtime.clone());
        }
        let problem = problem_of(&fleet, &Memory::default()).unwrap();
        assert_eq!(problem.code, AnalysisCode::AllMasterReplicasNotReplicating);
        assert!(problem.skippable && problem.replicas_downtimed && !problem.facts.is_downtimed);

        let lock = Maintenance {
            owner: String::new(),
            reason: String::new(),
            begins: now(),
            ends: later(9),
        };
        fleet.registry.maintenance.insert(key("p"), lock);
        assert_eq!(problem_of(&fleet, &Memory::default()), None);
    }

    #[test]
    fn a_server_that_was_never_looked_at_has_no_problem_yet() {
        let fleet = Fleet::mysql(2).with_member("p", |member| {
            (member.instance, member.checks) = (None, crate::checks::Checks::default());
        });
        assert_eq!(code(&fleet), None);
        let failed = fleet.with_member("p", |member| member.checks.last_checked = Some(now()));
        assert_eq!(code(&failed), Some(AnalysisCode::DeadMaster));
    }

    #[test]
    fn a_locked_primary_is_certain_once_its_position_has_stood_still() {
        let semi_sync = crate::instance::SemiSyncSource {
            enabled: true,
            active: true,
            timeout: Duration::from_hours(1),
            wait_for_replicas: 1,
            clients: 0,
            new_names: true,
        };
        let fleet = running(Fleet::mysql(2), None, None)
            .with("p", |instance| instance.semi_sync.source = Some(semi_sync))
            .answering("p");
        let at = fleet.instance("p").binlog.position.clone().unwrap();
        let with_note = |seconds| {
            let mut memory = Memory::default();
            memory.note_position(key("p"), at.clone(), later(seconds));
            memory.note_position(key("p"), at.clone(), later(0));
            problem_of(&fleet, &memory).unwrap().code
        };
        assert_eq!(with_note(-10), AnalysisCode::LockedSemiSyncMasterHypothesis);
        assert_eq!(with_note(-11), AnalysisCode::LockedSemiSyncMaster);
    }

    #[test]
    fn healthy_servers_without_replicas_are_not_listed() {
        let fleet = running(Fleet::mysql(2), None, None).answering("p");
        let (memory, policy) = (Memory::default(), analysis_policy());
        let input = Input {
            topology: &fleet.view,
            registry: &fleet.registry,
            memory: &memory,
            policy: &policy,
            now: now(),
        };
        assert_eq!(analyze(&input), []);
        assert!(analyze_one(&input, &key("r1")).is_none());
        assert!(analyze_one(&input, &key("p")).is_some());
    }
}
