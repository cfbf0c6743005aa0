//! A case as the domain sees it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use super::file::{Case, Lock, Settings, StoredInstance, StoredReplication, Time, tags_of};
use super::{CaseError, parse_key};
use crate::analysis::{Input, Memory, Problem, analyze};
use crate::checks::{Checks, ProbeFailure};
use crate::coordinates::BinlogCoordinates;
use crate::filters::HostnameFilters;
use crate::gtid::GtidSet;
use crate::instance::{
    Binlog, BinlogFormat, GroupMember, GtidState, Heartbeat, Instance, Location, Positioning,
    PromotionRule, Replication, ReplicationTls, SemiSync, SemiSyncReplica, SemiSyncSource,
    ThreadState,
};
use crate::key::InstanceKey;
use crate::policy::{AnalysisPolicy, PromotionPolicy};
use crate::registry::{Candidate, Downtime, Maintenance, Registry};
use crate::topology::{Member, Place, Topology};
use crate::version::{Flavor, Version};

/// All that a command may look at, and change for the commands that follow it.
pub(super) struct State {
    pub(super) topology: Topology,
    pub(super) registry: Registry,
    pub(super) memory: Memory,
    pub(super) analysis_policy: AnalysisPolicy,
    pub(super) promotion_policy: PromotionPolicy,
    pub(super) osc_ignore: HostnameFilters,
    pub(super) default_port: u16,
    pub(super) now: Timestamp,
}

/// Whether a thread runs is recorded twice, as a flag that analysis reads and as a state that all else reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Threads {
    Flags,
    States,
}

impl State {
    pub(super) fn load(case: &Case, now: Timestamp) -> Result<Self, CaseError> {
        let threads = if case.command.name == "replication-analysis" {
            Threads::Flags
        } else {
            Threads::States
        };
        let port = case.settings.default_instance_port;
        let members: Vec<Arc<Member>> = case
            .instances
            .iter()
            .map(|stored| member(stored, threads, port, now).map(Arc::new))
            .collect::<Result<_, _>>()?;
        Ok(Self {
            topology: Topology::of(members),
            registry: registry(case, now)?,
            memory: memory(case, now)?,
            analysis_policy: analysis_policy(&case.settings)?,
            promotion_policy: promotion_policy(&case.settings)?,
            osc_ignore: HostnameFilters::parse(&case.settings.osc_ignore_hostname_filters)?,
            default_port: port,
            now,
        })
    }

    /// The problems that `replication-analysis` shows: nothing that is skippable.
    pub(super) fn analysis(&self) -> Vec<Problem> {
        let mut problems = analyze(&Input {
            topology: &self.topology,
            registry: &self.registry,
            memory: &self.memory,
            policy: &self.analysis_policy,
            now: self.now,
        });
        problems.retain(|problem| !problem.skippable);
        problems
    }

    /// The one instance that goes by `text`: its key, or a part of its host name with its port.
    pub(super) fn find(&self, text: &str) -> Result<&Arc<Member>, CaseError> {
        let key = parse_key(text, self.default_port)?;
        let missing = || CaseError::NoInstance(key.to_string());
        if let Some(member) = self.topology.get(&key) {
            return Ok(member);
        }
        if key.host.parse::<std::net::Ipv4Addr>().is_ok() {
            return Err(missing());
        }
        let mut fuzzy = self
            .topology
            .members()
            .filter(|member| member.key.port == key.port && member.key.host.contains(&key.host));
        match (fuzzy.next(), fuzzy.next()) {
            (Some(member), None) => Ok(member),
            _ => Err(missing()),
        }
    }

    /// The key `text` stands for; that of no recorded instance is taken as it is.
    pub(super) fn key(&self, text: &str) -> Result<InstanceKey, CaseError> {
        match self.find(text) {
            Ok(member) => Ok(member.key.clone()),
            Err(_) => parse_key(text, self.default_port),
        }
    }
}

