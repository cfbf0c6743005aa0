//! The front end as its users meet it.

use std::collections::{BTreeMap, BTreeSet};

use actix_web::http::StatusCode;
use actix_web::test::TestRequest;
use ham4db_actors::gateway::Ask;
use ham4db_domain::analysis::AnalysisCode;
use ham4db_domain::command::{Acknowledged, Order};
use ham4db_domain::recovery::{Intent, Kind, LastKnown, Outcome};
use ham4db_domain::registry::{AuditedStep, Closed, Detection, Recovery, RecoveryUid, Registry};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::access::{Access, Authentication, Credential};
use super::path::Index;
use super::routes::{Answered, ROUTES, Route};
use super::testing::{Rig, key, kill};
use super::unavailable::UNAVAILABLE;

fn hosts(list: &Value) -> Vec<&str> {
    let keys = list.as_array().unwrap().iter();
    keys.map(|entry| entry.get("Key").unwrap_or(entry)["Hostname"].as_str().unwrap()).collect()
}

#[actix_web::test]
async fn clusters_are_listed_by_name_and_summarised() {
    let rig = Rig::new();
    assert_eq!(rig.read("/api/clusters").await, json!(["db1:3306", "solo:3306"]));
    let infos = rig.read("/api/clusters-info/").await;
    assert_eq!(
        infos[0],
        json!({
            "ClusterName": "db1:3306", "ClusterAlias": "shop", "ClusterDomain": "shop.example.com",
            "CountInstances": 4, "HeuristicLag": 0,
            "HasAutomatedMasterRecovery": true, "HasAutomatedIntermediateMasterRecovery": false,
        })
    );
    assert_eq!(infos[1]["ClusterAlias"], "solo:3306");
}

#[actix_web::test]
async fn a_cluster_is_found_by_name_alias_or_any_of_its_servers() {
    let rig = Rig::new();
    for hint in ["db1:3306", "shop", "db4:3306", "db4", "db4%0A"] {
        let members = rig.read(&format!("/api/cluster/{hint}")).await;
        assert_eq!(hosts(&members), ["db1", "db2", "db3", "db4"], "{hint}");
    }
    assert_eq!(hosts(&rig.read("/api/cluster/instance/db2/3306").await).len(), 4);
    assert_eq!(hosts(&rig.read("/api/cluster/alias/shop").await).len(), 4);
    assert!(rig.fail("/api/cluster/alias/db1:3306").await.contains("db1:3306"));
    assert!(rig.fail("/api/cluster/nowhere").await.contains("nowhere"));
    assert_eq!(rig.read("/api/master/shop").await["Key"]["Hostname"], "db1");
    assert_eq!(hosts(&rig.read("/api/masters").await), ["db1", "solo"]);
}

#[actix_web::test]
async fn a_server_is_found_by_the_only_host_that_contains_the_text() {
    let rig = Rig::new();
    assert_eq!(rig.read("/api/instance/b4/3306").await["Key"]["Hostname"], "db4");
    assert!(rig.fail("/api/instance/db/3306").await.contains("db:3306"), "four hosts contain it");
    assert!(rig.fail("/api/instance/b4/3307").await.contains("b4:3307"), "another port");
    assert_eq!(rig.fail("/api/instance/db1/x").await, "Invalid port: x");
    assert_eq!(hosts(&rig.read("/api/instance-replicas/db1/3306").await), ["db2", "db3"]);
    assert_eq!(rig.read("/api/instance-replicas/unknown/3306").await, json!([]));
}

#[actix_web::test]
async fn servers_are_searched_in_all_their_names() {
    let rig = Rig::new();
    assert_eq!(hosts(&rig.read("/api/search/olo").await), ["solo"]);
    assert_eq!(hosts(&rig.read("/api/search?s=db4%0A").await), ["db4"]);
    assert_eq!(hosts(&rig.read("/api/search?s=3306").await).len(), 5);
    assert_eq!(rig.read("/api/all-instances").await, rig.read("/api/search").await);
}

