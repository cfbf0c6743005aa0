//! Which cluster goes by which alias.

use std::collections::BTreeMap;

use jiff::Timestamp;
use regex::Regex;

use super::{Member, Topology};
use crate::policy::AliasPolicy;
use crate::registry::{LOST_IN_RECOVERY, Registry};

/// The aliases of clusters by cluster name. An alias belongs to one cluster; one without a claim goes by its name.
///
/// A manual alias wins. Of several clusters whose members suggest the same alias, the one with a valid, writable
/// member of the most replicas gets it: the old primary that comes back alone does not take its alias along.
pub fn aliases<'a>(
    clusters: impl IntoIterator<Item = &'a Topology>,
    registry: &Registry,
    policy: &AliasPolicy,
    now: Timestamp,
) -> BTreeMap<String, String> {
    let patterns = patterns(policy);
    let mut names = Vec::new();
    let mut best: BTreeMap<&str, (Claim, &str)> = BTreeMap::new();
    for topology in clusters {
        for member in topology.members() {
            let Some(alias) = member.place.suggested_alias.as_deref() else { continue };
            if is_lost(member, registry, now) {
                continue;
            }
            let claim = Claim::of(topology, member);
            let stands = best.get(alias).is_some_and(|(other, _)| *other >= claim);
            if !stands {
                best.insert(alias, (claim, &member.place.cluster));
            }
        }
        names.extend(topology.clusters());
    }
    let suggested: BTreeMap<&str, &str> =
        best.into_iter().map(|(alias, (_, cluster))| (cluster, alias)).collect();
    names
        .into_iter()
        .map(|name| {
            let alias = registry
                .aliases
                .get(name)
                .or_else(|| policy.manual.get(name))
                .cloned()
                .or_else(|| suggested.get(name).map(|alias| (*alias).to_owned()))
                .or_else(|| by_pattern(&patterns, name))
                .unwrap_or_else(|| name.to_owned());
            (name.to_owned(), alias)
        })
        .collect()
}

/// The alias of one cluster, looked at alone; its name when it has none.
pub fn alias_of(
    topology: &Topology,
    registry: &Registry,
    policy: &AliasPolicy,
    now: Timestamp,
) -> String {
    let name = topology.cluster().unwrap_or_default();
    aliases([topology], registry, policy, now).remove(name).unwrap_or_else(|| name.to_owned())
}

/// How good a member's claim to its alias is: the greatest wins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Claim {
    valid: bool,
    writable: bool,
    replicas: usize,
}

impl Claim {
    fn of(topology: &Topology, member: &Member) -> Self {
        Self {
            valid: member.checks.valid(),
            writable: member.is_writable(),
            replicas: topology.replicas_of(&member.key).count(),
        }
    }
}

fn is_lost(member: &Member, registry: &Registry, now: Timestamp) -> bool {
    registry.downtime(&member.key, now).is_some_and(|downtime| downtime.reason == LOST_IN_RECOVERY)
}

/// `ClusterNameToAlias` in the order of the file; an expression that cannot be read matches nothing.
fn patterns(policy: &AliasPolicy) -> Vec<(Regex, &str)> {
    policy
        .by_name
        .iter()
        .filter_map(|(expression, alias)| Some((Regex::new(expression).ok()?, alias.as_str())))
        .collect()
}

fn by_pattern(patterns: &[(Regex, &str)], name: &str) -> Option<String> {
    patterns
        .iter()
        .find(|(pattern, _)| pattern.is_match(name))
        .map(|(_, alias)| (*alias).to_owned())
}
