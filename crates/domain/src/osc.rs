//! Control replicas for online schema changes, and a cluster's representative lag.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::sync::Arc;

use crate::filters::HostnameFilters;
use crate::instance::BinlogFormat;
use crate::topology::{Member, Topology};

/// How many servers are taken from each data centre, and from below each chosen intermediate primary.
const EACH: usize = 2;

/// A few replicas that together represent the lag of a cluster, by key.
///
/// From each data centre the two best at depth 1, of each of these its two best replicas, and from each data centre
/// the two best at depth 3. Better is who has more replicas; among those without any, who lags more.
pub fn osc_replicas<'a>(
    topology: &'a Topology,
    cluster: &str,
    ignore: &HostnameFilters,
) -> Vec<&'a Arc<Member>> {
    let usable = |depth: u32| -> Vec<&Arc<Member>> {
        let mut found: Vec<_> = topology
            .members()
            .filter(|member| member.place.cluster == cluster && member.place.depth == depth)
            .filter(|member| is_usable(member, ignore))
            .collect();
        found.sort_by_key(|member| merit(topology, member));
        found
    };
    let first = best_of_each_data_center(usable(1));
    let mut chosen = first.clone();
    for intermediate in first {
        let mut below: Vec<_> = topology
            .replicas_of(&intermediate.key)
            .filter(|replica| is_usable(replica, ignore))
            .collect();
        below.sort_by_key(|member| merit(topology, member));
        chosen.extend(below.into_iter().take(EACH));
    }
    chosen.extend(best_of_each_data_center(usable(3)));
    chosen.sort_by(|a, b| a.key.cmp(&b.key));
    chosen.dedup_by(|a, b| a.key == b.key);
    chosen
}

/// The largest lag among the [`osc_replicas`]; `None` when no lag is known.
pub fn heuristic_lag_s(
    topology: &Topology,
    cluster: &str,
    ignore: &HostnameFilters,
) -> Option<u64> {
    osc_replicas(topology, cluster, ignore).into_iter().filter_map(|member| lag_s(member)).max()
}

/// Replicas that gh-ost may read row events from, those with the fewest replicas first.
pub fn gh_ost_replicas<'a>(topology: &'a Topology, cluster: &str) -> Vec<&'a Arc<Member>> {
    let mut found: Vec<_> = topology
        .members()
        .filter(|member| member.place.cluster == cluster && member.place.depth > 0)
        .filter(|member| {
            member.current().is_some_and(|facts| {
                !facts.is_binlog_server()
                    && facts.binlog.enabled
                    && facts.binlog.logs_updates
                    && facts.binlog.format == Some(BinlogFormat::Row)
            })
        })
        .collect();
    found.sort_by_key(|member| (replica_count(topology, member), member.key.clone()));
    found
}

/// Best first. The key comes last, so that equal views give equal choices.
fn merit(topology: &Topology, member: &Member) -> impl Ord + use<> {
    let replicas = replica_count(topology, member);
    let lag_s = if replicas == 0 { lag_s(member).unwrap_or(0) } else { 0 };
    (Reverse(replicas), Reverse(lag_s), member.key.clone())
}

/// As many replicas as it reports itself; where it reports none, as many as follow it.
fn replica_count(topology: &Topology, member: &Member) -> usize {
    match member.instance.as_ref().map_or(0, |instance| instance.replicas.len()) {
        0 => topology.replicas_of(&member.key).count(),
        reported => reported,
    }
}

fn is_usable(member: &Member, ignore: &HostnameFilters) -> bool {
    member.current().is_some_and(|facts| !facts.is_binlog_server())
        && !ignore.match_key(&member.key)
}

/// The first ones of each data centre, in the order given.
fn best_of_each_data_center(sorted: Vec<&Arc<Member>>) -> Vec<&Arc<Member>> {
    let mut taken: BTreeMap<String, usize> = BTreeMap::new();
    sorted
        .into_iter()
        .filter(|member| {
            let instance = member.instance.as_deref();
            let center = instance.map_or("", |instance| &instance.location.data_center).to_owned();
            let count = taken.entry(center).or_default();
            *count += 1;
            *count <= EACH
        })
        .collect()
}

fn lag_s(member: &Member) -> Option<u64> {
    member.instance.as_ref()?.replication.as_ref()?.lag_s
}
