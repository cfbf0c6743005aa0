//! What a replica has of the transactions of its source, in the terms by which it follows it.

use crate::coordinates::BinlogCoordinates;
use crate::gtid::{GtidSet, MariaDbPosition};
use crate::instance::{Instance, Positioning, ThreadState};
use crate::topology::Member;
use crate::version::Flavor;

/// How replicas of one source are compared and moved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Method {
    /// MySQL's auto position: sets are compared, any server with the missing part can deliver it.
    OracleGtid,
    /// MariaDB GTID: positions are compared, a domain is a line.
    MariaDbGtid,
    /// File and position in the common source's log: equal or not, nothing else is known.
    File,
}

impl Method {
    /// How `instance` follows its source.
    pub(crate) fn of(instance: &Instance) -> Self {
        match instance.replication.as_ref().map(|replication| replication.positioning) {
            Some(Positioning::OracleGtid) => Self::OracleGtid,
            Some(Positioning::MariaDbSlavePos | Positioning::MariaDbCurrentPos) => {
                Self::MariaDbGtid
            }
            Some(Positioning::File) | None => Self::File,
        }
    }
}

/// Transactions in hand, whatever they are counted in. One kind is empty where the other is in use.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Held {
    /// MySQL.
    pub(crate) set: GtidSet,
    /// MariaDB.
    pub(crate) position: MariaDbPosition,
}

impl Held {
    /// What `instance` has applied or written itself.
    pub(crate) fn applied(instance: &Instance) -> Self {
        let gtid = &instance.gtid;
        let slave_pos = gtid.slave_pos.clone().unwrap_or_default();
        let position = match &gtid.binlog_pos {
            Some(written) => slave_pos.union(written),
            None => slave_pos,
        };
        Self { set: gtid.executed.clone(), position }
    }

    /// What `instance` will have once it has applied everything it received, as far as it can.
    ///
    /// A broken applier gets no further. A stopped MariaDB applier neither: starting it throws the relay log away.
    pub(crate) fn within_reach(instance: &Instance) -> Self {
        let applied = Self::applied(instance);
        if applier_is_broken(instance) {
            return applied;
        }
        let set = applied.set.union(&instance.gtid.retrieved);
        let position = match &instance.gtid.io_pos {
            Some(received) if instance.sql_running() => applied.position.union(received),
            Some(_) | None => applied.position,
        };
        Self { set, position }
    }

    /// All of both.
    pub(crate) fn union(&self, other: &Self) -> Self {
        Self { set: self.set.union(&other.set), position: self.position.union(&other.position) }
    }

    /// What is here and not in `other`.
    pub(crate) fn count_beyond(&self, other: &Self) -> u128 {
        self.set.subtract(&other.set).count() + u128::from(self.position.ahead_of(&other.position))
    }

    /// Has all of `other`.
    pub(crate) fn covers(&self, other: &Self) -> bool {
        self.set.contains(&other.set) && self.position.covers(&other.position)
    }

    /// Without the transactions of a MySQL set.
    pub(crate) fn without(&self, set: &GtidSet) -> Self {
        Self { set: self.set.subtract(set), position: self.position.clone() }
    }
}

/// The applier has stopped with an error: it gets no further by itself.
pub(crate) fn applier_is_broken(instance: &Instance) -> bool {
    instance.replication.as_ref().is_some_and(|replication| {
        replication.sql_errno != 0 && replication.sql_thread != ThreadState::Running
    })
}

/// What has been received and not applied yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Backlog {
    /// Nothing.
    None,
    /// So many transactions.
    Transactions(u128),
    /// Something; how much cannot be told from coordinates.
    Some,
}

impl Backlog {
    /// The backlog of `instance`.
    pub(crate) fn of(instance: &Instance) -> Self {
        let count = match Method::of(instance) {
            Method::OracleGtid => instance.gtid.retrieved.subtract(&instance.gtid.executed).count(),
            Method::MariaDbGtid if instance.gtid.io_pos.is_some() => {
                Held::within_reach(instance).count_beyond(&Held::applied(instance))
            }
            Method::MariaDbGtid | Method::File => {
                let replication = instance.replication.as_ref();
                let read = replication.and_then(|replication| replication.read.as_ref());
                let executed = replication.and_then(|replication| replication.executed.as_ref());
                return match (read, executed) {
                    (Some(read), Some(executed)) if executed < read => Self::Some,
                    (Some(_), None) => Self::Some,
                    (Some(_), Some(_)) | (None, _) => Self::None,
                };
            }
        };
        if count == 0 { Self::None } else { Self::Transactions(count) }
    }

    /// Nothing is left to apply.
    pub(crate) fn is_none(self) -> bool {
        self == Self::None
    }
}

/// How far `instance` has applied its source's log.
pub(crate) fn executed_coordinates(instance: &Instance) -> Option<&BinlogCoordinates> {
    instance.replication.as_ref()?.executed.as_ref()
}

/// Transactions `member` wrote itself while it was a replica.
///
/// MySQL: as the topology found them. MariaDB: the last entry of its own binary log in a domain is its own and beyond
/// what anybody else is known to have; the number is what it is ahead by.
pub(crate) fn own_transactions(member: &Member, instance: &Instance, others: &Held) -> u128 {
    let mysql = member.errant.subtract(&others.set).count();
    let written = instance.gtid.binlog_pos.as_ref().filter(|_| instance.flavor == Flavor::MariaDb);
    let mariadb = written
        .into_iter()
        .flat_map(MariaDbPosition::domains)
        .filter(|(_, gtid)| Some(gtid.server_id) == instance.server_id)
        .map(|(domain, gtid)| {
            let known = others.position.domains().find(|(other, _)| *other == domain);
            u128::from(gtid.sequence.saturating_sub(known.map_or(0, |(_, gtid)| gtid.sequence)))
        })
        .sum::<u128>();
    mysql + mariadb
}
