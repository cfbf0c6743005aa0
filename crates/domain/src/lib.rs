//! Facts, rules and decisions of ham4db: no I/O, no clock, no async, no logging.

pub mod analysis;
pub mod can_replicate;
pub mod case;
pub mod checks;
pub mod command;
pub mod coordinates;
pub mod explain;
pub mod filters;
#[cfg(test)]
mod fixture;
pub mod gtid;
pub mod hooks;
pub mod instance;
pub mod key;
pub mod osc;
pub mod policy;
pub mod promotion;
pub mod recovery;
pub mod registry;
pub mod step;
pub mod tags;
pub mod topology;
pub mod tree;
pub mod version;
