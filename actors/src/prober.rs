//! Watches one server: reads all facts at intervals, looks for life in between, and notices at once when the
//! server closes the connection.

use std::cell::Cell;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::rc::Rc;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use actix::prelude::*;
use ham4db_domain::checks::ProbeFailure;
use ham4db_domain::key::InstanceKey;
use ham4db_mysql::server::{Server, Servers, Snapshot};
use jiff::Timestamp;
use tokio::sync::{Notify, Semaphore, SemaphorePermit};
use tokio::time::Instant;

use crate::settings::LiveSettings;

/// Told to the topology keeper after every probe, whatever came of it.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct Observed {
    /// The server.
    pub key: InstanceKey,
    /// When the probe began, by the wall clock.
    pub began: Timestamp,
    /// When the observation was made.
    pub at: Instant,
    /// What came of it.
    pub outcome: Outcome,
}

/// What came of looking at a server.
#[derive(Debug)]
pub enum Outcome {
    /// All facts were read.
    Read(Box<Snapshot>),
    /// The server did not answer as it should.
    Failed(ProbeFailure),
    /// A liveness check is late: perhaps nothing, perhaps the beginning of something.
    Suspected,
}

/// Asks for a full reading now; answered by an [`Observed`] to the keeper.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "()")]
pub struct ProbeNow;

/// How closely a server is to be watched, whatever else is known of it.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "()")]
pub struct Attend {
    /// Others wait for news of it: look for life often, and try again soon after a failure.
    pub closely: bool,
}

/// Room for probes at once: sick servers have a lane of their own and cannot delay healthy ones.
#[derive(Debug)]
pub struct Lanes {
    healthy: Semaphore,
    sick: Semaphore,
}

impl Lanes {
    /// Lanes with room for so many probes each.
    pub fn new(healthy: usize, sick: usize) -> Self {
        Self { healthy: Semaphore::new(healthy.max(1)), sick: Semaphore::new(sick.max(1)) }
    }
}

/// A liveness check that takes longer than this makes the server suspect.
const LATE: Duration = Duration::from_millis(300);
/// Least time between two full readings, however often one is asked for.
const SHORTEST_GAP: Duration = Duration::from_millis(40);
/// Pause between two attempts on a failed server that is watched closely.
const CLOSE_RETRY: Duration = Duration::from_millis(200);

/// What a prober needs to begin; unlike the prober itself it can be sent to another thread.
pub struct Brief {
    /// The server.
    pub key: InstanceKey,
    /// Where connections come from.
    pub servers: Arc<dyn Servers>,
    /// Settings in force.
    pub settings: LiveSettings,
    /// Room for probes.
    pub lanes: Arc<Lanes>,
    /// Who is told.
    pub keeper: Recipient<Observed>,
}

/// Asks a prober to end.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "()")]
pub struct Retire;

/// Watches one server. Owns its connection; what it learns it hands on.
pub struct Prober {
    brief: Brief,
    inbox: Rc<Inbox>,
}

/// What the actor was told while its watch was busy.
#[derive(Debug, Default)]
struct Inbox {
    news: Notify,
    probe_now: Cell<bool>,
    closely: Cell<bool>,
}

impl Prober {
    /// A prober that has not begun.
    pub fn new(brief: Brief) -> Self {
        Self { brief, inbox: Rc::default() }
    }
}

impl Actor for Prober {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        let watch = Watch {
            server: self.brief.servers.server(&self.brief.key),
            key: self.brief.key.clone(),
            settings: self.brief.settings.clone(),
            lanes: self.brief.lanes.clone(),
            keeper: self.brief.keeper.clone(),
            inbox: self.inbox.clone(),
            rounds: Rounds::begin(),
        };
        ctx.spawn(watch.run().into_actor(self));
    }
}

impl Handler<Retire> for Prober {
    type Result = ();

    fn handle(&mut self, _: Retire, ctx: &mut Self::Context) {
        ctx.stop();
    }
}

impl Handler<ProbeNow> for Prober {
    type Result = ();

    fn handle(&mut self, _: ProbeNow, _: &mut Self::Context) {
        self.inbox.probe_now.set(true);
        self.inbox.news.notify_one();
    }
}

impl Handler<Attend> for Prober {
    type Result = ();

    fn handle(&mut self, attend: Attend, _: &mut Self::Context) {
        self.inbox.closely.set(attend.closely);
        self.inbox.news.notify_one();
    }
}

