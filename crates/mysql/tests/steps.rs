//! Steps taken on real servers.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "this file holds nothing but tests")]

#[path = "support/cluster.rs"]
mod cluster;

use std::time::{Duration, Instant};

use cluster::{Cluster, LIMIT, servers};
use ham4db_domain::checks::FailureKind;
use ham4db_domain::coordinates::BinlogCoordinates;
use ham4db_domain::instance::Positioning;
use ham4db_domain::step::{ApplyTarget, SourcePosition, Step};
use ham4db_mysql::server::{Servers, StepError};
use ham4db_mysql::settings::ProbeSettings;
use ham4db_mysql::statements;

const FLAVOURS: [&str; 3] = ["mysql-9.7", "mysql-5.6", "mariadb-10.11"];

fn gtid(flavour: &str) -> SourcePosition {
    if flavour.starts_with("maria") {
        SourcePosition::SlavePos
    } else {
        SourcePosition::AutoPosition
    }
}

fn received(cluster: &Cluster, number: u16) -> Step {
    let target = ApplyTarget::Received;
    Step::WaitApplied { server: cluster.key(number), target, limit: LIMIT }
}

/// Every server holds so many rows.
async fn all_hold(cluster: &Cluster, numbers: &[u16], rows: &str) {
    for number in numbers {
        cluster.until_sql(*number, "SELECT COUNT(*) FROM t.a", rows).await;
    }
}

#[tokio::test]
async fn a_failover_by_gtid_and_the_return_of_the_old_primary() {
    for flavour in FLAVOURS {
        let cluster = Cluster::start(flavour, 2, &[]);
        let key = |number| cluster.key(number);
        cluster.sql(0, "CREATE DATABASE t; CREATE TABLE t.a (i INT PRIMARY KEY)").await;
        cluster.sql(0, "INSERT INTO t.a VALUES (1)").await;
        all_hold(&cluster, &[1, 2], "1").await;
        cluster.order("kill", 0);

        for server in [key(1), key(2)] {
            cluster.perform_twice(Step::StopReceiving { server }).await;
        }
        cluster.perform_twice(received(&cluster, 1)).await;
        let repoint = Step::Repoint { server: key(2), source: key(1), at: gtid(flavour) };
        let planned = statements(&repoint, &cluster.instance(2).await);
        let done = cluster.perform_twice(repoint).await;
        assert_eq!(done.detail, planned.join("; "), "{flavour}");
        cluster.perform_twice(Step::ForgetSource { server: key(1) }).await;
        cluster.perform_twice(Step::MakeWritable { server: key(1) }).await;
        cluster.perform_twice(Step::StartReplication { server: key(2) }).await;
        cluster.sql(1, "INSERT INTO t.a VALUES (2)").await;
        all_hold(&cluster, &[1, 2], "2").await;
        let promoted = cluster.instance(1).await;
        assert!(promoted.replication.is_none() && !promoted.read_only, "{flavour}");
        assert_ne!(promoted.super_read_only, Some(true), "{flavour}");
        let follower = cluster.instance(2).await;
        assert_eq!(follower.source(), Some(&key(1)), "{flavour}");

        cluster.order("restart", 0);
        cluster.perform_twice(Step::MakeReadOnly { server: key(0) }).await;
        let fenced = cluster.instance(0).await;
        assert!(fenced.read_only && fenced.super_read_only != Some(false), "{flavour}");
        rejoin(&cluster).await;
        all_hold(&cluster, &[0], "2").await;
    }
}

/// The old primary has no credentials of its own; a query gives them.
async fn rejoin(cluster: &Cluster) {
    let at = if cluster.flavour.starts_with("maria") {
        SourcePosition::FromOwnBinlog
    } else {
        SourcePosition::AutoPosition
    };
    let step = Step::Repoint { server: cluster.key(0), source: cluster.key(1), at };
    let refused = cluster.perform(step.clone()).await.unwrap_err();
    assert!(
        matches!(&refused, StepError::Impossible { reason, .. } if reason.contains("credentials")),
        "{refused}"
    );
    let settings = ProbeSettings {
        credentials_query: Some("SELECT 'repl', 'repl'".to_owned()),
        ..ProbeSettings::default()
    };
    let done = servers(settings).server(step.server()).perform(&step, LIMIT).await.unwrap();
    assert!(done.changed && !done.detail.contains("PASSWORD='repl'"), "{}", done.detail);
    cluster.perform_twice(Step::StartReplication { server: cluster.key(0) }).await;
    cluster.until(0, "replicating", ham4db_domain::instance::Instance::is_replicating).await;
}

