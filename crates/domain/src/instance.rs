//! What one good probe tells of a server. Unknown is `None`, never 0 or "".

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::coordinates::BinlogCoordinates;
use crate::gtid::{GtidSet, MariaDbPosition};
use crate::key::InstanceKey;
use crate::version::{Flavor, MajorVersion, Version};

/// The facts of one server as its latest good probe found them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Instance {
    /// The name it is known by.
    pub key: InstanceKey,
    /// What its operators call it (`DetectInstanceAliasQuery`).
    pub alias: Option<String>,
    /// `@@server_id`.
    pub server_id: Option<u32>,
    /// `@@server_uuid`, lower case; MariaDB has none.
    pub server_uuid: Option<String>,
    /// `@@version`.
    pub version: Version,
    /// `@@version_comment`.
    pub version_comment: String,
    /// The family it belongs to.
    pub flavor: Flavor,
    /// Seconds since it started.
    pub uptime_s: Option<u64>,
    /// `@@read_only`.
    pub read_only: bool,
    /// `@@super_read_only`, where there is one.
    pub super_read_only: Option<bool>,
    /// Data centre, region, environment.
    pub location: Location,
    /// How it writes its binary log.
    pub binlog: Binlog,
    /// What it replicates from, and how far; `None` when it is no replica.
    pub replication: Option<Replication>,
    /// Names of further replication channels that hold a source; they are shown, not followed.
    pub other_channels: Vec<String>,
    /// GTID state.
    pub gtid: GtidState,
    /// Semi-synchronous replication.
    pub semi_sync: SemiSync,
    /// Group replication; `None` when it is no member.
    pub group: Option<GroupMember>,
    /// Replicas it reports itself.
    pub replicas: Vec<InstanceKey>,
    /// Pseudo-GTID is injected into its binary log.
    pub pseudo_gtid: bool,
    /// Result of `DetectPromotionRuleQuery`.
    pub detected_rule: Option<PromotionRule>,
    /// Result of `DetectClusterAliasQuery`.
    pub suggested_alias: Option<String>,
    /// Result of `DetectClusterDomainQuery`.
    pub cluster_domain: Option<String>,
    /// How long the probe took.
    pub latency: Duration,
}

/// Where a server stands.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Location {
    /// Data centre.
    pub data_center: String,
    /// Region.
    pub region: String,
    /// Physical environment.
    pub environment: String,
}

/// Binary log settings and the server's own position.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Binlog {
    /// `@@log_bin`.
    pub enabled: bool,
    /// `@@log_replica_updates`.
    pub logs_updates: bool,
    /// `@@binlog_format`.
    pub format: Option<BinlogFormat>,
    /// `@@binlog_row_image`.
    pub row_image: Option<String>,
    /// Where the server writes next.
    pub position: Option<BinlogCoordinates>,
}

/// Format of binary log events; a replica must not use a smaller one than its source.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum BinlogFormat {
    /// STATEMENT.
    Statement,
    /// MIXED.
    Mixed,
    /// ROW.
    Row,
}

impl BinlogFormat {
    /// Reads the value of `@@binlog_format`.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Statement, Self::Mixed, Self::Row]
            .into_iter()
            .find(|format| format.name().eq_ignore_ascii_case(text))
    }

    /// The value of `@@binlog_format`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Statement => "STATEMENT",
            Self::Mixed => "MIXED",
            Self::Row => "ROW",
        }
    }
}

/// State of one replication thread.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum ThreadState {
    /// There is none (`-1` on the wire).
    Absent,
    /// Stopped (`0`).
    Stopped,
    /// Running (`1`).
    Running,
    /// Something else, such as `Connecting` (`2`).
    Other,
}

