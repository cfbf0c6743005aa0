//! What the routes lead to: each handler parses, asks once or reads, and shapes the answer.

pub mod analysis;
pub mod clusters;
pub mod explain;
pub mod instances;
pub mod node;
pub mod orders;
pub mod recoveries;
pub mod tags;
pub mod topology;