#[tokio::test]
async fn siblings_without_gtid_are_moved_by_their_coordinates() {
    for flavour in FLAVOURS {
        let cluster = Cluster::start(flavour, 2, &["--gtid", "off"]);
        let key = |number| cluster.key(number);
        cluster.sql(0, "CREATE DATABASE t; CREATE TABLE t.a (i INT PRIMARY KEY)").await;
        all_hold(&cluster, &[1, 2], "0").await;
        for server in [key(1), key(2)] {
            cluster.perform_twice(Step::StopReplication { server }).await;
        }
        let coordinates: BinlogCoordinates = cluster.instance(1).await.binlog.position.unwrap();
        let at = SourcePosition::At { coordinates };
        cluster.perform_twice(Step::Repoint { server: key(2), source: key(1), at }).await;
        cluster.perform_twice(Step::ForgetSource { server: key(1) }).await;
        cluster.perform_twice(Step::MakeWritable { server: key(1) }).await;
        cluster.perform_twice(Step::StartReplication { server: key(2) }).await;
        cluster.sql(1, "INSERT INTO t.a VALUES (1)").await;
        all_hold(&cluster, &[2], "1").await;
        let applied = received(&cluster, 2);
        cluster.perform_twice(applied).await;

        // And it keeps its place when only its source's name changes.
        let before = cluster.instance(2).await.replication.unwrap();
        let detached = cluster.perform_twice(Step::Detach { server: key(2) }).await;
        assert!(detached.changed, "{flavour}");
        let found = cluster.instance(2).await.replication.unwrap();
        assert_eq!(found.source, key(1).detached(), "{flavour}");
        assert_eq!(found.executed, before.executed, "{flavour}");
        let back = Step::Repoint { server: key(2), source: key(1), at: SourcePosition::Unchanged };
        cluster.perform_twice(back).await;
        cluster.perform_twice(Step::StartReplication { server: key(2) }).await;
        cluster.sql(1, "INSERT INTO t.a VALUES (2)").await;
        all_hold(&cluster, &[2], "2").await;
    }
}

#[tokio::test]
async fn a_detached_replica_comes_back_by_gtid() {
    for flavour in FLAVOURS {
        let cluster = Cluster::start(flavour, 1, &[]);
        let server = cluster.key(1);
        cluster.perform_twice(Step::Detach { server: server.clone() }).await;
        let detached = cluster.instance(1).await;
        assert!(detached.replication.as_ref().unwrap().source.is_detached(), "{flavour}");
        assert_ne!(detached.replication.unwrap().positioning, Positioning::File, "{flavour}");
        let (source, at) = (cluster.key(0), SourcePosition::Unchanged);
        cluster.perform_twice(Step::Repoint { server: server.clone(), source, at }).await;
        cluster.perform_twice(Step::StartReplication { server }).await;
        cluster.until(1, "replicating", ham4db_domain::instance::Instance::is_replicating).await;
    }
}

#[tokio::test]
async fn what_was_received_is_applied_after_the_receiver_is_stopped() {
    for flavour in FLAVOURS {
        let cluster = Cluster::start(flavour, 1, &[]);
        cluster.sql(0, "CREATE DATABASE t; CREATE TABLE t.a (i INT PRIMARY KEY)").await;
        all_hold(&cluster, &[1], "0").await;
        let mut holder = cluster.root(1).await;
        holder.query("LOCK TABLES t.a READ").await.unwrap();
        for row in 1..=20 {
            cluster.sql(0, &format!("INSERT INTO t.a VALUES ({row})")).await;
        }
        let written = cluster.instance(0).await.binlog.position;
        cluster
            .until(1, "all received", |found| found.replication.as_ref().unwrap().read == written)
            .await;
        cluster.order("kill", 0);
        cluster.perform_twice(Step::StopReceiving { server: cluster.key(1) }).await;

        let target = ApplyTarget::Received;
        let limit = Duration::from_millis(300);
        let hasty = Step::WaitApplied { server: cluster.key(1), target, limit };
        let error = cluster.perform(hasty).await.unwrap_err();
        assert!(matches!(error, StepError::LimitReached { .. }), "{flavour}: {error}");

        let step = received(&cluster, 1);
        let (waited, ()) = tokio::join!(cluster.perform(step), async {
            holder.query("UNLOCK TABLES").await.unwrap();
        });
        waited.unwrap_or_else(|error| panic!("{flavour}: {error}"));
        assert_eq!(
            cluster.sql(1, "SELECT COUNT(*) FROM t.a").await.as_deref(),
            Some("20"),
            "{flavour}"
        );
    }
}

