//! The commands that a recorded state can answer, in tables by what they are about.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use regex::Regex;

use super::CaseError;
use super::file::Command;
use super::state::State;
use crate::can_replicate::can_replicate;
use crate::instance::{Instance, PromotionRule, ThreadState};
use crate::key::InstanceKey;
use crate::osc;
use crate::registry::{Candidate, Downtime, LOST_IN_RECOVERY, Maintenance};
use crate::tags::{self, Tag};
use crate::topology::Member;
use crate::tree::{Drawing, Style};

type Lines = Result<Vec<String>, CaseError>;

type AboutInstance = fn(&mut State, &Command, &str) -> Lines;
type AboutCluster = fn(&State, &str) -> Lines;
type AboutAll = fn(&mut State, &Command) -> Lines;

/// Commands about one instance; of several instances each is answered in turn.
const ABOUT_INSTANCES: &[(&str, AboutInstance)] = &[
    ("which-instance", |state, _, text| Ok(vec![state.find(text)?.key.to_string()])),
    ("resolve", |state, _, text| Ok(vec![state.key(text)?.to_string()])),
    ("which-master", which_master),
    ("which-replicas", |state, _, text| {
        Ok(keys(state.topology.replicas_of(&state.find(text)?.key)))
    }),
    ("which-broken-replicas", |state, _, text| {
        let replicas = state.topology.replicas_of(&state.find(text)?.key);
        Ok(keys(replicas.filter(|replica| is_broken(replica))))
    }),
    ("which-gtid-errant", |state, _, text| Ok(vec![state.find(text)?.errant.to_string()])),
    ("instance-status", |state, _, text| {
        Ok(vec![drawing(state, &state.topology).description(state.find(text)?)])
    }),
    ("is-replicating", |state, _, text| Ok(key_if(state.find(text)?, Instance::is_replicating))),
    ("is-replication-stopped", |state, _, text| Ok(key_if(state.find(text)?, has_stopped))),
    ("can-replicate-from", |state, command, text| can_replicate_from(state, command, text, false)),
    ("can-replicate-from-gtid", |state, command, text| {
        can_replicate_from(state, command, text, true)
    }),
    ("get-candidate-replica", |state, _, text| {
        Ok(vec![state.candidate_replica(state.find(text)?)?.to_string()])
    }),
    ("register-candidate", register_candidate),
    ("begin-maintenance", begin_maintenance),
    ("end-maintenance", |state, _, text| {
        let key = state.key(text)?;
        state.registry.maintenance.remove(&key);
        Ok(vec![key.to_string()])
    }),
    ("in-maintenance", |state, _, text| {
        let key = state.key(text)?;
        let held = state.registry.in_maintenance(&key, state.now);
        Ok(held.then(|| key.to_string()).into_iter().collect())
    }),
    ("begin-downtime", begin_downtime),
    ("end-downtime", |state, _, text| {
        let key = state.key(text)?;
        state.registry.downtimes.remove(&key);
        Ok(vec![key.to_string()])
    }),
    ("tags", |state, _, text| {
        let key = state.key(text)?;
        Ok(state.registry.tags.get(&key).map(tags::lines).unwrap_or_default())
    }),
    ("tag-value", |state, command, text| {
        let (key, tag) = (state.key(text)?, tag(command)?);
        let value = state.registry.tags.get(&key).and_then(|tags| tags.get(&tag.name));
        Ok(value.cloned().into_iter().collect())
    }),
    ("tag", |state, command, text| {
        let (key, tag) = (state.key(text)?, tag(command)?.positive()?);
        let tags = state.registry.tags.entry(key.clone()).or_default();
        tags.insert(tag.name, tag.value.unwrap_or_default());
        Ok(vec![key.to_string()])
    }),
    ("untag", |state, command, text| {
        let (key, tag) = (state.key(text)?, tag(command)?.positive()?);
        Ok(untag(state, Some(&key), &tag))
    }),
];

