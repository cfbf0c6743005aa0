//! Places: splits a fleet into clusters and finds each server's cluster, depth and ancestry.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::{Member, Place, Server, Topology, errant};
use crate::gtid::GtidSet;
use crate::instance::Instance;
use crate::key::InstanceKey;

/// Splits a fleet into clusters, ordered by name, and finds every server's place from the links alone.
///
/// A source that is not among `servers` is not invented: its replica stands at the top of a cluster of its own. The
/// caller hands in servers that have only been heard of, without facts, unless filters keep them out
/// ([`unknown_sources`] lists them).
pub fn arrange(servers: impl IntoIterator<Item = Server>) -> Vec<Topology> {
    let servers: BTreeMap<InstanceKey, Server> =
        servers.into_iter().map(|server| (server.key.clone(), server)).collect();
    let parents = parents(&servers);
    let children = children(&parents);
    let mut clusters = Vec::new();
    for ring in rings(&servers, &parents) {
        let placed = place_below(&servers, &children, ring);
        clusters.push(placed);
    }
    let mut clusters: Vec<(String, Topology)> = clusters
        .into_iter()
        .map(|places| link(&servers, &parents, places))
        .filter_map(|topology| Some((topology.cluster()?.to_owned(), topology)))
        .collect();
    clusters.sort_by(|(a, _), (b, _)| a.cmp(b));
    clusters.into_iter().map(|(_, topology)| topology).collect()
}

/// Sources and group primaries that are named by `servers` and are not among them.
pub fn unknown_sources<'a>(servers: impl IntoIterator<Item = &'a Server>) -> BTreeSet<InstanceKey> {
    let (mut named, mut known) = (BTreeSet::new(), BTreeSet::new());
    for server in servers {
        known.insert(&server.key);
        named.extend(server.instance.as_ref().and_then(|instance| instance.source()));
        named.extend(parent(&server.key, server.instance.as_deref()));
    }
    named.into_iter().filter(|key| !known.contains(key)).cloned().collect()
}

/// The server that `key` hangs below: the group's primary for other members of the group, else its source.
pub(super) fn parent<'a>(
    key: &'a InstanceKey,
    instance: Option<&'a Instance>,
) -> Option<&'a InstanceKey> {
    let instance = instance?;
    let group_primary = instance
        .group
        .as_ref()
        .filter(|_| instance.is_group_secondary())
        .and_then(|group| group.primary.as_ref());
    group_primary.or_else(|| instance.source()).filter(|parent| *parent != key)
}

/// The two states of one server give everybody the same place.
pub(super) fn same_links(old: Option<&Instance>, new: Option<&Instance>) -> bool {
    fn links(instance: &Instance) -> impl PartialEq + '_ {
        let group = instance.group.as_ref();
        (
            instance.source(),
            instance.server_uuid.as_ref(),
            instance.suggested_alias.as_ref(),
            group.map(|group| (&group.name, group.role == "PRIMARY", &group.primary)),
        )
    }
    match (old, new) {
        (None, None) => true,
        (Some(old), Some(new)) => links(old) == links(new),
        _ => false,
    }
}

type Links = BTreeMap<InstanceKey, InstanceKey>;

fn parents(servers: &BTreeMap<InstanceKey, Server>) -> Links {
    servers
        .values()
        .filter_map(|server| {
            let parent = parent(&server.key, server.instance.as_deref())?;
            servers.contains_key(parent).then(|| (server.key.clone(), parent.clone()))
        })
        .collect()
}

fn children(parents: &Links) -> BTreeMap<InstanceKey, Vec<InstanceKey>> {
    let mut children: BTreeMap<InstanceKey, Vec<InstanceKey>> = BTreeMap::new();
    for (child, parent) in parents {
        children.entry(parent.clone()).or_default().push(child.clone());
    }
    children
}

/// What each cluster hangs from: one server without a parent, or the servers of a ring, in the order in which the
/// transactions of the least key run through it.
fn rings(servers: &BTreeMap<InstanceKey, Server>, parents: &Links) -> Vec<Vec<InstanceKey>> {
    let mut done: BTreeSet<&InstanceKey> = BTreeSet::new();
    let mut rings = Vec::new();
    for start in servers.keys() {
        let (mut path, mut at) = (Vec::new(), start);
        while done.insert(at) {
            path.push(at);
            match parents.get(at) {
                Some(parent) => at = parent,
                None => rings.push(vec![at.clone()]),
            }
        }
        let ring_begins = path.iter().position(|key| *key == at);
        if let Some(begin) = ring_begins.filter(|_| parents.contains_key(at)) {
            rings.push(downstream_from_least(&path[begin..]));
        }
    }
    rings
}

