//! The simulated cluster behaves as real servers do, as far as decisions need it.

use ham4db_domain::instance::ThreadState;
use ham4db_domain::step::{ApplyTarget, SourcePosition};

use super::*;
use crate::server::StepError;

const LIMIT: Duration = Duration::from_secs(1);

fn star(flavor: Flavor) -> (SimCluster, InstanceKey, InstanceKey, InstanceKey) {
    let cluster = SimCluster::star(flavor, &["db1:3306", "db2:3306", "db3:3306"]);
    let key = SimCluster::key;
    (cluster, key("db1:3306"), key("db2:3306"), key("db3:3306"))
}

#[tokio::test(start_paused = true)]
async fn writes_replicate() {
    for flavor in [Flavor::MySql, Flavor::MariaDb] {
        let (cluster, db1, db2, db3) = star(flavor);
        cluster.write(&db1, 3).unwrap();
        let found = cluster.server(&db2).probe(LIMIT).await.unwrap().instance;
        assert!(found.is_replicating() && found.read_only, "{found:?}");
        assert_eq!(cluster.transactions(&db3), 3);
        let primary = cluster.instance(&db1);
        assert_eq!(primary.replicas, [db2.clone(), db3]);
        assert_eq!(found.gtid.executed, primary.gtid.executed);
        assert_eq!(found.gtid.binlog_pos, primary.gtid.binlog_pos);
        assert_eq!(cluster.write(&db2, 1), Err(NotWritable));
    }
}

#[tokio::test(start_paused = true)]
async fn failures_are_told_apart() {
    type Fail = fn(&SimCluster, &InstanceKey);
    let (cluster, db1, ..) = star(Flavor::MySql);
    let cases: [(Fail, FailureKind); 6] = [
        (SimCluster::kill, FailureKind::Refused),
        (SimCluster::freeze, FailureKind::Hung),
        (SimCluster::isolate, FailureKind::Unreachable),
        (SimCluster::cut_off, FailureKind::Unreachable),
        (SimCluster::exhaust_connections, FailureKind::TooManyConnections),
        (SimCluster::deny_access, FailureKind::AccessDenied),
    ];
    for (fail, kind) in cases {
        fail(&cluster, &db1);
        let failure = cluster.server(&db1).probe(LIMIT).await.unwrap_err();
        assert_eq!(failure.kind, kind);
        cluster.heal(&db1);
    }
    let nobody = cluster.server(&SimCluster::key("nobody:1")).probe(LIMIT).await.unwrap_err();
    assert_eq!(nobody.kind, FailureKind::Unresolvable);
}

#[tokio::test(start_paused = true)]
async fn a_kill_is_noticed_at_once_and_a_freeze_only_by_silence() {
    let (cluster, db1, db2, _) = star(Flavor::MySql);
    let mut server = cluster.server(&db1);
    server.probe(LIMIT).await.unwrap();
    cluster.freeze(&db1);
    assert!(tokio::time::timeout(LIMIT, server.closed()).await.is_err());
    let heartbeat = cluster.instance(&db2).replication.unwrap().heartbeat;
    assert!(heartbeat.silent_for.unwrap() >= LIMIT);
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert_eq!(cluster.instance(&db2).replication.unwrap().io_thread, ThreadState::Other);
    cluster.heal(&db1);
    assert!(cluster.instance(&db2).is_replicating());
    cluster.kill(&db1);
    assert_eq!(server.closed().await.kind, FailureKind::ConnectionLost);
    assert_eq!(cluster.instance(&db2).replication.unwrap().io_errno, 2003);
}

#[tokio::test(start_paused = true)]
async fn a_failover_by_steps_loses_only_what_nobody_received() {
    for flavor in [Flavor::MySql, Flavor::MariaDb] {
        let (cluster, db1, db2, db3) = star(flavor);
        cluster.write(&db1, 5).unwrap();
        cluster.set_lag(&db2, Duration::from_secs(3));
        cluster.write(&db1, 1).unwrap();
        cluster.starve(&db2);
        cluster.starve(&db3);
        cluster.write(&db1, 2).unwrap();
        cluster.kill(&db1);
        let (server, source) = (db2.clone(), db2.clone());
        let at = match flavor {
            Flavor::MariaDb => SourcePosition::SlavePos,
            _ => SourcePosition::AutoPosition,
        };
        let target = ApplyTarget::Received;
        let steps = [
            Step::StopReceiving { server: db2.clone() },
            Step::WaitApplied { server: db2.clone(), target, limit: Duration::from_secs(9) },
            Step::ForgetSource { server: db2.clone() },
            Step::MakeWritable { server },
            Step::Repoint { server: db3.clone(), source, at },
            Step::StartReplication { server: db3.clone() },
        ];
        for step in steps {
            let limit = Duration::from_secs(20);
            cluster.server(step.server()).perform(&step, limit).await.unwrap();
            let again = cluster.server(step.server()).perform(&step, limit).await;
            assert!(again.is_ok() || matches!(step, Step::WaitApplied { .. }), "{step}: {again:?}");
        }
        cluster.write(&db2, 1).unwrap();
        assert_eq!(cluster.transactions(&db2), 7, "{flavor:?}");
        assert_eq!(cluster.transactions(&db3), 7, "{flavor:?}");
        assert_eq!(cluster.instance(&db3).gtid.executed, cluster.instance(&db2).gtid.executed);
    }
}

#[tokio::test(start_paused = true)]
async fn steps_go_wrong_as_they_are_told() {
    let (cluster, _, db2, _) = star(Flavor::MySql);
    let step = Step::StopReplication { server: db2.clone() };
    let mut server = cluster.server(&db2);
    for mishap in [Mishap::NotReached, Mishap::Refused(1227), Mishap::OrderLost] {
        cluster.mishap(&db2, mishap.clone());
        let error = server.perform(&step, LIMIT).await.unwrap_err();
        assert_eq!(error.perhaps_done(), mishap == Mishap::OrderLost, "{error}");
        assert!(cluster.instance(&db2).is_replicating());
    }
    cluster.mishap(&db2, Mishap::AnswerLost);
    let error = server.perform(&step, LIMIT).await.unwrap_err();
    assert!(matches!(error, StepError::Unknown { .. }), "{error}");
    assert!(!cluster.instance(&db2).is_replicating());
    assert_eq!(cluster.steps().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn facts_can_be_made_up() {
    let (cluster, _, db2, _) = star(Flavor::MySql);
    cluster.tune(&db2, |instance| instance.alias = Some("other".to_owned()));
    let found = cluster.server(&db2).probe(LIMIT).await.unwrap().instance;
    assert_eq!(found.alias.as_deref(), Some("other"));
    assert_eq!(cluster.probes(&db2), 1);
}