/// Commands about one cluster, named by one of its instances, its alias or its name.
const ABOUT_CLUSTERS: &[(&str, AboutCluster)] = &[
    ("which-cluster", |_, cluster| Ok(vec![cluster.to_owned()])),
    ("which-cluster-alias", |state, cluster| Ok(vec![alias(state, cluster)])),
    ("which-cluster-domain", |state, cluster| {
        let primary = state.topology.primary(cluster);
        let facts = primary.and_then(|primary| primary.instance.as_ref());
        Ok(vec![facts.and_then(|facts| facts.cluster_domain.clone()).unwrap_or_default()])
    }),
    ("which-cluster-instances", |state, cluster| Ok(keys(state.topology.part(cluster).members()))),
    ("which-cluster-master", |state, cluster| match state.topology.primary(cluster) {
        Some(primary) => Ok(vec![primary.key.to_string()]),
        None => Err(CaseError::NoPrimary(cluster.to_owned())),
    }),
    ("which-cluster-osc-replicas", |state, cluster| {
        Ok(keys(osc::osc_replicas(&state.topology, cluster, &state.osc_ignore)))
    }),
    ("which-cluster-osc-running-replicas", |state, cluster| {
        let chosen = osc::osc_replicas(&state.topology, cluster, &state.osc_ignore);
        let run = |member: &Member| {
            member.instance.as_ref().is_some_and(|facts| facts.io_running() && facts.sql_running())
        };
        Ok(keys(chosen.into_iter().filter(|member| run(member))))
    }),
    ("which-cluster-gh-ost-replicas", |state, cluster| {
        Ok(keys(osc::gh_ost_replicas(&state.topology, cluster)))
    }),
    ("get-cluster-heuristic-lag", |state, cluster| {
        let lag_s = osc::heuristic_lag_s(&state.topology, cluster, &state.osc_ignore);
        Ok(vec![lag_s.unwrap_or(0).to_string()])
    }),
    ("topology", |state, cluster| Ok(tree(state, cluster, Style::Plain))),
    ("topology-tabulated", |state, cluster| Ok(tree(state, cluster, Style::Tabulated))),
    ("topology-tags", |state, cluster| Ok(tree(state, cluster, Style::Tags))),
];

/// Commands about everything.
const ABOUT_ALL: &[(&str, AboutAll)] = &[
    ("replication-analysis", |state, _| {
        Ok(state.analysis().iter().map(crate::analysis::Problem::line).collect())
    }),
    ("suggest-promoted-replacement", suggest_promoted_replacement),
    ("clusters", |state, _| Ok(state.topology.clusters().into_iter().map(str::to_owned).collect())),
    ("clusters-alias", |state, _| {
        let names = state.topology.clusters().into_iter();
        Ok(names.map(|name| format!("{name}\t{}", alias(state, name))).collect())
    }),
    ("all-clusters-masters", |state, _| Ok(keys(primaries(state)))),
    ("dominant-dc", |state, _| Ok(dominant_data_center(state).into_iter().collect())),
    ("all-instances", |state, _| Ok(keys(state.topology.members()))),
    ("find", find),
    ("search", |state, command| Ok(search(state, command))),
    ("which-downtimed-instances", downtimed),
    ("which-lost-in-recovery", |state, _| {
        let lost = |member: &Member| {
            let downtime = state.registry.downtime(&member.key, state.now);
            downtime.is_some_and(|downtime| downtime.reason == LOST_IN_RECOVERY)
        };
        Ok(keys(state.topology.members().filter(|member| lost(member))))
    }),
    ("tagged", |state, command| {
        let wanted = tags::parse_search(required(command, command.tag.as_ref(), "a tag")?)?;
        let found = tags::tagged(&state.registry.tags, &wanted);
        Ok(found.into_iter().map(ToString::to_string).collect())
    }),
    ("untag-all", |state, command| {
        let tag = tag(command)?.positive_with_value()?;
        Ok(untag(state, None, &tag))
    }),
    ("bulk-promotion-rules", |state, _| {
        let rules = state.registry.candidates.iter();
        Ok(rules.map(|(key, told)| format!("{key} {}", told.rule.name())).collect())
    }),
];

