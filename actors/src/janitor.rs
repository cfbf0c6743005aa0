//! Clears away what is too old to matter.

use std::sync::Arc;
use std::time::Duration;

use actix::prelude::*;
use ham4db_domain::checks::seconds_between;
use ham4db_domain::command::Order;
use ham4db_domain::recovery::found_again;
use ham4db_domain::registry::Registry;
use ham4db_store::Store;
use jiff::Timestamp;
use tokio::sync::watch;

use crate::fleet::LiveFleet;
use crate::keeper::Forget;
use crate::raft_role::Propose;
use crate::settings::LiveSettings;

/// How often there is a look at what may go.
const EVERY: Duration = Duration::from_mins(1);

/// Owns nothing but its timer.
pub struct Janitor {
    /// Settings in force.
    pub settings: LiveSettings,
    /// The picture of all servers.
    pub fleet: LiveFleet,
    /// What was agreed on.
    pub registry: watch::Receiver<Arc<Registry>>,
    /// The backend.
    pub store: Store,
    /// The way to the log.
    pub log: Recipient<Propose>,
    /// Who forgets servers.
    pub keeper: Recipient<Forget>,
}

impl Janitor {
    fn purge(&self) {
        let settings = self.settings.borrow().clone();
        let now = Timestamp::now();
        let Ok(before) = now.checked_sub(settings.keep_records) else { return };
        // Once a minute: it cannot flood the mailbox.
        self.log.do_send(Propose::now(&settings.node, Order::Purge { before }));
        let store = self.store.clone();
        actix::spawn(async move {
            match tokio::task::spawn_blocking(move || store.purge(before)).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => {
                    log::warn!("error":% = error; "old records were not purged: {error}");
                }
                Err(panicked) => log::error!("error":% = panicked; "purging old records panicked"),
            }
        });
    }

    /// Servers that a recovery had lost and that follow somebody again are no longer in downtime.
    fn welcome_back(&self) {
        let fleet = self.fleet.borrow().clone();
        let found = found_again(&fleet.members(), &self.registry.borrow(), Timestamp::now());
        let node = self.settings.borrow().node.clone();
        for key in found {
            log::info!("instance.key":% = key; "{key} is found again after a recovery had lost it: its downtime ends");
            // As many as were lost, once a minute.
            self.log.do_send(Propose::now(&node, Order::EndDowntime { key }));
        }
    }

    /// Servers that nobody has seen for long are forgotten.
    fn forget_unseen(&self) {
        let limit_s = self.settings.borrow().forget_unseen.as_secs_f64();
        let now = Timestamp::now();
        let unseen: Vec<_> = self
            .fleet
            .borrow()
            .members()
            .filter(|member| {
                member.checks.last_seen.is_some_and(|seen| seconds_between(seen, now) > limit_s)
            })
            .map(|member| member.key.clone())
            .collect();
        if !unseen.is_empty() {
            log::info!("{} servers were not seen for {limit_s} s and are forgotten", unseen.len());
            self.keeper.do_send(Forget(unseen)); // once a minute
        }
    }
}

impl Actor for Janitor {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.run_interval(EVERY, |janitor, _| {
            janitor.purge();
            janitor.forget_unseen();
            janitor.welcome_back();
        });
    }
}
