//! Stores what was observed: in batches, off the hot path.

use actix::prelude::*;
use ham4db_store::Store;

use crate::keeper::Record;

/// Owns the way of observations to the backend.
pub struct Recorder {
    store: Store,
}

impl Recorder {
    /// A recorder that writes to this store.
    pub fn new(store: Store) -> Self {
        Self { store }
    }
}

impl Actor for Recorder {
    type Context = Context<Self>;

    /// One batch under way and one waiting: a slow backend makes the keeper gather larger batches.
    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.set_mailbox_capacity(1);
    }
}

impl Handler<Record> for Recorder {
    type Result = AtomicResponse<Self, ()>;

    fn handle(&mut self, record: Record, _: &mut Self::Context) -> Self::Result {
        let store = self.store.clone();
        let count = record.members.len();
        let written = tokio::task::spawn_blocking(move || {
            store.save_members(&record.members)?;
            record.forgotten.iter().try_for_each(|key| store.forget_member(key))
        });
        AtomicResponse::new(Box::pin(written.into_actor(self).map(move |outcome, _, _| match outcome {
            Ok(Ok(())) => {}
            Ok(Err(error)) => log::error!("error":% = error; "the state of {count} servers was not stored: {error}"),
            Err(panicked) => log::error!("error":% = panicked; "storing the state of {count} servers panicked"),
        })))
    }
}
