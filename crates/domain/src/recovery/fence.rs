//! Old primaries that must not take writes any more, for as long as it takes.

use jiff::Timestamp;

use crate::instance::Instance;
use crate::key::InstanceKey;
use crate::recovery::{Kind, Outcome};
use crate::registry::{Fence, Recovery};
use crate::step::Step;
use crate::topology::Member;

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

/// The fence that a recovery leaves behind around the server it replaced; `None` when nobody took over from a primary.
pub fn fence_of(
    recovery: &Recovery,
    outcome: &Outcome,
    now: Timestamp,
) -> Option<(InstanceKey, Fence)> {
    match (recovery.intent.kind, outcome) {
        (Kind::Primary, Outcome::Recovered { successor, .. }) => {
            let fence = Fence {
                recovery: recovery.uid.clone(),
                successor: successor.clone(),
                since: now,
                confirmed: None,
                last_error: None,
            };
            Some((recovery.intent.failed.clone(), fence))
        }
        (Kind::Primary, Outcome::Failed { .. } | Outcome::Aborted { .. })
        | (Kind::Intermediate, _) => None,
    }
}

/// What keeps a server from taking writes.
pub(super) fn fence_steps(key: &InstanceKey) -> Vec<Step> {
    vec![Step::MakeReadOnly { server: key.clone() }, Step::EndClients { server: key.clone() }]
}

/// Takes no writes, not even from administrators where the server can say so.
pub(super) fn takes_no_writes(old: &Instance) -> bool {
    old.read_only && old.super_read_only.unwrap_or(true)
}
