//! A replication cluster that exists only in memory, behind the same port as real servers.
//!
//! For tests of actors with paused time: nothing happens by chance or on its own, all waiting is tokio's, and what
//! real servers do over time (heartbeats, replication, time-outs) is computed when somebody looks.
//!
//! ```
//! # use ham4db_domain::version::Flavor;
//! use ham4db_mysql::sim::SimCluster;
//! let cluster = SimCluster::star(Flavor::MySql, &["db1:3306", "db2:3306", "db3:3306"]);
//! let (db1, db2) = (SimCluster::key("db1:3306"), SimCluster::key("db2:3306"));
//! cluster.write(&db1, 10).expect("db1 is writable");
//! cluster.kill(&db1);
//! assert_eq!(cluster.transactions(&db2), 10);
//! ```

mod client;
mod state;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use ham4db_domain::checks::FailureKind;
use ham4db_domain::instance::Instance;
use ham4db_domain::key::InstanceKey;
use ham4db_domain::step::Step;
use ham4db_domain::version::Flavor;
use tokio::sync::watch;
use tokio::time::Instant;

use crate::server::{Server, Servers};
use client::SimClient;
use state::{Condition, World};

/// A cluster of simulated servers. Clones are the same cluster.
#[derive(Clone)]
pub struct SimCluster {
    world: Arc<Mutex<World>>,
    changes: Arc<watch::Sender<u64>>,
}

/// How the next step on a server goes wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Mishap {
    /// The server refuses it with this error number; it is not done.
    Refused(u16),
    /// The connection breaks before anything is sent; it is not done.
    NotReached,
    /// It is done, and the connection breaks before the answer.
    AnswerLost,
    /// It is not done, and nobody can tell.
    OrderLost,
}

/// The server is read-only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the simulated server is read-only, or down")]
pub struct NotWritable;

impl SimCluster {
    /// A cluster without servers.
    pub fn new() -> Self {
        Self { world: Arc::default(), changes: Arc::new(watch::channel(0).0) }
    }

    /// A primary, the first of the keys, with the others as its replicas; GTID is on.
    ///
    /// # Panics
    /// When a text is no `host:port`: it is for tests.
    pub fn star(flavor: Flavor, keys: &[&str]) -> Self {
        let cluster = Self::new();
        let keys: Vec<InstanceKey> = keys.iter().map(|text| Self::key(text)).collect();
        for key in &keys {
            cluster.add(key, flavor);
        }
        for replica in keys.iter().skip(1) {
            cluster.follow(replica, &keys[0]);
        }
        cluster
    }

    /// Reads `host:port`.
    ///
    /// # Panics
    /// When it is none: it is for tests.
    #[expect(clippy::panic, reason = "for tests")]
    pub fn key(text: &str) -> InstanceKey {
        InstanceKey::parse(text, None).unwrap_or_else(|error| panic!("{text:?}: {error}"))
    }

    /// Adds a writable server that follows nobody.
    pub fn add(&self, key: &InstanceKey, flavor: Flavor) {
        self.change(|world| world.add(key, flavor));
    }

    /// Makes a server a read-only replica of another, by GTID, that runs and has all the other has.
    pub fn follow(&self, replica: &InstanceKey, source: &InstanceKey) {
        self.change(|world| world.follow(replica, source));
    }

    /// Makes a replica find its place by file and position from now on.
    pub fn use_file_position(&self, replica: &InstanceKey) {
        self.change(|world| world.use_file_position(replica));
    }

    /// Kills the process: its port refuses, open connections break, replicas notice at once.
    pub fn kill(&self, key: &InstanceKey) {
        self.set_condition(key, Condition::Killed);
    }

    /// Starts the process again, with the `read_only` of its configuration file: on for what was a replica when it
    /// was added, off for others. A replica starts to replicate.
    pub fn restart(&self, key: &InstanceKey) {
        self.change(|world| world.restart(key));
    }

    /// Stops the process without ending it (SIGSTOP): connections are taken and never answered.
    pub fn freeze(&self, key: &InstanceKey) {
        self.set_condition(key, Condition::Frozen);
    }

    /// The host is gone, or cut off from everybody: no packet is answered.
    pub fn isolate(&self, key: &InstanceKey) {
        self.set_condition(key, Condition::Isolated);
    }

    /// Only the manager cannot reach the server any more; replication goes on.
    pub fn cut_off(&self, key: &InstanceKey) {
        self.set_condition(key, Condition::CutOff);
    }

