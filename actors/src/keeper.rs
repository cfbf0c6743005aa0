//! Keeps the picture of all servers: takes observations in, arranges servers into clusters, publishes.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use actix::prelude::*;
use ham4db_domain::checks::{Checks, ProbeFailure};
use ham4db_domain::instance::Instance;
use ham4db_domain::key::InstanceKey;
use ham4db_domain::topology::{Member, Server as Known, Topology, arrange};
use ham4db_mysql::server::Snapshot;
use jiff::Timestamp;
use tokio::sync::watch;
use tokio::time::Instant;

use crate::discovery::{FoundAs, Renamed, Unwatch, Watch};
use crate::fleet::Fleet;
use crate::names::{Names, Verdict};
use crate::prober::{Observed, Outcome};
use crate::silence::Silence;

/// Told to those who follow events: these clusters look different now.
#[derive(Debug, Clone, Message)]
#[rtype(result = "()")]
pub struct ClustersChanged(pub Vec<Arc<Topology>>);

/// Told to those who act on suspicion: a server is late with a sign of life.
#[derive(Debug, Clone, Message)]
#[rtype(result = "()")]
pub struct Suspicious {
    /// Its cluster.
    pub topology: Arc<Topology>,
    /// The server.
    pub key: InstanceKey,
}

/// Told to the recorder: servers whose stored state is out of date, and servers to drop.
#[derive(Debug, Default, Message)]
#[rtype(result = "()")]
pub struct Record {
    /// To be stored.
    pub members: Vec<Arc<Member>>,
    /// To be dropped.
    pub forgotten: Vec<InstanceKey>,
}

/// Asks to forget servers, and not to take them up again for a while.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct Forget(pub Vec<InstanceKey>);

/// Asks to take servers up again that were forgotten a moment ago: a person wants them.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct Recall(pub InstanceKey);

/// Who hears what the keeper learns.
#[derive(Clone)]
pub struct Listeners {
    /// Clusters that changed.
    pub changed: Vec<Recipient<ClustersChanged>>,
    /// Suspicions.
    pub suspicious: Recipient<Suspicious>,
    /// Servers that were found.
    pub found: Recipient<Watch>,
    /// Servers that are not to be watched any more.
    pub gone: Recipient<Unwatch>,
    /// State to be stored.
    pub record: Recipient<Record>,
}

/// Tells the keeper who listens. Until then it keeps what it learns to itself.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Listen(pub Listeners);

/// How long servers may wait to be arranged anew after a link changed.
const REARRANGE_WITHIN: Duration = Duration::from_millis(20);
/// How often the picture is published while it changes.
const PUBLISH_EVERY: Duration = Duration::from_millis(50);
/// How often changed state is handed to the recorder.
const RECORD_EVERY: Duration = Duration::from_millis(500);
/// State that changes all the time, such as positions, is stored at most this often.
const RECORD_POSITIONS_EVERY: Duration = Duration::from_secs(30);
/// How often there is a look at names that were looked up long ago.
const LOOK_UP_EVERY: Duration = Duration::from_mins(1);
/// How long a forgotten server is not taken up again from what its neighbours say.
const FORGOTTEN_FOR: Duration = Duration::from_secs(15);

/// Owns what is known of every server.
pub struct TopologyKeeper {
    entries: HashMap<InstanceKey, Entry>,
    names: Names,
    fleet: Fleet,
    published: watch::Sender<Arc<Fleet>>,
    listeners: Option<Listeners>,
    forgotten: HashMap<InstanceKey, Instant>,
    dirty: Dirty,
}

/// One server.
struct Entry {
    instance: Option<Arc<Instance>>,
    checks: Checks,
    silence: Silence,
    recorded: Option<Instant>,
}

impl Entry {
    /// A server of which nothing is known but its name.
    fn heard_of() -> Self {
        Self {
            instance: None,
            checks: Checks::default(),
            silence: Silence::default(),
            recorded: None,
        }
    }

    fn known(&self, key: &InstanceKey) -> Known {
        Known {
            key: key.clone(),
            instance: self.instance.clone(),
            checks: self.checks.clone(),
            silent_for: self.silence.silent_for(),
        }
    }
}

/// What has changed and has not been passed on yet.
#[derive(Default)]
struct Dirty {
    links: bool,
    picture: bool,
    /// A server fell silent or answers again: decisions rest on that, so nobody is told before it is published.
    liveness: bool,
    clusters: HashSet<Arc<str>>,
    telling: bool,
    records: HashSet<InstanceKey>,
    forgotten: Vec<InstanceKey>,
}

