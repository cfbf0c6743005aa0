//! A log of one node.

use std::error::Error;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use ham4db_domain::command::{Applied, Command, Reply, apply};
use ham4db_domain::registry::Registry;
use ham4db_store::{Store, StoreError};
use tokio::sync::{Semaphore, watch};

/// Whether this node leads, and in which term. A term is never used twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Leadership {
    /// It leads.
    pub leads: bool,
    /// Grows with every change of leadership, and with every start.
    pub term: u64,
}

/// Why a proposal has no reply. The variants differ in what the caller may do next.
#[derive(Debug, thiserror::Error)]
pub enum ProposeError {
    /// Surely not applied: send it to the leader.
    #[error("this node does not lead")]
    NotLeader,
    /// Surely not applied: too many proposals waited for the backend, or this one did for too long. Ask again later.
    #[error("the command was not applied: too many others wait for the backend")]
    Busy,
    /// Surely not applied: the backend could not be written.
    #[error("the command was not applied: {0}")]
    Backend(#[source] StoreError),
    /// Perhaps applied: look before asking again.
    #[error("no outcome within {0:?}; the command may still be applied")]
    Unknown(Duration),
    /// This node can do no more; it has to be restarted.
    #[error("the log stopped: {0}")]
    Stopped(#[source] Box<dyn Error + Send + Sync>),
}

/// Most proposals that are under way or wait for the backend.
pub const MOST_WAITING: usize = 64;

/// How long a proposal waits for those before it. Whoever asked has given up after a while, and a command must not
/// be applied when nobody expects it any more.
const PATIENCE: Duration = Duration::from_secs(5);

/// A log of one node: the backend holds what was applied, so nothing else has to be kept.
pub struct LocalLog {
    store: Store,
    state: Mutex<State>,
    places: Semaphore,
    registry: watch::Sender<Arc<Registry>>,
    leadership: watch::Sender<Leadership>,
}

struct State {
    applied: u64,
    /// The latest write was not confirmed: the backend has to be asked before anything else is done.
    in_doubt: bool,
}

impl LocalLog {
    /// Loads what was applied before, and begins a new term.
    ///
    /// # Errors
    /// When the backend cannot be read or written.
    pub fn open(store: Store) -> Result<Self, StoreError> {
        let (registry, applied) = store.load_registry()?;
        let term = store.next_term()?;
        Ok(Self {
            store,
            state: Mutex::new(State { applied, in_doubt: false }),
            places: Semaphore::new(MOST_WAITING),
            registry: watch::channel(Arc::new(registry)).0,
            leadership: watch::channel(Leadership { leads: true, term }).0,
        })
    }

    /// What was agreed on, as it changes.
    pub fn registry(&self) -> watch::Receiver<Arc<Registry>> {
        self.registry.subscribe()
    }

    /// Whether this node leads, as it changes.
    pub fn leadership(&self) -> watch::Receiver<Leadership> {
        self.leadership.subscribe()
    }

    /// Applies a command, writes what it changed, and publishes the result. Blocks on the backend.
    ///
    /// # Errors
    /// With `Unknown` the command may have been applied; the next proposal finds out first. With every other error
    /// nothing is changed, here as there.
    pub fn propose(&self, command: &Command) -> Result<Reply, ProposeError> {
        let began = Instant::now();
        let _place = self.places.try_acquire().map_err(|_| ProposeError::Busy)?;
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if began.elapsed() > PATIENCE {
            return Err(ProposeError::Busy);
        }
        if state.in_doubt {
            self.settle(&mut state).map_err(|error| self.refused(error))?;
        }
        let mut registry = (**self.registry.borrow()).clone();
        let Applied { reply, rows } = apply(&mut registry, command);
        if rows.is_empty() {
            return Ok(reply);
        }
        let applied = state.applied + 1;
        match self.store.write_rows(&registry, &rows, applied) {
            Ok(()) => {
                state.applied = applied;
                self.registry.send_replace(Arc::new(registry));
                Ok(reply)
            }
            Err(error @ StoreError::Unconfirmed { .. }) => {
                state.in_doubt = true;
                match self.settle(&mut state) {
                    Ok(()) if state.applied == applied => Ok(reply),
                    Ok(()) => Err(ProposeError::Backend(error)),
                    Err(still) => {
                        log::warn!("error":% = still; "a command may have been applied or not: {error}; {still}");
                        Err(ProposeError::Unknown(began.elapsed()))
                    }
                }
            }
            Err(error) => Err(self.refused(error)),
        }
    }

    /// Finds out how the latest write ended, and publishes what it changed.
    fn settle(&self, state: &mut State) -> Result<(), StoreError> {
        let applied = self.store.settle()?;
        if applied != state.applied {
            let (registry, applied) = self.store.load_registry()?;
            state.applied = applied;
            self.registry.send_replace(Arc::new(registry));
        }
        state.in_doubt = false;
        Ok(())
    }

    /// Nothing was applied. Whoever lost the backend to another process leads no longer.
    fn refused(&self, error: StoreError) -> ProposeError {
        if matches!(error, StoreError::InUse { .. }) {
            if self.leadership.send_if_modified(|state| std::mem::take(&mut state.leads)) {
                log::error!("error":% = error; "this node leads no longer: {error}");
            }
            return ProposeError::Stopped(Box::new(error));
        }
        ProposeError::Backend(error)
    }
}
