//! A front end over a fleet of five servers, for tests.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use actix::prelude::*;
use actix_web::http::StatusCode;
use actix_web::{App, test, web};
use ham4db_actors::analyst::Problems;
use ham4db_actors::fleet::Fleet;
use ham4db_actors::gateway::{Answer as Given, Ask, GatewayError, Request};
use ham4db_actors::settings::{DiscoveryPolicy, HookPolicy, ProbingPolicy, Settings};
use ham4db_consensus::Leadership;
use ham4db_domain::analysis::{Input, Memory, analyze};
use ham4db_domain::checks::{Checks, FailureKind, ProbeFailure};
use ham4db_domain::command::{Order, Reply};
use ham4db_domain::coordinates::BinlogCoordinates;
use ham4db_domain::filters::{ClusterFilters, HostnameFilters};
use ham4db_domain::instance::{
    Binlog, BinlogFormat, GtidState, Heartbeat, Instance, Location, Positioning, Replication,
    ReplicationTls, SemiSync, ThreadState,
};
use ham4db_domain::key::InstanceKey;
use ham4db_domain::policy::{AliasPolicy, AnalysisPolicy, PromotionPolicy, RecoveryPolicy};
use ham4db_domain::recovery::Outcome;
use ham4db_domain::registry::{RecoveryUid, Registry};
use ham4db_domain::topology::{Server, arrange};
use ham4db_domain::version::{Flavor, Version};
use ham4db_store::{Store, StoreSettings};
use jiff::Timestamp;
use serde_json::Value;
use tokio::sync::{Semaphore, mpsc, watch};

use super::dispatch::{Front, dispatch};
use super::state::{FrontSettings, Node, Reload, STORE_READERS, State};

/// A node over a fleet: `db1` with replicas `db2` and `db3`, and `db4` below `db3`; `solo` by itself.
pub struct Rig {
    /// What handlers read.
    pub state: State,
    /// What the leader was asked for.
    pub asked: Rc<RefCell<Vec<Ask>>>,
    /// Where requests to reload arrive.
    pub reloads: mpsc::Receiver<Reload>,
    _directory: tempfile::TempDir,
    registry: watch::Sender<Arc<Registry>>,
    front: watch::Sender<Arc<FrontSettings>>,
    leadership: watch::Sender<Leadership>,
}

/// A finished request.
pub struct Received {
    /// HTTP status.
    pub status: StatusCode,
    /// Media type.
    pub content_type: String,
    /// What came.
    pub text: String,
}

impl Received {
    /// The body as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {}", self.text))
    }
}

pub fn key(host: &str) -> InstanceKey {
    InstanceKey::new(host, 3306)
}

/// Answers every request well, and keeps it.
struct Leader {
    asked: Rc<RefCell<Vec<Ask>>>,
    registry: watch::Sender<Arc<Registry>>,
}

impl Actor for Leader {
    type Context = Context<Self>;
}

impl Handler<Request> for Leader {
    type Result = Result<Given, GatewayError>;

    fn handle(&mut self, Request { ask, .. }: Request, _: &mut Self::Context) -> Self::Result {
        self.asked.borrow_mut().push(ask.clone());
        match ask {
            Ask::Refresh(_) => Ok(Given::Read),
            Ask::Recover { failed, .. } if failed == key("db1") => {
                let successor = key("db2");
                let outcome = Outcome::Recovered { successor, lost: vec![], errors: vec![] };
                Ok(Given::Recovered(RecoveryUid("uid-1".into()), outcome))
            }
            Ask::Recover { .. } => {
                let outcome = Outcome::Aborted { reason: "nothing is wrong".into() };
                Ok(Given::Recovered(RecoveryUid("uid-2".into()), outcome))
            }
            Ask::Order(Order::BeginDowntime { key, downtime }) => {
                self.registry.send_modify(|registry| {
                    Arc::make_mut(registry).downtimes.insert(key, downtime);
                });
                Ok(Given::Reply(Reply::Done))
            }
            Ask::Order(Order::BeginMaintenance { key, maintenance }) => {
                if self.registry.borrow().maintenance.contains_key(&key) {
                    let reason = "already in maintenance".to_owned();
                    return Ok(Given::Reply(Reply::Refused { reason }));
                }
                self.registry.send_modify(|registry| {
                    Arc::make_mut(registry).maintenance.insert(key, maintenance);
                });
                Ok(Given::Reply(Reply::Done))
            }
            Ask::Order(Order::Tag { key, name, value }) => {
                self.registry.send_modify(|registry| {
                    Arc::make_mut(registry).tags.entry(key).or_default().insert(name, value);
                });
                Ok(Given::Reply(Reply::Done))
            }
            Ask::Order(Order::Acknowledge { .. }) => Ok(Given::Reply(Reply::Changed { count: 2 })),
            Ask::Order(_) => Ok(Given::Reply(Reply::Done)),
        }
    }
}