/// Other names of commands.
const SYNONYMS: &[(&str, &str)] = &[
    ("instance", "which-instance"),
    ("which-slaves", "which-replicas"),
    ("get-candidate-slave", "get-candidate-replica"),
    ("which-cluster-osc-slaves", "which-cluster-osc-replicas"),
    ("which-cluster-gh-ost-slaves", "which-cluster-gh-ost-replicas"),
    ("internal-suggest-promoted-replacement", "suggest-promoted-replacement"),
    ("downtimed", "which-downtimed-instances"),
    ("bulk-instances", "all-instances"),
];

pub(super) fn answer(state: &mut State, command: &Command) -> Lines {
    let synonym = lookup(SYNONYMS, &command.name);
    let name = synonym.unwrap_or(&command.name);
    if let Some(run) = lookup(ABOUT_INSTANCES, name) {
        let texts = required(command, command.instance.as_ref(), "an instance")?;
        let mut lines = Vec::new();
        for text in split(texts) {
            lines.extend(run(state, command, text)?);
        }
        Ok(lines)
    } else if let Some(run) = lookup(ABOUT_CLUSTERS, name) {
        match cluster(state, command) {
            Err(CaseError::NoInstance(_)) if name == "which-cluster" => Ok(vec![String::new()]),
            found => run(state, &found?),
        }
    } else if let Some(run) = lookup(ABOUT_ALL, name) {
        run(state, command)
    } else {
        Err(CaseError::UnknownCommand(command.name.clone()))
    }
}

fn lookup<T: Copy>(table: &[(&str, T)], name: &str) -> Option<T> {
    table.iter().find(|(known, _)| *known == name).map(|(_, value)| *value)
}

/// The instances in a list behind commas or blanks.
fn split(texts: &str) -> impl Iterator<Item = &str> {
    texts.split(|c: char| c == ',' || c.is_whitespace()).filter(|text| !text.is_empty())
}

fn required<'a>(
    command: &Command,
    value: Option<&'a String>,
    what: &'static str,
) -> Result<&'a str, CaseError> {
    let given = value.map(|text| text.trim()).filter(|text| !text.is_empty());
    given.ok_or_else(|| CaseError::Missing { command: command.name.clone(), what })
}

/// The cluster that the command's alias or instance stands for.
fn cluster(state: &State, command: &Command) -> Result<String, CaseError> {
    if let Some(alias) = command.alias.as_deref().map(str::trim).filter(|text| !text.is_empty()) {
        return by_alias(state, alias).ok_or_else(|| CaseError::NoCluster(alias.to_owned()));
    }
    let text = required(command, command.instance.as_ref(), "an instance or an alias")?;
    match state.find(text) {
        Ok(member) => Ok(member.place.cluster.clone()),
        Err(error) => by_alias(state, text).ok_or(error),
    }
}

fn by_alias(state: &State, hint: &str) -> Option<String> {
    let aliased = state.registry.aliases.iter().find(|(_, alias)| *alias == hint);
    let named = || state.topology.clusters().into_iter().find(|name| *name == hint);
    aliased.map(|(name, _)| name.clone()).or_else(|| named().map(str::to_owned))
}

fn alias(state: &State, cluster: &str) -> String {
    state.registry.aliases.get(cluster).cloned().unwrap_or_else(|| cluster.to_owned())
}

fn keys<'a>(members: impl IntoIterator<Item = &'a Arc<Member>>) -> Vec<String> {
    members.into_iter().map(|member| member.key.to_string()).collect()
}

fn key_if(member: &Member, holds: fn(&Instance) -> bool) -> Vec<String> {
    let held = member.instance.as_deref().is_some_and(holds);
    held.then(|| member.key.to_string()).into_iter().collect()
}

fn has_stopped(instance: &Instance) -> bool {
    instance.replication.as_ref().is_some_and(|replication| {
        replication.io_thread == ThreadState::Stopped
            && replication.sql_thread == ThreadState::Stopped
    })
}

