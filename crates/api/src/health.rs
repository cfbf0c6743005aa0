//! How this node is, as JSON.

use serde::{Deserialize, Serialize};

/// Result of the self test.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct HealthStatus {
    /// The backend can be written to.
    pub healthy: bool,
    /// This node.
    pub hostname: String,
    /// This process.
    pub token: String,
    /// This node leads.
    pub is_active_node: bool,
    /// The node that leads.
    pub active_node: NodeHealth,
    /// What failed: null, or an object.
    pub error: Option<serde_json::Map<String, serde_json::Value>>,
    /// Nodes that were seen a moment ago.
    pub available_nodes: Vec<NodeHealth>,
    /// Raft address of the leader.
    pub raft_leader: String,
    /// This node leads, by raft.
    pub is_raft_leader: bool,
    /// Where the leader answers HTTP.
    #[serde(rename = "RaftLeaderURI")]
    pub raft_leader_uri: String,
    /// Raft address of this node.
    pub raft_advertise: String,
    /// Members that reported to the leader; null before they do.
    pub raft_healthy_members: Option<Vec<String>>,
}

/// One node.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct NodeHealth {
    /// Host.
    pub hostname: String,
    /// Process.
    pub token: String,
    /// Version of the program.
    pub app_version: String,
    /// Leading since.
    pub first_seen_active: String,
    /// Leading until.
    pub last_seen_active: String,
    /// Anything else.
    pub extra_info: String,
    /// What it was started as.
    pub command: String,
    /// Where it keeps its state.
    #[serde(rename = "DBBackend")]
    pub db_backend: String,
    /// When it last reported, as RFC 3339.
    pub last_reported: String,
}
