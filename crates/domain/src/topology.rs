//! The servers of a cluster and who follows whom: immutable, built from observations.

mod alias;
mod arrange;
mod errant;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::checks::Checks;
use crate::gtid::GtidSet;
use crate::instance::Instance;
use crate::key::InstanceKey;

pub use alias::{alias_of, aliases};
pub use arrange::{arrange, unknown_sources};

/// What is known of one server before it has a place among others.
#[derive(Debug, Clone, PartialEq)]
pub struct Server {
    /// Its name.
    pub key: InstanceKey,
    /// Its latest facts; `None` when it has only been heard of.
    pub instance: Option<Arc<Instance>>,
    /// When it was looked at, and what came of it.
    pub checks: Checks,
    /// See [`Member::silent_for`].
    pub silent_for: Option<Duration>,
}

/// One known server: what was last seen of it, when, and its place in the tree.
#[derive(Debug, Clone, PartialEq)]
pub struct Member {
    /// Its name.
    pub key: InstanceKey,
    /// Its latest facts; `None` when it has only been heard of.
    pub instance: Option<Arc<Instance>>,
    /// When it was looked at, and what came of it.
    pub checks: Checks,
    /// How long its receiver has provably heard nothing, by our clock: from the probe that first saw the current
    /// heartbeat count and read position to the latest probe that still saw the same. For servers that do not tell
    /// it themselves ([`crate::instance::Heartbeat::silent_for`]).
    pub silent_for: Option<Duration>,
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
    replicas: Arc<BTreeMap<InstanceKey, Vec<InstanceKey>>>,
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
        Self { members, replicas: Arc::new(replicas) }
    }

    /// One member.
    pub fn get(&self, key: &InstanceKey) -> Option<&Arc<Member>> {
        self.members.get(key)
    }

    /// All members, by key.
    pub fn members(&self) -> impl Iterator<Item = &Arc<Member>> + Clone {
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

    /// All members below `key`, nearest first, without itself even where the links form a ring.
    pub fn descendants_of(&self, key: &InstanceKey) -> Vec<&Arc<Member>> {
        let mut seen = BTreeSet::from([key.clone()]);
        let mut found = Vec::new();
        let mut next = vec![key.clone()];
        while !next.is_empty() {
            let mut level = Vec::new();
            for replica in next.iter().flat_map(|parent| self.replicas_of(parent)) {
                if seen.insert(replica.key.clone()) {
                    level.push(replica.key.clone());
                    found.push(replica);
                }
            }
            next = level;
        }
        found
    }

    /// Direct replicas of `key`, and in place of each binlog server also the replicas below it.
    pub fn replicas_through_binlog_servers(&self, key: &InstanceKey) -> Vec<&Arc<Member>> {
        let mut seen = BTreeSet::from([key.clone()]);
        let mut found = Vec::new();
        let mut open = vec![key.clone()];
        while let Some(parent) = open.pop() {
            for replica in self.replicas_of(&parent) {
                if !seen.insert(replica.key.clone()) {
                    continue;
                }
                if replica.instance.as_ref().is_some_and(|facts| facts.is_binlog_server()) {
                    open.push(replica.key.clone());
                }
                found.push(replica);
            }
        }
        found
    }

    /// `descendant` follows `ancestor`, directly or through others.
    pub fn is_descendant(&self, descendant: &InstanceKey, ancestor: &InstanceKey) -> bool {
        let mut seen = BTreeSet::new();
        let mut at = descendant;
        while seen.insert(at) {
            match self.get(at).and_then(|member| member.source()) {
                Some(source) if source == ancestor => return true,
                Some(source) => at = source,
                None => return false,
            }
        }
        false
    }

    /// The names of the clusters the members belong to, each once; one name for what [`arrange()`] makes.
    pub fn clusters(&self) -> BTreeSet<&str> {
        self.members.values().map(|member| member.place.cluster.as_str()).collect()
    }

    /// The cluster's name; of several clusters the first member's.
    pub fn cluster(&self) -> Option<&str> {
        self.members.values().next().map(|member| member.place.cluster.as_str())
    }

    /// The member the cluster hangs from: depth 0 or co-source; writable ones first, then the least depth.
    pub fn primary(&self, cluster: &str) -> Option<&Arc<Member>> {
        let is_top = |member: &Member| {
            member.place.cluster == cluster
                && (member.place.depth == 0 || member.place.is_co_source)
        };
        self.members
            .values()
            .filter(|member| is_top(member))
            .min_by_key(|member| (!member.is_writable(), member.place.depth))
    }

    /// The member that takes the cluster's writes, when there is one.
    pub fn writable_primary(&self, cluster: &str) -> Option<&Arc<Member>> {
        self.primary(cluster).filter(|member| member.is_writable())
    }

    /// The members of one cluster.
    #[must_use]
    pub fn part(&self, cluster: &str) -> Self {
        Self::of(self.members().filter(|member| member.place.cluster == cluster).cloned())
    }

    /// A topology in which `member` stands for the one of its key.
    #[must_use]
    pub fn with(&self, member: Member) -> Self {
        let mut members = self.members.clone();
        members.insert(member.key.clone(), Arc::new(member));
        Self::of(members.into_values())
    }

    /// A topology with newer facts of one member, when no link changed by them: places stay, errant transactions
    /// of the member and its replicas are counted anew.
    ///
    /// `None` when the member is new or the facts move servers about: then [`arrange()`] the whole fleet again.
    pub fn replace(&self, server: Server) -> Option<Self> {
        let old = self.get(&server.key)?;
        if !arrange::same_links(old.instance.as_deref(), server.instance.as_deref()) {
            return None;
        }
        let mut members = self.members.clone();
        let key = server.key.clone();
        let same_gtids = errant::same_inputs(old.instance.as_deref(), server.instance.as_deref());
        let member = Member {
            key: server.key,
            instance: server.instance,
            checks: server.checks,
            silent_for: server.silent_for,
            place: old.place.clone(),
            errant: old.errant.clone(),
        };
        members.insert(key.clone(), Arc::new(member));
        if !same_gtids {
            errant::recount(&mut members, &key);
        }
        Some(Self { members, replicas: self.replicas.clone() })
    }
}

impl Member {
    /// Source it follows, when that names a server that can exist.
    pub fn source(&self) -> Option<&InstanceKey> {
        self.instance.as_ref().and_then(|instance| instance.source())
    }

    /// The server it hangs below in the tree: the group's primary for other members of the group, else its source.
    pub fn parent(&self) -> Option<&InstanceKey> {
        arrange::parent(&self.key, self.instance.as_deref())
    }

    /// The facts of the latest good probe, if the latest probe was a good one.
    pub fn current(&self) -> Option<&Instance> {
        self.instance.as_deref().filter(|_| self.checks.valid())
    }

    /// Takes writes, as far as it was last seen.
    pub fn is_writable(&self) -> bool {
        self.instance.as_ref().is_some_and(|instance| !instance.read_only)
    }

    /// Its receiver has heard neither event nor heartbeat for longer than a living source keeps silent.
    pub fn receiver_is_silent(&self) -> bool {
        const LEAST_SLACK: Duration = Duration::from_millis(250);
        let Some(heartbeat) = self
            .instance
            .as_ref()
            .and_then(|instance| instance.replication.as_ref())
            .map(|replication| &replication.heartbeat)
        else {
            return false;
        };
        match (heartbeat.period, heartbeat.silent_for.or(self.silent_for)) {
            (Some(period), Some(silent)) if !period.is_zero() => {
                silent > period + LEAST_SLACK.max(period / 10)
            }
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests;