#[actix_web::test]
async fn a_tree_has_one_line_a_server() {
    let rig = Rig::new();
    for path in ["topology", "topology-tabulated", "topology-tags"] {
        let by_hint = rig.read(&format!("/api/{path}/shop")).await;
        let tree = by_hint["Details"].as_str().unwrap();
        let lines: Vec<_> = tree.lines().collect();
        assert_eq!((by_hint["Code"].as_str(), lines.len()), (Some("OK"), 4), "{tree}");
        assert!(lines[0].starts_with("db1:3306") && lines[3].contains("db4:3306"), "{tree}");
        assert_eq!(rig.read(&format!("/api/{path}/db2/3306")).await, by_hint);
    }
}

#[actix_web::test]
async fn a_dead_primary_is_named_in_the_analysis_and_among_the_problems() {
    let now = Timestamp::now();
    let rig = Rig::with(|server| {
        if server.key == key("solo") {
            kill(server, now);
        }
    });
    let analysis = rig.read("/api/replication-analysis").await;
    let entry = &analysis["Details"][0];
    assert_eq!(entry["AnalyzedInstanceKey"]["Hostname"], "solo");
    assert_eq!(entry["Analysis"], "DeadMasterWithoutReplicas");
    assert_eq!(entry["ClusterDetails"]["ClusterName"], "solo:3306");
    assert_eq!(entry["StructureAnalysis"], Value::Null);
    let count = |value: Value| value["Details"].as_array().unwrap().len();
    assert_eq!(count(rig.read("/api/replication-analysis/solo:3306").await), 1);
    assert_eq!(count(rig.read("/api/replication-analysis/shop").await), 0);
    assert_eq!(count(rig.read("/api/replication-analysis/nowhere").await), 0);
    assert_eq!(count(rig.read("/api/replication-analysis/instance/solo/3306").await), 1);
    assert_eq!(hosts(&rig.read("/api/problems").await), ["solo"]);
    assert_eq!(rig.read("/api/problems/db1:3306").await, json!([]));
}

#[actix_web::test]
async fn a_downtime_is_ordered_and_then_shown() {
    let rig = Rig::new();
    let reply = rig.read("/api/begin-downtime/db2/3306/ann%0A/disk%20full%0A/2h").await;
    assert_eq!(reply["Details"], json!({"Hostname": "db2", "Port": 3306}));
    let Ask::Order(Order::BeginDowntime { downtime, .. }) = rig.asked.borrow()[0].clone() else {
        panic!("{:?}", rig.asked.borrow());
    };
    assert_eq!((downtime.owner.as_str(), downtime.reason.as_str()), ("ann", "disk full"));
    assert_eq!(downtime.ends.duration_since(downtime.begins).as_secs(), 7200);
    assert_eq!(hosts(&rig.read("/api/downtimed").await), ["db2"]);
    assert_eq!(hosts(&rig.read("/api/downtimed/shop").await), ["db2"]);
    assert_eq!(rig.read("/api/downtimed/solo").await, json!([]));
    assert!(rig.fail("/api/begin-downtime/db2/3306/ann/why/soon").await.contains("soon"));
}

#[actix_web::test]
async fn a_maintenance_lock_is_held_once_and_released_by_its_number() {
    let rig = Rig::new();
    assert_eq!(rig.read("/api/in-maintenance/db2/3306").await["Message"], "false");
    rig.read("/api/begin-maintenance/db2/3306/ann/disk").await;
    let state = rig.read("/api/in-maintenance/db2/3306").await;
    assert_eq!((&state["Message"], &state["Details"]), (&json!("true"), &json!("db2:3306")));
    let refused = rig.get("/api/begin-maintenance/db2/3306/bob/me-too").await;
    assert_eq!((refused.status.as_u16(), &refused.json()["Details"]), (500, &json!(0)));
    let locks = rig.read("/api/maintenance").await;
    let id = locks[0]["MaintenanceId"].as_i64().unwrap();
    let released = rig.read(&format!("/api/end-maintenance/{id}")).await;
    assert_eq!(released["Details"], id);
    assert!(rig.fail("/api/end-maintenance/17").await.contains("17"));
}

