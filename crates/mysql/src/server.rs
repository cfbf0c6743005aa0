//! The one port to watched servers: reading their facts, and changing them step by step.

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use ham4db_domain::checks::ProbeFailure;
use ham4db_domain::instance::Instance;
use ham4db_domain::key::InstanceKey;
use ham4db_domain::step::Step;

/// What one good probe brought back.
#[derive(Debug, Clone, PartialEq)]
pub struct Snapshot {
    /// The facts, under the key that was probed.
    pub instance: Instance,
    /// The name the server gives itself (`MySQLHostnameResolveMethod`); `None` when it is not asked for or not told.
    pub own_name: Option<InstanceKey>,
    /// The basic facts were read, and the connection failed after them: what came later is missing.
    pub partial: bool,
    /// Side facts the server would not tell, in words (a missing grant, a broken custom query); the probe is good.
    pub complaints: Vec<String>,
}

/// What a step came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Performed {
    /// The server was changed; otherwise it already was as wished.
    pub changed: bool,
    /// What was done, in words; may be empty.
    pub detail: String,
}

/// Why a step was not taken, or may not have been. The variants differ in what the caller may do next.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StepError {
    /// The server answered with an error: surely not done, and trying again the same way will not help.
    #[error("{server} refused {action:?} with error {code}: {message}{advice}")]
    Refused {
        /// The server.
        server: InstanceKey,
        /// The statement's first words; never its values.
        action: String,
        /// The server's error number.
        code: u16,
        /// The server's words.
        message: String,
        /// What to do about it, where that is known.
        advice: &'static str,
    },
    /// The server was not reached: surely not done, and may be tried again.
    #[error("{server} was not reached, nothing was changed there: {failure}")]
    NotReached {
        /// The server.
        server: InstanceKey,
        /// How it failed to answer.
        failure: ProbeFailure,
    },
    /// The connection failed, or the time ran out, after a statement was sent: perhaps done. Look before trying again.
    #[error(
        "{server} may or may not have done {action:?}; read its state before trying again: {failure}"
    )]
    Unknown {
        /// The server.
        server: InstanceKey,
        /// The statement's first words.
        action: String,
        /// How it failed to answer.
        failure: ProbeFailure,
    },
    /// The step makes no sense on this server in its present state; nothing was changed.
    #[error("{server}: {reason}")]
    Impossible {
        /// The server.
        server: InstanceKey,
        /// Why, and what to do.
        reason: String,
    },
    /// What was waited for did not happen within the limit; the waiting left nothing behind.
    #[error("{server} did not get there within {} s: {progress}", limit.as_secs_f64())]
    LimitReached {
        /// The server.
        server: InstanceKey,
        /// The limit.
        limit: Duration,
        /// How far it got, in words.
        progress: String,
    },
}

/// One watched server. Owns at most one connection, which is made when it is needed and kept.
///
/// All methods may be cancelled by dropping their future; the connection is then given up and made anew.
#[async_trait]
pub trait Server: Send {
    /// Reads all facts. `limit` covers all of it: name resolution, connecting, logging in and every statement.
    ///
    /// # Errors
    /// When the basic facts could not be read.
    async fn probe(&mut self, limit: Duration) -> Result<Snapshot, ProbeFailure>;

    /// Finds out as cheaply as possible whether the server answers: on the kept connection, else on a new one.
    ///
    /// # Errors
    /// When it did not answer as it should.
    async fn check_alive(&mut self, limit: Duration) -> Result<(), ProbeFailure>;

    /// Resolves the moment the server closes the idle connection; pending while all is well, and without one.
    async fn closed(&mut self) -> ProbeFailure;

    /// Takes one step; taking it twice does no harm. `limit` covers all of it; a step with a limit of its own
    /// (waiting) ends at the earlier of the two.
    ///
    /// # Errors
    /// See [`StepError`]: refused, not reached, perhaps done, impossible, or not there within the limit.
    async fn perform(&mut self, step: &Step, limit: Duration) -> Result<Performed, StepError>;

    /// Gives up the connection, if there is one.
    fn disconnect(&mut self);
}

/// Where [`Server`]s come from.
pub trait Servers: Send + Sync {
    /// The server of that name, not connected yet.
    fn server(&self, key: &InstanceKey) -> Box<dyn Server>;
}

impl Performed {
    /// The server was changed as `detail` says.
    pub fn changed(detail: impl Into<String>) -> Self {
        Self { changed: true, detail: detail.into() }
    }

    /// The server already was as wished.
    pub fn already(detail: impl Into<String>) -> Self {
        Self { changed: false, detail: detail.into() }
    }
}

/// As a clause that follows the step's own words.
impl fmt::Display for Performed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.changed, self.detail.as_str()) {
            (true, "") => Ok(()),
            (false, "") => f.write_str(": nothing to do"),
            (_, detail) => write!(f, ": {detail}"),
        }
    }
}

impl StepError {
    /// The server that is meant.
    pub fn server(&self) -> &InstanceKey {
        match self {
            Self::Refused { server, .. }
            | Self::NotReached { server, .. }
            | Self::Unknown { server, .. }
            | Self::Impossible { server, .. }
            | Self::LimitReached { server, .. } => server,
        }
    }

    /// The step may have been taken: nobody knows.
    pub fn perhaps_done(&self) -> bool {
        matches!(self, Self::Unknown { .. })
    }

    /// The same step may succeed when it is tried again.
    pub fn worth_retrying(&self) -> bool {
        matches!(self, Self::NotReached { .. } | Self::Unknown { .. } | Self::LimitReached { .. })
    }
}
