//! The keys, group by group. Each is declared once, here, with all that is known of it.

pub mod agents;
pub mod analysis;
pub mod audit;
pub mod backend;
pub mod classification;
pub mod discovery;
pub mod hooks;
pub mod hostnames;
pub mod http;
pub mod logging;
pub mod obsolete;
pub mod pseudo_gtid;
pub mod publishing;
pub mod raft;
pub mod recovery;
pub mod servers;