impl Rig {
    /// All servers well.
    pub fn new() -> Self {
        Self::with(|_| {})
    }

    /// With changes to what was seen of the servers.
    pub fn with(change: impl Fn(&mut Server)) -> Self {
        let now = Timestamp::now();
        let settings = Arc::new(settings());
        let mut servers: Vec<Server> = [
            ("db1", None),
            ("db2", Some("db1")),
            ("db3", Some("db1")),
            ("db4", Some("db3")),
            ("solo", None),
        ]
        .into_iter()
        .map(|(name, source)| server(name, source, now))
        .collect();
        servers.iter_mut().for_each(change);
        let topologies = arrange(servers);
        let registry = Registry::default();
        let memory = Memory::default();
        let (mut fleet, mut problems) = (Fleet::default(), Problems::new());
        let mut cluster_of = HashMap::new();
        for topology in topologies {
            let name: Arc<str> = topology.cluster().unwrap_or_default().into();
            let policy = &settings.analysis;
            let found = analyze(&Input {
                topology: &topology,
                registry: &registry,
                memory: &memory,
                policy,
                now,
            });
            if !found.is_empty() {
                problems.insert(name.to_string(), found);
            }
            cluster_of.extend(topology.members().map(|member| (member.key.clone(), name.clone())));
            fleet.clusters.insert(name, Arc::new(topology));
        }
        fleet.cluster_of = Arc::new(cluster_of);
        let front = FrontSettings { default_port: 3306, ..FrontSettings::default() };
        let (registry_in, registry) = watch::channel(Arc::new(registry));
        let (front_in, front) = watch::channel(Arc::new(front));
        let (leadership_in, leadership) = watch::channel(Leadership { leads: true, term: 1 });
        let (reload, reloads) = mpsc::channel(1);
        let asked = Rc::new(RefCell::new(Vec::new()));
        let leader = Leader { asked: asked.clone(), registry: registry_in.clone() }.start();
        let directory = tempfile::tempdir().unwrap();
        let node = Node {
            hostname: "node1".into(),
            token: "token1".into(),
            started: now,
            backend: "sqlite".into(),
        };
        let state = State {
            fleet: watch::channel(Arc::new(fleet)).1,
            registry,
            problems: watch::channel(Arc::new(problems)).1,
            settings: watch::channel(settings).1,
            front,
            leadership,
            leader: leader.recipient(),
            store: Store::open(&StoreSettings::Sqlite {
                file: directory.path().join("ham4db.sqlite"),
            })
            .unwrap(),
            store_permits: Arc::new(Semaphore::new(STORE_READERS)),
            reload,
            node: Arc::new(node),
        };
        Self {
            state,
            _directory: directory,
            asked,
            reloads,
            registry: registry_in,
            front: front_in,
            leadership: leadership_in,
        }
    }

    pub fn tell(&self, change: impl FnOnce(&mut Registry)) {
        self.registry.send_modify(|registry| change(Arc::make_mut(registry)));
    }

    pub fn set(&self, change: impl FnOnce(&mut FrontSettings)) {
        self.front.send_modify(|front| change(Arc::make_mut(front)));
    }

    pub fn follow(&self) {
        self.leadership.send_replace(Leadership { leads: false, term: 1 });
    }

    /// A request as it is.
    pub async fn send(&self, request: test::TestRequest) -> Received {
        let front = web::Data::new(Front::new(self.state.clone()));
        let app = App::new().app_data(front).default_service(web::to(dispatch));
        let app = test::init_service(app).await;
        let response = test::call_service(&app, request.to_request()).await;
        let status = response.status();
        let content_type = response.headers().get("content-type");
        let content_type = content_type.map(|value| value.to_str().unwrap().to_owned());
        let body = test::read_body(response).await;
        Received {
            status,
            content_type: content_type.unwrap_or_default(),
            text: String::from_utf8(body.to_vec()).unwrap(),
        }
    }

    /// GET of a path.
    pub async fn get(&self, path: &str) -> Received {
        self.send(test::TestRequest::get().uri(path)).await
    }

    /// GET of a path that is answered well, as JSON.
    pub async fn read(&self, path: &str) -> Value {
        let reply = self.get(path).await;
        assert_eq!(reply.status, StatusCode::OK, "{path}: {}", reply.text);
        assert_eq!(reply.content_type, "application/json; charset=UTF-8", "{path}");
        reply.json()
    }

    /// GET of a path that is answered by an error envelope: its message.
    pub async fn fail(&self, path: &str) -> String {
        let reply = self.get(path).await;
        assert_eq!(reply.status, StatusCode::INTERNAL_SERVER_ERROR, "{path}: {}", reply.text);
        let envelope = reply.json();
        assert_eq!(envelope["Code"], "ERROR", "{path}");
        envelope["Message"].as_str().unwrap().to_owned()
    }
}

