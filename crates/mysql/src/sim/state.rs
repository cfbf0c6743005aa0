//! The servers of a simulated cluster, and what time does to them.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use ham4db_domain::checks::FailureKind;
use ham4db_domain::coordinates::BinlogCoordinates;
use ham4db_domain::gtid::{GtidSet, MariaDbPosition};
use ham4db_domain::instance::{
    Binlog, BinlogFormat, GtidState, Heartbeat, Instance, Location, Positioning, Replication,
    ReplicationTls, SemiSync, ThreadState,
};
use ham4db_domain::key::InstanceKey;
use ham4db_domain::step::{SourcePosition, Step};
use ham4db_domain::version::{Flavor, Version};
use tokio::time::Instant;

use super::{Mishap, NotWritable};

/// A transaction: the server that wrote it, and its number.
pub(super) type Transaction = (u32, u64);

/// Changes what a probe says.
pub(super) type Edit = Box<dyn Fn(&mut Instance) + Send>;

/// How often a source that writes nothing shows that it lives.
const HEARTBEAT: Duration = Duration::from_millis(2500);
/// A receiver that hears nothing for so long gives its connection up.
const NET_TIMEOUT: Duration = Duration::from_secs(5);
/// Bytes that a transaction takes in a binary log.
const BYTES: u64 = 100;
const CANNOT_CONNECT: u32 = 2003;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Condition {
    Up,
    Killed,
    Frozen,
    Isolated,
    CutOff,
    TurnsDown(FailureKind),
}

impl Condition {
    /// Other servers get what it sends.
    fn serves_replicas(self) -> bool {
        match self {
            Self::Up | Self::CutOff | Self::TurnsDown(_) => true,
            Self::Killed | Self::Frozen | Self::Isolated => false,
        }
    }
}

pub(super) struct SimServer {
    pub(super) flavor: Flavor,
    pub(super) server_id: u32,
    pub(super) condition: Condition,
    pub(super) started: Instant,
    /// Connections of an earlier generation are closed.
    pub(super) generation: u64,
    pub(super) read_only: bool,
    configured_read_only: bool,
    log: Vec<Transaction>,
    pub(super) replication: Option<SimReplication>,
    pub(super) starved: bool,
    pub(super) lag: Duration,
    pub(super) latency: Duration,
    pub(super) edits: Vec<Edit>,
    pub(super) mishaps: VecDeque<Mishap>,
    pub(super) probes: u64,
}

pub(super) struct SimReplication {
    pub(super) source: InstanceKey,
    pub(super) io_wanted: bool,
    pub(super) sql_wanted: bool,
    sql_error: Option<(u32, String)>,
    positioning: Positioning,
    /// Transactions of the source's log that were read.
    read: u64,
    /// Of those, how many are applied.
    executed: u64,
    received: BTreeSet<Transaction>,
    /// Received and not applied, with the time when each is due.
    relay: VecDeque<(Instant, Transaction)>,
    io_state: ThreadState,
    connected: Option<Instant>,
    last_heard: Option<Instant>,
    heartbeats: u64,
}

#[derive(Default)]
pub(super) struct World {
    servers: BTreeMap<InstanceKey, SimServer>,
    pub(super) taken: Vec<(Instant, Step)>,
}

impl World {
    pub(super) fn add(&mut self, key: &InstanceKey, flavor: Flavor) {
        let server_id = u32::try_from(self.servers.len() + 1).unwrap_or(u32::MAX);
        let server = SimServer {
            flavor,
            server_id,
            condition: Condition::Up,
            started: Instant::now(),
            generation: 0,
            read_only: false,
            configured_read_only: false,
            log: Vec::new(),
            replication: None,
            starved: false,
            lag: Duration::ZERO,
            latency: Duration::from_millis(1),
            edits: Vec::new(),
            mishaps: VecDeque::new(),
            probes: 0,
        };
        self.servers.insert(key.clone(), server);
    }

    pub(super) fn follow(&mut self, replica: &InstanceKey, source: &InstanceKey) {
        let log = self.log_of(source).to_vec();
        let Some(server) = self.servers.get_mut(replica) else { return };
        let read = log.len() as u64;
        server.read_only = true;
        server.configured_read_only = true;
        let positioning = gtid_positioning(server.flavor);
        let received = log.iter().copied().collect();
        server.log = log;
        let replication =
            SimReplication { received, ..SimReplication::new(source.clone(), positioning, read) };
        server.replication = Some(replication);
    }

    pub(super) fn use_file_position(&mut self, replica: &InstanceKey) {
        self.edit(replica, |server| {
            if let Some(replication) = &mut server.replication {
                replication.positioning = Positioning::File;
            }
        });
    }