fn is_broken(member: &Member) -> bool {
    member.instance.as_ref().is_some_and(|facts| {
        let told = facts.replication.as_ref();
        let errors = |told: &crate::instance::Replication| {
            !told.io_error.is_empty() || !told.sql_error.is_empty()
        };
        !(facts.io_running() && facts.sql_running()) && told.is_some_and(errors)
    })
}

fn which_master(state: &mut State, _: &Command, text: &str) -> Lines {
    let source = state.find(text)?.source();
    Ok(source.map(ToString::to_string).into_iter().collect())
}

fn can_replicate_from(state: &State, command: &Command, text: &str, by_gtid: bool) -> Lines {
    let other = required(command, command.destination.as_ref(), "a destination")?;
    let (replica, source) = (state.find(text)?, state.find(other)?);
    let (Some(own), Some(facts)) = (&replica.instance, &source.instance) else {
        return Ok(Vec::new());
    };
    let complete = || own.gtid.executed.contains(&facts.gtid.purged);
    let can =
        can_replicate(own, facts, &state.promotion_policy).is_ok() && (!by_gtid || complete());
    Ok(can.then(|| source.key.to_string()).into_iter().collect())
}

fn register_candidate(state: &mut State, command: &Command, text: &str) -> Lines {
    let key = state.key(text)?;
    let told = command.promotion_rule.as_deref().unwrap_or("prefer");
    let rule = PromotionRule::parse(told)
        .filter(|rule| *rule != PromotionRule::Must)
        .ok_or_else(|| CaseError::field("promotion rule", told, "it cannot be registered"))?;
    state.registry.candidates.insert(key.clone(), Candidate { rule, registered: state.now });
    Ok(vec![key.to_string()])
}

fn begin_maintenance(state: &mut State, command: &Command, text: &str) -> Lines {
    let key = state.key(text)?;
    let (owner, reason) = owner_and_reason(command)?;
    let held = state.registry.maintenance.get(&key).filter(|lock| lock.ends > state.now);
    if let Some(held) = held {
        return Err(CaseError::InMaintenance { instance: key.to_string(), held: held.clone() });
    }
    let ends = ends(state.now, command)?;
    let lock = Maintenance { owner, reason, begins: state.now, ends };
    state.registry.maintenance.insert(key.clone(), lock);
    Ok(vec![key.to_string()])
}

fn begin_downtime(state: &mut State, command: &Command, text: &str) -> Lines {
    let key = state.key(text)?;
    let (owner, reason) = owner_and_reason(command)?;
    let downtime = Downtime { owner, reason, begins: state.now, ends: ends(state.now, command)? };
    state.registry.downtimes.insert(key.clone(), downtime);
    Ok(vec![key.to_string()])
}

fn owner_and_reason(command: &Command) -> Result<(String, String), CaseError> {
    let reason = required(command, command.reason.as_ref(), "a reason")?;
    Ok((command.owner.clone().unwrap_or_default(), reason.to_owned()))
}

/// The end of a lock that begins now; without a duration, or with none, in ten minutes.
fn ends(now: Timestamp, command: &Command) -> Result<Timestamp, CaseError> {
    const DEFAULT_S: u64 = 600;
    let text = command.duration.as_deref().map(str::trim).filter(|text| !text.is_empty());
    let duration = text.map_or(Ok(Duration::ZERO), parse_duration)?;
    let seconds = if duration.is_zero() { DEFAULT_S } else { duration.as_secs() };
    let length = SignedDuration::from_secs(i64::try_from(seconds).unwrap_or(i64::MAX));
    now.checked_add(length)
        .map_err(|error| CaseError::field("duration", text.unwrap_or_default(), error.to_string()))
}

/// Reads `59s`, `59m`, `23h`, `6d` or `4w`.
fn parse_duration(text: &str) -> Result<Duration, CaseError> {
    let bad = || CaseError::field("duration", text, "it is not like 59s, 59m, 23h, 6d or 4w");
    let unit_s = match text.chars().last() {
        Some('s') => 1,
        Some('m') => 60,
        Some('h') => 3_600,
        Some('d') => 86_400,
        Some('w') => 604_800,
        _ => return Err(bad()),
    };
    let count: u64 = text[..text.len() - 1].parse().map_err(|_| bad())?;
    count.checked_mul(unit_s).map(Duration::from_secs).ok_or_else(bad)
}