#[actix_web::test]
async fn a_recovery_says_who_took_over_or_why_nobody_did() {
    let rig = Rig::new();
    let done = rig.read("/api/recover/db1/3306/db2/3306?skipProcesses=true").await;
    assert_eq!(done["Details"]["Hostname"], "db2");
    let asked = rig.asked.borrow().last().cloned();
    assert!(
        matches!(&asked, Some(Ask::Recover { wanted: Some(wanted), skip_hooks: true, .. }) if *wanted == key("db2")),
        "{asked:?}"
    );
    let refused = rig.get("/api/recover-lite/solo/3306").await;
    assert_eq!(refused.status, StatusCode::INTERNAL_SERVER_ERROR);
    assert_eq!(refused.json()["Details"]["Hostname"], "solo");
    assert!(refused.text.contains("nothing is wrong"));
}

#[actix_web::test]
async fn acknowledging_needs_a_comment() {
    let rig = Rig::new();
    assert_eq!(rig.fail("/api/ack-all-recoveries").await, "No acknowledge comment given");
    let all = rig.read("/api/ack-all-recoveries?comment=seen%0A").await;
    assert_eq!(all["Details"], "seen");
    assert_eq!(all["Message"], "2 recoveries acknowledged");
    rig.read("/api/ack-recovery/cluster/shop?comment=x").await;
    rig.read("/api/ack-recovery/17?comment=x").await;
    rig.read("/api/ack-recovery/uid/some-uid?comment=x").await;
    rig.read("/api/ack-recovery/instance/db1/3306?comment=x").await;
    let asked = rig.asked.borrow();
    let which: Vec<_> = asked
        .iter()
        .map(|ask| match ask {
            Ask::Order(Order::Acknowledge { which, .. }) => which.clone(),
            other => panic!("{other:?}"),
        })
        .collect();
    assert!(
        matches!(
            &which[..],
            [
                Acknowledged::All,
                Acknowledged::Cluster { cluster },
                Acknowledged::Id { id: 17 },
                Acknowledged::Uid { .. },
                Acknowledged::Instance { .. },
            ] if cluster == "db1:3306"
        ),
        "{which:?}"
    );
}

#[actix_web::test]
async fn tags_are_set_found_and_removed() {
    let rig = Rig::new();
    rig.read("/api/tag/db2/3306?tag=role=backup%0A").await;
    rig.read("/api/tag/db3/3306/role/delayed").await;
    assert_eq!(rig.read("/api/tags/db2/3306").await, json!(["role=backup"]));
    assert_eq!(rig.read("/api/tag-value/db2/3306?tag=role").await, "backup");
    assert_eq!(rig.read("/api/tag-value/db3/3306/role").await, "delayed");
    assert!(rig.fail("/api/tag-value/db1/3306/role").await.contains("role"));
    assert_eq!(hosts(&rig.read("/api/tagged/?tag=role").await), ["db2", "db3"]);
    assert_eq!(hosts(&rig.read("/api/tagged?tag=~role=backup").await), ["db3"]);
    let untagged = rig.read("/api/untag-all?tag=role=backup").await;
    assert_eq!(untagged["Details"], json!([{"Hostname": "db2", "Port": 3306}]));
    assert!(rig.fail("/api/untag-all?tag=role").await.contains("role"));
}

#[actix_web::test]
async fn nobody_may_promote_what_must_be_refused() {
    let rig = Rig::new();
    rig.read("/api/register-candidate/db2/3306/prefer").await;
    for rule in ["must", "maybe"] {
        let message = rig.fail(&format!("/api/register-candidate/db2/3306/{rule}")).await;
        assert!(message.contains("prefer_not"), "{message}");
    }
    assert_eq!(rig.asked.borrow().len(), 1);
}

