//! State in motion: one module an actor.
//!
//! | actor | owns | hears | says |
//! |---|---|---|---|
//! | [`prober::Prober`] | the connection to one server | `ProbeNow`, `Attend`, `Retire` | `Observed` to the keeper |
//! | [`discovery::Discovery`] | the probers | `Watch`, `Unwatch`, `ProbeAll`, `AttendTo` | to its probers |
//! | [`keeper::TopologyKeeper`] | what is known of every server | `Observed`, `Forget`, `Recall`, `Listen` | `ClustersChanged`, `Suspicious`, `Watch`, `Unwatch`, `Record`; publishes [`fleet::Fleet`] |
//! | [`analyst::Analyst`] | what is wrong with each cluster | `ClustersChanged`, `Suspicious` | `Diagnosed`, `ProbeAll`; publishes [`analyst::Problems`] |
//! | [`coordinator::RecoveryCoordinator`] | the runs, what was refused | `Diagnosed`, `Recover`, `RunEnded` | `Propose`; starts runs |
//! | [`run::RecoveryRun`] | one recovery's connections and attempts | nothing | `Propose`, `RunEnded` |
//! | [`fencer::Fencer`] | fences not yet in effect | `ClustersChanged` | `AttendTo`, `Propose` |
//! | [`raft_role::RaftRole`] | the log | `Propose` | publishes the registry and the leadership |
//! | [`gateway::LeaderGateway`] | nothing | `Request` | `Propose`, `Recover`, `Forget`, `Recall`, `ProbeAll` |
//! | [`recorder::Recorder`] | the way of observations to the backend | `Record` | nothing |
//! | [`janitor::Janitor`] | its timer | nothing | `Propose`, `Forget` |
//!
//! Readers get an immutable picture from a `watch` channel and never wait in a mailbox.

pub mod analyst;
pub mod coordinator;
mod crew;
pub mod discovery;
pub mod fencer;
pub mod fleet;
pub mod gateway;
mod hooks;
pub mod janitor;
pub mod keeper;
pub mod names;
pub mod prober;
pub mod raft_role;
pub mod recorder;
pub mod resolver;
pub mod run;
pub mod settings;
mod silence;