fn member(
    stored: &StoredInstance,
    threads: Threads,
    default_port: u16,
    now: Timestamp,
) -> Result<Member, CaseError> {
    let at = |time: &Option<Time>| time.as_ref().map(|time| time.at(now)).transpose();
    let failure = stored.checks.failure;
    let split =
        |text: &str| text.split(',').filter(|uuid| !uuid.is_empty()).map(str::to_owned).collect();
    Ok(Member {
        key: InstanceKey::new(stored.host.clone(), stored.port),
        instance: Some(Arc::new(instance(stored, threads, default_port)?)),
        checks: Checks {
            last_attempted: at(&stored.checks.last_attempted_check)?,
            last_checked: at(&stored.checks.last_checked)?,
            last_seen: at(&stored.checks.last_seen)?,
            partial: stored.checks.last_check_partial_success,
            failure: failure.map(|kind| ProbeFailure { kind, detail: "recorded".to_owned() }),
        },
        silent_for: None,
        place: Place {
            cluster: stored.cluster.name.clone(),
            depth: stored.cluster.replication_depth,
            is_co_source: stored.cluster.is_co_source,
            ancestry: split(&stored.source.ancestry_uuids),
            suggested_alias: some(&stored.cluster.suggested_alias),
        },
        errant: set(&stored.gtid.errant)?,
    })
}

fn instance(
    stored: &StoredInstance,
    threads: Threads,
    default_port: u16,
) -> Result<Instance, CaseError> {
    let identity = &stored.identity;
    let flavor = if identity.is_binlog_server {
        Flavor::MaxScale
    } else {
        Flavor::detect(&identity.version, &identity.version_comment)
    };
    let replicas = stored.replicas.iter().map(|replica| replica.key(default_port));
    Ok(Instance {
        key: InstanceKey::new(stored.host.clone(), stored.port),
        alias: some(&stored.alias),
        server_id: identity.server_id,
        server_uuid: some(&identity.server_uuid.to_lowercase()),
        version: Version::parse(identity.version.clone()),
        version_comment: identity.version_comment.clone(),
        flavor,
        uptime_s: identity.uptime_seconds,
        read_only: identity.read_only,
        super_read_only: None,
        location: Location {
            data_center: stored.location.data_center.clone(),
            region: stored.location.region.clone(),
            environment: stored.location.physical_environment.clone(),
        },
        binlog: Binlog {
            enabled: stored.binlog.enabled,
            logs_updates: stored.binlog.log_replica_updates,
            format: BinlogFormat::parse(&stored.binlog.format),
            row_image: some(&stored.binlog.row_image),
            position: BinlogCoordinates::new(stored.binlog.file.clone(), stored.binlog.pos),
        },
        replication: replication(stored, threads),
        other_channels: Vec::new(),
        gtid: GtidState {
            mode: some(&stored.gtid.mode),
            executed: set(&stored.gtid.executed)?,
            purged: set(&stored.gtid.purged)?,
            ..GtidState::default()
        },
        semi_sync: semi_sync(stored),
        group: group(stored, default_port)?,
        replicas: replicas.collect::<Result<_, _>>()?,
        pseudo_gtid: stored.gtid.using_pseudo,
        detected_rule: None,
        suggested_alias: some(&stored.cluster.suggested_alias),
        cluster_domain: some(&stored.cluster.domain),
        latency: Duration::from_nanos(stored.checks.discovery_latency_ns),
    })
}

fn replication(stored: &StoredInstance, threads: Threads) -> Option<Replication> {
    const ABSENT: i8 = -1;
    let told = &stored.replication;
    let has_threads = [told.io_thread_state, told.sql_thread_state]
        .iter()
        .any(|state| state.is_some_and(|state| state != ABSENT));
    if stored.source.host.is_empty() && !has_threads {
        return None;
    }
    Some(Replication {
        source: InstanceKey::new(stored.source.host.clone(), stored.source.port),
        source_uuid: some(&stored.source.uuid),
        user: told.has_credentials.then(|| "recorded".to_owned()),
        credentials_available: told.credentials_available,
        io_thread: thread(threads, told.io_running, told.io_thread_state),
        sql_thread: thread(threads, told.sql_running, told.sql_thread_state),
        read: BinlogCoordinates::new(told.read_file.clone(), told.read_pos),
        executed: BinlogCoordinates::new(told.exec_file.clone(), told.exec_pos),
        relay: BinlogCoordinates::new(told.relay_file.clone(), told.relay_pos),
        io_errno: told.last_io_errno,
        io_error: told.last_io_error.clone(),
        sql_errno: 0,
        sql_error: told.last_sql_error.clone(),
        seconds_behind: told.seconds_behind_source,
        lag_s: told.lag_seconds,
        delay_s: told.sql_delay_seconds,
        has_filters: told.has_filters,
        positioning: positioning(stored),
        heartbeat: heartbeat(told),
        tls: ReplicationTls { enabled: told.tls_allowed, ..ReplicationTls::default() },
    })
}

