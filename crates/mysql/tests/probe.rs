//! Probes of real servers of all five flavours.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "this file holds nothing but tests")]

#[path = "support/cluster.rs"]
mod cluster;

use std::time::{Duration, Instant};

use cluster::{Cluster, LIMIT, servers, servers_as};
use ham4db_domain::checks::FailureKind;
use ham4db_domain::instance::{BinlogFormat, Positioning, PromotionRule};
use ham4db_domain::key::InstanceKey;
use ham4db_domain::step::Step;
use ham4db_domain::version::Flavor;
use ham4db_mysql::server::Servers;
use ham4db_mysql::settings::{CustomFact, OwnName, ProbeSettings};

/// Primary, middle and leaf of a chain, with semi-sync where the flavour has it.
async fn facts_of_a_chain(flavour: &'static str) {
    let semi_sync = flavour != "mysql-5.6";
    let options: &[&str] =
        if semi_sync { &["--shape", "chain", "--semi-sync"] } else { &["--shape", "chain"] };
    let cluster = Cluster::start(flavour, 2, options);
    cluster.sql(0, "CREATE DATABASE t; CREATE TABLE t.a (i INT PRIMARY KEY)").await;
    cluster.sql(0, "INSERT INTO t.a VALUES (1), (2)").await;
    cluster.until_sql(2, "SELECT COUNT(*) FROM t.a", "2").await;
    let is_mariadb = flavour.starts_with("maria");

    let primary = cluster.probe(0).await;
    assert_eq!(primary.complaints, Vec::<String>::new(), "{flavour}");
    let primary = primary.instance;
    assert_eq!(primary.flavor == Flavor::MariaDb, is_mariadb, "{flavour}");
    assert!(!primary.read_only && primary.replication.is_none(), "{flavour}: {primary:#?}");
    assert_eq!(primary.replicas, [cluster.key(1)], "{flavour}");
    assert_eq!(primary.binlog.format, Some(BinlogFormat::Row), "{flavour}");
    assert!(primary.binlog.position.is_some() && primary.uptime_s.is_some(), "{flavour}");

    let middle =
        cluster.until(1, "replicating", ham4db_domain::instance::Instance::is_replicating).await;
    let replication = middle.replication.as_ref().unwrap();
    assert_eq!(replication.source, cluster.key(0), "{flavour}");
    assert_eq!(middle.replicas, [cluster.key(2)], "{flavour}");
    assert_eq!(replication.read, primary.binlog.position, "{flavour}");
    assert_eq!(replication.heartbeat.period, Some(Duration::from_millis(2500)), "{flavour}");
    assert_eq!(replication.credentials_available, !is_mariadb, "{flavour}");
    assert!(middle.read_only && middle.binlog.logs_updates, "{flavour}");
    if is_mariadb {
        assert_eq!(replication.positioning, Positioning::MariaDbSlavePos, "{flavour}");
        assert_eq!(middle.gtid.slave_pos, primary.gtid.binlog_pos, "{flavour}");
        assert_eq!(middle.gtid.io_pos, primary.gtid.binlog_pos, "{flavour}");
    } else {
        assert_eq!(replication.positioning, Positioning::OracleGtid, "{flavour}");
        assert_eq!(middle.gtid.executed, primary.gtid.executed, "{flavour}");
        assert_eq!(replication.source_uuid, primary.server_uuid, "{flavour}");
    }
    if semi_sync {
        assert!(primary.semi_sync.source.unwrap().enabled, "{flavour}");
        assert!(middle.semi_sync.replica.unwrap().active, "{flavour}");
    } else {
        assert_eq!(primary.semi_sync.source, None, "{flavour}");
    }
    let leaf = cluster.instance(2).await;
    assert_eq!(leaf.source(), Some(&cluster.key(1)), "{flavour}");
    assert!(leaf.replicas.is_empty(), "{flavour}");
    applier_error(&cluster).await;
    silence(&cluster).await;
}

/// A row that is there already stops the applier.
async fn applier_error(cluster: &Cluster) {
    cluster.perform_twice(Step::MakeWritable { server: cluster.key(2) }).await;
    cluster.sql(2, "SET sql_log_bin = 0; INSERT INTO t.a VALUES (7)").await;
    cluster.sql(0, "INSERT INTO t.a VALUES (7)").await;
    let broken = cluster.until(2, "broken", |found| !found.sql_running()).await;
    let replication = broken.replication.unwrap();
    assert_eq!((replication.sql_errno, replication.seconds_behind), (1062, None));
    // Where several workers apply, the coordinator says which of them failed, and where to read why.
    let words = ["Duplicate entry", "Worker 1 failed"];
    let said = &replication.sql_error;
    assert!(words.iter().any(|words| said.contains(words)), "{said}");
    cluster.sql(2, "SET sql_log_bin = 0; DELETE FROM t.a WHERE i = 7").await;
    cluster.perform_twice(Step::StartApplying { server: cluster.key(2) }).await;
    cluster.until(2, "repaired", ham4db_domain::instance::Instance::is_replicating).await;
}

