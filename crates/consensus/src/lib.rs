//! The log of commands that nodes agree on, and the state machine behind it.
//!
//! In this version one node is the whole quorum and the log is local: a command is applied, written and published.
//! Raft takes this place behind the same interface.

mod local;

pub use local::{Leadership, LocalLog, MOST_WAITING, ProposeError};
