//! Reading and changing watched MySQL and MariaDB servers

pub mod server;
pub mod wire;