fn tag(command: &Command) -> Result<Tag, CaseError> {
    Ok(required(command, command.tag.as_ref(), "a tag")?.parse()?)
}

fn untag(state: &mut State, instance: Option<&InstanceKey>, tag: &Tag) -> Vec<String> {
    let found = tags::to_untag(&state.registry.tags, instance, tag);
    let found: Vec<InstanceKey> = found.into_iter().cloned().collect();
    for key in &found {
        if let Some(tags) = state.registry.tags.get_mut(key) {
            tags.remove(&tag.name);
        }
    }
    found.iter().map(ToString::to_string).collect()
}

fn tree(state: &State, cluster: &str, style: Style) -> Vec<String> {
    drawing(state, &state.topology.part(cluster)).lines(style)
}

fn drawing<'a>(state: &'a State, topology: &'a crate::topology::Topology) -> Drawing<'a> {
    let (registry, policy, now) = (&state.registry, &state.analysis_policy, state.now);
    Drawing { topology, registry, policy, now }
}

fn suggest_promoted_replacement(state: &mut State, command: &Command) -> Lines {
    let failed = command.failed_source.as_ref().or(command.instance.as_ref());
    let promoted = command.promoted.as_ref().or(command.destination.as_ref());
    let failed = state.find(required(command, failed, "the failed source")?)?;
    let promoted = state.find(required(command, promoted, "the promoted instance")?)?;
    Ok(vec![state.promoted_replacement(failed, promoted).to_string()])
}

/// The writable primaries, one a cluster.
fn primaries(state: &State) -> impl Iterator<Item = &Arc<Member>> {
    let names: BTreeSet<&str> = state.topology.clusters();
    names.into_iter().filter_map(|name| state.topology.writable_primary(name))
}

fn dominant_data_center(state: &State) -> Option<String> {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for facts in primaries(state).filter_map(|primary| primary.instance.as_ref()) {
        *counts.entry(&facts.location.data_center).or_default() += 1;
    }
    let most = counts.into_iter().rev().max_by_key(|(_, count)| *count);
    most.map(|(name, _)| name.to_owned())
}

fn find(state: &mut State, command: &Command) -> Lines {
    let text = required(command, command.pattern.as_ref(), "a pattern")?;
    let pattern =
        Regex::new(text).map_err(|error| CaseError::field("pattern", text, error.to_string()))?;
    let found = state.topology.members().filter(|member| pattern.is_match(&member.key.to_string()));
    Ok(keys(found))
}

fn search(state: &State, command: &Command) -> Vec<String> {
    let wanted = command.pattern.as_ref().or(command.instance.as_ref());
    let wanted = wanted.map(|text| text.trim()).unwrap_or_default();
    keys(state.topology.members().filter(|member| is_found(member, wanted)))
}

/// The text occurs in key, cluster, version or alias, or equals server id or port.
fn is_found(member: &Member, wanted: &str) -> bool {
    let key = member.key.to_string();
    let Some(facts) = member.instance.as_deref() else { return key.contains(wanted) };
    let texts = [
        key.as_str(),
        member.place.cluster.as_str(),
        facts.version.text(),
        facts.version_comment.as_str(),
        facts.alias.as_deref().unwrap_or_default(),
        member.place.suggested_alias.as_deref().unwrap_or_default(),
    ];
    texts.iter().any(|text| text.contains(wanted))
        || facts.server_id.is_some_and(|id| id.to_string() == wanted)
        || member.key.port.to_string() == wanted
}

fn downtimed(state: &mut State, command: &Command) -> Lines {
    let named = command.instance.is_some() || command.alias.is_some();
    let wanted = if named { Some(cluster(state, command)?) } else { None };
    let found = state.topology.members().filter(|member| {
        wanted.as_ref().is_none_or(|cluster| *cluster == member.place.cluster)
            && state.registry.downtime(&member.key, state.now).is_some()
    });
    Ok(keys(found))
}
