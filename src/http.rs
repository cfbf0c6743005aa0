//! The HTTP front end: one table of routes, one way through it.

pub mod access;
pub mod answer;
pub mod call;
mod dispatch;
mod handlers;
pub mod path;
pub mod routes;
pub mod server;
pub mod state;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
mod unavailable;
