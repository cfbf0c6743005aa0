//! Rows of the replica status statement: one for each channel (MySQL) or named connection (MariaDB).

use std::time::Duration;

use ham4db_domain::gtid::{GtidSet, MariaDbPosition};
use ham4db_domain::instance::{Heartbeat, Positioning, Replication, ReplicationTls, ThreadState};
use ham4db_domain::key::InstanceKey;

use super::values::{Status, is_on, parse_or_complain};
use crate::wire::ResultSet;

/// What the rows of the replica status statement tell.
#[derive(Debug, Default)]
pub(crate) struct ReplicaStatus {
    /// The default channel.
    pub(crate) replication: Option<Replication>,
    /// Names of further channels with a source.
    pub(crate) other_channels: Vec<String>,
    /// `Retrieved_Gtid_Set` of the default channel.
    pub(crate) retrieved: GtidSet,
    /// `Gtid_IO_Pos` of the default channel.
    pub(crate) io_pos: Option<MariaDbPosition>,
    /// The applier's state in the server's words.
    pub(crate) applier_words: String,
}

/// Reads all rows. The channel without a name is followed; those of group replication are no sources.
pub(crate) fn replica_status(set: &ResultSet, complaints: &mut Vec<String>) -> ReplicaStatus {
    let mut status = ReplicaStatus::default();
    for row in set.rows().map(Status) {
        let channel = row.get("Channel_Name", "Connection_name").unwrap_or_default();
        if channel.starts_with("group_replication_") {
            continue;
        }
        if !channel.is_empty() {
            status.other_channels.push(channel.to_owned());
            continue;
        }
        let retrieved = row.0.get("Retrieved_Gtid_Set");
        status.retrieved =
            parse_or_complain("Retrieved_Gtid_Set", retrieved, complaints).unwrap_or_default();
        let io_pos = row.0.get("Gtid_IO_Pos");
        status.io_pos = parse_or_complain("Gtid_IO_Pos", io_pos, complaints);
        status.applier_words = row.text("Replica_SQL_Running_State", "Slave_SQL_Running_State");
        status.replication = replication(row);
    }
    status
}

/// One row; `None` when it names no source at all.
fn replication(row: Status<'_>) -> Option<Replication> {
    let host = row.get("Source_Host", "Master_Host").unwrap_or_default();
    let port = row.get("Source_Port", "Master_Port").and_then(|port| port.parse().ok());
    if host.is_empty() {
        return None;
    }
    let seconds_behind = row
        .get("Seconds_Behind_Source", "Seconds_Behind_Master")
        .and_then(|text| text.parse::<i64>().ok())
        .map(|seconds| seconds.max(0).unsigned_abs());
    let number = |column: &str| row.0.parse::<u32>(column).unwrap_or(0);
    let error = |column: &str| row.0.get(column).unwrap_or_default().trim().to_owned();
    Some(Replication {
        source: InstanceKey::new(host, port.unwrap_or(0)),
        source_uuid: row
            .get("Source_UUID", "Master_UUID")
            .filter(|uuid| !uuid.is_empty())
            .map(str::to_ascii_lowercase),
        user: row.get("Source_User", "Master_User").filter(|user| !user.is_empty()).map(Into::into),
        credentials_available: false,
        io_thread: thread_state(row.get("Replica_IO_Running", "Slave_IO_Running")),
        sql_thread: thread_state(row.get("Replica_SQL_Running", "Slave_SQL_Running")),
        read: row.coordinates(
            ("Source_Log_File", "Master_Log_File"),
            ("Read_Source_Log_Pos", "Read_Master_Log_Pos"),
        ),
        executed: row.coordinates(
            ("Relay_Source_Log_File", "Relay_Master_Log_File"),
            ("Exec_Source_Log_Pos", "Exec_Master_Log_Pos"),
        ),
        relay: row
            .coordinates(("Relay_Log_File", "Relay_Log_File"), ("Relay_Log_Pos", "Relay_Log_Pos")),
        io_errno: number("Last_IO_Errno"),
        io_error: error("Last_IO_Error"),
        sql_errno: number("Last_SQL_Errno"),
        sql_error: error("Last_SQL_Error"),
        seconds_behind,
        lag_s: seconds_behind,
        delay_s: row.0.parse("SQL_Delay").unwrap_or(0),
        has_filters: FILTERS
            .iter()
            .any(|column| row.0.get(*column).is_some_and(|text| !text.is_empty())),
        positioning: positioning(row),
        heartbeat: Heartbeat {
            period: row
                .0
                .parse("Slave_heartbeat_period")
                .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
                .filter(|period| !period.is_zero()),
            received: row.0.parse("Slave_received_heartbeats"),
            silent_for: None,
        },
        tls: tls(row),
    })
}

const FILTERS: [&str; 6] = [
    "Replicate_Do_DB",
    "Replicate_Ignore_DB",
    "Replicate_Do_Table",
    "Replicate_Ignore_Table",
    "Replicate_Wild_Do_Table",
    "Replicate_Wild_Ignore_Table",
];

fn thread_state(text: Option<&str>) -> ThreadState {
    match text {
        Some("Yes") => ThreadState::Running,
        Some("No") => ThreadState::Stopped,
        Some(_) => ThreadState::Other,
        None => ThreadState::Absent,
    }
}

fn positioning(row: Status<'_>) -> Positioning {
    match (row.0.get("Auto_Position"), row.0.get("Using_Gtid")) {
        (Some("1"), _) => Positioning::OracleGtid,
        (_, Some("Slave_Pos")) => Positioning::MariaDbSlavePos,
        (_, Some("Current_Pos")) => Positioning::MariaDbCurrentPos,
        _ => Positioning::File,
    }
}

fn tls(row: Status<'_>) -> ReplicationTls {
    ReplicationTls {
        enabled: row.get("Source_SSL_Allowed", "Master_SSL_Allowed") == Some("Yes"),
        ca_file: row.text("Source_SSL_CA_File", "Master_SSL_CA_File"),
        ca_path: row.text("Source_SSL_CA_Path", "Master_SSL_CA_Path"),
        cert: row.text("Source_SSL_Cert", "Master_SSL_Cert"),
        key: row.text("Source_SSL_Key", "Master_SSL_Key"),
        cipher: row.text("Source_SSL_Cipher", "Master_SSL_Cipher"),
        crl_file: row.text("Source_SSL_Crl", "Master_SSL_Crl"),
        crl_path: row.text("Source_SSL_Crlpath", "Master_SSL_Crlpath"),
        verify_server_cert: row
            .get("Source_SSL_Verify_Server_Cert", "Master_SSL_Verify_Server_Cert")
            .map(is_on),
        tls_version: row.text("Source_TLS_Version", "Master_TLS_Version"),
        ciphersuites: row.text("Source_TLS_Ciphersuites", "Master_TLS_Ciphersuites"),
        public_key_path: row.text("Source_public_key_path", "Master_public_key_path"),
        get_public_key: row.get("Get_Source_public_key", "Get_master_public_key").map(is_on),
    }
}
