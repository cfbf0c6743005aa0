//! An application that writes, and remembers what the servers promised it.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use mysql::Conn;
use mysql::prelude::Queryable;

use crate::topology::connect;
use crate::{KitError, Topology, pause};

/// Between two rows: about 200 a second.
const BETWEEN_ROWS: Duration = Duration::from_millis(4);
/// Between two rounds of looking for a server that takes writes.
const BETWEEN_TRIES: Duration = Duration::from_millis(20);
/// How long a server may take to connect or to acknowledge.
const ANSWER: Duration = Duration::from_millis(400);
/// The server that failed last is left out of so many rounds: frozen, it costs a whole time-out.
const ROUNDS_WITHOUT_LAST: u32 = 10;

/// A time in which no row was acknowledged, because a server failed.
#[derive(Debug, Clone)]
pub struct Gap {
    /// When the last row before it was acknowledged.
    pub last_before: Instant,
    /// `host:port` of the server that took that row.
    pub from: String,
    /// When the first row after it was acknowledged; `None` while it lasts.
    pub first_after: Option<Instant>,
    /// `host:port` of the server that took that row.
    pub to: Option<String>,
}

impl Gap {
    /// How long it was, once it is over.
    pub fn length(&self) -> Option<Duration> {
        self.first_after.map(|after| after.duration_since(self.last_before))
    }
}

#[derive(Default)]
struct Told {
    acknowledged: Vec<(u64, Instant)>,
    gaps: Vec<Gap>,
}

/// A thread that inserts rows into `kit.entries` of whichever server takes them.
pub struct Writer {
    ports: Vec<u16>,
    told: Arc<Mutex<Told>>,
    end: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Writer {
    /// Starts writing to the servers of `topology`.
    pub fn start(topology: &Topology) -> Self {
        let ports: Vec<u16> = (0..topology.servers()).map(|n| topology.port(n)).collect();
        let told = Arc::new(Mutex::new(Told::default()));
        let end = Arc::new(AtomicBool::new(false));
        let application =
            Application { ports: ports.clone(), told: told.clone(), end: end.clone(), next: 1 };
        let thread = Some(std::thread::spawn(move || application.run()));
        Self { ports, told, end, thread }
    }

    /// How many rows were acknowledged so far.
    pub fn acknowledged(&self) -> usize {
        self.told().acknowledged.len()
    }

    /// When the latest row was acknowledged.
    pub fn latest(&self) -> Option<Instant> {
        self.told().acknowledged.last().map(|(_, at)| *at)
    }

    /// The times in which no row was acknowledged, oldest first.
    pub fn gaps(&self) -> Vec<Gap> {
        self.told().gaps.clone()
    }

    /// Ends writing; what was acknowledged stays known.
    pub fn stop(&mut self) {
        self.end.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join(); // a writer that panicked has nothing more to say
        }
    }

    /// Rows acknowledged before `until` which server `n` does not have: their ids, each with its time.
    ///
    /// # Errors
    /// When the server cannot be asked.
    pub fn lost(&self, n: usize, until: Instant) -> Result<Vec<(u64, Instant)>, KitError> {
        let sql = "SELECT id FROM kit.entries";
        let port = self.ports.get(n).copied().unwrap_or_default();
        let refused = |source| KitError::Sql {
            key: format!("127.0.0.1:{port}"),
            sql: sql.to_owned(),
            source,
        };
        let mut connection = connect(port, "root", Duration::from_secs(10))?;
        let there: BTreeSet<u64> = connection.query(sql).map_err(refused)?.into_iter().collect();
        let told = self.told();
        let lost = |(id, at): &&(u64, Instant)| *at < until && !there.contains(id);
        Ok(told.acknowledged.iter().filter(lost).copied().collect())
    }

    fn told(&self) -> MutexGuard<'_, Told> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.stop();
    }
}

/// What runs in the thread.
struct Application {
    ports: Vec<u16>,
    told: Arc<Mutex<Told>>,
    end: Arc<AtomicBool>,
    /// The id of the next row. Each is tried once: what was not acknowledged may be there all the same.
    next: u64,
}

impl Application {
    fn run(mut self) {
        let mut last = None;
        while let Some((server, mut connection)) = self.find(last) {
            while !self.ended() && self.write(server, &mut connection) {
                pause(BETWEEN_ROWS);
            }
            if self.ended() {
                break;
            }
            self.note_gap(server);
            last = Some(server);
        }
    }

    /// The first server that acknowledges a row.
    fn find(&mut self, last: Option<usize>) -> Option<(usize, Conn)> {
        let mut round = 0_u32;
        while !self.ended() {
            round += 1;
            let left_out = last.filter(|_| !round.is_multiple_of(ROUNDS_WITHOUT_LAST));
            for server in (0..self.ports.len()).filter(|n| Some(*n) != left_out) {
                let Ok(mut connection) = connect(self.ports[server], "app", ANSWER) else {
                    continue;
                };
                if self.write(server, &mut connection) {
                    return Some((server, connection));
                }
            }
            pause(BETWEEN_TRIES);
        }
        None
    }

    fn write(&mut self, server: usize, connection: &mut Conn) -> bool {
        let id = self.next;
        self.next += 1;
        let sql = format!("INSERT INTO kit.entries (id, note) VALUES ({id}, 'written')");
        if connection.query_drop(sql).is_err() {
            return false;
        }
        let now = Instant::now();
        let to = self.key(server);
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        told.acknowledged.push((id, now));
        if let Some(gap) = told.gaps.last_mut().filter(|gap| gap.first_after.is_none()) {
            gap.first_after = Some(now);
            gap.to = Some(to);
        }
        true
    }

    fn note_gap(&self, server: usize) {
        let from = self.key(server);
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, last_before)) = told.acknowledged.last().copied() {
            told.gaps.push(Gap { last_before, from, first_after: None, to: None });
        }
    }

    fn ended(&self) -> bool {
        self.end.load(Ordering::Relaxed)
    }

    fn key(&self, server: usize) -> String {
        format!("127.0.0.1:{}", self.ports[server])
    }
}
