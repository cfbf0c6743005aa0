//! What a recovery that succeeded leaves behind in the log, apart from its own end.

use jiff::{SignedDuration, Timestamp};

use crate::command::Order;
use crate::recovery::{Kind, Outcome, fence_of};
use crate::registry::{Downtime, LOST_IN_RECOVERY, Recovery};

/// Who sets these downtimes.
const OWNER: &str = "ham4db";

/// The commands that go into the log before hooks run and the recovery is closed.
///
/// The old primary is fenced; it and the lost replicas are in downtime, so that their state is no failure; the server
/// that took over is neither fenced nor in downtime any more.
pub fn consequences(recovery: &Recovery, outcome: &Outcome, now: Timestamp) -> Vec<Order> {
    let Outcome::Recovered { successor, lost, .. } = outcome else { return Vec::new() };
    let mut orders = vec![Order::EndDowntime { key: successor.clone() }];
    if recovery.intent.kind == Kind::Intermediate {
        return orders;
    }
    orders.push(Order::RemoveFence { key: successor.clone() });
    if let Some((key, fence)) = fence_of(recovery, outcome, now) {
        orders.push(Order::SetFence { key, fence });
    }
    let downtime = lost_in_recovery(now);
    let keys = [&recovery.intent.failed].into_iter().chain(lost);
    orders.extend(
        keys.map(|key| Order::BeginDowntime { key: key.clone(), downtime: downtime.clone() }),
    );
    orders
}

/// A year, as the ancestors set it; it ends by itself when the server is seen replicating.
fn lost_in_recovery(now: Timestamp) -> Downtime {
    const LENGTH: SignedDuration = SignedDuration::from_hours(365 * 24);
    Downtime {
        owner: OWNER.to_owned(),
        reason: LOST_IN_RECOVERY.to_owned(),
        begins: now,
        ends: now.checked_add(LENGTH).unwrap_or(Timestamp::MAX),
    }
}