/// The watch itself: one endless loop that owns the connection.
struct Watch {
    key: InstanceKey,
    server: Box<dyn Server>,
    settings: LiveSettings,
    lanes: Arc<Lanes>,
    keeper: Recipient<Observed>,
    inbox: Rc<Inbox>,
    rounds: Rounds,
}

/// What the watch remembers from one round to the next.
struct Rounds {
    next_full: Instant,
    next_liveness: Instant,
    last_full: Option<Instant>,
    failures: u32,
    has_replicas: bool,
    left_alone: bool,
}

impl Rounds {
    /// The first reading is due at once; later ones are spread over the interval by the server's name.
    fn begin() -> Self {
        let now = Instant::now();
        Self {
            next_full: now,
            next_liveness: now,
            last_full: None,
            failures: 0,
            has_replicas: false,
            left_alone: false,
        }
    }
}

impl Watch {
    async fn run(mut self) {
        loop {
            let now = Instant::now();
            if self.inbox.probe_now.take() {
                let gap = self.rounds.last_full.map_or(now, |last| last + SHORTEST_GAP);
                self.rounds.next_full = self.rounds.next_full.min(gap.max(now));
            }
            if self.rounds.next_full <= now {
                self.read_all().await;
                continue;
            }
            let look_for_life = self.rounds.failures == 0 && self.is_watched_closely();
            let next = if look_for_life {
                self.rounds.next_full.min(self.rounds.next_liveness)
            } else {
                self.rounds.next_full
            };
            tokio::select! {
                biased;
                lost = self.server.closed() => {
                    log::debug!("instance.key":% = self.key, "error":% = lost; "{} closed our connection", self.key);
                    self.rounds.next_full = Instant::now();
                }
                () = self.inbox.news.notified() => {}
                () = tokio::time::sleep_until(next) => {
                    if look_for_life && next < self.rounds.next_full {
                        self.look_for_life().await;
                    }
                }
            }
        }
    }

    fn is_watched_closely(&self) -> bool {
        self.rounds.has_replicas || self.inbox.closely.get()
    }

    /// Reads all facts and plans the next reading.
    async fn read_all(&mut self) {
        let probing = self.settings.borrow().probing.clone();
        let lanes = self.lanes.clone();
        let _room = self.room(&lanes).await;
        let began = Timestamp::now();
        self.rounds.last_full = Some(Instant::now());
        let outcome = match self.server.probe(probing.deadline).await {
            Ok(snapshot) => {
                self.rounds.failures = 0;
                self.rounds.has_replicas = !snapshot.instance.replicas.is_empty();
                self.rounds.next_full = next_turn(&self.key, probing.poll);
                self.rounds.next_liveness = on_grid(Instant::now() + probing.liveness);
                Outcome::Read(Box::new(snapshot))
            }
            Err(failure) => {
                self.rounds.failures = self.rounds.failures.saturating_add(1);
                let pause = retry_pause(
                    self.rounds.failures,
                    self.is_watched_closely(),
                    probing.poll,
                    probing.dead_factor,
                    probing.dead_max,
                );
                self.rounds.next_full = Instant::now() + pause;
                Outcome::Failed(failure)
            }
        };
        self.tell(began, outcome).await;
    }

    /// A server that others wait for needs no room: there are few of them, and they matter most.
    async fn room<'a>(&self, lanes: &'a Lanes) -> Option<SemaphorePermit<'a>> {
        if self.rounds.failures == 0 {
            lanes.healthy.acquire().await.ok()
        } else if self.is_watched_closely() {
            None
        } else {
            lanes.sick.acquire().await.ok()
        }
    }

    /// The cheap check between two readings. Late is suspect, no answer is a failure.
    async fn look_for_life(&mut self) {
        let probing = self.settings.borrow().probing.clone();
        let began = Timestamp::now();
        let keeper = &self.keeper;
        let key = &self.key;
        let alive = {
            let check = self.server.check_alive(probing.deadline);
            tokio::pin!(check);
            if let Ok(alive) = tokio::time::timeout(LATE, &mut check).await {
                alive
            } else {
                if !self.rounds.left_alone {
                    tell(keeper, key, began, Outcome::Suspected).await;
                }
                check.await
            }
        };
        self.rounds.next_liveness = on_grid(Instant::now() + probing.liveness);
        if let Err(failure) = alive {
            self.rounds.failures = 1;
            self.rounds.next_full = Instant::now();
            self.tell(began, Outcome::Failed(failure)).await;
        }
    }

    /// Nobody hears of a replica that is to be left alone, neither that it is well nor that it is not.
    async fn tell(&mut self, began: Timestamp, outcome: Outcome) {
        if let Outcome::Read(snapshot) = &outcome {
            let left_alone = self.settings.borrow().discovery.is_left_alone(&snapshot.instance);
            if left_alone && !self.rounds.left_alone {
                log::info!("instance.key":% = self.key; "{} is left alone: its replication user is one of DiscoveryIgnoreReplicationUsernameFilters", self.key);
            }
            self.rounds.left_alone = left_alone;
        }
        if self.rounds.left_alone {
            return;
        }
        tell(&self.keeper, &self.key, began, outcome).await;
    }
}