    pub(super) fn server(&self, key: &InstanceKey) -> Option<&SimServer> {
        self.servers.get(key)
    }

    pub(super) fn edit(&mut self, key: &InstanceKey, edit: impl FnOnce(&mut SimServer)) {
        if let Some(server) = self.servers.get_mut(key) {
            edit(server);
        }
    }

    pub(super) fn log_of(&self, key: &InstanceKey) -> &[Transaction] {
        self.servers.get(key).map_or(&[], |server| &server.log)
    }

    pub(super) fn set_condition(&mut self, key: &InstanceKey, condition: Condition) {
        self.edit(key, |server| {
            server.condition = condition;
            if condition == Condition::Killed {
                server.generation += 1;
                if let Some(replication) = &mut server.replication {
                    replication.relay.clear();
                    replication.received = server.log.iter().copied().collect();
                    replication.read = replication.executed;
                }
            }
        });
    }

    pub(super) fn restart(&mut self, key: &InstanceKey) {
        self.edit(key, |server| {
            server.condition = Condition::Up;
            server.started = Instant::now();
            server.read_only = server.configured_read_only;
            if let Some(replication) = &mut server.replication {
                (replication.io_wanted, replication.sql_wanted) = (true, true);
            }
        });
    }

    pub(super) fn write(
        &mut self,
        key: &InstanceKey,
        transactions: u64,
    ) -> Result<(), NotWritable> {
        let server = self.servers.get(key).ok_or(NotWritable)?;
        if server.read_only || matches!(server.condition, Condition::Killed | Condition::Frozen) {
            return Err(NotWritable);
        }
        self.append(key, transactions);
        Ok(())
    }

    pub(super) fn append(&mut self, key: &InstanceKey, transactions: u64) {
        self.edit(key, |server| {
            for _ in 0..transactions {
                let next = match server.flavor {
                    // Numbers of a MariaDB domain go on across servers.
                    Flavor::MariaDb => server.log.iter().map(|(_, number)| *number).max(),
                    Flavor::MySql | Flavor::Percona | Flavor::Ndb | Flavor::MaxScale => server
                        .log
                        .iter()
                        .filter(|(writer, _)| *writer == server.server_id)
                        .map(|(_, number)| *number)
                        .max(),
                };
                server.log.push((server.server_id, next.unwrap_or(0) + 1));
            }
        });
    }

    pub(super) fn break_applier(&mut self, replica: &InstanceKey, errno: u32, error: &str) {
        self.edit(replica, |server| {
            if let Some(replication) = &mut server.replication {
                replication.sql_wanted = false;
                replication.sql_error = Some((errno, error.to_owned()));
            }
        });
    }

    /// Brings everything up to the present: what is received, what is applied, what is heard.
    pub(super) fn advance(&mut self) {
        let now = Instant::now();
        // As often as the tree can be deep, so that what is applied above is received below.
        for _ in 0..self.servers.len().max(1) {
            let sources: BTreeMap<InstanceKey, (Condition, Vec<Transaction>)> = self
                .servers
                .values()
                .filter_map(|server| Some(server.replication.as_ref()?.source.clone()))
                .filter_map(|source| {
                    let server = self.servers.get(&source)?;
                    Some((source, (server.condition, server.log.clone())))
                })
                .collect();
            for server in self.servers.values_mut() {
                server.advance(now, &sources);
            }
        }
    }

    pub(super) fn instance(&self, key: &InstanceKey) -> Option<Instance> {
        let server = self.servers.get(key)?;
        let replicas = self
            .servers
            .iter()
            .filter(|(_, other)| other.dumps_from(key))
            .map(|(replica, _)| replica.clone())
            .collect();
        let mut instance = server.instance(key, replicas);
        if let Some(replication) = &mut instance.replication {
            replication.source_uuid =
                self.servers.get(&replication.source).and_then(SimServer::uuid);
        }
        for edit in &server.edits {
            edit(&mut instance);
        }
        Some(instance)
    }
}

impl SimServer {
    fn uuid(&self) -> Option<String> {
        (self.flavor != Flavor::MariaDb).then(|| uuid_of(self.server_id))
    }

    fn runs(&self) -> bool {
        !matches!(self.condition, Condition::Killed | Condition::Frozen)
    }

    fn dumps_from(&self, source: &InstanceKey) -> bool {
        self.replication.as_ref().is_some_and(|replication| {
            replication.source == *source && replication.io_state == ThreadState::Running
        })
    }