/// The server does not answer.
pub fn kill(server: &mut Server, now: Timestamp) {
    server.checks.last_seen = now.checked_sub(Duration::from_mins(1)).ok();
    server.checks.last_checked = Some(now);
    server.checks.failure =
        Some(ProbeFailure { kind: FailureKind::Refused, detail: "connection refused".into() });
}

fn server(name: &str, source: Option<&str>, now: Timestamp) -> Server {
    let checks = Checks {
        last_attempted: Some(now),
        last_checked: Some(now),
        last_seen: Some(now),
        partial: false,
        failure: None,
    };
    Server {
        key: key(name),
        instance: Some(Arc::new(instance(name, source))),
        checks,
        silent_for: None,
    }
}

fn instance(name: &str, source: Option<&str>) -> Instance {
    let uuid = format!("00000000-0000-0000-0000-{name:0>12}");
    let replication = source.map(|source| Replication {
        source: key(source),
        source_uuid: None,
        user: Some("repl".into()),
        credentials_available: true,
        io_thread: ThreadState::Running,
        sql_thread: ThreadState::Running,
        read: BinlogCoordinates::new("binlog.000007", 157),
        executed: BinlogCoordinates::new("binlog.000007", 157),
        relay: BinlogCoordinates::new("relay.000002", 4),
        io_errno: 0,
        io_error: String::new(),
        sql_errno: 0,
        sql_error: String::new(),
        seconds_behind: Some(0),
        lag_s: Some(0),
        delay_s: 0,
        has_filters: false,
        positioning: Positioning::OracleGtid,
        heartbeat: Heartbeat::default(),
        tls: ReplicationTls::default(),
    });
    Instance {
        key: key(name),
        alias: None,
        server_id: Some(u32::from(name.bytes().last().unwrap_or_default())),
        server_uuid: Some(uuid),
        version: Version::parse("9.7.4"),
        version_comment: "test".into(),
        flavor: Flavor::MySql,
        uptime_s: Some(60),
        read_only: replication.is_some(),
        super_read_only: Some(false),
        location: Location { data_center: "dc1".into(), ..Location::default() },
        binlog: Binlog {
            enabled: true,
            logs_updates: true,
            format: Some(BinlogFormat::Row),
            row_image: Some("FULL".into()),
            position: BinlogCoordinates::new("binlog.000007", 157),
        },
        replication,
        other_channels: Vec::new(),
        gtid: GtidState { mode: Some("ON".into()), ..GtidState::default() },
        semi_sync: SemiSync::default(),
        group: None,
        replicas: Vec::new(),
        pseudo_gtid: false,
        detected_rule: None,
        suggested_alias: (name == "db1").then(|| "shop".to_owned()),
        cluster_domain: (name == "db1").then(|| "shop.example.com".to_owned()),
        latency: Duration::from_millis(3),
    }
}

fn settings() -> Settings {
    let seconds = Duration::from_secs;
    let promotion = PromotionPolicy {
        lower_replica_version_allowed: false,
        verify_replication_filters: false,
        same_data_center: false,
        same_region: false,
        ignore: HostnameFilters::default(),
        candidate_expiry: seconds(3600),
        reasonable_maintenance_lag: seconds(20),
        fail_on_lag: None,
        fail_if_not_applied: false,
        wait_until_applied: false,
        apply_limit: seconds(30),
        max_loss_transactions: None,
        max_loss: None,
    };
    let analysis = AnalysisPolicy {
        poll: seconds(5),
        reasonable_check: seconds(1),
        reasonable_lag: seconds(10),
        reasonable_maintenance_lag: seconds(20),
        locked_semi_sync_after: seconds(10),
        reduce: true,
        exact_semi_sync: false,
        recover_locked_semi_sync: false,
        recover_read_only_primary: false,
        ignore: HostnameFilters::default(),
        candidate_expiry: seconds(3600),
    };
    let recovery = RecoveryPolicy {
        promotion,
        primaries: ClusterFilters::parse(&["alias=shop"]).unwrap(),
        intermediates: ClusterFilters::default(),
        block: seconds(3600),
        detection_block: seconds(3600),
        confirmation: Vec::new(),
        make_writable: true,
        detach_lost: true,
        detach_promoted: false,
        fence: true,
        concurrency: 5,
    };
    let probing = ProbingPolicy {
        poll: seconds(5),
        liveness: seconds(1),
        deadline: seconds(2),
        step_limit: seconds(10),
        concurrency: 10,
        sick_concurrency: 10,
        dead_factor: 1.0,
        dead_max: seconds(300),
    };
    let hooks = HookPolicy {
        shell: "bash".into(),
        limit: seconds(60),
        output_bytes: 1000,
        lists: Vec::new(),
    };
    Settings {
        node: "node1".into(),
        probing,
        discovery: DiscoveryPolicy::default(),
        analysis,
        recovery,
        aliases: AliasPolicy::default(),
        hooks,
        keep_records: seconds(86_400 * 7),
        forget_unseen: seconds(86_400 * 10),
    }
}
