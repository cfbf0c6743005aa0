//! Old primaries that must not take writes any more, for as long as it takes.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use crate::checks::seconds_between;
use crate::instance::Instance;
use crate::key::InstanceKey;
use crate::registry::{Fence, LOST_IN_RECOVERY, Registry};
use crate::step::Step;
use crate::topology::Member;

/// A server that was lost counts as found only after it stayed so for this long.
const LOST_AT_LEAST: Duration = Duration::from_mins(1);

/// What a fence needs.
#[derive(Debug, Clone, PartialEq)]
pub enum FenceState {
    /// The server does not answer: it is fenced as soon as it does.
    Waiting,
    /// It takes no writes.
    InEffect,
    /// It is not needed any more, for this reason.
    Obsolete(String),
    /// It has to be put into effect, by these steps.
    ToDo(Vec<Step>),
}

/// Says what is to be done about the fence around `member`.
///
/// A server that takes writes is fenced again however often that takes: a restart forgets `read_only`. The fence ends
/// when the server follows somebody again, which only a person brings about, or when a person takes it down.
pub fn fence_state(member: &Member, fence: &Fence) -> FenceState {
    let Some(instance) = member.current() else { return FenceState::Waiting };
    if let Some(source) = instance.source().filter(|_| instance.read_only) {
        return FenceState::Obsolete(format!("{} follows {source} now", member.key));
    }
    match (&fence.confirmed, takes_no_writes(instance)) {
        (Some(_), true) => FenceState::InEffect,
        (Some(_) | None, _) => FenceState::ToDo(fence_steps(&member.key)),
    }
}

/// The servers whose downtime as [`LOST_IN_RECOVERY`] is over: a minute after it began they answer, and follow somebody
/// or are the only primary that suggests the alias of their cluster.
pub fn found_again<'a>(
    members: &(impl Iterator<Item = &'a Arc<Member>> + Clone),
    registry: &Registry,
    now: Timestamp,
) -> Vec<InstanceKey> {
    let suggested = |instance: &Instance| instance.suggested_alias.clone();
    let only_primary = |member: &Member, instance: &Instance| {
        let Some(alias) = suggested(instance).filter(|_| member.place.depth == 0) else {
            return false;
        };
        let mut others = members.clone().filter(|other| {
            other.key != member.key
                && other.place.depth == 0
                && other.instance.as_deref().and_then(suggested).as_ref() == Some(&alias)
        });
        others.next().is_none()
    };
    let is_lost = |member: &&Arc<Member>| {
        registry.downtime(&member.key, now).is_some_and(|downtime| {
            downtime.reason == LOST_IN_RECOVERY
                && seconds_between(downtime.begins, now) >= LOST_AT_LEAST.as_secs_f64()
        })
    };
    let is_back = |member: &&Arc<Member>| {
        member.current().is_some_and(|instance| {
            instance.is_replicating()
                || only_primary(member, instance) && !registry.fences.contains_key(&member.key)
        })
    };
    members.clone().filter(is_lost).filter(is_back).map(|member| member.key.clone()).collect()
}

/// What keeps a server from taking writes.
pub(super) fn fence_steps(key: &InstanceKey) -> Vec<Step> {
    vec![Step::MakeReadOnly { server: key.clone() }, Step::EndClients { server: key.clone() }]
}

/// Takes no writes, not even from administrators where the server can say so.
pub(super) fn takes_no_writes(old: &Instance) -> bool {
    old.read_only && old.super_read_only.unwrap_or(true)
}
