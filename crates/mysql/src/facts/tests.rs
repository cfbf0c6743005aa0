//! Facts from captured answers of real servers of five flavours.

use std::path::PathBuf;

use ham4db_domain::coordinates::BinlogCoordinates;
use ham4db_domain::instance::{BinlogFormat, PromotionRule, SemiSync, ThreadState};
use regex::Regex;

use super::*;

const FLAVOURS: [&str; 5] =
    ["mysql-9.7", "mysql-5.6", "mariadb-10.5", "mariadb-10.11", "mariadb-11.8"];

fn capture(flavour: &str, file: &str) -> String {
    let path =
        PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/captures").join(flavour).join(file);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// What a client printed with `\G`.
fn vertical(text: &str) -> ResultSet {
    let mut rows: Vec<Vec<(&str, &str)>> = Vec::new();
    for line in text.lines() {
        if line.starts_with("***") {
            rows.push(Vec::new());
        } else if let (Some(row), Some((column, value))) = (rows.last_mut(), line.split_once(':')) {
            row.push((column.trim(), value.strip_prefix(' ').unwrap_or(value)));
        }
    }
    let columns: Vec<&str> =
        rows.first().into_iter().flatten().map(|(column, _)| *column).collect();
    let rows =
        rows.iter().map(|row| row.iter().map(|(_, value)| (*value != "NULL").then_some(*value)));
    ResultSet::from_rows(&columns, rows)
}

/// What a client printed with `--batch`.
fn table(text: &str) -> ResultSet {
    let mut lines = text.lines();
    let columns: Vec<&str> = lines.next().unwrap().split('\t').collect();
    let rows = lines.map(|line| line.split('\t').map(|cell| (cell != "NULL").then_some(cell)));
    ResultSet::from_rows(&columns, rows)
}

/// The basics as one row, made of captured variables.
fn basics(variables: &ResultSet) -> ResultSet {
    let mut pairs: Vec<(String, String)> = variables
        .rows()
        .map(|row| (row.get(0).unwrap().to_owned(), row.get(1).unwrap().to_owned()))
        .collect();
    for (name, _) in &mut pairs {
        if name == "log_replica_updates" || name == "log_slave_updates" {
            "log_updates".clone_into(name);
        }
    }
    let columns: Vec<&str> = pairs.iter().map(|(name, _)| name.as_str()).collect();
    ResultSet::from_rows(&columns, [pairs.iter().map(|(_, value)| Some(value.as_str()))])
}

fn answers_of(flavour: &str, role: &str) -> Answers {
    let variables = table(&capture(flavour, &format!("{role}.variables.tsv")));
    let mut answers = Answers::default();
    answers.push(Question::Basics, Ok(basics(&variables)));
    answers.push(Question::SemiSync, Ok(variables));
    answers.push(Question::Status, Ok(table(&capture(flavour, &format!("{role}.status.tsv")))));
    if role == "primary" {
        let position = vertical(&capture(flavour, "primary.binlog_status.txt"));
        answers.push(Question::OwnPosition, Ok(position));
        answers.push(Question::Replicas, Ok(table(&capture(flavour, "primary.replicas.tsv"))));
        answers.push(Question::ReplicaStatus, Ok(ResultSet::default()));
    }
    answers
}

fn read_with(answers: &Answers, settings: &ProbeSettings) -> Snapshot {
    let version = Version::parse("0.0.0");
    let context = Context {
        key: &InstanceKey::new("db1.east", 22501),
        version: &version,
        flavor: Flavor::MySql,
        settings,
        connected_for: None,
    };
    snapshot(answers, &context).unwrap()
}

fn read(answers: &Answers) -> Snapshot {
    read_with(answers, &ProbeSettings::default())
}

fn replica(flavour: &str, situation: &str) -> Instance {
    let mut answers = answers_of(flavour, "replica");
    let file = format!("replica.{situation}.txt");
    answers.push(Question::ReplicaStatus, Ok(vertical(&capture(flavour, &file))));
    let snapshot = read(&answers);
    assert_eq!(snapshot.complaints, Vec::<String>::new(), "{flavour} {situation}");
    snapshot.instance
}

#[test]
fn a_primary_of_each_flavour_is_read() {
    for flavour in FLAVOURS {
        let snapshot = read(&answers_of(flavour, "primary"));
        let instance = snapshot.instance;
        assert_eq!(snapshot.complaints, Vec::<String>::new(), "{flavour}");
        let expected = if flavour.starts_with("maria") { Flavor::MariaDb } else { Flavor::MySql };
        assert_eq!(instance.flavor, expected, "{flavour}");
        assert_eq!(instance.version.text(), capture(flavour, "version.txt").trim(), "{flavour}");
        assert_eq!(instance.server_id, Some(22501), "{flavour}");
        assert!(!instance.read_only && !instance.is_replica(), "{flavour}");
        assert!(instance.binlog.enabled && instance.binlog.logs_updates, "{flavour}");
        assert_eq!(instance.binlog.format, Some(BinlogFormat::Row), "{flavour}");
        assert_eq!(instance.binlog.row_image.as_deref(), Some("FULL"), "{flavour}");
        let position = instance.binlog.position.unwrap();
        assert_eq!(position.file, "binlog.000001", "{flavour}");
        assert!(position.position > 500 && instance.uptime_s.is_some(), "{flavour}");
        let replicas = [22502, 22503].map(|port| InstanceKey::new("127.0.0.1", port));
        assert_eq!(instance.replicas, replicas, "{flavour}");
    }
}

#[test]
fn gtid_facts_are_those_of_the_family() {
    let mysql = replica("mysql-9.7", "running");
    assert_eq!(mysql.gtid.mode.as_deref(), Some("ON"));
    assert_eq!(mysql.gtid.executed.count(), 3);
    assert_eq!(mysql.gtid.retrieved, mysql.gtid.executed);
    assert!(mysql.uses_oracle_gtid() && mysql.server_uuid.is_some());
    let old = replica("mysql-5.6", "running");
    assert!(old.uses_oracle_gtid() && old.super_read_only.is_none());
    assert!(!old.gtid.retrieved.is_empty());
    let mariadb = replica("mariadb-10.11", "running");
    let position = |text: &str| Some(text.parse().unwrap());
    assert!(mariadb.uses_mariadb_gtid() && mariadb.server_uuid.is_none());
    assert_eq!(mariadb.gtid.mode, None);
    assert_eq!(mariadb.gtid.slave_pos, position("0-22501-3"));
    assert_eq!(mariadb.gtid.binlog_pos, position("0-22501-3"));
    assert_eq!(mariadb.gtid.io_pos, position("0-22501-3"));
    assert_eq!(mariadb.gtid.domain_id, Some(0));
}

#[test]
fn the_threads_of_a_replica_tell_its_situation() {
    use ThreadState::{Other, Running, Stopped};
    let cases = [
        ("running", Running, Running, 0, 0, Some(0)),
        ("stopped", Stopped, Stopped, 0, 0, None),
        ("applier_error", Running, Stopped, 0, 1062, None),
        ("source_frozen_7s", Other, Running, 0, 0, None),
        ("source_dead", Other, Running, 2003, 0, None),
        ("reset", Stopped, Stopped, 0, 0, None),
    ];
    for flavour in FLAVOURS {
        for (situation, io_thread, sql_thread, io_errno, sql_errno, behind) in cases {
            let instance = replica(flavour, situation);
            let found = instance.replication.as_ref().unwrap();
            let name = format!("{flavour} {situation}");
            assert_eq!((found.io_thread, found.sql_thread), (io_thread, sql_thread), "{name}");
            assert_eq!((found.io_errno, found.sql_errno), (io_errno, sql_errno), "{name}");
            assert_eq!((found.seconds_behind, found.lag_s), (behind, behind), "{name}");
            assert_eq!(found.source, InstanceKey::new("127.0.0.1", 22501), "{name}");
            assert_eq!(found.user.as_deref(), Some("repl"), "{name}");
            assert!(!found.has_filters && found.delay_s == 0, "{name}");
            assert_eq!(found.read.is_some(), situation != "reset", "{name}");
            assert!(instance.read_only && instance.other_channels.is_empty(), "{name}");
            assert_eq!(instance.replicas, [], "{name}");
        }
    }
}

#[test]
fn coordinates_are_those_of_the_source_and_of_the_relay_log() {
    let found = replica("mysql-9.7", "applier_error").replication.unwrap();
    let at = |text: &str| Some(text.parse::<BinlogCoordinates>().unwrap());
    assert_eq!(found.read, at("binlog.000001:1109"));
    assert_eq!(found.executed, at("binlog.000001:839"));
    assert_eq!(found.relay.unwrap().file, "relay.000002");
    assert_eq!(found.source_uuid.as_deref(), Some("af6ba10f-e721-11f1-93f2-000000000001"));
}

#[test]
fn tls_settings_of_a_replica_are_read_where_the_server_tells() {
    let new = replica("mysql-9.7", "running").replication.unwrap().tls;
    assert!(new.enabled);
    assert_eq!((new.verify_server_cert, new.get_public_key), (Some(false), Some(true)));
    let old = replica("mysql-5.6", "running").replication.unwrap().tls;
    assert!(!old.enabled);
    assert_eq!(old.get_public_key, None);
}

#[test]
fn semi_sync_is_read_in_either_wording() {
    for (flavour, new_names) in [("mysql-9.7", true), ("mariadb-10.11", false)] {
        let source = read(&answers_of(flavour, "primary")).instance.semi_sync.source.unwrap();
        assert!(source.enabled && source.active, "{flavour}: {source:?}");
        assert_eq!((source.new_names, source.wait_for_replicas), (new_names, 1), "{flavour}");
        assert_eq!(source.timeout, Duration::from_secs(10), "{flavour}");
        assert!(source.clients > 0, "{flavour}");
        let side = replica(flavour, "running").semi_sync.replica.unwrap();
        assert!(side.enabled && side.active && side.new_names == new_names, "{flavour}");
    }
    let none = read(&answers_of("mysql-5.6", "primary")).instance.semi_sync;
    assert_eq!(none, SemiSync::default());
}

#[test]
fn heartbeats_of_mariadb_come_with_the_status_of_the_connection() {
    let mut answers = answers_of("mariadb-10.11", "replica");
    let all = capture("mariadb-10.11", "replica.all_slaves.txt");
    answers.push(Question::ReplicaStatus, Ok(vertical(&all)));
    let heartbeat = read(&answers).instance.replication.unwrap().heartbeat;
    assert_eq!(heartbeat.period, Some(Duration::from_millis(2500)));
    assert_eq!((heartbeat.received, heartbeat.silent_for), (Some(0), None));
    let old = replica("mysql-5.6", "running").replication.unwrap().heartbeat;
    assert_eq!(old.period, Some(Duration::from_millis(2500)));
}

fn heartbeat_row(heartbeat: &str, queued: &str, queueing: &str) -> ResultSet {
    let columns = [
        "CHANNEL_NAME",
        "COUNT_RECEIVED_HEARTBEATS",
        "HEARTBEAT_INTERVAL",
        "QUEUEING_TRANSACTION",
        "NOW_S",
        "HEARTBEAT_S",
        "QUEUED_S",
    ];
    let row = ["", "7", "2.500", queueing, "1000.500000", heartbeat, queued];
    ResultSet::from_rows(&columns, [row.map(Some)])
}

#[test]
fn silence_ends_with_the_latest_sign_of_life() {
    let none = None;
    let connected = Some(Duration::from_secs(1));
    let cases = [
        ("a heartbeat", ("998.5", "0", ""), none, Some(2.0)),
        ("a transaction after it", ("990", "999.5", ""), none, Some(1.0)),
        ("neither yet", ("0.000000", "0.000000", ""), none, None),
        ("a transaction on its way", ("900", "900", "u:1"), none, Some(0.0)),
        ("a clock that was set back", ("2000", "0", ""), none, Some(0.0)),
        ("a new connection", ("900", "900", ""), connected, Some(1.0)),
    ];
    for (name, (heartbeat, queued, queueing), connected_for, silent_s) in cases {
        let set = heartbeat_row(heartbeat, queued, queueing);
        let found = heartbeat::heartbeat(&set, connected_for).unwrap();
        assert_eq!(found.silent_for.map(|silence| silence.as_secs_f64()), silent_s, "{name}");
        assert_eq!(found.period, Some(Duration::from_millis(2500)), "{name}");
        assert_eq!(found.received, Some(7), "{name}");
    }
}

fn channels(name: &str, rows: &[(&str, &str)]) -> ReplicaStatus {
    let columns = [name, "Master_Host", "Master_Port", "Slave_IO_Running", "Slave_SQL_Running"];
    let rows = rows.iter().map(|(channel, host)| [*channel, *host, "3306", "Yes", "Yes"].map(Some));
    let mut complaints = Vec::new();
    let status = replica_status(&ResultSet::from_rows(&columns, rows), &mut complaints);
    assert_eq!(complaints, Vec::<String>::new());
    status
}

#[test]
fn of_several_channels_the_one_without_a_name_is_followed() {
    let rows =
        [("east", "db2"), ("", "db1"), ("group_replication_applier", "<NULL>"), ("west", "db3")];
    for column in ["Channel_Name", "Connection_name"] {
        let status = channels(column, &rows);
        assert_eq!(status.replication.unwrap().source, InstanceKey::new("db1", 3306));
        assert_eq!(status.other_channels, ["east", "west"]);
    }
    let named_only = channels("Connection_name", &[("east", "db2")]);
    assert_eq!((named_only.replication, named_only.other_channels.len()), (None, 1));
}

#[test]
fn what_a_server_does_not_tell_is_unknown() {
    let columns = ["Master_Host", "Slave_IO_Running", "Seconds_Behind_Master"];
    let set = ResultSet::from_rows(&columns, [["db1", "Connecting", "-3"].map(Some)]);
    let found = replica_status(&set, &mut Vec::new()).replication.unwrap();
    assert_eq!((found.io_thread, found.sql_thread), (ThreadState::Other, ThreadState::Absent));
    assert_eq!((found.read, found.executed, found.user), (None, None, None));
    assert_eq!(found.seconds_behind, Some(0));
    assert_eq!(found.source.port, 0);
}

#[test]
fn a_replica_may_name_a_detached_source_or_none() {
    let detached = channels("Channel_Name", &[("", "//db1")]).replication.unwrap();
    assert!(detached.source.is_detached());
    assert!(!channels("Channel_Name", &[("", "_")]).replication.unwrap().source.is_valid());
    assert_eq!(channels("Channel_Name", &[("", "")]).replication, None);
}

#[test]
fn tagged_gtids_are_read_and_bad_ones_only_complained_of() {
    let mut answers = Answers::default();
    let uuid = "af6ba10f-e721-11f1-93f2-000000000001";
    let set = format!("{uuid}:1-2:mytag:1,\n{uuid}:7");
    let basics = ResultSet::from_rows(
        &["version", "gtid_mode", "gtid_executed", "gtid_purged"],
        [[Some("9.7.4"), Some("on"), Some(set.as_str()), Some("nonsense")]],
    );
    answers.push(Question::Basics, Ok(basics));
    let snapshot = read(&answers);
    assert_eq!(snapshot.instance.gtid.executed.to_string(), format!("{uuid}:1-2:7:mytag:1"));
    assert_eq!(snapshot.complaints.len(), 1, "{:?}", snapshot.complaints);
    assert!(snapshot.instance.supports_oracle_gtid());
}

#[test]
fn a_failing_side_query_does_not_spoil_the_probe() {
    let refused = || ServerError { code: 1142, sqlstate: None, message: "denied".into() };
    let mut answers = Answers::default();
    let basics = ResultSet::from_rows(&["version", "read_only"], [["8.4.1", "0"].map(Some)]);
    answers.push(Question::Basics, Ok(basics));
    for question in [Question::ReplicaStatus, Question::SemiSync, Question::Heartbeat] {
        answers.push(question, Err(refused()));
    }
    let unknown = ServerError { code: 1193, ..refused() };
    answers.push(Question::Group, Err(unknown));
    let snapshot = read(&answers);
    assert_eq!(snapshot.complaints.len(), 3, "{:?}", snapshot.complaints);
    assert!(!snapshot.instance.read_only);
    assert!(super::snapshot(&Answers::default(), &context_of(&ProbeSettings::default())).is_err());
}

fn context_of(settings: &ProbeSettings) -> Context<'_> {
    static KEY: std::sync::LazyLock<InstanceKey> =
        std::sync::LazyLock::new(|| InstanceKey::new("db1.east", 3306));
    static VERSION: std::sync::LazyLock<Version> =
        std::sync::LazyLock::new(|| Version::parse("8.4.1"));
    Context { key: &KEY, version: &VERSION, flavor: Flavor::MySql, settings, connected_for: None }
}

