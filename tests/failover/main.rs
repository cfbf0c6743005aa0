//! Failures of real servers, and what ham4db makes of them. Each test is a claim of the README.
#![allow(clippy::unwrap_used, reason = "a test")]

mod crash;
mod freeze;
mod grants;
mod hooks;
mod orders;
mod quiet;
mod restart;
mod rules;
mod support;