fn thread(threads: Threads, running: bool, state: Option<i8>) -> ThreadState {
    let state = match state {
        Some(-1) => ThreadState::Absent,
        Some(0) => ThreadState::Stopped,
        Some(1) => ThreadState::Running,
        Some(_) => ThreadState::Other,
        None if running => ThreadState::Running,
        None => ThreadState::Stopped,
    };
    match (threads, running, state) {
        (Threads::Flags, true, _) => ThreadState::Running,
        (Threads::Flags, false, ThreadState::Running) => ThreadState::Stopped,
        (Threads::Flags, false, _) | (Threads::States, _, _) => state,
    }
}

fn heartbeat(told: &StoredReplication) -> Heartbeat {
    Heartbeat {
        period: told.heartbeat_period_ms.map(Duration::from_millis),
        received: None,
        silent_for: told.silent_for_ms.map(Duration::from_millis),
    }
}

fn positioning(stored: &StoredInstance) -> Positioning {
    if stored.gtid.using_oracle {
        Positioning::OracleGtid
    } else if stored.gtid.using_mariadb {
        Positioning::MariaDbSlavePos
    } else {
        Positioning::File
    }
}

fn semi_sync(stored: &StoredInstance) -> SemiSync {
    let told = &stored.semi_sync;
    SemiSync {
        priority: told.priority,
        source: Some(SemiSyncSource {
            enabled: told.source_enabled,
            active: told.source_active,
            timeout: Duration::from_millis(told.source_timeout_ms),
            wait_for_replicas: told.source_wait_for_replica_count,
            clients: told.source_clients,
            new_names: false,
        }),
        replica: Some(SemiSyncReplica {
            enabled: told.replica_enabled,
            active: told.replica_active,
            new_names: false,
        }),
    }
}

fn group(stored: &StoredInstance, default_port: u16) -> Result<Option<GroupMember>, CaseError> {
    let told = &stored.group_replication;
    if told.name.is_empty() {
        return Ok(None);
    }
    let primary = InstanceKey::new(told.primary_host.clone(), told.primary_port);
    let members = told.members.iter().map(|member| member.key(default_port));
    Ok(Some(GroupMember {
        name: told.name.clone(),
        single_primary: told.single_primary,
        state: told.member_state.clone(),
        role: told.member_role.clone(),
        members: members.collect::<Result<_, _>>()?,
        primary: primary.is_valid().then_some(primary),
    }))
}

fn registry(case: &Case, now: Timestamp) -> Result<Registry, CaseError> {
    let mut registry = Registry { tags: tags_of(case), ..Registry::default() };
    for lock in case.downtimes.iter().filter(|lock| lock.active) {
        let (key, begins, ends) = times(lock, now)?;
        let (owner, reason) = (lock.owner.clone(), lock.reason.clone());
        registry.downtimes.insert(key, Downtime { owner, reason, begins, ends });
    }
    for lock in case.maintenance.iter().filter(|lock| lock.active) {
        let (key, begins, ends) = times(lock, now)?;
        let (owner, reason) = (lock.owner.clone(), lock.reason.clone());
        registry.maintenance.insert(key, Maintenance { owner, reason, begins, ends });
    }
    for told in &case.promotion_rules {
        let rule = PromotionRule::parse(&told.rule)
            .ok_or_else(|| CaseError::field("promotion rule", &told.rule, "no such rule"))?;
        let key = InstanceKey::new(told.host.clone(), told.port);
        registry.candidates.insert(key, Candidate { rule, registered: now });
    }
    let aliases = case.cluster_aliases.iter();
    registry.aliases =
        aliases.map(|told| (told.cluster_name.clone(), told.alias.clone())).collect();
    Ok(registry)
}