#[test]
fn queries_of_the_configuration_win_over_patterns() {
    let settings = ProbeSettings {
        data_center_pattern: Regex::new(r"\.([a-z]+)$").ok(),
        region_pattern: Regex::new(r"^(db)").ok(),
        own_name: OwnName::Hostname,
        ..ProbeSettings::default()
    };
    let value = |text: &str| Ok(ResultSet::from_rows(&["x"], [[Some(text)]]));
    let mut answers = answers_of("mysql-9.7", "replica");
    let status = vertical(&capture("mysql-9.7", "replica.running.txt"));
    answers.push(Question::ReplicaStatus, Ok(status));
    let custom = [
        (CustomFact::Region, "north"),
        (CustomFact::InstanceAlias, "the-db"),
        (CustomFact::SemiSyncPriority, "2"),
        (CustomFact::PromotionRule, "prefer_not"),
        (CustomFact::PseudoGtid, "1"),
        (CustomFact::ClusterAlias, "main"),
        (CustomFact::ClusterDomain, "main.example"),
        (CustomFact::ReplicationLag, "2.9"),
    ];
    for (fact, text) in custom {
        answers.push(Question::Custom(fact), value(text));
    }
    let Snapshot { instance, own_name, complaints, .. } = read_with(&answers, &settings);
    assert_eq!(complaints, Vec::<String>::new());
    assert_eq!(
        (instance.location.data_center.as_str(), instance.location.region.as_str()),
        ("east", "north")
    );
    assert_eq!(instance.alias.as_deref(), Some("the-db"));
    assert_eq!((instance.semi_sync.priority, instance.pseudo_gtid), (2, true));
    assert_eq!(instance.detected_rule, Some(PromotionRule::PreferNot));
    assert_eq!(instance.suggested_alias.as_deref(), Some("main"));
    assert_eq!(instance.cluster_domain.as_deref(), Some("main.example"));
    let replication = instance.replication.unwrap();
    assert_eq!((replication.seconds_behind, replication.lag_s), (Some(0), Some(2)));
    assert_eq!(own_name, Some(InstanceKey::new("testhost", 22501)));
    answers.push(Question::Custom(CustomFact::PromotionRule), value("best"));
    assert_eq!(read_with(&answers, &settings).complaints.len(), 1);
}