impl TopologyKeeper {
    /// A keeper that begins with what was stored by an earlier run.
    pub fn new(stored: Vec<Known>, names: Names, published: watch::Sender<Arc<Fleet>>) -> Self {
        let entries = stored
            .into_iter()
            .map(|known| {
                let entry = Entry {
                    instance: known.instance,
                    checks: known.checks,
                    silence: Silence::default(),
                    recorded: None,
                };
                (known.key, entry)
            })
            .collect();
        let dirty = Dirty { links: true, ..Dirty::default() };
        let mut keeper = Self {
            entries,
            names,
            fleet: Fleet::default(),
            published,
            listeners: None,
            forgotten: HashMap::new(),
            dirty,
        };
        keeper.rearrange();
        keeper.publish();
        keeper
    }

    /// Arranges all servers anew. Done after a link changed, not after each observation.
    fn rearrange(&mut self) {
        if !std::mem::take(&mut self.dirty.links) {
            return;
        }
        let servers: Vec<Known> =
            self.entries.iter().map(|(key, entry)| entry.known(key)).collect();
        let mut clusters = BTreeMap::new();
        let mut cluster_of = HashMap::with_capacity(self.entries.len());
        for topology in arrange(servers) {
            let Some(name) = topology.cluster().map(Arc::<str>::from) else { continue };
            for member in topology.members() {
                cluster_of.insert(member.key.clone(), name.clone());
            }
            self.dirty.clusters.insert(name.clone());
            clusters.insert(name, Arc::new(topology));
        }
        self.fleet = Fleet { clusters, cluster_of: Arc::new(cluster_of) };
        self.dirty.picture = true;
    }

    /// Puts one server's new state into its cluster; a state that moves servers about waits for the next arrangement.
    fn refresh(&mut self, key: &InstanceKey) {
        if self.dirty.links {
            return; // everything is about to be arranged anew
        }
        let Some(entry) = self.entries.get(key) else { return };
        let cluster = self.fleet.cluster_of.get(key).cloned();
        let topology = cluster.as_ref().and_then(|cluster| self.fleet.clusters.get_mut(cluster));
        let replaced = topology.as_ref().and_then(|topology| topology.replace(entry.known(key)));
        match (cluster, topology, replaced) {
            (Some(cluster), Some(topology), Some(replaced)) => {
                *topology = Arc::new(replaced);
                self.dirty.clusters.insert(cluster);
                self.dirty.picture = true;
            }
            _ => self.dirty.links = true,
        }
    }

    fn publish(&mut self) {
        self.dirty.liveness = false;
        if std::mem::take(&mut self.dirty.picture) {
            self.published.send_replace(Arc::new(self.fleet.clone()));
        }
    }

    /// Tells listeners what changed: one message at a time, which says all that has gathered since the last.
    fn tell(&mut self, ctx: &mut Context<Self>) {
        if self.dirty.telling || self.dirty.clusters.is_empty() {
            return;
        }
        let Some(listeners) = self.listeners.clone() else { return };
        if self.dirty.liveness {
            self.publish();
        }
        let changed: Vec<_> = self
            .dirty
            .clusters
            .drain()
            .filter_map(|name| self.fleet.clusters.get(&name).cloned())
            .collect();
        self.dirty.telling = true;
        let told = async move {
            for listener in &listeners.changed {
                if listener.send(ClustersChanged(changed.clone())).await.is_err() {
                    log::error!("a listener of the topology keeper is gone");
                }
            }
        };
        ctx.spawn(told.into_actor(self).map(|(), keeper, ctx| {
            keeper.dirty.telling = false;
            keeper.tell(ctx);
        }));
    }

    /// After a change: at once where only facts changed, a moment later where links did, so that many changes are
    /// one arrangement.
    fn pass_on(&mut self, ctx: &mut Context<Self>) {
        if self.dirty.links {
            ctx.run_later(REARRANGE_WITHIN, |keeper, ctx| {
                keeper.rearrange();
                keeper.publish();
                keeper.tell(ctx);
            });
        } else {
            self.tell(ctx);
        }
    }

