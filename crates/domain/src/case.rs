//! Recorded topologies with a command to run against them (`ham4db analyze-case`).
//!
//! A case holds all that a command may look at, so that a question about a fleet can be asked again later, elsewhere,
//! and without the fleet. Stored attributes (cluster name, depth, co-source) are taken as recorded.

mod commands;
mod file;
mod promotion;
mod state;

use jiff::Timestamp;

use crate::analysis::Problem;
use crate::can_replicate::Refusal;
use crate::filters::FilterError;
use crate::gtid::GtidError;
use crate::key::KeyError;
use crate::registry::Maintenance;
use crate::tags::TagError;

pub use file::{Case, Command, Expected, ExpectedEntry};

/// Why a case has no answer.
#[derive(Debug, thiserror::Error)]
pub enum CaseError {
    /// The file says something that cannot be read.
    #[error("bad {field} {text:?}: {reason}")]
    BadField {
        /// Which field.
        field: &'static str,
        /// What it says.
        text: String,
        /// What is wrong with it.
        reason: String,
    },
    /// No command of this name can be answered from a recorded state.
    #[error("unknown command {0:?}")]
    UnknownCommand(String),
    /// The command needs something that is not given.
    #[error("command {command:?} needs {what}")]
    Missing {
        /// The command.
        command: String,
        /// What it needs.
        what: &'static str,
    },
    /// No recorded instance goes by this name, or more than one does.
    #[error("no instance {0}")]
    NoInstance(String),
    /// No recorded cluster goes by this name or alias.
    #[error("no cluster {0:?}")]
    NoCluster(String),
    /// The cluster has no primary.
    #[error("cluster {0} has no primary")]
    NoPrimary(String),
    /// Someone holds the lock.
    #[error("{instance} is in maintenance already: {} says {:?}", held.owner, held.reason)]
    InMaintenance {
        /// The server.
        instance: String,
        /// The lock.
        held: Maintenance,
    },
    /// No replica may take over.
    #[error("no candidate among the replicas of {0}")]
    NoCandidate(String),
    /// Someone asked for the reason of a refusal.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// A tag cannot be read or used.
    #[error(transparent)]
    Tag(#[from] TagError),
}

impl CaseError {
    fn field(field: &'static str, text: &str, reason: impl Into<String>) -> Self {
        Self::BadField { field, text: text.to_owned(), reason: reason.into() }
    }
}

impl From<FilterError> for CaseError {
    fn from(error: FilterError) -> Self {
        Self::field("filter", &error.filter, error.reason)
    }
}

impl From<GtidError> for CaseError {
    fn from(error: GtidError) -> Self {
        Self::field("GTID set", &error.text, error.reason)
    }
}

impl Case {
    /// Answers the case's command: the lines to print.
    ///
    /// # Errors
    /// When the command fails, or the case cannot be read.
    pub fn run(&self, now: Timestamp) -> Result<Vec<String>, CaseError> {
        commands::answer(&mut state::State::load(self, now)?, &self.command)
    }

    /// What `replication-analysis` says of the case, in structured form, whatever its command is.
    ///
    /// # Errors
    /// When the case cannot be read.
    pub fn analysis(&self, now: Timestamp) -> Result<Vec<Problem>, CaseError> {
        Ok(state::State::load(self, now)?.analysis())
    }
}

/// Reads an instance's name.
fn parse_key(text: &str, default_port: u16) -> Result<crate::key::InstanceKey, CaseError> {
    crate::key::InstanceKey::parse(text, Some(default_port))
        .map_err(|error: KeyError| CaseError::field("instance", text, error.to_string()))
}