/// One replica's view of its source: the default channel of replication.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Replication {
    /// What it is configured to follow; may be detached or `_`.
    pub source: InstanceKey,
    /// The source's uuid, where known.
    pub source_uuid: Option<String>,
    /// Account it logs in with; `None` when there is none.
    pub user: Option<String>,
    /// Credentials can be read back from the server.
    pub credentials_available: bool,
    /// Receiver.
    pub io_thread: ThreadState,
    /// Applier.
    pub sql_thread: ThreadState,
    /// Read up to here in the source's log.
    pub read: Option<BinlogCoordinates>,
    /// Applied up to here in the source's log.
    pub executed: Option<BinlogCoordinates>,
    /// Applied up to here in its own relay log.
    pub relay: Option<BinlogCoordinates>,
    /// The receiver's last error number; 0 is none.
    pub io_errno: u32,
    /// The receiver's last error text.
    pub io_error: String,
    /// The applier's last error number; 0 is none.
    pub sql_errno: u32,
    /// The applier's last error text.
    pub sql_error: String,
    /// `Seconds_Behind_Source`.
    pub seconds_behind: Option<u64>,
    /// Result of `ReplicationLagQuery`, or `seconds_behind` without one.
    pub lag_s: Option<u64>,
    /// Configured delay in seconds.
    pub delay_s: u64,
    /// Any replication filter is set.
    pub has_filters: bool,
    /// How it finds its place in the source's log.
    pub positioning: Positioning,
    /// Signs of life that came from the source.
    pub heartbeat: Heartbeat,
    /// What has to be repeated in each CHANGE statement.
    pub tls: ReplicationTls,
}

/// How a replica finds its place in the source's log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Positioning {
    /// File and position.
    File,
    /// MySQL's auto position.
    OracleGtid,
    /// MariaDB, `Using_Gtid: Slave_Pos`.
    MariaDbSlavePos,
    /// MariaDB, `Using_Gtid: Current_Pos`.
    MariaDbCurrentPos,
}

/// What a replica heard of its source, to tell a silent source from an idle one.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Heartbeat {
    /// The longest the source keeps silent when it lives; `None` when not configured or unknown.
    pub period: Option<Duration>,
    /// Heartbeats received so far.
    pub received: Option<u64>,
    /// Time since the last event or heartbeat by the replica's own clock, where the server tells (MySQL 8 and later).
    pub silent_for: Option<Duration>,
}

/// TLS settings of a replica's connection to its source.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReplicationTls {
    /// TLS is on.
    pub enabled: bool,
    /// CA file.
    pub ca_file: String,
    /// CA directory.
    pub ca_path: String,
    /// Certificate.
    pub cert: String,
    /// Private key.
    pub key: String,
    /// Cipher list.
    pub cipher: String,
    /// Revocation list.
    pub crl_file: String,
    /// Directory of revocation lists.
    pub crl_path: String,
    /// The source's certificate is verified.
    pub verify_server_cert: Option<bool>,
    /// Protocol versions.
    pub tls_version: String,
    /// TLS 1.3 cipher suites.
    pub ciphersuites: String,
    /// File with the source's RSA public key.
    pub public_key_path: String,
    /// Ask the source for its RSA public key.
    pub get_public_key: Option<bool>,
}

/// GTID state of a server.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct GtidState {
    /// `@@gtid_mode`; `None` where there is no such variable.
    pub mode: Option<String>,
    /// `@@gtid_executed`.
    pub executed: GtidSet,
    /// `@@gtid_purged`.
    pub purged: GtidSet,
    /// `Retrieved_Gtid_Set`.
    pub retrieved: GtidSet,
    /// MariaDB: what it has applied as a replica, `@@gtid_slave_pos`.
    pub slave_pos: Option<MariaDbPosition>,
    /// MariaDB: last in its own binary log, `@@gtid_binlog_pos`.
    pub binlog_pos: Option<MariaDbPosition>,
    /// MariaDB: received from the source, `Gtid_IO_Pos`.
    pub io_pos: Option<MariaDbPosition>,
    /// MariaDB: `@@gtid_domain_id`.
    pub domain_id: Option<u32>,
}

/// Semi-synchronous replication of a server.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SemiSync {
    /// Result of `DetectSemiSyncEnforcedQuery`; 0 is always asynchronous.
    pub priority: u32,
    /// Source side, `None` when it is not loaded.
    pub source: Option<SemiSyncSource>,
    /// Replica side, `None` when it is not loaded.
    pub replica: Option<SemiSyncReplica>,
}

/// Source side of semi-synchronous replication.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct SemiSyncSource {
    /// Switched on.
    pub enabled: bool,
    /// In effect: commits wait.
    pub active: bool,
    /// How long a commit waits before the server falls back.
    pub timeout: Duration,
    /// Acknowledgements a commit waits for.
    pub wait_for_replicas: u32,
    /// Replicas that acknowledge now.
    pub clients: u32,
    /// Variables are named `…_source_…` and not `…_master_…`.
    pub new_names: bool,
}

