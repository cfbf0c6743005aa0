//! What tests, demo and benchmark stand on: real topologies of throw-away servers, a writer that
//! remembers what was acknowledged, a ham4db node of its own, and a network that can be cut.
//!
//! Everything that is started here ends when its value is dropped.

mod forwarder;
mod node;
mod poll;
mod ports;
mod topology;
mod writer;

pub use forwarder::Forwarder;
pub use node::{Ham4db, binary_beside_this};
pub use poll::{pause, poll_until, wait_for};
pub use ports::{free_block, free_port};
pub use topology::{Flavour, Gtid, Shape, Topology};
pub use writer::{Gap, Writer};

/// Why something the kit was asked for did not happen.
#[derive(Debug, thiserror::Error)]
pub enum KitError {
    /// A program ended with an error.
    #[error("{what} failed: {said}")]
    Program {
        /// The command.
        what: String,
        /// What it wrote to its standard error.
        said: String,
    },
    /// A server refused, or could not be asked.
    #[error("{key}: {sql}")]
    Sql {
        /// The server.
        key: String,
        /// The statement, or what was tried instead of one.
        sql: String,
        /// What the client library says.
        source: mysql::Error,
    },
    /// A deadline passed.
    #[error("{what} did not happen within {within_s:.1} s")]
    Late {
        /// What was waited for.
        what: String,
        /// How long, in seconds.
        within_s: f64,
    },
    /// The node gave no usable answer.
    #[error("ham4db: {0}")]
    Node(String),
    /// The operating system refused.
    #[error("{what}")]
    Io {
        /// What was tried.
        what: String,
        /// Its refusal.
        source: std::io::Error,
    },
}

impl KitError {
    /// Wraps a refusal of the operating system for `map_err`.
    pub(crate) fn io(what: impl Into<String>) -> impl FnOnce(std::io::Error) -> Self {
        let what = what.into();
        move |source| Self::Io { what, source }
    }
}