#[actix_web::test]
async fn health_and_leader_checks_answer_by_status() {
    let rig = Rig::new();
    assert_eq!(rig.read("/api/health").await["Details"]["Healthy"], true);
    assert_eq!(rig.read("/api/status").await["Details"]["Hostname"], "node1");
    assert_eq!(rig.read("/api/leader-check").await, "OK");
    rig.follow();
    let cases = [("", 404), ("/503", 503), ("/-1", 404), ("/17", 404), ("/x", 404), ("/200", 200)];
    for (suffix, status) in cases {
        let reply = rig.get(&format!("/api/leader-check{suffix}")).await;
        assert_eq!(reply.status.as_u16(), status, "{suffix}");
        assert_eq!(reply.json(), "Not leader");
    }
    assert_eq!(rig.read("/api/lb-check").await, "OK");
}

#[actix_web::test]
async fn a_status_endpoint_of_ones_own_replaces_the_usual_one() {
    let rig = Rig::new();
    rig.set(|front| {
        front.prefix = "/ha".into();
        front.status_endpoint = "/up".into();
    });
    assert_eq!(rig.read("/up").await["Details"]["Healthy"], true);
    assert_eq!(rig.get("/ha/api/status").await.status, StatusCode::NOT_FOUND);
    assert_eq!(rig.read("/ha/api/clusters").await.as_array().unwrap().len(), 2);
    assert_eq!(rig.get("/api/clusters").await.status, StatusCode::NOT_FOUND);
}

#[actix_web::test]
async fn an_unknown_path_is_a_404_in_plain_text_and_a_known_one_a_501() {
    let rig = Rig::new();
    let unknown = rig.get("/api/no-such-thing").await;
    assert_eq!((unknown.status.as_u16(), unknown.text.as_str()), (404, "404 page not found\n"));
    assert!(unknown.content_type.starts_with("text/plain"));
    let later = rig.get("/api/relocate/db2/3306/db3/3306").await;
    assert_eq!(later.status.as_u16(), 501);
    assert_eq!(later.json()["Code"], "ERROR");
    assert!(later.text.contains("not available in this version"));
}

#[actix_web::test]
async fn what_changes_something_is_not_done_by_head_nor_for_other_sites_nor_read_only() {
    let rig = Rig::new();
    let path = "/api/forget/db2/3306";
    let cases = [
        ("head", TestRequest::with_uri(path).method(actix_web::http::Method::HEAD), 405),
        ("delete", TestRequest::delete().uri(path), 405),
        (
            "other site",
            TestRequest::get().uri(path).insert_header(("Sec-Fetch-Site", "cross-site")),
            403,
        ),
    ];
    for (name, request, status) in cases {
        assert_eq!(rig.send(request).await.status.as_u16(), status, "{name}");
    }
    rig.set(|front| front.read_only = true);
    assert_eq!(rig.fail(path).await, "Unauthorized");
    assert!(rig.asked.borrow().is_empty());
    rig.set(|front| front.read_only = false);
    let posted = rig.send(TestRequest::post().uri(path)).await;
    assert_eq!(posted.status, StatusCode::OK);
    let own = TestRequest::get().uri(path).insert_header(("Sec-Fetch-Site", "none"));
    assert_eq!(rig.send(own).await.status, StatusCode::OK);
    assert_eq!(rig.asked.borrow().len(), 2);
}

#[actix_web::test]
async fn with_basic_authentication_nothing_is_shown_to_strangers() {
    let rig = Rig::new();
    let credential = Credential { user: "dba".into(), password: "pw".into() };
    rig.set(|front| front.authentication = Authentication::Basic(credential));
    for path in ["/", "/api/health", "/api/clusters", "/nowhere"] {
        assert_eq!(rig.get(path).await.status, StatusCode::UNAUTHORIZED, "{path}");
    }
    let known =
        TestRequest::get().uri("/api/clusters").insert_header(("Authorization", "Basic ZGJhOnB3"));
    assert_eq!(rig.send(known).await.status, StatusCode::OK);
}