#[tokio::test]
async fn waiting_for_a_stopped_applier_ends_at_once() {
    for flavour in FLAVOURS {
        let cluster = Cluster::start(flavour, 1, &[]);
        cluster.perform_twice(Step::StopReplication { server: cluster.key(1) }).await;
        cluster.sql(0, "CREATE DATABASE t").await;
        let primary = cluster.instance(0).await;
        let target = match primary.gtid.binlog_pos {
            Some(position) => ApplyTarget::Position { position },
            None => ApplyTarget::Gtids { set: primary.gtid.executed },
        };
        let wait = Step::WaitApplied { server: cluster.key(1), target, limit: LIMIT };
        let began = Instant::now();
        let error = cluster.perform(wait.clone()).await.unwrap_err();
        assert!(matches!(error, StepError::Impossible { .. }), "{flavour}: {error}");
        assert!(began.elapsed() < LIMIT / 2, "{flavour}");
        cluster.perform_twice(Step::StartReplication { server: cluster.key(1) }).await;
        cluster.perform_twice(wait).await;
    }
}

#[tokio::test]
async fn a_repointed_replica_keeps_its_settings() {
    let cluster = Cluster::start("mysql-9.7", 2, &[]);
    cluster
        .sql(
            2,
            "STOP REPLICA; CHANGE REPLICATION SOURCE TO SOURCE_SSL=1, SOURCE_SSL_VERIFY_SERVER_CERT=0, \
             SOURCE_TLS_VERSION='TLSv1.2,TLSv1.3', SOURCE_SSL_CIPHER='ECDHE-RSA-AES128-GCM-SHA256', \
             SOURCE_DELAY=1, SOURCE_HEARTBEAT_PERIOD=1.5, GET_SOURCE_PUBLIC_KEY=0; \
             CHANGE REPLICATION FILTER REPLICATE_IGNORE_DB=(ignored); START REPLICA",
        )
        .await;
    let before =
        cluster.until(2, "replicating", ham4db_domain::instance::Instance::is_replicating).await;
    let (source, at) = (cluster.key(1), SourcePosition::Unchanged);
    cluster.perform_twice(Step::Repoint { server: cluster.key(2), source, at }).await;
    cluster.perform_twice(Step::StartReplication { server: cluster.key(2) }).await;
    let after =
        cluster.until(2, "replicating", ham4db_domain::instance::Instance::is_replicating).await;
    let (before, after) = (before.replication.unwrap(), after.replication.unwrap());
    assert_eq!(after.source, cluster.key(1));
    assert_eq!(after.tls, before.tls);
    assert!(after.tls.enabled && after.tls.cipher.contains("AES128"), "{:?}", after.tls);
    assert_eq!((after.delay_s, after.has_filters), (1, true));
    assert_eq!(after.heartbeat.period, Some(Duration::from_millis(1500)));
    assert_eq!(after.user, before.user);
}

#[tokio::test]
async fn settings_of_a_mariadb_replica_are_kept_as_well() {
    for flavour in ["mariadb-10.5", "mariadb-11.8"] {
        let cluster = Cluster::start(flavour, 2, &[]);
        cluster
            .sql(
                2,
                "STOP SLAVE; CHANGE MASTER TO MASTER_DELAY=1, MASTER_HEARTBEAT_PERIOD=1.5, \
                 MASTER_SSL_VERIFY_SERVER_CERT=0; START SLAVE",
            )
            .await;
        let before = cluster
            .until(2, "replicating", ham4db_domain::instance::Instance::is_replicating)
            .await;
        let (source, at) = (cluster.key(1), SourcePosition::Unchanged);
        cluster.perform_twice(Step::Repoint { server: cluster.key(2), source, at }).await;
        cluster.perform_twice(Step::StartReplication { server: cluster.key(2) }).await;
        let after = cluster
            .until(2, "replicating", ham4db_domain::instance::Instance::is_replicating)
            .await;
        let (before, after) = (before.replication.unwrap(), after.replication.unwrap());
        assert_eq!(after.tls, before.tls, "{flavour}");
        assert_eq!(after.delay_s, 1, "{flavour}");
        assert_eq!(after.heartbeat.period, Some(Duration::from_millis(1500)), "{flavour}");
    }
}

