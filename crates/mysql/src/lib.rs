//! Reading and changing watched MySQL and MariaDB servers

mod client;
mod dialect;
mod facts;
mod perform;
mod plan;
mod probe;
mod resolver;
pub mod server;
pub mod settings;
pub mod sim;
pub mod wire;

pub use client::MySqlServers;
pub use plan::statements;
