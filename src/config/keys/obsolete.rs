//! Names that files of the ancestors may carry and that never do anything.

use crate::config::table::Setting;
use crate::config::table::Status::{Ignored, Retired};

const fn retired(name: &'static str) -> Setting {
    Setting::without_field(name, Retired, "no longer needed")
}

const fn ignored(name: &'static str, why: &'static str) -> Setting {
    Setting::without_field(name, Ignored(why), why)
}

/// The rows of these names.
pub(crate) const SETTINGS: &[Setting] = &[
    ignored("OAuthClientId", "there is no OAuth login; the ancestors never had one either"),
    ignored("OAuthClientSecret", "there is no OAuth login; the ancestors never had one either"),
    ignored("OAuthScopes", "there is no OAuth login; the ancestors never had one either"),
    ignored("SeedAcceptableBytesDiff", "the ancestors never acted on it either"),
    ignored(
        "MasterFailoverLostInstancesDowntimeMinutes",
        "lost replicas are downtimed for a year, as by the ancestors",
    ),
    ignored("EnableAdaptor", "MySQL and MariaDB are always watched"),
    retired("DatabaselessMode__experimental"),
    retired("BufferBinlogEvents"),
    retired("BinlogFileHistoryDays"),
    retired("MaintenanceOwner"),
    retired("ReadLongRunningQueries"),
    retired("DiscoveryPollSeconds"),
    retired("ActiveNodeExpireSeconds"),
    retired("AuditPageSize"),
    retired("SlaveStartPostWaitMilliseconds"),
    retired("MySQLTopologyMaxPoolConnections"),
    retired("MaintenancePurgeDays"),
    retired("MaintenanceExpireMinutes"),
    retired("HttpTimeoutSeconds"),
    retired("AgentAutoDiscover"),
    retired("PseudoGTIDCoordinatesHistoryHeuristicMinutes"),
    retired("PseudoGTIDPreferIndependentMultiMatch"),
    retired("MaxOutdatedKeysToShow"),
    retired("StatusSimpleHealth"),
];