/// Replica side of semi-synchronous replication.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct SemiSyncReplica {
    /// Switched on.
    pub enabled: bool,
    /// In effect.
    pub active: bool,
    /// Variables are named `…_replica_…` and not `…_slave_…`.
    pub new_names: bool,
}

/// Membership in a replication group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupMember {
    /// `@@group_replication_group_name`.
    pub name: String,
    /// `@@group_replication_single_primary_mode`.
    pub single_primary: bool,
    /// ONLINE, RECOVERING, OFFLINE, ERROR …
    pub state: String,
    /// PRIMARY or SECONDARY.
    pub role: String,
    /// All members.
    pub members: Vec<InstanceKey>,
    /// The primary, where one is known.
    pub primary: Option<InstanceKey>,
}

/// How welcome a server is as a primary, best first.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum PromotionRule {
    /// Only this one. Cannot be registered; kept for its place in the order.
    Must,
    /// Rather this one.
    Prefer,
    /// No opinion.
    #[default]
    Neutral,
    /// Rather another one.
    PreferNot,
    /// Never.
    MustNot,
}

impl PromotionRule {
    /// The name users write.
    pub fn name(self) -> &'static str {
        match self {
            Self::Must => "must",
            Self::Prefer => "prefer",
            Self::Neutral => "neutral",
            Self::PreferNot => "prefer_not",
            Self::MustNot => "must_not",
        }
    }

    /// Reads the name users write.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Must, Self::Prefer, Self::Neutral, Self::PreferNot, Self::MustNot]
            .into_iter()
            .find(|rule| rule.name() == text.trim())
    }
}

impl Instance {
    /// Source it follows, when that names a server that can exist.
    pub fn source(&self) -> Option<&InstanceKey> {
        self.replication
            .as_ref()
            .map(|replication| &replication.source)
            .filter(|source| source.is_valid())
    }

    /// Follows a source: a source is named and either a log file has been read or GTID is in use.
    pub fn is_replica(&self) -> bool {
        self.replication.as_ref().is_some_and(|replication| {
            let named = !replication.source.host.is_empty() && replication.source.host != "_";
            named
                && replication.source.port > 0
                && (replication.read.is_some() || replication.positioning != Positioning::File)
        })
    }

    /// Both threads run.
    pub fn is_replicating(&self) -> bool {
        self.is_replica() && self.io_running() && self.sql_running()
    }

    /// The receiver runs and is connected.
    pub fn io_running(&self) -> bool {
        self.replication
            .as_ref()
            .is_some_and(|replication| replication.io_thread == ThreadState::Running)
    }

    /// The applier runs.
    pub fn sql_running(&self) -> bool {
        self.replication
            .as_ref()
            .is_some_and(|replication| replication.sql_thread == ThreadState::Running)
    }

    /// Follows its source by MySQL's auto position.
    pub fn uses_oracle_gtid(&self) -> bool {
        self.replication
            .as_ref()
            .is_some_and(|replication| replication.positioning == Positioning::OracleGtid)
    }

    /// Follows its source by MariaDB GTID.
    pub fn uses_mariadb_gtid(&self) -> bool {
        self.replication.as_ref().is_some_and(|replication| {
            matches!(
                replication.positioning,
                Positioning::MariaDbSlavePos | Positioning::MariaDbCurrentPos
            )
        })
    }

    /// GTIDs are switched on, wholly or in part.
    pub fn supports_oracle_gtid(&self) -> bool {
        self.gtid.mode.as_deref().is_some_and(|mode| !mode.is_empty() && mode != "OFF")
    }

    /// All transactions it has or has received: executed and retrieved.
    pub fn all_gtids(&self) -> GtidSet {
        self.gtid.executed.union(&self.gtid.retrieved)
    }

    /// Serves binary logs without holding data.
    pub fn is_binlog_server(&self) -> bool {
        self.flavor == Flavor::MaxScale
    }

    /// The first two numbers of its version.
    pub fn major_version(&self) -> MajorVersion {
        self.version.major()
    }

    /// Belongs to a group and is not its primary.
    pub fn is_group_secondary(&self) -> bool {
        self.group.as_ref().is_some_and(|group| group.role != "PRIMARY")
    }
}
