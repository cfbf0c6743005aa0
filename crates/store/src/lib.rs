//! The backend database of a node: SQLite or MySQL.

mod engine;
mod error;
mod rows;
mod settings;
mod store;

pub use error::StoreError;
pub use settings::{BackendTls, MySqlSettings, StoreSettings};
pub use store::{Refusal, Store};
