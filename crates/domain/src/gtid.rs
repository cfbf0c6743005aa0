//! GTID algebra: sets of MySQL transactions, positions of MariaDB.
//!
//! Done here and not by a server, because the sets of dead servers have to be compared too.

mod mariadb;
mod oracle;

pub use mariadb::{MariaDbGtid, MariaDbPosition};
pub use oracle::GtidSet;

/// A text is no GTID set or position.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("bad GTID text {text:?}: {reason}")]
pub struct GtidError {
    /// The part that could not be read.
    pub text: String,
    /// What is wrong with it.
    pub reason: &'static str,
}
