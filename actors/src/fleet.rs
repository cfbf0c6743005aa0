//! The published picture of all servers: immutable, read without queueing.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use ham4db_domain::key::InstanceKey;
use ham4db_domain::policy::AliasPolicy;
use ham4db_domain::registry::Registry;
use ham4db_domain::topology::{Member, Topology};
use tokio::sync::watch;

/// All clusters as they were last seen.
#[derive(Debug, Clone, Default)]
pub struct Fleet {
    /// The clusters by name.
    pub clusters: BTreeMap<Arc<str>, Arc<Topology>>,
    /// The cluster of each server.
    pub cluster_of: Arc<HashMap<InstanceKey, Arc<str>>>,
}

/// The picture, wherever it is read.
pub type LiveFleet = watch::Receiver<Arc<Fleet>>;

impl Fleet {
    /// The cluster that `key` belongs to.
    pub fn topology_of(&self, key: &InstanceKey) -> Option<&Arc<Topology>> {
        self.cluster_of.get(key).and_then(|cluster| self.clusters.get(cluster))
    }

    /// One server.
    pub fn member(&self, key: &InstanceKey) -> Option<&Arc<Member>> {
        self.topology_of(key).and_then(|topology| topology.get(key))
    }

    /// All servers, by cluster and key.
    pub fn members(&self) -> impl Iterator<Item = &Arc<Member>> {
        self.clusters.values().flat_map(|topology| topology.members())
    }
}

/// What a cluster is called: the name set by hand, else what its servers suggest, else what the configuration
/// makes of its name; its name when there is nothing else.
pub fn alias_of(
    name: &str,
    topology: &Topology,
    registry: &Registry,
    policy: &AliasPolicy,
) -> String {
    if let Some(alias) = registry.aliases.get(name) {
        return alias.clone();
    }
    // A valid, writable server with many replicas has the last word on what its cluster is called.
    let suggested = topology
        .members()
        .filter_map(|member| {
            let alias = member.place.suggested_alias.clone().filter(|alias| !alias.is_empty())?;
            let writable = member.current().is_some_and(|instance| !instance.read_only);
            let replicas = topology.replicas_of(&member.key).count();
            Some(((member.checks.valid(), writable, replicas), alias))
        })
        .max();
    if let Some((_, alias)) = suggested {
        return alias;
    }
    policy.alias_by_name(name).unwrap_or_else(|| name.to_owned())
}
