//! ham4db

pub mod config;