/// Hands an observation on, and waits until the keeper has taken it: a busy keeper slows the probes down.
async fn tell(keeper: &Recipient<Observed>, key: &InstanceKey, began: Timestamp, outcome: Outcome) {
    let observed = Observed { key: key.clone(), began, at: Instant::now(), outcome };
    if keeper.send(observed).await.is_err() {
        log::warn!("instance.key":% = key; "observation of {key} dropped: the topology keeper is gone");
    }
}

/// Turns begin on a grid of time that all probers share: those of one moment are one waking of the processor.
const GRID: Duration = Duration::from_millis(25);

/// Where the grid begins.
static EPOCH: LazyLock<Instant> = LazyLock::new(Instant::now);

/// The first place of the grid that is not before `at`.
fn on_grid(at: Instant) -> Instant {
    let epoch = *EPOCH;
    let places = at.saturating_duration_since(epoch).as_nanos().div_ceil(GRID.as_nanos());
    epoch + GRID * u32::try_from(places).unwrap_or(u32::MAX)
}

/// The server's own next turn within the interval, so that a fleet is spread evenly over it.
fn next_turn(key: &InstanceKey, poll: Duration) -> Instant {
    let epoch = *EPOCH;
    let mut hasher = DefaultHasher::new();
    key.hash(&mut hasher);
    let interval_ms = u64::try_from(poll.as_millis()).unwrap_or(u64::MAX).max(1);
    let own_ms = hasher.finish() % interval_ms;
    let now = Instant::now();
    let passed_ms = u64::try_from(now.duration_since(epoch).as_millis()).unwrap_or(u64::MAX);
    let wait_ms = (own_ms + interval_ms - passed_ms % interval_ms) % interval_ms;
    // A turn that comes at once is left out: the server has just been read.
    let wait_ms = if wait_ms < interval_ms / 10 { wait_ms + interval_ms } else { wait_ms };
    on_grid(now + Duration::from_millis(wait_ms))
}

/// How long to wait before a failed server is tried again.
fn retry_pause(
    failures: u32,
    closely: bool,
    poll: Duration,
    factor: f64,
    max: Duration,
) -> Duration {
    if closely {
        return CLOSE_RETRY;
    }
    let growth =
        factor.max(1.0).powi(i32::try_from(failures.saturating_sub(1)).unwrap_or(i32::MAX));
    Duration::try_from_secs_f64(poll.as_secs_f64() * growth).unwrap_or(max).min(max.max(poll))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dead_server_is_tried_less_and_less_often_up_to_a_limit() {
        let (poll, max) = (Duration::from_secs(5), Duration::from_mins(5));
        let pause = |failures, closely, factor| retry_pause(failures, closely, poll, factor, max);
        assert_eq!(pause(1, false, 1.0), poll);
        assert_eq!(pause(100, false, 1.0), poll);
        assert_eq!(pause(3, false, 2.0), Duration::from_secs(20));
        assert_eq!(pause(1_000_000, false, 2.0), max);
        assert_eq!(pause(1_000_000, true, 2.0), CLOSE_RETRY);
    }

    #[tokio::test(start_paused = true)]
    async fn turns_of_a_server_are_one_interval_apart() {
        let key = InstanceKey::new("db1", 3306);
        let poll = Duration::from_secs(5);
        let mut last = next_turn(&key, poll);
        for _ in 0..100 {
            tokio::time::sleep_until(last).await;
            let next = next_turn(&key, poll);
            let gap = next - last;
            assert!(gap.abs_diff(poll) <= GRID, "{gap:?}");
            last = next;
        }
    }
}
