//! One cluster as JSON.

use serde::{Deserialize, Serialize};

/// Summary of a cluster.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct ClusterInfo {
    /// Key of its primary, as text.
    pub cluster_name: String,
    /// What people call it; its name when it has no alias.
    pub cluster_alias: String,
    /// Its domain name, empty without one.
    pub cluster_domain: String,
    /// Servers in it.
    pub count_instances: usize,
    /// Representative lag in seconds.
    pub heuristic_lag: u64,
    /// A dead primary is replaced without being asked.
    pub has_automated_master_recovery: bool,
    /// A dead intermediate primary is replaced without being asked.
    pub has_automated_intermediate_master_recovery: bool,
}
