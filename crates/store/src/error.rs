//! What can go wrong with the backend, in words that say what to do.

use refinery::error::Kind;

/// The backend could not be opened, read or written.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// It cannot be opened at all.
    #[error("cannot open the backend {place}: {reason}. {advice}")]
    Open {
        /// File or server.
        place: String,
        /// What happened.
        reason: String,
        /// What to do.
        advice: String,
    },
    /// Another process uses the same backend. Nothing was changed.
    #[error(
        "{place} is in use by another process; each node needs a backend of its own \
         (SQLite3DataFile, or MySQLOrchestratorHost and MySQLOrchestratorDatabase)"
    )]
    InUse {
        /// File or server.
        place: String,
    },
    /// The tables could not be brought to this version.
    #[error("cannot bring the tables of {place} to this version: {reason}")]
    Migration {
        /// File or server.
        place: String,
        /// What happened.
        reason: String,
    },
    /// A statement failed. Nothing was changed.
    #[error("the backend {place} failed to {action}: {reason}")]
    Statement {
        /// File or server.
        place: String,
        /// What was being done.
        action: &'static str,
        /// What happened.
        reason: String,
    },
    /// The end of a transaction was not confirmed: everything in it was done, or nothing.
    #[error("the backend {place} did not confirm to {action}: {reason}")]
    Unconfirmed {
        /// File or server.
        place: String,
        /// What was being done.
        action: &'static str,
        /// What happened.
        reason: String,
    },
    /// A row holds something that cannot be read.
    #[error("the backend {place} holds a {kind} that cannot be read ({id}): {reason}")]
    Row {
        /// File or server.
        place: String,
        /// Kind of row.
        kind: String,
        /// Its name.
        id: String,
        /// What is wrong with it.
        reason: String,
    },
}

/// Why the tables could not be brought to this version.
pub(crate) fn migration(place: &str, error: &refinery::Error) -> StoreError {
    let reason = match error.kind() {
        Kind::MissingVersion(newer) => format!(
            "a newer ham4db has written there ({newer} is not known to this one). Start that version, or name another backend"
        ),
        Kind::DivergentVersion(found, known) => format!(
            "another ham4db has written there ({found} is not {known}). Start that version, or name another backend"
        ),
        _ => with_causes(error),
    };
    StoreError::Migration { place: place.to_owned(), reason }
}

/// An error with those of its causes that it does not name itself.
fn with_causes(error: &dyn std::error::Error) -> String {
    let mut words = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let more = error.to_string();
        if !words.contains(&more) {
            words.push_str(": ");
            words.push_str(&more);
        }
        cause = error.source();
    }
    words
}