#[actix_web::test]
async fn a_reload_is_asked_for_and_its_problems_are_told() {
    let mut rig = Rig::new();
    let mut reloads = std::mem::replace(&mut rig.reloads, tokio::sync::mpsc::channel(1).1);
    actix_web::rt::spawn(async move {
        let first = reloads.recv().await.unwrap();
        assert_eq!(first.extra_file.as_deref(), Some("/etc/x.json"));
        first.answer.send(Ok(())).unwrap();
        reloads.recv().await.unwrap().answer.send(Err("InstancePollSeconds: -1".into())).unwrap();
    });
    assert_eq!(
        rig.read("/api/reload-configuration?config=/etc/x.json").await["Details"],
        "/etc/x.json"
    );
    assert!(rig.fail("/api/reload-configuration").await.contains("InstancePollSeconds"));
}

/// A recovery of `db1` that ended well, and the failure it began with.
fn recovered(registry: &mut Registry, id: u64, opened: Timestamp) {
    let intent = Intent {
        kind: Kind::Primary,
        failed: key("db1"),
        replicas: vec![key("db2"), key("db3")],
        stopped: vec![],
        source: None,
        wanted: None,
        last_known: LastKnown::default(),
        skip_hooks: false,
    };
    let step =
        AuditedStep { at: opened, took: None, message: "made db2 writable".into(), error: None };
    let outcome = Outcome::Recovered { successor: key("db2"), lost: vec![], errors: vec![] };
    let recovery = Recovery {
        uid: RecoveryUid(format!("uid-{id}")),
        id,
        cluster: "db1:3306".into(),
        alias: "shop".into(),
        code: AnalysisCode::DeadMaster,
        intent,
        requested_by: None,
        node: "node1".into(),
        term: 1,
        opened,
        begun: None,
        choice: None,
        hooks_started: BTreeSet::default(),
        steps: vec![step],
        closed: Some(Closed { at: opened, outcome, explanation: None }),
        acknowledged: None,
    };
    registry.recoveries.insert(recovery.uid.clone(), recovery);
    registry.detections.push(Detection {
        id,
        failed: key("db1"),
        cluster: "db1:3306".into(),
        code: AnalysisCode::DeadMaster,
        actionable: true,
        at: opened,
    });
}

#[actix_web::test]
async fn recoveries_are_listed_newest_first_and_by_pages() {
    let rig = Rig::new();
    let now = Timestamp::now();
    rig.tell(|registry| (1..=25).for_each(|id| recovered(registry, id, now)));
    let ids = |list: &Value| -> Vec<u64> {
        list.as_array().unwrap().iter().map(|entry| entry["Id"].as_u64().unwrap()).collect()
    };
    let first = rig.read("/api/audit-recovery").await;
    assert_eq!(ids(&first), (6..=25).rev().collect::<Vec<_>>());
    assert_eq!(ids(&rig.read("/api/audit-recovery/1").await), [5, 4, 3, 2, 1]);
    assert_eq!(rig.read("/api/audit-recovery/x").await, first);
    for (path, count) in [
        ("audit-recovery/id/7", 1),
        ("audit-recovery/uid/uid-7", 1),
        ("audit-recovery/uid/none", 0),
        ("audit-recovery/cluster/db1:3306/1", 5),
        ("audit-recovery/cluster/shop", 0),
        ("audit-recovery/alias/shop", 20),
        ("active-cluster-recovery/db1:3306", 0),
        ("recently-active-cluster-recovery/db1:3306", 25),
        ("recently-active-instance-recovery/db2/3306", 25),
        ("recently-active-instance-recovery/db1/3306", 0),
        ("audit-failure-detection", 20),
        ("audit-failure-detection/id/3", 1),
        ("audit-failure-detection/alias/shop/1", 5),
        ("audit-recovery-steps/uid-7", 1),
        ("blocked-recoveries", 0),
    ] {
        let list = rig.read(&format!("/api/{path}")).await;
        assert_eq!(list.as_array().unwrap().len(), count, "{path}");
    }
    let entry = &rig.read("/api/audit-recovery/id/7").await[0];
    assert_eq!(entry["SuccessorKey"]["Hostname"], "db2");
    assert_eq!(entry["AllErrors"], json!([""]));
    assert_eq!(entry["AnalysisEntry"]["Analysis"], "DeadMaster");
}

