//! How long a replica has heard nothing from its source, where the server does not tell itself.

use std::time::Duration;

use ham4db_domain::coordinates::BinlogCoordinates;
use ham4db_domain::gtid::MariaDbPosition;
use ham4db_domain::instance::Instance;
use tokio::time::Instant;

/// What a replica had received when it was last read, and since when that has not changed.
///
/// The time runs from the first reading that saw this state to the latest that still saw it, so it never says
/// more than is proven; also not after ham4db itself was stopped for a while.
#[derive(Debug, Default)]
pub struct Silence {
    received: Option<Received>,
    since: Option<Instant>,
    until: Option<Instant>,
}

#[derive(Debug, PartialEq)]
struct Received {
    heartbeats: Option<u64>,
    read: Option<BinlogCoordinates>,
    position: Option<MariaDbPosition>,
    running: bool,
}

impl Silence {
    /// Takes a reading in.
    pub fn observe(&mut self, instance: &Instance, at: Instant) {
        let received = instance.replication.as_ref().map(|replication| Received {
            heartbeats: replication.heartbeat.received,
            read: replication.read.clone(),
            position: instance.gtid.io_pos.clone(),
            running: instance.io_running(),
        });
        if received != self.received || self.since.is_none() {
            self.received = received;
            self.since = Some(at);
        }
        self.until = Some(at);
    }

    /// How long it is proven to have heard nothing; `None` when it is no replica.
    pub fn silent_for(&self) -> Option<Duration> {
        self.received.as_ref()?;
        Some(self.until?.duration_since(self.since?))
    }
}