    fn advance(
        &mut self,
        now: Instant,
        sources: &BTreeMap<InstanceKey, (Condition, Vec<Transaction>)>,
    ) {
        if !self.runs() {
            return;
        }
        let is_cut = self.condition == Condition::Isolated;
        let Some(replication) = &mut self.replication else { return };
        let source = sources.get(&replication.source).filter(|_| !is_cut);
        replication.listen(now, source.map(|(condition, _)| *condition));
        if replication.io_state == ThreadState::Running
            && !self.starved
            && let Some((condition, log)) = source
            && condition.serves_replicas()
        {
            replication.receive(now, log, &self.log, self.lag);
        }
        if replication.sql_wanted {
            while let Some((due, transaction)) = replication.relay.front().copied() {
                if due > now {
                    break;
                }
                replication.relay.pop_front();
                replication.executed += 1;
                if !self.log.contains(&transaction) {
                    self.log.push(transaction);
                }
            }
        }
    }

    fn instance(&self, key: &InstanceKey, replicas: Vec<InstanceKey>) -> Instance {
        let is_mariadb = self.flavor == Flavor::MariaDb;
        let version = if is_mariadb { "10.11.18-MariaDB" } else { "8.4.6" };
        let executed = self.log.len() as u64;
        Instance {
            key: key.clone(),
            alias: None,
            server_id: Some(self.server_id),
            server_uuid: self.uuid(),
            version: Version::parse(version),
            version_comment: "simulated".to_owned(),
            flavor: self.flavor,
            uptime_s: Some(self.started.elapsed().as_secs()),
            read_only: self.read_only,
            super_read_only: (!is_mariadb).then_some(self.read_only),
            location: Location::default(),
            binlog: Binlog {
                enabled: true,
                logs_updates: true,
                format: Some(BinlogFormat::Row),
                row_image: Some("FULL".to_owned()),
                position: at(executed),
            },
            replication: self.replication.as_ref().map(|replication| replication.facts(self.lag)),
            other_channels: Vec::new(),
            gtid: if is_mariadb { self.mariadb_gtid() } else { self.mysql_gtid() },
            semi_sync: SemiSync::default(),
            group: None,
            replicas,
            pseudo_gtid: false,
            detected_rule: None,
            suggested_alias: None,
            cluster_domain: None,
            latency: self.latency,
        }
    }

    fn mysql_gtid(&self) -> GtidState {
        let received = self.replication.iter().flat_map(|replication| &replication.received);
        GtidState {
            mode: Some("ON".to_owned()),
            executed: set_of(self.log.iter()),
            retrieved: set_of(received),
            ..GtidState::default()
        }
    }

    fn mariadb_gtid(&self) -> GtidState {
        let position = position_of(self.log.iter());
        let received = self.replication.iter().flat_map(|replication| &replication.received);
        GtidState {
            slave_pos: Some(position_of(
                self.log.iter().filter(|(writer, _)| *writer != self.server_id),
            )),
            binlog_pos: Some(position),
            io_pos: self.replication.is_some().then(|| position_of(received)),
            domain_id: Some(0),
            ..GtidState::default()
        }
    }

    /// Makes the server follow another source.
    pub(super) fn repoint(&mut self, source: &InstanceKey, at: &SourcePosition) {
        let gtid = gtid_positioning(self.flavor);
        let (positioning, read) = match (at, &self.replication) {
            (SourcePosition::Unchanged, Some(old)) => (old.positioning, old.executed),
            (SourcePosition::At { coordinates }, _) => {
                (Positioning::File, coordinates.position.saturating_sub(4) / BYTES)
            }
            (
                SourcePosition::Unchanged
                | SourcePosition::AutoPosition
                | SourcePosition::SlavePos
                | SourcePosition::FromOwnBinlog,
                _,
            ) => (gtid, 0),
        };
        let mut replication = SimReplication::new(source.clone(), positioning, read);
        (replication.io_wanted, replication.sql_wanted) = (false, false);
        replication.received = self.log.iter().copied().collect();
        replication.io_state = ThreadState::Stopped;
        self.replication = Some(replication);
        self.starved = false;
    }
}

impl SimReplication {
    fn new(source: InstanceKey, positioning: Positioning, read: u64) -> Self {
        Self {
            source,
            io_wanted: true,
            sql_wanted: true,
            sql_error: None,
            positioning,
            read,
            executed: read,
            received: BTreeSet::new(),
            relay: VecDeque::new(),
            io_state: ThreadState::Other,
            connected: None,
            last_heard: None,
            heartbeats: 0,
        }
    }

    /// Forgets the error that stopped the applier.
    pub(super) fn clear_error(&mut self) {
        self.sql_error = None;
    }

