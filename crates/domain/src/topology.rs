//! The servers of a cluster and who follows whom: immutable, built from observations.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::checks::Checks;
use crate::gtid::GtidSet;
use crate::instance::Instance;
use crate::key::InstanceKey;

/// One known server: what was last seen of it, when, and its place in the tree.
#[derive(Debug, Clone, PartialEq)]
pub struct Member {
    /// Its name.
    pub key: InstanceKey,
    /// Its latest facts; `None` when it has only been heard of.
    pub instance: Option<Arc<Instance>>,
    /// When it was looked at, and what came of it.
    pub checks: Checks,
    /// Its place among the others.
    pub place: Place,
    /// Transactions it has that neither its source nor an ancestor wrote.
    pub errant: GtidSet,
}

/// Where a server stands in the tree.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// Name of its cluster: the key of the cluster's primary, as text.
    pub cluster: String,
    /// Steps from the primary; 0 is the primary.
    pub depth: u32,
    /// It and its source follow each other.
    pub is_co_source: bool,
    /// Uuids of itself, its sources and their group names.
    pub ancestry: Vec<String>,
    /// Alias for the cluster that it or its primary suggests.
    pub suggested_alias: Option<String>,
}

/// A set of servers, mostly one cluster, with the links between them.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Topology {
    members: BTreeMap<InstanceKey, Arc<Member>>,
    replicas: BTreeMap<InstanceKey, Vec<InstanceKey>>,
}

impl Topology {
    /// Takes members with the places they have, and links them.
    pub fn of(members: impl IntoIterator<Item = Arc<Member>>) -> Self {
        let members: BTreeMap<_, _> =
            members.into_iter().map(|member| (member.key.clone(), member)).collect();
        let mut replicas: BTreeMap<InstanceKey, Vec<InstanceKey>> = BTreeMap::new();
        for member in members.values() {
            if let Some(source) = member.source() {
                replicas.entry(source.clone()).or_default().push(member.key.clone());
            }
        }
        Self { members, replicas }
    }

    /// One member.
    pub fn get(&self, key: &InstanceKey) -> Option<&Arc<Member>> {
        self.members.get(key)
    }

    /// All members, by key.
    pub fn members(&self) -> impl Iterator<Item = &Arc<Member>> {
        self.members.values()
    }

    /// Number of members.
    pub fn len(&self) -> usize {
        self.members.len()
    }

    /// There is no member.
    pub fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    /// Direct replicas of `key`, by key; it need not be a member itself.
    pub fn replicas_of(&self, key: &InstanceKey) -> impl Iterator<Item = &Arc<Member>> {
        self.replicas.get(key).into_iter().flatten().filter_map(|key| self.members.get(key))
    }

    /// The members whose source is the source of `key`, without itself.
    pub fn siblings_of(&self, key: &InstanceKey) -> impl Iterator<Item = &Arc<Member>> {
        let source = self.get(key).and_then(|member| member.source().cloned());
        let key = key.clone();
        source
            .into_iter()
            .flat_map(|source| self.replicas.get(&source).into_iter().flatten())
            .filter(move |sibling| **sibling != key)
            .filter_map(|sibling| self.members.get(sibling))
    }

    /// A topology in which `member` stands for the one of its key.
    #[must_use]
    pub fn with(&self, member: Member) -> Self {
        let mut members = self.members.clone();
        members.insert(member.key.clone(), Arc::new(member));
        Self::of(members.into_values())
    }
}

impl Member {
    /// Source it follows, when that names a server that can exist.
    pub fn source(&self) -> Option<&InstanceKey> {
        self.instance.as_ref().and_then(|instance| instance.source())
    }

    /// The facts of the latest good probe, if the latest probe was a good one.
    pub fn current(&self) -> Option<&Instance> {
        self.instance.as_deref().filter(|_| self.checks.valid())
    }
}
