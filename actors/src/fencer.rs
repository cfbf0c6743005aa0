//! Keeps old primaries from taking writes: as soon as one is seen again, before anything else is done with it.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use actix::prelude::*;
use ham4db_domain::command::Order;
use ham4db_domain::key::InstanceKey;
use ham4db_domain::recovery::{FenceState, fence_state};
use ham4db_domain::registry::{Fence, Registry};
use ham4db_domain::step::Step;
use ham4db_domain::topology::Topology;
use jiff::Timestamp;

use crate::crew::Crew;
use crate::discovery::{AttendTo, ProbeAll};
use crate::keeper::ClustersChanged;
use crate::raft_role::Propose;
use crate::run::Surroundings;

/// Owns the fences that are still to be put into effect.
pub struct Fencer {
    around: Surroundings,
    attention: Recipient<AttendTo>,
    /// Servers that are being fenced right now.
    busy: HashSet<InstanceKey>,
    /// Servers that are watched closely because of a fence.
    attended: HashSet<InstanceKey>,
}

impl Fencer {
    /// A fencer that has not looked at anything yet.
    pub fn new(around: Surroundings, attention: Recipient<AttendTo>) -> Self {
        Self { around, attention, busy: HashSet::new(), attended: HashSet::new() }
    }

    /// Servers with a fence that is not confirmed are watched closely, also after a restart.
    fn attend(&mut self) {
        let registry = self.around.registry.borrow().clone();
        let wanted: HashSet<_> = registry
            .fences
            .iter()
            .filter(|(_, fence)| fence.confirmed.is_none())
            .map(|(key, _)| key.clone())
            .collect();
        let changes = wanted
            .difference(&self.attended)
            .map(|key| (key.clone(), true))
            .chain(self.attended.difference(&wanted).map(|key| (key.clone(), false)));
        for (key, closely) in changes {
            if self.attention.try_send(AttendTo { key, closely }).is_err() {
                return; // asked again a second later
            }
        }
        self.attended = wanted;
    }

    fn examine(&mut self, topology: &Topology, registry: &Registry, ctx: &mut Context<Self>) {
        for (key, fence) in &registry.fences {
            let Some(member) = topology.get(key) else { continue };
            if self.busy.contains(key) || !self.around.leadership.borrow().leads {
                continue;
            }
            match fence_state(member, fence) {
                FenceState::Waiting | FenceState::InEffect => {}
                FenceState::Obsolete(why) => self.take_down(key.clone(), &why, ctx),
                FenceState::ToDo(steps) => self.put_up(key.clone(), fence.clone(), steps, ctx),
            }
        }
    }

    fn put_up(
        &mut self,
        key: InstanceKey,
        fence: Fence,
        steps: Vec<Step>,
        ctx: &mut Context<Self>,
    ) {
        log::warn!("instance.key":% = key, "recovery.id":% = fence.recovery; "{key} is back after {} took over: fencing it", fence.successor);
        self.busy.insert(key.clone());
        let (node, mut crew) = {
            let settings = self.around.settings.borrow();
            let limit = settings.probing.deadline;
            (
                settings.node.clone(),
                Crew::new(self.around.servers.clone(), limit, settings.probing.step_limit, 1),
            )
        };
        let around = self.around.clone();
        let fenced = async move {
            let taken = crew.perform(steps).await;
            let error = taken.into_iter().find_map(|taken| taken.audit.error);
            let changed = match &error {
                None => {
                    log::warn!("instance.key":% = key; "{key} is fenced: read-only, its clients' connections ended");
                    Fence { confirmed: Some(Timestamp::now()), last_error: None, ..fence.clone() }
                }
                Some(error) => {
                    log::error!("instance.key":% = key, "error" = error.as_str(); "{key} could not be fenced, trying again: {error}");
                    Fence { confirmed: None, last_error: Some(error.clone()), ..fence.clone() }
                }
            };
            if changed != fence {
                let order = Order::SetFence { key: key.clone(), fence: changed };
                if let Ok(Err(error)) | Err(error) = around
                    .log
                    .send(Propose::now(&node, order))
                    .await
                    .map_err(|gone| ham4db_consensus::ProposeError::Stopped(Box::new(gone)))
                    .map(|reply| reply.map(|_| ()))
                {
                    log::error!("instance.key":% = key, "error":% = error; "the fence of {key} was not noted: {error}");
                }
            }
            let _ = around.discovery.try_send(ProbeAll(vec![key.clone()])); // to see the effect, or to try again
            (key, error)
        };
        ctx.spawn(fenced.into_actor(self).map(|(key, error), _, ctx| {
            let pause =
                if error.is_some() { Duration::from_secs(1) } else { Duration::from_millis(200) };
            ctx.run_later(pause, move |fencer, _| {
                fencer.busy.remove(&key);
            });
        }));
    }

    fn take_down(&mut self, key: InstanceKey, why: &str, ctx: &mut Context<Self>) {
        log::info!("instance.key":% = key; "the fence of {key} is taken down: {why}");
        self.busy.insert(key.clone());
        let node = self.around.settings.borrow().node.clone();
        let removed =
            self.around.log.send(Propose::now(&node, Order::RemoveFence { key: key.clone() }));
        ctx.spawn(removed.into_actor(self).map(move |_, fencer, _| {
            fencer.busy.remove(&key);
        }));
    }
}

impl Actor for Fencer {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.run_interval(Duration::from_secs(1), |fencer, _| fencer.attend());
    }
}

impl Handler<ClustersChanged> for Fencer {
    type Result = ();

    fn handle(&mut self, ClustersChanged(clusters): ClustersChanged, ctx: &mut Self::Context) {
        let registry: Arc<Registry> = self.around.registry.borrow().clone();
        if registry.fences.is_empty() || !self.around.settings.borrow().recovery.fence {
            return;
        }
        for topology in &clusters {
            self.examine(topology, &registry, ctx);
        }
    }
}