    fn read(
        &mut self,
        probed: &InstanceKey,
        began: Timestamp,
        at: Instant,
        snapshot: Snapshot,
        ctx: &mut Context<Self>,
    ) {
        let Some(key) = self.name_of(probed, &snapshot, ctx) else { return };
        let mut instance = snapshot.instance;
        instance.key = key.clone();
        self.names.canonicalise(&mut instance);
        let instance = Arc::new(instance);
        let entry = self.entries.entry(key.clone()).or_insert_with(Entry::heard_of);
        let was = entry.instance.replace(instance.clone());
        entry.silence.observe(&instance, at);
        let now = Timestamp::now();
        let recovered = entry.checks.failure.is_some();
        entry.checks = Checks {
            last_attempted: Some(began),
            last_checked: Some(now),
            last_seen: Some(now),
            partial: snapshot.partial,
            failure: None,
        };
        self.dirty.liveness |= recovered;
        if recovered {
            log::info!("instance.key":% = key; "{key} answers again");
        }
        let due =
            entry.recorded.is_none_or(|last| at.duration_since(last) >= RECORD_POSITIONS_EVERY);
        if due || recovered || was.as_deref().is_none_or(|was| role(was) != role(&instance)) {
            entry.recorded = Some(at);
            self.dirty.records.insert(key.clone());
        }
        self.refresh(&key);
        self.follow_up(&instance);
        self.pass_on(ctx);
    }

    /// Which key the server goes by; `None` when another name turned out to be the right one.
    fn name_of(
        &mut self,
        probed: &InstanceKey,
        snapshot: &Snapshot,
        ctx: &mut Context<Self>,
    ) -> Option<InstanceKey> {
        match self.names.judge(probed, snapshot) {
            Verdict::Known(key) if key == *probed => Some(key),
            Verdict::Known(key) => {
                // Its other name is watched already, or will be: one server, one prober.
                self.adopt(probed, key);
                None
            }
            Verdict::ToVerify(verification) => {
                let outcome = verification.run();
                ctx.spawn(
                    outcome
                        .into_actor(self)
                        .map(|verified, keeper, _| keeper.names.settle(verified)),
                );
                Some(probed.clone())
            }
        }
    }

    /// Replaces a name by the server's own.
    fn adopt(&mut self, probed: &InstanceKey, own: InstanceKey) {
        if self.entries.remove(probed).is_some() {
            self.dirty.links = true;
            self.dirty.forgotten.push(probed.clone());
        }
        let Some(listeners) = &self.listeners else { return };
        listeners.gone.do_send(Unwatch(vec![probed.clone()])); // once a server: cannot flood
        listeners.found.do_send(Watch { found: vec![(own, FoundAs::Seed)] });
    }

    fn failed(
        &mut self,
        key: &InstanceKey,
        began: Timestamp,
        failure: ProbeFailure,
        ctx: &mut Context<Self>,
    ) {
        let key = self.names.known(key);
        let entry = self.entries.entry(key.clone()).or_insert_with(Entry::heard_of);
        if entry.checks.failure.as_ref().map(|old| old.kind) != Some(failure.kind) {
            log::warn!("instance.key":% = key, "error":% = failure; "{key} {failure}");
            self.dirty.records.insert(key.clone());
        }
        self.dirty.liveness |= entry.checks.failure.is_none();
        entry.checks.last_attempted = Some(began);
        // Later than the last good one in any case, also when the clock stepped back in between.
        let now = Timestamp::now();
        entry.checks.last_checked = Some(match entry.checks.last_seen {
            Some(seen) if seen >= now => seen + jiff::SignedDuration::from_millis(1),
            _ => now,
        });
        entry.checks.partial = false;
        entry.checks.failure = Some(failure);
        self.refresh(&key);
        self.pass_on(ctx);
    }

    fn suspected(&mut self, key: &InstanceKey) {
        let key = self.names.known(key);
        log::debug!("instance.key":% = key; "{key} is late with a sign of life");
        let Some(listeners) = &self.listeners else { return };
        if let Some(topology) = self.fleet.topology_of(&key) {
            // At most one a liveness check, and only of servers that are late.
            listeners.suspicious.do_send(Suspicious { topology: topology.clone(), key });
        }
    }

    /// Servers that this one names are watched as well.
    fn follow_up(&self, instance: &Instance) {
        let Some(listeners) = &self.listeners else { return };
        let group = instance.group.iter().flat_map(|group| group.members.iter());
        let replicas = instance.replicas.iter().chain(group).map(|key| (key, FoundAs::Replica));
        let source = instance.source().into_iter().map(|key| (key, FoundAs::Source));
        let found: Vec<_> = replicas
            .chain(source)
            .filter(|(key, _)| !self.entries.contains_key(key) && !self.is_forgotten(key))
            .map(|(key, found_as)| (key.clone(), found_as))
            .collect();
        if !found.is_empty() {
            // Only names that are not known yet: a few a server, once.
            listeners.found.do_send(Watch { found });
        }
    }

