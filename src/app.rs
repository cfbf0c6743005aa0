//! Wires everything together and keeps it running until it is told to stop.

use std::sync::Arc;
use std::time::Duration;

use actix::prelude::*;
use ham4db_actors::analyst::{Analyst, Problems, ReportTo};
use ham4db_actors::coordinator::RecoveryCoordinator;
use ham4db_actors::discovery::{Discovery, FoundAs, NamesTo, Watch};
use ham4db_actors::fencer::Fencer;
use ham4db_actors::fleet::{Fleet, LiveFleet};
use ham4db_actors::gateway::LeaderGateway;
use ham4db_actors::janitor::Janitor;
use ham4db_actors::keeper::{Listen, Listeners, TopologyKeeper};
use ham4db_actors::names::Names;
use ham4db_actors::raft_role::RaftRole;
use ham4db_actors::recorder::Recorder;
use ham4db_actors::run::Surroundings;
use ham4db_actors::settings::LiveSettings;
use ham4db_consensus::{Leadership, LocalLog};
use ham4db_domain::key::InstanceKey;
use ham4db_domain::registry::Registry;
use ham4db_mysql::server::Servers;
use ham4db_store::Store;
use tokio::sync::watch;

/// What readers of a running node need.
#[derive(Clone)]
pub struct Readers {
    /// All servers.
    pub fleet: LiveFleet,
    /// All problems.
    pub problems: watch::Receiver<Arc<Problems>>,
    /// What was agreed on.
    pub registry: watch::Receiver<Arc<Registry>>,
    /// Whether this node leads.
    pub leadership: watch::Receiver<Leadership>,
    /// Settings in force.
    pub settings: LiveSettings,
    /// The backend, for history.
    pub store: Store,
}

/// Has servers watched that a configuration names.
#[derive(Clone)]
pub struct Seeds(Addr<Discovery>);

impl Seeds {
    /// Watches these, if they are not watched already.
    pub fn watch(&self, seeds: Vec<InstanceKey>) {
        self.0
            .do_send(Watch { found: seeds.into_iter().map(|key| (key, FoundAs::Seed)).collect() });
    }
}

/// The name of an actor, and whether it is alive.
type Watched = (&'static str, Box<dyn Fn() -> bool>);

/// A running set of actors.
pub struct Node {
    /// For those who read.
    pub readers: Readers,
    /// For those who want something changed.
    pub gateway: Addr<LeaderGateway>,
    /// For those who know of servers.
    pub seeds: Seeds,
    /// Names and states of the actors that exist once.
    alive: Vec<Watched>,
}

impl Node {
    /// Starts all actors. To be called inside an actix system.
    ///
    /// `prober_threads` threads carry the probers.
    pub fn start(
        settings: LiveSettings,
        servers: Arc<dyn Servers>,
        store: Store,
        log: Arc<LocalLog>,
        stored: Vec<ham4db_domain::topology::Server>,
        prober_threads: usize,
    ) -> Self {
        let (fleet_sender, fleet) = watch::channel(Arc::new(Fleet::default()));
        let (problems_sender, problems) = watch::channel(Arc::new(Problems::new()));
        let (registry, leadership) = (log.registry(), log.leadership());

        let raft = RaftRole::new(log).start();
        let keeper = TopologyKeeper::new(
            stored,
            Names::new(servers.clone(), settings.clone()),
            fleet_sender,
        )
        .start();
        let arbiters = (0..prober_threads).map(|_| Arbiter::new().handle()).collect();
        let discovery =
            Discovery::new(servers.clone(), settings.clone(), keeper.clone().recipient(), arbiters)
                .start();
        let analyst = Analyst::new(
            settings.clone(),
            fleet.clone(),
            registry.clone(),
            problems_sender,
            discovery.clone().recipient(),
        )
        .start();
        let around = Surroundings {
            servers,
            settings: settings.clone(),
            fleet: fleet.clone(),
            registry: registry.clone(),
            leadership: leadership.clone(),
            log: raft.clone().recipient(),
            discovery: discovery.clone().recipient(),
        };
        let coordinator =
            RecoveryCoordinator::new(around.clone(), problems.clone(), store.clone()).start();
        let fencer = Fencer::new(around, discovery.clone().recipient()).start();
        let recorder = Recorder::new(store.clone()).start();
        let gateway = LeaderGateway {
            log: raft.clone().recipient(),
            coordinator: coordinator.clone().recipient(),
            discovery: discovery.clone().recipient(),
            forget: keeper.clone().recipient(),
            recall: keeper.clone().recipient(),
            fleet: fleet.clone(),
        }
        .start();
        let janitor = Janitor {
            settings: settings.clone(),
            fleet: fleet.clone(),
            registry: registry.clone(),
            store: store.clone(),
            log: raft.clone().recipient(),
            keeper: keeper.clone().recipient(),
        }
        .start();

        // Each of these is sent once, to an actor that was just started.
        discovery.do_send(NamesTo(keeper.clone().recipient()));
        analyst.do_send(ReportTo {
            diagnosed: coordinator.clone().recipient(),
            restarts: coordinator.clone().recipient(),
        });
        keeper.do_send(Listen(Listeners {
            changed: vec![analyst.clone().recipient(), fencer.clone().recipient()],
            suspicious: analyst.clone().recipient(),
            found: discovery.clone().recipient(),
            gone: discovery.clone().recipient(),
            record: recorder.clone().recipient(),
        }));
        let seeds = Seeds(discovery.clone());
        seeds.watch(settings.borrow().discovery.seeds.clone());
        seeds.watch(registry.borrow().seeds.iter().cloned().collect());

        let readers = Readers { fleet, problems, registry, leadership, settings, store };
        let alive = vec![
            watched("raft role", raft),
            watched("topology keeper", keeper),
            watched("discovery", discovery),
            watched("analyst", analyst),
            watched("recovery coordinator", coordinator),
            watched("fencer", fencer),
            watched("recorder", recorder),
            watched("leader gateway", gateway.clone()),
            watched("janitor", janitor),
        ];
        Self { readers, gateway, seeds, alive }
    }

    /// Resolves when an actor that exists once is gone, with its name: the process has to end.
    pub async fn watch_over(self) -> &'static str {
        let mut every = tokio::time::interval(Duration::from_secs(1));
        loop {
            every.tick().await;
            if let Some((name, _)) = self.alive.iter().find(|(_, alive)| !alive()) {
                return name;
            }
        }
    }
}

fn watched<A: Actor<Context = Context<A>>>(name: &'static str, address: Addr<A>) -> Watched {
    (name, Box::new(move || address.connected()))
}
