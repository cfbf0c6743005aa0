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
        self.take(received, at);
    }

    fn take(&mut self, received: Option<Received>, at: Instant) {
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

#[cfg(test)]
mod tests {
    use super::*;

    fn after(seconds: u64, start: Instant) -> Instant {
        start + Duration::from_secs(seconds)
    }

    fn heard(silence: &mut Silence, heartbeats: u64, at: Instant) {
        let received =
            Received { heartbeats: Some(heartbeats), read: None, position: None, running: true };
        silence.take(Some(received), at);
    }

    #[test]
    fn silence_is_counted_from_the_first_reading_that_saw_the_state_to_the_latest() {
        let (mut silence, start) = (Silence::default(), Instant::now());
        heard(&mut silence, 7, start);
        assert_eq!(silence.silent_for(), Some(Duration::ZERO));
        heard(&mut silence, 7, after(3, start));
        assert_eq!(silence.silent_for(), Some(Duration::from_secs(3)));
    }

    #[test]
    fn a_heartbeat_ends_the_silence() {
        let (mut silence, start) = (Silence::default(), Instant::now());
        heard(&mut silence, 7, start);
        heard(&mut silence, 8, after(30, start));
        assert_eq!(silence.silent_for(), Some(Duration::ZERO));
    }

    /// ham4db itself was stopped for half a minute: nothing is proven of that time.
    #[test]
    fn time_in_which_nobody_looked_is_not_silence() {
        let (mut silence, start) = (Silence::default(), Instant::now());
        heard(&mut silence, 7, start);
        assert_eq!(silence.silent_for(), Some(Duration::ZERO), "however late it is asked");
    }

    #[test]
    fn a_server_that_follows_nobody_is_not_silent() {
        let mut silence = Silence::default();
        silence.take(None, Instant::now());
        assert_eq!(silence.silent_for(), None);
    }
}
