//! Changes to servers as data: what recoveries and operations are made of.
//!
//! A step is one statement's worth of work on one server, and taking it twice does no harm. Recoveries and
//! operations compute steps from a view; one performer takes them; a dry run prints them.

mod effects;

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::coordinates::BinlogCoordinates;
use crate::gtid::{GtidSet, MariaDbPosition};
use crate::key::InstanceKey;

/// One change to one server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "step", rename_all = "kebab-case")]
pub enum Step {
    /// Stops the receiver, so that what has been received is final.
    StopReceiving {
        /// The replica.
        server: InstanceKey,
    },
    /// Stops receiver and applier.
    StopReplication {
        /// The replica.
        server: InstanceKey,
    },
    /// Starts receiver and applier.
    StartReplication {
        /// The replica.
        server: InstanceKey,
    },
    /// Starts the applier alone.
    StartApplying {
        /// The replica.
        server: InstanceKey,
    },
    /// Waits until the server has applied up to a target.
    WaitApplied {
        /// The replica.
        server: InstanceKey,
        /// What it is to have applied.
        target: ApplyTarget,
        /// When to give up.
        limit: Duration,
    },
    /// Makes a stopped replica follow another source, everything else about the connection unchanged.
    Repoint {
        /// The replica; its threads are stopped first if they run.
        server: InstanceKey,
        /// What it is to follow.
        source: InstanceKey,
        /// How it finds its place there.
        at: SourcePosition,
    },
    /// Makes the server forget that it was a replica (RESET REPLICA ALL).
    ForgetSource {
        /// The former replica; its threads are stopped first if they run.
        server: InstanceKey,
    },
    /// Puts the detach hint before the source's host, so that the replica follows nobody, reversibly.
    Detach {
        /// The replica; its threads are stopped first if they run.
        server: InstanceKey,
    },
    /// Switches `read_only` (and `super_read_only`) off.
    MakeWritable {
        /// The server.
        server: InstanceKey,
    },
    /// Switches `super_read_only` on, or `read_only` where there is no such variable.
    MakeReadOnly {
        /// The server.
        server: InstanceKey,
    },
    /// Ends the connections of clients: not those of replication, of administrators with SUPER-like rights, or our own.
    EndClients {
        /// The server.
        server: InstanceKey,
    },
}

/// What a replica is to have applied before it goes on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "until", rename_all = "kebab-case")]
pub enum ApplyTarget {
    /// All that it had received when its receiver was stopped.
    Received,
    /// These MySQL transactions.
    Gtids {
        /// The set.
        set: GtidSet,
    },
    /// This MariaDB position.
    Position {
        /// The position.
        position: MariaDbPosition,
    },
}

/// How a repointed replica finds its place in its new source's log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "by", rename_all = "kebab-case")]
pub enum SourcePosition {
    /// As it does now: GTID stays GTID, a file position stays where it is.
    Unchanged,
    /// MySQL auto position.
    AutoPosition,
    /// MariaDB, from what it applied as a replica.
    SlavePos,
    /// MariaDB, a former primary: `gtid_slave_pos` is first set to what it wrote itself.
    FromOwnBinlog,
    /// File and position in the new source's log.
    At {
        /// Where to begin.
        coordinates: BinlogCoordinates,
    },
}

impl Step {
    /// The server it changes.
    pub fn server(&self) -> &InstanceKey {
        match self {
            Self::StopReceiving { server }
            | Self::StopReplication { server }
            | Self::StartReplication { server }
            | Self::StartApplying { server }
            | Self::WaitApplied { server, .. }
            | Self::Repoint { server, .. }
            | Self::ForgetSource { server }
            | Self::Detach { server }
            | Self::MakeWritable { server }
            | Self::MakeReadOnly { server }
            | Self::EndClients { server } => server,
        }
    }
}

impl Step {
    /// Its name without its values, as in JSON.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::StopReceiving { .. } => "stop-receiving",
            Self::StopReplication { .. } => "stop-replication",
            Self::StartReplication { .. } => "start-replication",
            Self::StartApplying { .. } => "start-applying",
            Self::WaitApplied { .. } => "wait-applied",
            Self::Repoint { .. } => "repoint",
            Self::ForgetSource { .. } => "forget-source",
            Self::Detach { .. } => "detach",
            Self::MakeWritable { .. } => "make-writable",
            Self::MakeReadOnly { .. } => "make-read-only",
            Self::EndClients { .. } => "end-clients",
        }
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::StopReceiving { server } => write!(f, "stop receiving on {server}"),
            Self::StopReplication { server } => write!(f, "stop replication on {server}"),
            Self::StartReplication { server } => write!(f, "start replication on {server}"),
            Self::StartApplying { server } => write!(f, "start applying on {server}"),
            Self::WaitApplied { server, target, limit } => {
                write!(f, "wait until {server} has applied {target}, at most {} s", limit.as_secs())
            }
            Self::Repoint { server, source, at } => write!(f, "point {server} at {source}{at}"),
            Self::ForgetSource { server } => write!(f, "make {server} forget its source"),
            Self::Detach { server } => write!(f, "detach {server} from its source"),
            Self::MakeWritable { server } => write!(f, "make {server} writable"),
            Self::MakeReadOnly { server } => write!(f, "make {server} read-only"),
            Self::EndClients { server } => write!(f, "end client connections of {server}"),
        }
    }
}

impl fmt::Display for ApplyTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Received => f.write_str("all it received"),
            Self::Gtids { set } => write!(f, "{set}"),
            Self::Position { position } => write!(f, "{position}"),
        }
    }
}

impl fmt::Display for SourcePosition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unchanged => Ok(()),
            Self::AutoPosition => f.write_str(" by auto position"),
            Self::SlavePos => f.write_str(" by gtid_slave_pos"),
            Self::FromOwnBinlog => f.write_str(" from its own last GTID"),
            Self::At { coordinates } => write!(f, " from {coordinates}"),
        }
    }
}
