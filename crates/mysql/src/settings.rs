//! What the reading of a server depends on, filled from the configuration by the caller.

use std::fmt;
use std::time::Duration;

use regex::Regex;

use crate::wire::TlsMode;

/// All that is needed to reach servers, read them and change them.
#[derive(Debug, Clone)]
pub struct MySqlSettings {
    /// Whom servers know us as.
    pub account: Account,
    /// When TLS is used: `IfNeeded` is `MySQLTopologyUseMixedTLS`, `Required` is `MySQLTopologyUseMutualTLS`.
    pub tls: TlsMode,
    /// How servers are read.
    pub probe: ProbeSettings,
    /// Limits that are not given with each call.
    pub limits: Limits,
}

/// A login of ham4db on the watched servers.
#[derive(Clone, PartialEq, Eq)]
pub struct Account {
    /// `MySQLTopologyUser`.
    pub user: String,
    /// `MySQLTopologyPassword`; shown nowhere.
    pub password: String,
}

/// How servers are read.
#[derive(Debug, Clone, Default)]
pub struct ProbeSettings {
    /// `DiscoverByShowSlaveHosts`: replicas that do not report a host are left out, instead of being looked for in
    /// the process list with the port of their source.
    pub replicas_by_list_only: bool,
    /// `MySQLHostnameResolveMethod`: where the name comes from that a server gives itself.
    pub own_name: OwnName,
    /// `DataCenterPattern`: its first group is the data centre, taken from the host name.
    pub data_center_pattern: Option<Regex>,
    /// `RegionPattern`.
    pub region_pattern: Option<Regex>,
    /// `PhysicalEnvironmentPattern`.
    pub environment_pattern: Option<Regex>,
    /// Queries of the configuration, each with what its single value is taken for.
    pub queries: Vec<(CustomFact, String)>,
    /// `ReplicationCredentialsQuery`: user, password, and up to three TLS files, for a server that has none itself.
    pub credentials_query: Option<String>,
}

/// Where the name comes from that a server gives itself.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum OwnName {
    /// The server goes by the name it was found under.
    #[default]
    AsFound,
    /// `@@hostname`.
    Hostname,
    /// `@@report_host`.
    ReportHost,
}

/// What the value of a query of the configuration is taken for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CustomFact {
    /// `DetectDataCenterQuery`.
    DataCenter,
    /// `DetectRegionQuery`.
    Region,
    /// `DetectPhysicalEnvironmentQuery`.
    Environment,
    /// `DetectInstanceAliasQuery`.
    InstanceAlias,
    /// `DetectSemiSyncEnforcedQuery`.
    SemiSyncPriority,
    /// `DetectPromotionRuleQuery`.
    PromotionRule,
    /// `DetectPseudoGTIDQuery`.
    PseudoGtid,
    /// `DetectClusterAliasQuery`.
    ClusterAlias,
    /// `DetectClusterDomainQuery`.
    ClusterDomain,
    /// `ReplicationLagQuery`.
    ReplicationLag,
}

impl CustomFact {
    /// The configuration key of the query.
    pub fn key(self) -> &'static str {
        match self {
            Self::DataCenter => "DetectDataCenterQuery",
            Self::Region => "DetectRegionQuery",
            Self::Environment => "DetectPhysicalEnvironmentQuery",
            Self::InstanceAlias => "DetectInstanceAliasQuery",
            Self::SemiSyncPriority => "DetectSemiSyncEnforcedQuery",
            Self::PromotionRule => "DetectPromotionRuleQuery",
            Self::PseudoGtid => "DetectPseudoGTIDQuery",
            Self::ClusterAlias => "DetectClusterAliasQuery",
            Self::ClusterDomain => "DetectClusterDomainQuery",
            Self::ReplicationLag => "ReplicationLagQuery",
        }
    }
}

impl OwnName {
    /// Reads the value of `MySQLHostnameResolveMethod`; whatever is not known means [`OwnName::AsFound`].
    pub fn parse(text: &str) -> Self {
        match text.to_ascii_lowercase().as_str() {
            "default" | "hostname" | "@@hostname" => Self::Hostname,
            "report_host" | "@@report_host" => Self::ReportHost,
            _ => Self::AsFound,
        }
    }
}

/// Limits that are not given with each call.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// `MySQLConnectTimeoutSeconds`: longest wait for one address to take a connection.
    pub connect: Duration,
    /// How long a looked-up address is used before it is looked up anew.
    pub addresses: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self { connect: Duration::from_secs(2), addresses: Duration::from_mins(1) }
    }
}

impl fmt::Debug for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Account").field("user", &self.user).finish_non_exhaustive()
    }
}
