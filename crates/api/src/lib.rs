//! The words ham4db speaks over HTTP: JSON with the names its ancestors' users know.
//!
//! Field names are the published ones, with their historical spellings (`ReplicationSQLThreadRuning`). Inside the
//! program nothing is called so; the types here are made from domain types and from nothing else.

pub mod analysis;
pub mod cluster;
pub mod envelope;
pub mod health;
pub mod instance;
pub mod keys;
pub mod records;
pub mod recovery;
mod times;

pub use times::timestamp;
