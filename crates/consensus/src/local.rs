//! A log of one node.

use std::error::Error;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use ham4db_domain::command::{Applied, Command, Reply, apply};
use ham4db_domain::registry::Registry;
use ham4db_store::{Store, StoreError};
use tokio::sync::watch;

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
    /// Surely not applied: the backend could not be written.
    #[error("the command was not applied: {0}")]
    Backend(#[source] StoreError),
    /// Perhaps applied: look before asking again.
    #[error("no outcome within {0:?}; the command may still be applied")]
    Unknown(Duration),
    /// This node can do no more; it has to be restarted.
    #[error("the log stopped")]
    Stopped(#[source] Box<dyn Error + Send + Sync>),
}

/// A log of one node: the backend holds what was applied, so nothing else has to be kept.
pub struct LocalLog {
    store: Store,
    state: Mutex<State>,
    registry: watch::Sender<Arc<Registry>>,
    leadership: watch::Sender<Leadership>,
}

struct State {
    applied: u64,
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
            state: Mutex::new(State { applied }),
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
    /// When the backend could not be written: then nothing is changed, here as there.
    pub fn propose(&self, command: &Command) -> Result<Reply, ProposeError> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let mut registry = (**self.registry.borrow()).clone();
        let Applied { reply, rows } = apply(&mut registry, command);
        if !rows.is_empty() {
            let applied = state.applied + 1;
            self.store.write_rows(&registry, &rows, applied).map_err(ProposeError::Backend)?;
            state.applied = applied;
            self.registry.send_replace(Arc::new(registry));
        }
        Ok(reply)
    }
}
