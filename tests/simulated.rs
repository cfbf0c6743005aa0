//! A whole node on simulated servers: what would take hundreds of real ones, or faults that real ones do not make to order.
#![allow(clippy::unwrap_used, reason = "a test")]

use std::sync::Arc;
use std::time::Duration;

use ham4db::app::Node;
use ham4db::config::{Config, Sources};
use ham4db::settings;
use ham4db_actors::gateway::{Ask, Request};
use ham4db_actors::settings::Settings;
use ham4db_consensus::LocalLog;
use ham4db_domain::command::Order;
use ham4db_domain::instance::Instance;
use ham4db_domain::key::InstanceKey;
use ham4db_domain::recovery::Outcome;
use ham4db_domain::step::Step;
use ham4db_domain::version::Flavor;
use ham4db_mysql::sim::{Mishap, SimCluster};
use ham4db_store::{Store, StoreSettings};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::sync::watch;

const PATIENCE: Duration = Duration::from_secs(30);

/// A node that watches simulated servers.
struct Rig {
    cluster: SimCluster,
    node: Node,
    _folder: TempDir,
    _settings: watch::Sender<Arc<Settings>>,
}

impl Rig {
    /// Inside an actix system.
    fn start(cluster: &SimCluster, keys: &Value) -> Self {
        let folder = TempDir::new().unwrap();
        let file = folder.path().join("ham4db.conf.json");
        let mut all = json!({
            "MySQLTopologyUser": "ham4db",
            "RecoverMasterClusterFilters": ["*"],
            "MySQLHostnameResolveMethod": "none",
        });
        all.as_object_mut().unwrap().extend(keys.as_object().unwrap().clone());
        std::fs::write(&file, all.to_string()).unwrap();
        let (config, _) = Config::load(&Sources::new(Some(&file))).unwrap();
        let store = Store::open(&StoreSettings::Sqlite { file: folder.path().join("db") }).unwrap();
        let log = Arc::new(LocalLog::open(store.clone()).unwrap());
        let (sender, live) = watch::channel(Arc::new(settings::actors(&config, "node1")));
        let servers = Arc::new(cluster.clone());
        let node = Node::start(live, servers, store, log, Vec::new(), 1);
        Self { cluster: cluster.clone(), node, _folder: folder, _settings: sender }
    }

    fn known(&self) -> usize {
        self.node.readers.fleet.borrow().members().filter(|one| one.checks.valid()).count()
    }

    fn outcome(&self) -> Option<Outcome> {
        let registry = self.node.readers.registry.borrow();
        let mut recoveries = registry.recoveries.values();
        recoveries.find_map(|recovery| Some(recovery.closed.as_ref()?.outcome.clone()))
    }

    async fn ask(&self, order: Order) {
        let ask = Ask::Order(order);
        let request = Request { by: "test".to_owned(), ask };
        self.node.gateway.send(request).await.unwrap().unwrap();
    }
}

fn key(number: usize) -> InstanceKey {
    InstanceKey::new(format!("db{number:03}"), 3306)
}

/// A primary, number 0, and its replicas.
fn star(flavor: Flavor, replicas: usize) -> SimCluster {
    let names: Vec<String> = (0..=replicas).map(|number| key(number).to_string()).collect();
    SimCluster::star(flavor, &names.iter().map(String::as_str).collect::<Vec<_>>())
}

