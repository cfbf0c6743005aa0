//! The words each family of servers understands, with the version thresholds inside. Pure: builds text.
//!
//! The defaults of [`Dialect`] are the old words, which MySQL up to 8.0.21, MariaDB and MaxScale share.

mod mariadb;
mod maxscale;
mod mysql;
mod statements;

use std::time::Duration;

use ham4db_domain::coordinates::BinlogCoordinates;
use ham4db_domain::key::InstanceKey;
use ham4db_domain::version::{Flavor, Version};

/// A server variable and the name under which it is read, which is the same for all families.
pub(crate) type Variable = (&'static str, &'static str);

/// Which replication threads are meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Threads {
    /// Receiver and applier.
    Both,
    /// The receiver.
    Receiver,
    /// The applier.
    Applier,
}

/// Which of a server's channels a statement is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Channel {
    /// There is only one, and it is not named.
    Only,
    /// The default channel among several: without its name, MySQL would take them all.
    Default,
}

/// How a changed replica finds its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Place {
    /// File and position in the source's log.
    At(BinlogCoordinates),
    /// File and position, for a replica that used GTID up to now.
    AtWithoutGtid(BinlogCoordinates),
    /// MySQL's auto position.
    Auto,
    /// MariaDB's `gtid_slave_pos`.
    SlavePos,
    /// MariaDB's `gtid_current_pos`.
    CurrentPos,
}

/// A login for replication, and TLS files that belong to it. Its text is shown nowhere.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Credentials {
    /// Account.
    pub(crate) user: String,
    /// Password.
    pub(crate) password: String,
    /// CA file, certificate and key; empty where not given.
    pub(crate) tls_files: [String; 3],
}

/// What a CHANGE statement is to set. All that is not named in it stays as it is on the server.
#[derive(Clone, PartialEq)]
pub(crate) struct Change<'a> {
    pub(crate) source: &'a InstanceKey,
    pub(crate) place: Place,
    /// Named because servers set it anew when it is not.
    pub(crate) heartbeat: Option<Duration>,
    pub(crate) get_public_key: bool,
    pub(crate) credentials: Option<Credentials>,
    pub(crate) channel: Channel,
}

/// The words one family of servers understands.
pub(crate) trait Dialect: Send + Sync {
    /// The variables whose absence would spoil the reading of a server.
    fn basics(&self) -> Vec<Variable>;

    /// One row for each channel or connection.
    fn show_replica_status(&self) -> &'static str {
        "SHOW SLAVE STATUS"
    }

    /// The server's own position.
    fn show_own_position(&self) -> &'static str {
        "SHOW MASTER STATUS"
    }

    /// Replicas as they registered themselves.
    fn show_replicas(&self) -> &'static str {
        "SHOW SLAVE HOSTS"
    }

    /// All connections: `ID`, `USER`, `HOST`, `COMMAND`, `STATE`.
    fn connections(&self) -> &'static str {
        "SELECT ID, USER, HOST, COMMAND, STATE FROM information_schema.processlist"
    }

    /// Connections that read the binary log: `USER`, `HOST`.
    fn dump_connections(&self) -> &'static str {
        "SELECT USER, HOST FROM information_schema.processlist \
         WHERE COMMAND IN ('Binlog Dump', 'Binlog Dump GTID')"
    }

    /// Settings of semi-synchronous replication, whatever its words: `Variable_name`, `Value`.
    fn semi_sync_variables(&self) -> Option<&'static str> {
        Some("SHOW GLOBAL VARIABLES LIKE 'rpl\\_semi\\_sync\\_%'")
    }

    /// Uptime, state of semi-synchronous replication, heartbeats: `Variable_name`, `Value`.
    fn status(&self) -> &'static str {
        "SHOW GLOBAL STATUS WHERE Variable_name IN ('Uptime', \
         'Rpl_semi_sync_master_status', 'Rpl_semi_sync_master_clients', 'Rpl_semi_sync_slave_status', \
         'Rpl_semi_sync_source_status', 'Rpl_semi_sync_source_clients', 'Rpl_semi_sync_replica_status', \
         'Slave_received_heartbeats', 'Slave_heartbeat_period')"
    }

    /// When a replica last heard of its source; `None` where `status` tells what can be known.
    fn heartbeat(&self) -> Option<&'static str> {
        None
    }

    /// Members of the server's replication group.
    fn group(&self) -> Option<&'static str> {
        None
    }

    /// Whether replication credentials can be read back; `None` when surely not.
    fn credentials_available(&self) -> Option<&'static str> {
        None
    }

    /// Accounts that `read_only` does not bind or that may connect when nobody else can: `USER`.
    fn privileged_accounts(&self) -> &'static str {
        "SELECT User AS USER FROM mysql.user WHERE Super_priv = 'Y'"
    }

    /// `START` or `STOP` of replication threads.
    fn threads(&self, verb: &str, threads: Threads, channel: Channel) -> String {
        statements::threads(verb, "SLAVE", threads, channel)
    }

    /// Makes a stopped replica forget its source.
    fn reset_replica(&self, channel: Channel) -> String {
        statements::reset_replica("SLAVE", channel)
    }

    /// Points a stopped replica at a source.
    fn change_source(&self, change: &Change<'_>) -> String {
        statements::change_source("CHANGE MASTER TO", "MASTER", ", MASTER_AUTO_POSITION=0", change)
    }

    /// `super_read_only` where there is one, else `read_only`.
    fn strongest_read_only(&self) -> &'static str {
        "read_only"
    }

    /// Replicas without TLS may need the source's public key to log in (`caching_sha2_password`).
    fn logs_in_by_public_key(&self) -> bool {
        false
    }
}

/// The dialect of a family at a version.
pub(crate) fn dialect_of(flavor: Flavor, version: &Version) -> Box<dyn Dialect> {
    match flavor {
        Flavor::MySql | Flavor::Percona | Flavor::Ndb => Box::new(mysql::MySql(version.clone())),
        Flavor::MariaDb => Box::new(mariadb::MariaDb),
        Flavor::MaxScale => Box::new(maxscale::MaxScale),
    }
}

#[cfg(test)]
mod tests;
