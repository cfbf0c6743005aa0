//! ham4db

pub mod app;
pub mod config;
pub mod settings;
