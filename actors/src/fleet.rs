//! The published picture of all servers: immutable, read without queueing.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use ham4db_domain::key::InstanceKey;
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
    pub fn members(&self) -> impl Iterator<Item = &Arc<Member>> + Clone {
        self.clusters.values().flat_map(|topology| topology.members())
    }
}
