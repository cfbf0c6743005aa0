//! Keeps a prober alive for each server that is watched; the only place that starts them.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use actix::prelude::*;
use ham4db_domain::key::InstanceKey;
use ham4db_mysql::server::Servers;

use crate::prober::{Attend, Brief, Lanes, Observed, ProbeNow, Prober, Retire};
use crate::settings::LiveSettings;

/// Asks to watch servers from now on. Those that are watched already, or filtered out, are left as they are.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct Watch {
    /// The servers, each with how it was found.
    pub found: Vec<(InstanceKey, FoundAs)>,
}

/// How a server came to be known, which decides the filters that apply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FoundAs {
    /// A person or the configuration named it.
    Seed,
    /// A replica of a known server, or a member of its group.
    Replica,
    /// The source of a known server.
    Source,
}

/// Asks to watch servers no longer.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct Unwatch(pub Vec<InstanceKey>);

/// Asks for readings now.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct ProbeAll(pub Vec<InstanceKey>);

/// Asks to watch a server closely, or as closely as it deserves by itself.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct AttendTo {
    /// The server.
    pub key: InstanceKey,
    /// Closely.
    pub closely: bool,
}

/// Parent of the probers.
pub struct Discovery {
    servers: Arc<dyn Servers>,
    settings: LiveSettings,
    lanes: Arc<Lanes>,
    keeper: Recipient<Observed>,
    /// Threads the probers live on, in turns.
    arbiters: Vec<ArbiterHandle>,
    probers: HashMap<InstanceKey, Addr<Prober>>,
    started: usize,
    /// Names that are being looked up.
    looked_up: HashSet<InstanceKey>,
    renames: Option<Recipient<Renamed>>,
}

/// Told to the topology keeper: the server that was found under one name goes by another.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct Renamed {
    /// As it was found.
    pub found: InstanceKey,
    /// What it goes by.
    pub own: InstanceKey,
}

/// Tells discovery who keeps the names. Sent once, before anything is watched.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct NamesTo(pub Recipient<Renamed>);

impl Discovery {
    /// A parent without children.
    pub fn new(
        servers: Arc<dyn Servers>,
        settings: LiveSettings,
        keeper: Recipient<Observed>,
        arbiters: Vec<ArbiterHandle>,
    ) -> Self {
        let lanes = {
            let probing = &settings.borrow().probing;
            Arc::new(Lanes::new(probing.concurrency, probing.sick_concurrency))
        };
        Self {
            servers,
            settings,
            lanes,
            keeper,
            arbiters,
            probers: HashMap::new(),
            started: 0,
            looked_up: HashSet::new(),
            renames: None,
        }
    }

    fn watch(&mut self, key: &InstanceKey) {
        if !self.probers.contains_key(key) {
            log::info!("instance.key":% = key; "watching {key}");
            self.start(key);
        }
    }

    /// Watches a server under the name that its own is turned into, or under its own when that is in vain: its probes
    /// then say what is wrong with it.
    fn look_up(&mut self, found: InstanceKey, found_as: FoundAs, ctx: &mut Context<Self>) {
        let (names, limit) = {
            let settings = self.settings.borrow();
            (settings.discovery.names.clone(), settings.probing.deadline)
        };
        let resolved = async move { (names.resolve(&found, limit).await, found) };
        ctx.spawn(resolved.into_actor(self).map(move |(resolved, found), discovery, _| {
            discovery.looked_up.remove(&found);
            let own = resolved.unwrap_or_else(|error| {
                log::warn!("instance.key":% = found; "the name of {found} cannot be resolved: {error}");
                found.clone()
            });
            if discovery.filtered(&own, found_as) {
                return;
            }
            if own != found
                && let Some(keeper) = &discovery.renames
            {
                keeper.do_send(Renamed { found, own: own.clone() }); // once a name, and again when it expires
            }
            discovery.watch(&own);
        }));
    }

    fn start(&mut self, key: &InstanceKey) {
        let brief = Brief {
            key: key.clone(),
            servers: self.servers.clone(),
            settings: self.settings.clone(),
            lanes: self.lanes.clone(),
            keeper: self.keeper.clone(),
        };
        let address = match self.arbiters.get(self.started % self.arbiters.len().max(1)) {
            Some(arbiter) => Prober::start_in_arbiter(arbiter, move |_| Prober::new(brief)),
            None => Prober::new(brief).start(),
        };
        self.started += 1;
        self.probers.insert(key.clone(), address);
    }

    /// A prober that has panicked is replaced by a new one, whose state starts clean.
    fn revive(&mut self) {
        let dead: Vec<_> = self
            .probers
            .iter()
            .filter(|(_, prober)| !prober.connected())
            .map(|(key, _)| key.clone())
            .collect();
        for key in dead {
            log::error!("instance.key":% = key; "the prober of {key} died; starting it anew");
            self.start(&key);
        }
    }

    fn filtered(&self, key: &InstanceKey, found_as: FoundAs) -> bool {
        let settings = self.settings.borrow();
        let filters = &settings.discovery;
        filters.ignore.match_key(key)
            || match found_as {
                FoundAs::Seed => false,
                FoundAs::Replica => filters.ignore_replicas.match_key(key),
                FoundAs::Source => filters.ignore_sources.match_key(key),
            }
    }
}

impl Actor for Discovery {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.set_mailbox_capacity(1024);
        ctx.run_interval(Duration::from_secs(1), |discovery, _| discovery.revive());
    }
}

impl Handler<Watch> for Discovery {
    type Result = ();

    fn handle(&mut self, watch: Watch, ctx: &mut Self::Context) {
        for (key, found_as) in watch.found {
            if !key.is_valid() || self.probers.contains_key(&key) || self.filtered(&key, found_as) {
                continue;
            }
            let concerned = self.settings.borrow().discovery.names.concerns(&key);
            if !concerned {
                self.watch(&key);
            } else if self.looked_up.insert(key.clone()) {
                self.look_up(key, found_as, ctx);
            }
        }
    }
}

impl Handler<NamesTo> for Discovery {
    type Result = ();

    fn handle(&mut self, NamesTo(keeper): NamesTo, _: &mut Self::Context) {
        self.renames = Some(keeper);
    }
}

impl Handler<Unwatch> for Discovery {
    type Result = ();

    fn handle(&mut self, Unwatch(keys): Unwatch, _: &mut Self::Context) {
        for key in keys {
            if let Some(prober) = self.probers.remove(&key) {
                log::info!("instance.key":% = key; "no longer watching {key}");
                // One message to an actor that is sent few: it cannot flood the mailbox.
                prober.do_send(Retire);
            }
        }
    }
}

impl Handler<ProbeAll> for Discovery {
    type Result = ();

    fn handle(&mut self, ProbeAll(keys): ProbeAll, _: &mut Self::Context) {
        for prober in keys.iter().filter_map(|key| self.probers.get(key)) {
            // A full mailbox means that the same was asked a moment ago.
            let _ = prober.try_send(ProbeNow);
        }
    }
}

impl Handler<AttendTo> for Discovery {
    type Result = ();

    fn handle(&mut self, AttendTo { key, closely }: AttendTo, _: &mut Self::Context) {
        if let Some(prober) = self.probers.get(&key) {
            // Sent once a change of mind: it cannot flood the mailbox.
            prober.do_send(Attend { closely });
        }
    }
}
