//! What actors need to know of the configuration. Published as a whole; a reload replaces it.

use std::sync::Arc;
use std::time::Duration;

use ham4db_domain::filters::HostnameFilters;
use ham4db_domain::instance::Instance;
use ham4db_domain::key::InstanceKey;
use ham4db_domain::policy::{AliasPolicy, AnalysisPolicy, RecoveryPolicy};
use regex::Regex;
use tokio::sync::watch;

use crate::resolver::NamePolicy;

/// The settings in force.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Name of this node, for records.
    pub node: String,
    /// How servers are read.
    pub probing: ProbingPolicy,
    /// Which servers are watched.
    pub discovery: DiscoveryPolicy,
    /// How failures are recognised.
    pub analysis: AnalysisPolicy,
    /// How failures are acted upon.
    pub recovery: RecoveryPolicy,
    /// What clusters are called.
    pub aliases: AliasPolicy,
    /// Programs that run around recoveries.
    pub hooks: HookPolicy,
    /// `AuditPurgeDays`: how long records are kept.
    pub keep_records: Duration,
    /// `UnseenInstanceForgetHours`: servers not seen for so long are forgotten.
    pub forget_unseen: Duration,
}

/// How, and how often, servers are read.
#[derive(Debug, Clone)]
pub struct ProbingPolicy {
    /// Time between two full readings of a server.
    pub poll: Duration,
    /// Time between two liveness checks of a server that others follow.
    pub liveness: Duration,
    /// Limit of one probe: name look-up, connect, handshake and statements together.
    pub deadline: Duration,
    /// Limit of one step of a recovery or operation.
    pub step_limit: Duration,
    /// Probes at once of servers that answered last time.
    pub concurrency: usize,
    /// Probes at once of servers that did not.
    pub sick_concurrency: usize,
    /// Growth of the pause between two attempts on a dead server.
    pub dead_factor: f64,
    /// Longest pause between two attempts on a dead server.
    pub dead_max: Duration,
}

/// Which servers are watched.
#[derive(Debug, Clone, Default)]
pub struct DiscoveryPolicy {
    /// Servers to begin with.
    pub seeds: Vec<InstanceKey>,
    /// Never watched.
    pub ignore: HostnameFilters,
    /// Not followed when found as a replica.
    pub ignore_replicas: HostnameFilters,
    /// Not followed when found as a source.
    pub ignore_sources: HostnameFilters,
    /// Replicas that log in at their source with an account that one of these matches are left alone.
    pub ignore_users: Vec<Regex>,
    /// What their names are turned into.
    pub names: NamePolicy,
}

impl DiscoveryPolicy {
    /// The account it replicates with is one that is not followed.
    pub fn is_left_alone(&self, instance: &Instance) -> bool {
        let user = instance.replication.as_ref().and_then(|link| link.user.as_deref());
        user.is_some_and(|user| self.ignore_users.iter().any(|pattern| pattern.is_match(user)))
    }
}

/// Lists of programs that run around recoveries, and their limits.
#[derive(Debug, Clone)]
pub struct HookPolicy {
    /// Shell that runs each command.
    pub shell: String,
    /// Limit of one command.
    pub limit: Duration,
    /// Bytes of output that are kept of one command.
    pub output_bytes: usize,
    /// Commands of each list, by configuration key.
    pub lists: Vec<(String, Vec<String>)>,
}

impl HookPolicy {
    /// The commands of one list.
    pub fn list(&self, key: &str) -> &[String] {
        self.lists.iter().find(|(name, _)| name == key).map_or(&[], |(_, commands)| commands)
    }
}

/// The settings in force, wherever they are needed.
pub type LiveSettings = watch::Receiver<Arc<Settings>>;
