//! What can go wrong with the backend, in words that say what to do.

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
        advice: &'static str,
    },
    /// Another process uses the same SQLite file.
    #[error(
        "{place} is in use by another process; each node needs a backend of its own (SQLite3DataFile)"
    )]
    InUse {
        /// The file.
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
    /// A statement failed.
    #[error("the backend {place} failed to {action}: {reason}")]
    Statement {
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
