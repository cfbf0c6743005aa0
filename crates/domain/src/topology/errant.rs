//! Errant transactions: those a replica has and its sources do not.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::Member;
use crate::gtid::GtidSet;
use crate::instance::Instance;
use crate::key::InstanceKey;

/// Transactions of `own` that come from none of `ancestry` but itself, and that `source` does not have.
///
/// Transactions of the source and of those above it never count, because the servers are read at different times.
/// A server on a ring of sources (`on_ring`) writes and hands on its own ones, so they do not count either.
pub(super) fn errant(
    own: &Instance,
    source: &Instance,
    ancestry: &[String],
    on_ring: bool,
) -> GtidSet {
    let (executed, of_source) = (&own.gtid.executed, &source.gtid.executed);
    if executed.is_empty() || of_source.is_empty() {
        return GtidSet::default();
    }
    let own_uuid = own.server_uuid.as_deref();
    let mut left = executed.clone();
    for uuid in ancestry.iter().filter(|uuid| on_ring || own_uuid != Some(uuid.as_str())) {
        left = left.without_uuid(uuid);
    }
    if left.is_empty() {
        return left;
    }
    match source.server_uuid.as_deref() {
        Some(uuid) => left.subtract(&of_source.without_uuid(uuid)),
        None => left.subtract(of_source),
    }
}

/// The facts that errant transactions are counted from are the same.
pub(super) fn same_inputs(old: Option<&Instance>, new: Option<&Instance>) -> bool {
    match (old, new) {
        (None, None) => true,
        (Some(old), Some(new)) => {
            old.gtid.executed == new.gtid.executed && old.server_uuid == new.server_uuid
        }
        _ => false,
    }
}

/// Counts the errant transactions of `changed` and of what hangs below it anew.
pub(super) fn recount(members: &mut BTreeMap<InstanceKey, Arc<Member>>, changed: &InstanceKey) {
    let counted: Vec<(InstanceKey, GtidSet)> = members
        .values()
        .filter(|member| member.key == *changed || member.parent() == Some(changed))
        .filter_map(|member| Some((member.key.clone(), of_member(members, member)?)))
        .collect();
    for (key, set) in counted {
        if let Some(member) = members.get_mut(&key).filter(|member| member.errant != set) {
            Arc::make_mut(member).errant = set;
        }
    }
}

fn of_member(members: &BTreeMap<InstanceKey, Arc<Member>>, member: &Member) -> Option<GtidSet> {
    let own = member.instance.as_deref()?;
    let parent = member.parent().and_then(|key| members.get(key));
    let Some(source) = parent.and_then(|parent| parent.instance.as_deref()) else {
        return Some(GtidSet::default());
    };
    Some(errant(own, source, &member.place.ancestry, is_on_ring(members, member)))
}

/// Following parents leads back to the member.
fn is_on_ring(members: &BTreeMap<InstanceKey, Arc<Member>>, member: &Member) -> bool {
    let mut at = member.parent();
    for _ in 0..members.len() {
        match at {
            Some(key) if *key == member.key => return true,
            Some(key) => at = members.get(key).and_then(|above| above.parent()),
            None => return false,
        }
    }
    false
}