#[test]
fn the_process_list_is_needed_when_replicas_report_no_host() {
    let settings = ProbeSettings::default();
    let list_only = ProbeSettings { replicas_by_list_only: true, ..ProbeSettings::default() };
    let list = |hosts: &[&str]| {
        let rows = hosts.iter().map(|host| [Some(*host), Some("3306")]);
        let mut answers = Answers::default();
        answers.push(Question::Replicas, Ok(ResultSet::from_rows(&["Host", "Port"], rows)));
        answers
    };
    let cases = [
        (list(&["db2"]), false, false),
        (list(&[]), false, false),
        (list(&["db2", ""]), true, false),
        (list(&[""]), true, true),
    ];
    for (answers, by_default, by_list) in cases {
        assert_eq!(needs_dump_connections(&answers, &settings), by_default, "{answers:?}");
        assert_eq!(needs_dump_connections(&answers, &list_only), by_list, "{answers:?}");
    }
}

#[test]
fn a_group_member_knows_its_group_and_primary() {
    let columns = [
        "MEMBER_ID",
        "MEMBER_HOST",
        "MEMBER_PORT",
        "MEMBER_STATE",
        "MEMBER_ROLE",
        "GROUP_NAME",
        "SINGLE_PRIMARY",
    ];
    let rows = [
        ["AF6B", "db1", "3306", "ONLINE", "PRIMARY", "G", "1"],
        ["af6c", "db2", "3306", "RECOVERING", "SECONDARY", "G", "1"],
    ];
    let set = ResultSet::from_rows(&columns, rows.iter().map(|row| row.map(Some)));
    let group = own::group(&set, Some("af6c")).unwrap();
    assert_eq!((group.name.as_str(), group.role.as_str()), ("g", "SECONDARY"));
    assert_eq!(group.primary, Some(InstanceKey::new("db1", 3306)));
    assert_eq!(group.members.len(), 2);
    assert_eq!(own::group(&set, Some("other")), None);
}