/// Key, begin and end of a lock; one without an end has not ended.
fn times(lock: &Lock, now: Timestamp) -> Result<(InstanceKey, Timestamp, Timestamp), CaseError> {
    let at = |time: &Option<Time>, otherwise: Timestamp| {
        time.as_ref().map_or(Ok(otherwise), |time| time.at(now))
    };
    let key = InstanceKey::new(lock.host.clone(), lock.port);
    Ok((key, at(&lock.begins, now)?, at(&lock.ends, Timestamp::MAX)?))
}

fn memory(case: &Case, now: Timestamp) -> Result<Memory, CaseError> {
    let mut memory = Memory::default();
    for stale in &case.stale_binlog_coordinates {
        if let Some(position) = BinlogCoordinates::new(stale.file.clone(), stale.pos) {
            let key = InstanceKey::new(stale.host.clone(), stale.port);
            memory.note_position(key, position, stale.first_seen.at(now)?);
        }
    }
    Ok(memory)
}

fn analysis_policy(settings: &Settings) -> Result<AnalysisPolicy, CaseError> {
    let seconds = Duration::from_secs;
    Ok(AnalysisPolicy {
        poll: seconds(settings.instance_poll_seconds),
        reasonable_check: seconds(settings.reasonable_instance_check_seconds),
        reasonable_lag: seconds(settings.reasonable_replication_lag_seconds),
        reasonable_maintenance_lag: seconds(
            settings.reasonable_maintenance_replication_lag_seconds,
        ),
        locked_semi_sync_after: seconds(settings.reasonable_locked_semi_sync_master_seconds),
        reduce: settings.reduce_replication_analysis_count,
        exact_semi_sync: settings.enforce_exact_semi_sync_replicas,
        recover_locked_semi_sync: settings.recover_locked_semi_sync_master,
        recover_read_only_primary: settings.recover_non_writeable_master,
        ignore: HostnameFilters::parse(&settings.recovery_ignore_hostname_filters)?,
        candidate_expiry: seconds(settings.candidate_instance_expire_minutes * 60),
    })
}

fn promotion_policy(settings: &Settings) -> Result<PromotionPolicy, CaseError> {
    let seconds = Duration::from_secs;
    Ok(PromotionPolicy {
        lower_replica_version_allowed: settings.lower_replica_version_allowed,
        verify_replication_filters: settings.verify_replication_filters,
        same_data_center: settings.prevent_cross_data_center_master_failover,
        same_region: settings.prevent_cross_region_master_failover,
        ignore: HostnameFilters::parse(&settings.promotion_ignore_hostname_filters)?,
        candidate_expiry: seconds(settings.candidate_instance_expire_minutes * 60),
        reasonable_maintenance_lag: seconds(
            settings.reasonable_maintenance_replication_lag_seconds,
        ),
        fail_on_lag: None,
        fail_if_not_applied: false,
        wait_until_applied: false,
        apply_limit: Duration::ZERO,
        max_loss_transactions: None,
        max_loss: None,
    })
}

fn some(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| text.to_owned())
}

fn set(text: &str) -> Result<GtidSet, CaseError> {
    Ok(text.parse::<GtidSet>()?)
}

/// How often each value occurs; of the most frequent ones the least.
pub(super) fn majority<T: Ord + Copy>(values: impl IntoIterator<Item = T>) -> Option<T> {
    let mut counts: BTreeMap<T, usize> = BTreeMap::new();
    for value in values {
        *counts.entry(value).or_default() += 1;
    }
    let most = counts.values().copied().max()?;
    counts.into_iter().find(|(_, count)| *count == most).map(|(value, _)| value)
}
