//! Each step on each family, in each state that matters.

use std::time::Duration;

use ham4db_domain::version::Version;

use super::*;
use crate::facts::{Answers, Context, Question, snapshot};
use crate::settings::ProbeSettings;
use crate::wire::ResultSet;

fn key() -> InstanceKey {
    InstanceKey::new("db2", 3306)
}

/// A server as its probe would tell it: a replica of `db1` with these columns of replica status changed.
fn server(version: &str, status: Option<&[(&str, &str)]>) -> Instance {
    let defaults = [
        ("Master_Host", "db1"),
        ("Master_Port", "3306"),
        ("Master_User", "repl"),
        ("Slave_IO_Running", "Yes"),
        ("Slave_SQL_Running", "Yes"),
        ("Relay_Master_Log_File", "binlog.000007"),
        ("Exec_Master_Log_Pos", "42"),
        ("Slave_heartbeat_period", "2.500"),
    ];
    let mut answers = Answers::default();
    let basics = [
        ("version", version),
        ("read_only", "1"),
        ("gtid_mode", if version.contains("MariaDB") { "" } else { "ON" }),
    ];
    answers.push(Question::Basics, Ok(row(&basics)));
    if let Some(status) = status {
        let mut columns = defaults.to_vec();
        for (name, value) in status {
            columns.retain(|(column, _)| column != name);
            columns.push((name, value));
        }
        answers.push(Question::ReplicaStatus, Ok(row(&columns)));
    }
    let context = Context {
        key: &key(),
        version: &Version::parse(version),
        flavor: Flavor::detect(version, ""),
        settings: &ProbeSettings::default(),
        connected_for: None,
    };
    snapshot(&answers, &context).unwrap().instance
}

fn row(columns: &[(&str, &str)]) -> ResultSet {
    let names: Vec<&str> = columns.iter().map(|(name, _)| *name).collect();
    ResultSet::from_rows(&names, [columns.iter().map(|(_, value)| Some(*value))])
}

fn repoint(at: SourcePosition) -> Step {
    Step::Repoint { server: key(), source: InstanceKey::new("db3", 3307), at }
}

const AUTO: &[(&str, &str)] = &[("Auto_Position", "1")];
const STOPPED: &[(&str, &str)] =
    &[("Slave_IO_Running", "No"), ("Slave_SQL_Running", "No"), ("Auto_Position", "1")];
const SLAVE_POS: &[(&str, &str)] = &[("Using_Gtid", "Slave_Pos")];

