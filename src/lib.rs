//! ham4db, the root package: configuration, HTTP, command line, wiring.

pub mod app;
pub mod cli;
pub mod config;
pub mod http;
pub mod service;
pub mod settings;