    /// Names that were looked up long ago are looked up again.
    fn look_up_again(&mut self) {
        let Some(listeners) = &self.listeners else { return };
        let found: Vec<_> =
            self.names.expired().into_iter().map(|name| (name, FoundAs::Seed)).collect();
        if !found.is_empty() {
            listeners.found.do_send(Watch { found }); // once a minute
        }
    }

    fn is_forgotten(&self, key: &InstanceKey) -> bool {
        self.forgotten.get(key).is_some_and(|since| since.elapsed() < FORGOTTEN_FOR)
    }

    fn record(&mut self) {
        let Some(listeners) = &self.listeners else { return };
        if self.dirty.records.is_empty() && self.dirty.forgotten.is_empty() {
            return;
        }
        let members: Vec<_> =
            self.dirty.records.iter().filter_map(|key| self.fleet.member(key).cloned()).collect();
        let record = Record { members, forgotten: std::mem::take(&mut self.dirty.forgotten) };
        match listeners.record.try_send(record) {
            Ok(()) => self.dirty.records.clear(),
            Err(SendError::Full(record)) => {
                log::warn!(
                    "the backend is slow: {} servers wait to be stored",
                    record.members.len()
                );
                self.dirty.forgotten = record.forgotten;
            }
            Err(SendError::Closed(_)) => log::error!("the recorder is gone"),
        }
    }
}

/// What a person looks for first; a change of it is stored soon.
fn role(instance: &Instance) -> impl PartialEq + use<'_> {
    (
        instance.read_only,
        instance.version.text(),
        instance.is_replicating(),
        instance.binlog.enabled,
    )
}

impl Actor for TopologyKeeper {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.set_mailbox_capacity(1024);
        ctx.run_interval(PUBLISH_EVERY, |keeper, _| keeper.publish());
        ctx.run_interval(RECORD_EVERY, |keeper, _| keeper.record());
        ctx.run_interval(LOOK_UP_EVERY, |keeper, _| keeper.look_up_again());
    }
}

impl Handler<Listen> for TopologyKeeper {
    type Result = ();

    fn handle(&mut self, Listen(listeners): Listen, ctx: &mut Self::Context) {
        let known = self.entries.keys().map(|key| (key.clone(), FoundAs::Seed)).collect();
        listeners.found.do_send(Watch { found: known }); // once
        self.listeners = Some(listeners);
        self.tell(ctx);
    }
}

impl Handler<Observed> for TopologyKeeper {
    type Result = ();

    fn handle(&mut self, observed: Observed, ctx: &mut Self::Context) {
        if self.is_forgotten(&observed.key) {
            return; // an answer that was under way
        }
        match observed.outcome {
            Outcome::Read(snapshot) => {
                self.read(&observed.key, observed.began, observed.at, *snapshot, ctx);
            }
            Outcome::Failed(failure) => self.failed(&observed.key, observed.began, failure, ctx),
            Outcome::Suspected => self.suspected(&observed.key),
        }
    }
}

impl Handler<Renamed> for TopologyKeeper {
    type Result = ();

    fn handle(&mut self, Renamed { found, own }: Renamed, ctx: &mut Self::Context) {
        self.names.rename(found.clone(), own);
        if self.entries.remove(&found).is_some() {
            self.dirty.forgotten.push(found.clone());
        }
        // What others said of it under its old name.
        for entry in self.entries.values_mut() {
            let Some(instance) = &mut entry.instance else { continue };
            if instance.source() == Some(&found) || instance.replicas.contains(&found) {
                self.names.canonicalise(Arc::make_mut(instance));
            }
        }
        self.dirty.links = true;
        self.pass_on(ctx);
    }
}

impl Handler<Forget> for TopologyKeeper {
    type Result = ();

    fn handle(&mut self, Forget(keys): Forget, ctx: &mut Self::Context) {
        self.forgotten.retain(|_, since| since.elapsed() < FORGOTTEN_FOR);
        for key in &keys {
            self.forgotten.insert(key.clone(), Instant::now());
            self.dirty.links |= self.entries.remove(key).is_some();
            self.dirty.forgotten.push(key.clone());
        }
        if let Some(listeners) = &self.listeners {
            listeners.gone.do_send(Unwatch(keys)); // on a person's order
        }
        self.pass_on(ctx);
    }
}

impl Handler<Recall> for TopologyKeeper {
    type Result = ();

    fn handle(&mut self, Recall(key): Recall, _: &mut Self::Context) {
        self.forgotten.remove(&key);
        if let Some(listeners) = &self.listeners {
            listeners.found.do_send(Watch { found: vec![(key, FoundAs::Seed)] }); // on a person's order
        }
    }
}