#[actix_web::test]
async fn why_tells_the_latest_story_of_a_server_or_cluster() {
    let now = Timestamp::now();
    let rig = Rig::with(|server| {
        if server.key == key("solo") {
            kill(server, now);
        }
    });
    assert!(rig.fail("/api/why/db4/3306").await.contains("Nothing to explain"));
    rig.tell(|registry| recovered(registry, 1, now));
    for path in ["why/db1/3306", "why/db2/3306", "why/cluster/shop"] {
        let story = rig.read(&format!("/api/{path}")).await;
        assert_eq!(story["recovery"], "uid-1", "{path}");
    }
    let refused = rig.read("/api/why/solo/3306").await;
    assert_eq!(refused["problem"]["code"], "DeadMasterWithoutReplicas");
    assert!(refused["refusal"].is_string(), "{refused}");
}

#[actix_web::test]
async fn a_plan_names_a_successor_and_asks_the_leader_for_nothing() {
    let rig = Rig::new();
    let plan = rig.read("/api/plan/db1/3306").await;
    assert_eq!(plan["presumed_dead"], true, "{plan}");
    assert!(plan["choice"]["promoted"]["host"].is_string(), "{plan}");
    let wanted = rig.read("/api/plan/db1/3306/db3/3306").await;
    assert_eq!(wanted["choice"]["promoted"]["host"], "db3", "{wanted}");
    assert!(rig.fail("/api/plan/nobody/3306").await.contains("nobody:3306"));
    assert!(rig.asked.borrow().is_empty());
}

/// The published paths, as `path access who`.
const PUBLISHED: &str = include_str!("../../tests/data/http-paths.txt");

/// These change something and were open to readers; here they are not.
const STRICTER: &[&str] = &["tag/", "untag/", "untag-all"];

fn table() -> (Index<&'static Route>, Index<()>) {
    let (mut served, mut later) = (Index::default(), Index::default());
    for route in ROUTES {
        for path in route.paths {
            served.add(path, route);
        }
    }
    for path in UNAVAILABLE {
        later.add(path, ());
    }
    (served, later)
}

#[test]
fn every_published_path_is_served_or_said_to_be_missing() {
    let (served, later) = table();
    let mut counts = BTreeMap::new();
    for line in PUBLISHED.lines().filter(|line| !line.starts_with('#')) {
        let [path, access, answered] = line.split(' ').collect::<Vec<_>>()[..] else {
            panic!("{line:?}");
        };
        let concrete = path.replace(':', "x");
        let Some((pattern, route, _)) = served.find(&concrete) else {
            assert!(later.find(&concrete).is_some(), "{path} is neither served nor named");
            *counts.entry("later").or_insert(0) += 1;
            continue;
        };
        *counts.entry("served").or_insert(0) += 1;
        assert_eq!(pattern, path);
        assert!(!UNAVAILABLE.contains(&path), "{path} is served and said to be missing");
        let stricter = STRICTER.iter().any(|prefix| path.starts_with(prefix));
        assert_eq!(route.access == Access::Write, access == "write" || stricter, "{path}");
        assert_eq!(route.answered == Answered::Here, answered == "local", "{path}");
    }
    assert_eq!(counts.values().sum::<i32>(), 250, "{counts:?}");
}

#[test]
fn no_pattern_stands_twice_in_the_table() {
    let mut all: Vec<_> = ROUTES.iter().flat_map(|route| route.paths).chain(UNAVAILABLE).collect();
    let count = all.len();
    all.sort_unstable();
    all.dedup();
    assert_eq!(all.len(), count);
}
