//! Signs of life that a replica has of its source.

use std::time::Duration;

use ham4db_domain::instance::Heartbeat;

use crate::wire::{ResultSet, Row};

/// Reads what `performance_schema` says of the default channel (MySQL 5.7 and later).
///
/// `connected_for` is how long ago the receiver was last seen without a connection: the connection is not older
/// than that, and whatever came before it says nothing of the source's silence.
pub(crate) fn heartbeat(set: &ResultSet, connected_for: Option<Duration>) -> Option<Heartbeat> {
    let row = set.rows().find(|row| row.get("CHANNEL_NAME") == Some(""))?;
    let silent_for =
        silence(row).map(|silence| connected_for.map_or(silence, |age| age.min(silence)));
    Some(Heartbeat {
        period: row
            .parse("HEARTBEAT_INTERVAL")
            .and_then(seconds)
            .filter(|period| !period.is_zero()),
        received: row.parse("COUNT_RECEIVED_HEARTBEATS"),
        silent_for,
    })
}

/// Time since the last heartbeat or transaction by the replica's clock; `None` when there has been neither.
fn silence(row: Row<'_>) -> Option<Duration> {
    let now: f64 = row.parse("NOW_S")?;
    // A transaction that is on its way comes from a source that lives.
    if row.get("QUEUEING_TRANSACTION").is_some_and(|gtid| !gtid.is_empty()) {
        return Some(Duration::ZERO);
    }
    let last = ["HEARTBEAT_S", "QUEUED_S"]
        .into_iter()
        .filter_map(|column| row.parse::<f64>(column))
        .fold(0.0, f64::max);
    (last > 0.0).then(|| seconds((now - last).max(0.0)))?
}

fn seconds(seconds: f64) -> Option<Duration> {
    Duration::try_from_secs_f64(seconds).ok()
}
