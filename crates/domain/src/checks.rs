//! When a server was looked at, and what came of it.

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// Times of the latest probes of a server, by the node's wall clock.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Checks {
    /// The latest probe that began.
    pub last_attempted: Option<Timestamp>,
    /// The latest probe that ended, well or not.
    pub last_checked: Option<Timestamp>,
    /// The latest good probe or liveness check.
    pub last_seen: Option<Timestamp>,
    /// The latest probe read the basic facts and failed after them.
    pub partial: bool,
    /// Why the latest probe or liveness check failed; `None` when it was good.
    pub failure: Option<ProbeFailure>,
}

/// How a server failed to answer, in the terms that decisions need.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FailureKind {
    /// Its name has no address.
    Unresolvable,
    /// Nothing listens on its port: the process is gone.
    Refused,
    /// No answer to the attempt to connect: host gone, or packets lost.
    Unreachable,
    /// It took the connection (or had it already) and did not answer in time.
    Hung,
    /// It closed a connection that was in use.
    ConnectionLost,
    /// Error 1040: alive, with no connection left for us.
    TooManyConnections,
    /// Alive; our account or password is wrong.
    AccessDenied,
    /// Alive; TLS could not be agreed on.
    Tls,
    /// Alive; it refused one of our statements.
    Query,
    /// It answered with something that is not the MySQL protocol, or facts that make no sense.
    Protocol,
}

impl FailureKind {
    /// The server process showed that it lives: it answered, though not as wished.
    pub fn shows_life(self) -> bool {
        match self {
            Self::TooManyConnections | Self::AccessDenied | Self::Tls | Self::Query => true,
            Self::Unresolvable
            | Self::Refused
            | Self::Unreachable
            | Self::Hung
            | Self::ConnectionLost
            | Self::Protocol => false,
        }
    }

    /// The failure in words, as a clause that follows the server's name.
    pub fn words(self) -> &'static str {
        match self {
            Self::Unresolvable => "its name cannot be resolved",
            Self::Refused => "refuses connections: nothing listens on its port",
            Self::Unreachable => "cannot be reached: no answer to the attempt to connect",
            Self::Hung => "is hung: it takes connections but does not answer",
            Self::ConnectionLost => "closed the connection",
            Self::TooManyConnections => {
                "lives but has no connection left (error 1040, too many connections)"
            }
            Self::AccessDenied => {
                "lives but denies access; check MySQLTopologyUser and MySQLTopologyPassword"
            }
            Self::Tls => "lives but no TLS connection can be made",
            Self::Query => "lives but refused a statement of the probe",
            Self::Protocol => "does not speak the MySQL protocol",
        }
    }
}

/// One failed probe.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{} ({detail})", kind.words())]
pub struct ProbeFailure {
    /// What kind of failure.
    pub kind: FailureKind,
    /// The error as it was seen, without credentials.
    pub detail: String,
}

impl Checks {
    /// The latest probe that ended was a good one.
    pub fn valid(&self) -> bool {
        match (self.last_checked, self.last_seen) {
            (Some(checked), Some(seen)) => checked <= seen,
            _ => false,
        }
    }

    /// As [`Checks::valid`], and no probe has been hanging for longer than `patience` since the last good one.
    pub fn valid_within(&self, patience: Duration) -> bool {
        let hanging = match (self.last_attempted, self.last_seen) {
            (Some(attempted), Some(seen)) => {
                seconds_between(seen, attempted) > patience.as_secs_f64()
            }
            _ => false,
        };
        self.valid() && !hanging
    }

    /// The server process is known to live although the probe failed.
    pub fn shows_life(&self) -> bool {
        self.failure.as_ref().is_some_and(|failure| failure.kind.shows_life())
    }

    /// Seconds since the latest ended probe; `None` when there was none.
    pub fn seconds_since_check(&self, now: Timestamp) -> Option<f64> {
        self.last_checked.map(|checked| seconds_between(checked, now))
    }

    /// The latest ended probe is not older than `age`.
    pub fn checked_within(&self, now: Timestamp, age: Duration) -> bool {
        self.seconds_since_check(now).is_some_and(|seconds| seconds <= age.as_secs_f64())
    }
}

/// Seconds from `earlier` to `later`; negative when they are the other way round.
pub fn seconds_between(earlier: Timestamp, later: Timestamp) -> f64 {
    later.duration_since(earlier).as_secs_f64()
}