/// `upstream` follows sources; the result begins at the least key and follows replicas.
fn downstream_from_least(upstream: &[&InstanceKey]) -> Vec<InstanceKey> {
    let mut ring: Vec<InstanceKey> = upstream.iter().rev().map(|key| (*key).clone()).collect();
    let least = (0..ring.len()).min_by_key(|index| &ring[*index]).unwrap_or(0);
    ring.rotate_left(least);
    ring
}

/// Places of a cluster's members: those of the ring at its top, and all below.
fn place_below(
    servers: &BTreeMap<InstanceKey, Server>,
    children: &BTreeMap<InstanceKey, Vec<InstanceKey>>,
    ring: Vec<InstanceKey>,
) -> BTreeMap<InstanceKey, Place> {
    let mut places = ring_places(servers, &ring);
    let mut next = ring;
    while !next.is_empty() {
        let mut level = Vec::new();
        for parent in &next {
            for child in children.get(parent).into_iter().flatten() {
                if places.contains_key(child) {
                    continue;
                }
                let above = places.get(parent).cloned().unwrap_or_default();
                places.insert(child.clone(), place_under(&above, &servers[child]));
                level.push(child.clone());
            }
        }
        next = level;
    }
    places
}

fn ring_places(
    servers: &BTreeMap<InstanceKey, Server>,
    ring: &[InstanceKey],
) -> BTreeMap<InstanceKey, Place> {
    let cluster = ring.first().map(ToString::to_string).unwrap_or_default();
    let suggested_alias = ring.iter().find_map(|key| own_alias(&servers[key]));
    let mut places = BTreeMap::new();
    for (depth, key) in (0..).zip(ring) {
        let others = ring.iter().filter(|other| *other != key);
        let ancestry = others.chain([key]).flat_map(|key| own_names(&servers[key])).collect();
        places.insert(
            key.clone(),
            Place {
                cluster: cluster.clone(),
                depth,
                is_co_source: ring.len() == 2,
                ancestry,
                suggested_alias: suggested_alias.clone(),
            },
        );
    }
    places
}

fn place_under(above: &Place, server: &Server) -> Place {
    let mut ancestry = above.ancestry.clone();
    for name in own_names(server) {
        if !ancestry.contains(&name) {
            ancestry.push(name);
        }
    }
    Place {
        cluster: above.cluster.clone(),
        depth: above.depth + 1,
        is_co_source: false,
        ancestry,
        suggested_alias: above.suggested_alias.clone().or_else(|| own_alias(server)),
    }
}

/// What a server adds to the ancestry: its uuid and the name of its group.
fn own_names(server: &Server) -> Vec<String> {
    let instance = server.instance.as_ref();
    let uuid = instance.and_then(|instance| instance.server_uuid.clone());
    let group =
        instance.and_then(|instance| instance.group.as_ref()).map(|group| group.name.clone());
    uuid.into_iter().chain(group).filter(|name| !name.is_empty()).collect()
}

fn own_alias(server: &Server) -> Option<String> {
    server
        .instance
        .as_ref()
        .and_then(|instance| instance.suggested_alias.clone())
        .filter(|alias| !alias.is_empty())
}

fn link(
    servers: &BTreeMap<InstanceKey, Server>,
    parents: &Links,
    places: BTreeMap<InstanceKey, Place>,
) -> Topology {
    let ring: BTreeSet<InstanceKey> = ring_of(parents, &places);
    Topology::of(places.into_iter().map(|(key, place)| {
        let server = &servers[&key];
        let source = parents.get(&key).and_then(|parent| servers[parent].instance.as_deref());
        let errant = match (server.instance.as_deref(), source) {
            (Some(own), Some(source)) => {
                errant::errant(own, source, &place.ancestry, ring.contains(&key))
            }
            _ => GtidSet::default(),
        };
        Arc::new(Member {
            key,
            instance: server.instance.clone(),
            checks: server.checks.clone(),
            silent_for: server.silent_for,
            place,
            errant,
        })
    }))
}

/// The servers of the ring at the top of one cluster; empty when it has a single top.
fn ring_of(parents: &Links, places: &BTreeMap<InstanceKey, Place>) -> BTreeSet<InstanceKey> {
    let top = places.iter().find(|(_, place)| place.depth == 0).map(|(key, _)| key);
    let mut ring = BTreeSet::new();
    let mut at = top.filter(|key| parents.contains_key(key));
    while let Some(key) = at.filter(|key| ring.insert((*key).clone())) {
        at = parents.get(key);
    }
    ring
}