    /// New connections are turned down with error 1040; open ones go on.
    pub fn exhaust_connections(&self, key: &InstanceKey) {
        self.set_condition(key, Condition::TurnsDown(FailureKind::TooManyConnections));
    }

    /// New connections are denied; open ones go on.
    pub fn deny_access(&self, key: &InstanceKey) {
        self.set_condition(key, Condition::TurnsDown(FailureKind::AccessDenied));
    }

    /// Ends freezing, isolation, being cut off, or turning down.
    pub fn heal(&self, key: &InstanceKey) {
        self.set_condition(key, Condition::Up);
    }

    /// The server closes the connections that are open now, and takes new ones.
    pub fn drop_connections(&self, key: &InstanceKey) {
        self.change(|world| world.edit(key, |server| server.generation += 1));
    }

    /// Commits transactions.
    ///
    /// # Errors
    /// When the server is read-only or does not run.
    pub fn write(&self, key: &InstanceKey, transactions: u64) -> Result<(), NotWritable> {
        self.change(|world| world.write(key, transactions))
    }

    /// Commits transactions in spite of `read_only`: on a replica they are errant.
    pub fn write_anyway(&self, key: &InstanceKey, transactions: u64) {
        self.change(|world| world.append(key, transactions));
    }

    /// The replica receives nothing more, though its receiver looks fine: what its source writes from now on is
    /// lost with the source.
    pub fn starve(&self, replica: &InstanceKey) {
        self.change(|world| world.edit(replica, |server| server.starved = true));
    }

    /// The replica applies what it receives so much later.
    pub fn set_lag(&self, replica: &InstanceKey, lag: Duration) {
        self.change(|world| world.edit(replica, |server| server.lag = lag));
    }

    /// The replica's applier stops with an error.
    pub fn break_applier(&self, replica: &InstanceKey, errno: u32, error: &str) {
        self.change(|world| world.break_applier(replica, errno, error));
    }

    /// Changes what probes of a server say, whatever its state: versions, rules, locations, anything.
    pub fn tune(&self, key: &InstanceKey, edit: impl Fn(&mut Instance) + Send + 'static) {
        self.change(|world| world.edit(key, |server| server.edits.push(Box::new(edit))));
    }

    /// Lets the next step on a server go wrong; may be called several times for several steps.
    pub fn mishap(&self, key: &InstanceKey, mishap: Mishap) {
        self.change(|world| world.edit(key, |server| server.mishaps.push_back(mishap)));
    }

    /// Sets how long an exchange with a server takes; 1 ms when it is not set.
    pub fn set_latency(&self, key: &InstanceKey, latency: Duration) {
        self.change(|world| world.edit(key, |server| server.latency = latency));
    }

    /// What a probe would find now, whether or not the server can be reached.
    ///
    /// # Panics
    /// When there is no such server: it is for tests.
    #[expect(clippy::expect_used, reason = "for tests")]
    pub fn instance(&self, key: &InstanceKey) -> Instance {
        self.lock().instance(key).expect("a server of that name")
    }

    /// How many transactions a server has applied or written.
    pub fn transactions(&self, key: &InstanceKey) -> usize {
        self.lock().log_of(key).len()
    }

    /// Steps that were taken so far and changed something, in order, with their times.
    pub fn steps(&self) -> Vec<(Instant, Step)> {
        self.lock().taken.clone()
    }

    /// Full readings of a server so far, failed ones included.
    pub fn probes(&self, key: &InstanceKey) -> u64 {
        self.lock().server(key).map_or(0, |server| server.probes)
    }

    fn set_condition(&self, key: &InstanceKey, condition: Condition) {
        self.change(|world| world.set_condition(key, condition));
    }

    fn change<T>(&self, change: impl FnOnce(&mut World) -> T) -> T {
        let result = {
            let mut world = self.lock();
            world.advance();
            let result = change(&mut world);
            world.advance();
            result
        };
        self.changes.send_modify(|revision| *revision += 1);
        result
    }

    fn lock(&self) -> MutexGuard<'_, World> {
        let mut world = self.world.lock().unwrap_or_else(PoisonError::into_inner);
        world.advance();
        world
    }
}

impl Default for SimCluster {
    fn default() -> Self {
        Self::new()
    }
}

impl Servers for SimCluster {
    fn server(&self, key: &InstanceKey) -> Box<dyn Server> {
        Box::new(SimClient::new(self.clone(), key.clone()))
    }
}

#[cfg(test)]
mod tests;