    /// Everything received is applied.
    pub(super) fn is_drained(&self) -> bool {
        self.relay.is_empty()
    }

    /// The receiver's state by what it hears of its source.
    fn listen(&mut self, now: Instant, source: Option<Condition>) {
        if !self.io_wanted {
            (self.io_state, self.connected) = (ThreadState::Stopped, None);
            return;
        }
        match source {
            Some(condition) if condition.serves_replicas() => {
                let connected = *self.connected.get_or_insert(now);
                self.io_state = ThreadState::Running;
                let beats = now.duration_since(connected).as_millis() / HEARTBEAT.as_millis();
                let beats = u32::try_from(beats).unwrap_or(u32::MAX);
                self.heartbeats = u64::from(beats);
                self.last_heard = self.last_heard.max(Some(connected + HEARTBEAT * beats));
            }
            Some(Condition::Frozen | Condition::Isolated)
                if self.last_heard.is_some_and(|heard| now < heard + NET_TIMEOUT) => {}
            _ => (self.io_state, self.connected) = (ThreadState::Other, None),
        }
    }

    fn receive(&mut self, now: Instant, log: &[Transaction], own: &[Transaction], lag: Duration) {
        let already = usize::try_from(self.read).unwrap_or(usize::MAX);
        let new: Vec<Transaction> = match self.positioning {
            Positioning::File => log.iter().skip(already).copied().collect(),
            Positioning::OracleGtid
            | Positioning::MariaDbSlavePos
            | Positioning::MariaDbCurrentPos => log
                .iter()
                .filter(|transaction| {
                    !self.received.contains(*transaction) && !own.contains(transaction)
                })
                .copied()
                .collect(),
        };
        if !new.is_empty() {
            self.last_heard = Some(now);
        }
        for transaction in new {
            self.received.insert(transaction);
            self.relay.push_back((now + lag, transaction));
        }
        self.read = log.len() as u64;
        self.executed = self.read.saturating_sub(self.relay.len() as u64);
    }

    fn facts(&self, lag: Duration) -> Replication {
        let runs = self.io_state == ThreadState::Running && self.sql_wanted;
        let seconds_behind = runs.then_some(if self.relay.is_empty() { 0 } else { lag.as_secs() });
        let (sql_errno, sql_error) = self.sql_error.clone().unwrap_or_default();
        let is_away = self.io_state == ThreadState::Other;
        Replication {
            source: self.source.clone(),
            source_uuid: None,
            user: Some("repl".to_owned()),
            credentials_available: true,
            io_thread: self.io_state,
            sql_thread: if self.sql_wanted { ThreadState::Running } else { ThreadState::Stopped },
            read: at(self.read),
            executed: at(self.executed),
            relay: BinlogCoordinates::new("relay.000001", 4 + self.executed * BYTES),
            io_errno: if is_away { CANNOT_CONNECT } else { 0 },
            io_error: if is_away { "error connecting to source".to_owned() } else { String::new() },
            sql_errno,
            sql_error,
            seconds_behind,
            lag_s: seconds_behind,
            delay_s: 0,
            has_filters: false,
            positioning: self.positioning,
            heartbeat: Heartbeat {
                period: Some(HEARTBEAT),
                received: Some(self.heartbeats),
                silent_for: self.last_heard.map(|heard| heard.elapsed()),
            },
            tls: ReplicationTls::default(),
        }
    }
}

/// What a transaction of this server is written as.
fn uuid_of(server_id: u32) -> String {
    format!("00000000-0000-0000-0000-{server_id:012}")
}

fn set_of<'a>(transactions: impl Iterator<Item = &'a Transaction>) -> GtidSet {
    let blocks: Vec<String> =
        transactions.map(|(writer, number)| format!("{}:{number}", uuid_of(*writer))).collect();
    blocks.join(",").parse().unwrap_or_default()
}

fn position_of<'a>(transactions: impl Iterator<Item = &'a Transaction>) -> MariaDbPosition {
    let last = transactions.max_by_key(|(_, number)| *number);
    let text = last.map(|(writer, number)| format!("0-{writer}-{number}")).unwrap_or_default();
    text.parse().unwrap_or_default()
}

fn gtid_positioning(flavor: Flavor) -> Positioning {
    match flavor {
        Flavor::MariaDb => Positioning::MariaDbSlavePos,
        Flavor::MySql | Flavor::Percona | Flavor::Ndb | Flavor::MaxScale => Positioning::OracleGtid,
    }
}

fn at(transactions: u64) -> Option<BinlogCoordinates> {
    BinlogCoordinates::new("binlog.000001", 4 + transactions * BYTES)
}