#[tokio::test]
async fn clients_are_ended_and_cannot_keep_a_server_writable() {
    for flavour in FLAVOURS {
        let cluster = Cluster::start(flavour, 1, &[]);
        cluster
            .sql(
                0,
                "CREATE DATABASE t; CREATE TABLE t.a (i INT PRIMARY KEY); \
                 CREATE USER app@'%' IDENTIFIED BY 'app'; GRANT ALL ON t.* TO app@'%'",
            )
            .await;
        let server = cluster.key(0);
        let mut holder = cluster.client(0, "app", "app").await;
        holder.query("LOCK TABLES t.a WRITE").await.unwrap();
        let mut admin = cluster.root(0).await;
        let began = Instant::now();
        let done = cluster.perform_twice(Step::MakeReadOnly { server: server.clone() }).await;
        assert!(done.changed && began.elapsed() < LIMIT / 2, "{flavour}: {done:?}");
        assert!(cluster.instance(0).await.read_only, "{flavour}");

        let mut client = cluster.client(0, "app", "app").await;
        let ended = cluster.perform(Step::EndClients { server: server.clone() }).await.unwrap();
        assert!(ended.changed, "{flavour}: {ended:?}");
        assert!(client.ping().await.is_err() && holder.ping().await.is_err(), "{flavour}");
        admin.ping().await.unwrap();
        assert!(cluster.instance(1).await.is_replicating(), "{flavour}");
        let none = cluster.perform(Step::EndClients { server }).await.unwrap();
        assert!(!none.changed, "{flavour}: {none:?}");
    }
}

#[tokio::test]
async fn errors_of_steps_say_whether_something_was_done() {
    let cluster = Cluster::start("mariadb-10.11", 1, &[]);
    let limit = Duration::from_millis(500);
    let stop = Step::StopReplication { server: cluster.key(1) };
    let start = Step::StartReplication { server: cluster.key(0) };
    let impossible = cluster.perform(start).await.unwrap_err();
    assert!(matches!(impossible, StepError::Impossible { .. }), "{impossible}");

    cluster.sql(1, "REVOKE ALL PRIVILEGES, GRANT OPTION FROM ham4db@'%'").await;
    cluster.sql(1, "GRANT REPLICATION CLIENT, SLAVE MONITOR ON *.* TO ham4db@'%'").await;
    let refused = cluster.perform(stop.clone()).await.unwrap_err();
    assert!(matches!(refused, StepError::Refused { code: 1227, .. }), "{refused}");
    assert!(refused.to_string().contains("grant") && !refused.worth_retrying(), "{refused}");

    cluster.order("freeze", 1);
    let mut server = cluster.server(1);
    let hung = server.perform(&stop, limit).await.unwrap_err();
    assert!(
        matches!(&hung, StepError::NotReached { failure, .. } if failure.kind == FailureKind::Hung),
        "{hung}"
    );
    cluster.order("thaw", 1);
    cluster.order("kill", 1);
    let gone = server.perform(&stop, limit).await.unwrap_err();
    assert!(
        matches!(&gone, StepError::NotReached { failure, .. } if failure.kind == FailureKind::Refused),
        "{gone}"
    );
}

#[tokio::test]
async fn a_step_cut_by_its_limit_is_perhaps_done() {
    let cluster = Cluster::start("mysql-9.7", 1, &[]);
    cluster.sql(0, "CREATE DATABASE t; CREATE TABLE t.a (i INT PRIMARY KEY)").await;
    all_hold(&cluster, &[1], "0").await;
    // A table without transactions that is locked keeps the applier from stopping half-way.
    cluster.sql(0, "CREATE TABLE t.m (i INT) ENGINE=MyISAM").await;
    cluster
        .until_sql(1, "SELECT COUNT(*) FROM information_schema.tables WHERE table_name = 'm'", "1")
        .await;
    let mut holder = cluster.root(1).await;
    holder.query("LOCK TABLES t.m READ").await.unwrap();
    cluster.sql(0, "INSERT INTO t.m VALUES (1)").await;
    let waits = "SELECT COUNT(*) > 0 FROM performance_schema.processlist WHERE STATE LIKE 'Waiting for table metadata lock'";
    cluster.until_sql(1, waits, "1").await;
    let stop = Step::StopReplication { server: cluster.key(1) };
    let limit = Duration::from_millis(700);
    let outcome = cluster.server(1).perform(&stop, limit).await;
    let error = outcome.unwrap_err();
    assert!(error.perhaps_done() && error.worth_retrying(), "{error}");
    holder.query("UNLOCK TABLES").await.unwrap();
    cluster
        .until(1, "stopped after all", |found| !found.io_running() && !found.sql_running())
        .await;
}