async fn until(what: &str, mut look: impl FnMut() -> bool) {
    let deadline = tokio::time::Instant::now() + PATIENCE;
    while !look() {
        assert!(tokio::time::Instant::now() < deadline, "{what}: not within {PATIENCE:?}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[actix_web::test]
async fn servers_that_hang_delay_nobody() {
    let cluster = star(Flavor::MySql, 30);
    let keys = json!({
        "DiscoverySeeds": [key(0).to_string()],
        "InstancePollSeconds": 1,
        "DiscoveryMaxConcurrency": 4,
    });
    let rig = Rig::start(&cluster, &keys);
    until("all servers are known", || rig.known() == 31).await;
    // More than there is room for, and each for as long as a probe may take.
    let hung = 16..=30;
    hung.clone().for_each(|number| cluster.freeze(&key(number)));
    until("the hung ones are noticed", || rig.known() == 16).await;
    let before: Vec<u64> = (0..=15).map(|number| cluster.probes(&key(number))).collect();
    let hung_before: u64 = hung.clone().map(|number| cluster.probes(&key(number))).sum();
    until("each healthy server is read five times more", || {
        (0..=15).all(|number| cluster.probes(&key(number)) >= before[number] + 5)
    })
    .await;
    let tried: u64 = hung.map(|number| cluster.probes(&key(number))).sum::<u64>() - hung_before;
    assert!(
        tried < 45,
        "{tried} tries of hung servers in the time of 5 polls: the lane is too wide"
    );
}

#[actix_web::test]
async fn what_the_filters_name_is_not_watched() {
    let cluster = star(Flavor::MySql, 4);
    let keys = json!({
        "DiscoverySeeds": [key(1).to_string()],
        "DiscoveryIgnoreReplicaHostnameFilters": ["^db003"],
        "DiscoveryIgnoreHostnameFilters": ["^db004"],
    });
    let rig = Rig::start(&cluster, &keys);
    until("the others are known", || rig.known() == 3).await;
    until("the primary was read again", || cluster.probes(&key(0)) > 2).await;
    assert_eq!((cluster.probes(&key(3)), cluster.probes(&key(4))), (0, 0));
}

#[actix_web::test]
async fn a_replica_with_a_user_that_the_filters_name_is_left_alone() {
    let cluster = star(Flavor::MySql, 3);
    let user = |name: &'static str| {
        move |instance: &mut Instance| {
            instance.replication.as_mut().unwrap().user = Some(name.to_owned());
        }
    };
    cluster.tune(&key(2), user("etl_export"));
    let keys = json!({
        "DiscoverySeeds": [key(0).to_string()],
        "InstancePollSeconds": 1,
        "DiscoveryIgnoreReplicationUsernameFilters": ["^etl_"],
    });
    let rig = Rig::start(&cluster, &keys);
    until("the others are known", || rig.known() == 3).await;
    until("it was looked at twice", || cluster.probes(&key(2)) >= 2).await;
    cluster.kill(&key(2));
    let others = cluster.probes(&key(0));
    until("the others are read on", || cluster.probes(&key(0)) >= others + 3).await;
    let known: Vec<_> =
        rig.node.readers.fleet.borrow().members().map(|one| one.key.clone()).collect();
    assert!(!known.contains(&key(2)), "{known:?}");
}

#[actix_web::test]
async fn a_forgotten_server_is_not_read_any_more() {
    let cluster = star(Flavor::MySql, 2);
    let keys = json!({ "DiscoverySeeds": [key(0).to_string()], "InstancePollSeconds": 1 });
    let rig = Rig::start(&cluster, &keys);
    until("all servers are known", || rig.known() == 3).await;
    rig.ask(Order::Forget { key: key(2) }).await;
    until("it is gone", || rig.known() == 2).await;
    let (then, others) = (cluster.probes(&key(2)), cluster.probes(&key(0)));
    until("the others are read on", || cluster.probes(&key(0)) >= others + 3).await;
    assert_eq!(cluster.probes(&key(2)), then);
}

#[actix_web::test]
async fn steps_that_go_wrong_are_taken_again_or_found_done() {
    let mishaps =
        [Mishap::Refused(1205), Mishap::NotReached, Mishap::AnswerLost, Mishap::OrderLost];
    for (flavor, mishap) in
        [Flavor::MySql, Flavor::MariaDb].into_iter().cycle().zip(mishaps.iter().cycle()).take(8)
    {
        let cluster = star(flavor, 3);
        let rig = Rig::start(&cluster, &json!({ "DiscoverySeeds": [key(0).to_string()] }));
        until("all servers are known", || rig.known() == 4).await;
        for number in 1..=3 {
            cluster.mishap(&key(number), mishap.clone());
        }
        cluster.kill(&key(0));
        until("the recovery is over", || rig.outcome().is_some()).await;
        let outcome = rig.outcome().unwrap();
        let Outcome::Recovered { successor, lost, .. } = &outcome else {
            panic!("{flavor:?} {mishap:?}: {outcome:?}")
        };
        assert!(lost.is_empty(), "{flavor:?} {mishap:?}: {outcome:?}");
        let followers = (1..=3).map(key).filter(|key| key != successor);
        for follower in followers {
            let follower = rig.cluster.instance(&follower);
            assert_eq!(follower.source(), Some(successor), "{flavor:?} {mishap:?}");
        }
        let promotions = cluster
            .steps()
            .into_iter()
            .filter(|(_, step)| matches!(step, Step::MakeWritable { .. }));
        assert_eq!(promotions.count(), 1, "{flavor:?} {mishap:?}");
    }
}

#[actix_web::test]
async fn a_primary_of_thirty_replicas_is_replaced() {
    let cluster = star(Flavor::MySql, 30);
    let rig = Rig::start(&cluster, &json!({ "DiscoverySeeds": [key(0).to_string()] }));
    until("all servers are known", || rig.known() == 31).await;
    cluster.write(&key(0), 10).unwrap();
    cluster.kill(&key(0));
    until("the recovery is over", || rig.outcome().is_some()).await;
    let Some(Outcome::Recovered { successor, lost, .. }) = rig.outcome() else { panic!() };
    assert!(lost.is_empty(), "{lost:?}");
    let moved = (1..=30).filter(|n| rig.cluster.instance(&key(*n)).source() == Some(&successor));
    assert_eq!(moved.count(), 29);
}