/// A replica hears nothing of a frozen source, and says for how long where its server can.
async fn silence(cluster: &Cluster) {
    let is_told = cluster.flavour == "mysql-9.7";
    let before = cluster.instance(1).await.replication.unwrap().heartbeat;
    cluster.order("freeze", 0);
    if is_told {
        cluster
            .until(1, "silent for 3 s", |found| {
                let heartbeat = &found.replication.as_ref().unwrap().heartbeat;
                heartbeat.silent_for.is_some_and(|silence| silence > Duration::from_secs(3))
            })
            .await;
    }
    cluster.until(1, "away", |found| !found.io_running()).await;
    cluster.order("thaw", 0);
    let after = cluster
        .until(1, "connected and with heartbeats", |found| {
            let heartbeat = &found.replication.as_ref().unwrap().heartbeat;
            found.is_replicating() && heartbeat.received > Some(0)
        })
        .await;
    let after = after.replication.unwrap().heartbeat;
    assert!(before.received.is_some() && after.silent_for.is_some() == is_told, "{after:?}");
}

#[tokio::test]
async fn facts_of_mysql_9_7() {
    facts_of_a_chain("mysql-9.7").await;
}

#[tokio::test]
async fn facts_of_mysql_5_6() {
    facts_of_a_chain("mysql-5.6").await;
}

#[tokio::test]
async fn facts_of_mariadb_10_5() {
    facts_of_a_chain("mariadb-10.5").await;
}

#[tokio::test]
async fn facts_of_mariadb_10_11() {
    facts_of_a_chain("mariadb-10.11").await;
}

#[tokio::test]
async fn facts_of_mariadb_11_8() {
    facts_of_a_chain("mariadb-11.8").await;
}

#[tokio::test]
async fn without_gtid_a_replica_has_coordinates() {
    for flavour in ["mysql-9.7", "mysql-5.6", "mariadb-10.11"] {
        let cluster = Cluster::start(flavour, 1, &["--gtid", "off"]);
        cluster.sql(0, "CREATE DATABASE t").await;
        let primary = cluster.instance(0).await;
        let replica = cluster
            .until(1, "up to date", |found| {
                let replication = found.replication.as_ref().unwrap();
                found.is_replicating() && replication.executed == primary.binlog.position
            })
            .await;
        assert_eq!(replica.replication.unwrap().positioning, Positioning::File, "{flavour}");
        assert!(replica.gtid.executed.is_empty(), "{flavour}");
        assert_ne!(primary.gtid.mode.as_deref(), Some("ON"), "{flavour}");
    }
}

#[tokio::test]
async fn queries_of_the_configuration_are_asked_and_a_broken_one_only_complained_of() {
    let cluster = Cluster::start("mariadb-10.11", 0, &["--shape", "none"]);
    let query = |fact, sql: &str| (fact, sql.to_owned());
    let settings = ProbeSettings {
        own_name: OwnName::ReportHost,
        queries: vec![
            query(CustomFact::DataCenter, "SELECT 'dc1'"),
            query(CustomFact::ClusterAlias, "SELECT alias FROM nowhere.cluster"),
            query(CustomFact::PromotionRule, "SELECT 'prefer'"),
            query(CustomFact::SemiSyncPriority, "SELECT 3"),
        ],
        ..ProbeSettings::default()
    };
    let mut server = servers(settings).server(&cluster.key(0));
    for _ in 0..3 {
        let snapshot = server.probe(LIMIT).await.unwrap();
        assert_eq!(snapshot.instance.location.data_center, "dc1");
        assert_eq!(snapshot.instance.detected_rule, Some(PromotionRule::Prefer));
        assert_eq!(snapshot.instance.semi_sync.priority, 3);
        assert_eq!(snapshot.instance.suggested_alias, None);
        assert_eq!(snapshot.complaints.len(), 1, "{:?}", snapshot.complaints);
        assert!(
            snapshot.complaints[0].contains("DetectClusterAliasQuery"),
            "{:?}",
            snapshot.complaints
        );
        assert_eq!(snapshot.own_name, Some(cluster.key(0)));
        assert!(!snapshot.partial && snapshot.instance.latency > Duration::ZERO);
    }
}