#[test]
#[expect(clippy::too_many_lines, reason = "one table")]
fn steps_become_the_words_of_their_server() {
    let replica = || key();
    let at = "binlog.000001:4".parse().unwrap();
    let cases: Vec<(&str, Step, Instance, Vec<&str>)> = vec![
        (
            "stop 9.7",
            Step::StopReplication { server: replica() },
            server("9.7.4", Some(AUTO)),
            vec!["STOP REPLICA"],
        ),
        (
            "stop 5.6",
            Step::StopReplication { server: replica() },
            server("5.6.24", Some(AUTO)),
            vec!["STOP SLAVE"],
        ),
        (
            "stop receiving",
            Step::StopReceiving { server: replica() },
            server("10.11.1-MariaDB", Some(SLAVE_POS)),
            vec!["STOP SLAVE IO_THREAD"],
        ),
        (
            "stop again",
            Step::StopReplication { server: replica() },
            server("9.7.4", Some(STOPPED)),
            vec!["-- nothing to do: it was stopped"],
        ),
        (
            "stop a primary",
            Step::StopReplication { server: replica() },
            server("9.7.4", None),
            vec!["-- nothing to do: it is no replica"],
        ),
        (
            "start",
            Step::StartReplication { server: replica() },
            server("9.7.4", Some(STOPPED)),
            vec!["START REPLICA"],
        ),
        (
            "start applying",
            Step::StartApplying { server: replica() },
            server("5.6.24", Some(STOPPED)),
            vec!["START SLAVE SQL_THREAD"],
        ),
        (
            "start again",
            Step::StartReplication { server: replica() },
            server("9.7.4", Some(AUTO)),
            vec!["-- nothing to do: it was running"],
        ),
        (
            "start a primary",
            Step::StartReplication { server: replica() },
            server("9.7.4", None),
            vec!["-- impossible: it is no replica"],
        ),
        (
            "repoint 9.7",
            repoint(SourcePosition::Unchanged),
            server("9.7.4", Some(AUTO)),
            vec![
                "STOP REPLICA",
                "CHANGE REPLICATION SOURCE TO SOURCE_HOST='db3', SOURCE_PORT=3307, SOURCE_AUTO_POSITION=1, SOURCE_HEARTBEAT_PERIOD=2.500, GET_SOURCE_PUBLIC_KEY=1",
            ],
        ),
        (
            "repoint 9.7 with TLS",
            repoint(SourcePosition::AutoPosition),
            server("9.7.4", Some(&[("Auto_Position", "1"), ("Master_SSL_Allowed", "Yes")])),
            vec![
                "STOP REPLICA",
                "CHANGE REPLICATION SOURCE TO SOURCE_HOST='db3', SOURCE_PORT=3307, SOURCE_AUTO_POSITION=1, SOURCE_HEARTBEAT_PERIOD=2.500",
            ],
        ),
        (
            "repoint 5.6 by file",
            repoint(SourcePosition::Unchanged),
            server("5.6.24", Some(&[("Auto_Position", "0")])),
            vec![
                "STOP SLAVE",
                "CHANGE MASTER TO MASTER_HOST='db3', MASTER_PORT=3307, MASTER_LOG_FILE='binlog.000007', MASTER_LOG_POS=42, MASTER_HEARTBEAT_PERIOD=2.500",
            ],
        ),
        (
            "repoint a GTID replica by file",
            repoint(SourcePosition::At { coordinates: at }),
            server("5.6.24", Some(STOPPED)),
            vec![
                "CHANGE MASTER TO MASTER_HOST='db3', MASTER_PORT=3307, MASTER_AUTO_POSITION=0, MASTER_LOG_FILE='binlog.000001', MASTER_LOG_POS=4, MASTER_HEARTBEAT_PERIOD=2.500",
            ],
        ),
        (
            "a former MariaDB primary",
            repoint(SourcePosition::FromOwnBinlog),
            server("10.11.1-MariaDB", Some(&[("Using_Gtid", "No")])),
            vec![
                "STOP SLAVE",
                "SET GLOBAL gtid_slave_pos = @@global.gtid_binlog_pos",
                "CHANGE MASTER TO MASTER_HOST='db3', MASTER_PORT=3307, MASTER_USE_GTID=slave_pos, MASTER_HEARTBEAT_PERIOD=2.500",
            ],
        ),
        (
            "the same source",
            Step::Repoint {
                server: key(),
                source: InstanceKey::new("db1", 3306),
                at: SourcePosition::AutoPosition,
            },
            server("9.7.4", Some(AUTO)),
            vec!["-- nothing to do: it already follows that source"],
        ),
        (
            "forget",
            Step::ForgetSource { server: replica() },
            server("9.7.4", Some(AUTO)),
            vec!["STOP REPLICA", "RESET REPLICA ALL"],
        ),
        (
            "forget again",
            Step::ForgetSource { server: replica() },
            server("9.7.4", None),
            vec!["-- nothing to do: it has no source"],
        ),
        (
            "forget one of several",
            Step::ForgetSource { server: replica() },
            Instance { other_channels: vec!["east".into()], ..server("8.0.36", Some(STOPPED)) },
            vec!["RESET REPLICA ALL FOR CHANNEL ''"],
        ),
        (
            "detach",
            Step::Detach { server: replica() },
            server("10.11.1-MariaDB", Some(SLAVE_POS)),
            vec![
                "STOP SLAVE",
                "CHANGE MASTER TO MASTER_HOST='//db1', MASTER_PORT=3306, MASTER_USE_GTID=slave_pos, MASTER_HEARTBEAT_PERIOD=2.500",
            ],
        ),
        (
            "detach again",
            Step::Detach { server: replica() },
            server("9.7.4", Some(&[("Master_Host", "//db1")])),
            vec!["-- nothing to do: it is detached"],
        ),
        (
            "writable",
            Step::MakeWritable { server: replica() },
            server("9.7.4", None),
            vec!["SET GLOBAL read_only = OFF"],
        ),
        (
            "read-only again",
            Step::MakeReadOnly { server: replica() },
            server("10.11.1-MariaDB", None),
            vec!["-- nothing to do: it was read-only"],
        ),
        (
            "read-only in full",
            Step::MakeReadOnly { server: replica() },
            Instance { super_read_only: Some(false), ..server("9.7.4", None) },
            vec!["SET SESSION lock_wait_timeout = 1", "SET GLOBAL super_read_only = ON"],
        ),
    ];
    for (name, step, instance, expected) in cases {
        assert_eq!(statements(&step, &instance), expected, "{name}");
    }
}

#[test]
fn what_a_family_does_not_have_is_refused_with_the_reason() {
    let cases = [
        (SourcePosition::AutoPosition, server("10.11.1-MariaDB", Some(SLAVE_POS)), "gtid_mode"),
        (SourcePosition::SlavePos, server("9.7.4", Some(AUTO)), "no MariaDB"),
        (SourcePosition::Unchanged, server("9.7.4", None), "no replica"),
        (SourcePosition::AutoPosition, server("9.7.4", None), "ReplicationCredentialsQuery"),
        (
            SourcePosition::AutoPosition,
            server("9.7.4", Some(&[("Master_User", "")])),
            "ReplicationCredentialsQuery",
        ),
    ];
    for (at, instance, reason) in cases {
        let shown = statements(&repoint(at.clone()), &instance);
        assert!(shown.len() == 1 && shown[0].starts_with("-- impossible"), "{at:?}: {shown:?}");
        assert!(shown[0].contains(reason), "{at:?}: {shown:?}");
    }
}

#[test]
fn a_password_is_sent_and_never_shown() {
    let login = Credentials {
        user: "repl".into(),
        password: "sec'ret".into(),
        tls_files: ["ca.pem".into(), String::new(), String::new()],
    };
    let instance = server("8.4.0", None);
    let dialect = dialect_of(instance.flavor, &instance.version);
    let step = repoint(SourcePosition::AutoPosition);
    let Ok(Plan::Run(run)) = plan(&step, &instance, dialect.as_ref(), Some(login)) else {
        panic!("no statements");
    };
    assert!(
        run[0].sql.contains("SOURCE_PASSWORD='sec''ret', SOURCE_SSL=1, SOURCE_SSL_CA='ca.pem'")
    );
    assert!(run[0].shown.contains("SOURCE_USER='repl'"), "{}", run[0].shown);
    assert!(!run[0].shown.contains("sec"), "{}", run[0].shown);
}

#[test]
fn waiting_is_shown_as_what_it_reads() {
    let step = Step::WaitApplied {
        server: key(),
        target: ApplyTarget::Received,
        limit: Duration::from_secs(1),
    };
    let shown = statements(&step, &server("9.7.4", Some(AUTO)));
    assert_eq!(shown, ["SHOW REPLICA STATUS -- until it has applied all it received"]);
}