#[tokio::test]
async fn missing_grants_do_not_spoil_a_probe() {
    for flavour in ["mysql-9.7", "mariadb-10.11", "mysql-5.6"] {
        let cluster = Cluster::start(flavour, 0, &["--shape", "none"]);
        cluster.sql(0, "REVOKE ALL PRIVILEGES, GRANT OPTION FROM ham4db@'%'").await;
        let snapshot = cluster.probe(0).await;
        assert!(snapshot.complaints.len() > 1, "{flavour}: {:?}", snapshot.complaints);
        assert!(snapshot.instance.server_id.is_some() && !snapshot.instance.read_only, "{flavour}");
    }
}

#[tokio::test]
async fn failures_are_told_apart() {
    let cluster =
        Cluster::start("mysql-9.7", 0, &["--shape", "none", "--server-opt", "max_connections=2"]);
    let key = cluster.key(0);
    let limit = Duration::from_secs(2);
    let kind = async |servers: &dyn Servers, key: &InstanceKey| {
        let began = Instant::now();
        let failure = servers.server(key).probe(limit).await.unwrap_err();
        assert!(began.elapsed() < limit + Duration::from_secs(1), "{failure}");
        failure.kind
    };
    let good = servers(ProbeSettings::default());
    let unresolvable = InstanceKey::new("no-such-host.invalid", 3306);
    assert_eq!(kind(&good, &unresolvable).await, FailureKind::Unresolvable);
    let wrong = servers_as("wrong", ProbeSettings::default());
    assert_eq!(kind(&wrong, &key).await, FailureKind::AccessDenied);

    // One place above `max_connections` is kept for administrators, of whom ham4db is one.
    // The server may still be closing the connections from above.
    let (mut others, deadline) = (Vec::new(), Instant::now() + LIMIT);
    while others.len() < 3 {
        others.extend(cluster.try_client(0, "root", "").await.ok());
        assert!(Instant::now() < deadline, "connections never came free");
    }
    assert_eq!(kind(&good, &key).await, FailureKind::TooManyConnections);
    drop(others);

    let mut kept = good.server(&key);
    let deadline = Instant::now() + LIMIT;
    while kept.probe(limit).await.is_err() {
        assert!(Instant::now() < deadline, "connections never came free");
    }
    kept.check_alive(limit).await.unwrap();
    cluster.order("freeze", 0);
    assert_eq!(kind(&good, &key).await, FailureKind::Hung);
    assert_eq!(kept.check_alive(limit).await.unwrap_err().kind, FailureKind::Hung);
    cluster.order("thaw", 0);
    kept.probe(LIMIT).await.unwrap();
    let (lost, ()) = tokio::join!(tokio::time::timeout(LIMIT, kept.closed()), async {
        cluster.order("kill", 0);
    });
    assert_eq!(lost.unwrap().kind, FailureKind::ConnectionLost);
    assert_eq!(kind(&good, &key).await, FailureKind::Refused);
    assert_eq!(kept.check_alive(limit).await.unwrap_err().kind, FailureKind::Refused);
}

#[tokio::test]
async fn a_kept_connection_that_the_server_closed_says_nothing_of_the_server() {
    let cluster = Cluster::start("mariadb-10.11", 0, &["--shape", "none"]);
    let mut server = cluster.server(0);
    server.probe(LIMIT).await.unwrap();
    let kill = "SELECT id FROM information_schema.processlist WHERE user = 'ham4db'";
    let id = cluster.sql(0, kill).await.unwrap();
    cluster.sql(0, &format!("KILL {id}")).await;
    server.probe(LIMIT).await.unwrap();
    server.check_alive(LIMIT).await.unwrap();
}

#[tokio::test]
async fn replicas_that_report_no_host_are_found_in_the_process_list() {
    let cluster = Cluster::start("mysql-9.7", 1, &["--server-opt", "report_host="]);
    let primary = cluster.instance(0).await;
    // Its port is taken for the source's, so that it cannot be told from its source on one host.
    assert_eq!(primary.replicas, []);
    let other_name = InstanceKey::new("localhost", cluster.key(0).port);
    let found = servers(ProbeSettings::default()).server(&other_name).probe(LIMIT).await.unwrap();
    assert_eq!(found.instance.replicas, [cluster.key(0)]);
}
