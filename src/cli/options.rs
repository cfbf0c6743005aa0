//! Commands and options.

use std::path::PathBuf;

use clap::{ArgAction, Parser, Subcommand};

/// Keeps fleets of MySQL and MariaDB servers available.
#[derive(Debug, Parser)]
#[command(
    name = "ham4db",
    version,
    after_help = "The ancestors' style is understood as well: ham4db -c topology -i db1:3306"
)]
pub struct Cli {
    /// Options, which may stand anywhere.
    #[command(flatten)]
    pub options: Options,
    /// What to do.
    #[command(subcommand)]
    pub command: Option<Command>,
}

/// What to do.
#[derive(Debug, Clone, Subcommand)]
pub enum Command {
    /// Run the service
    #[command(alias = "http")]
    Serve,
    /// Check or show the configuration
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Run the command of each recorded case, without any server
    AnalyzeCase {
        /// Case files
        #[arg(required = true)]
        files: Vec<PathBuf>,
    },
    /// Ask a running node.
    #[command(flatten)]
    Client(ClientCommand),
}

/// What to do with the configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Subcommand)]
pub enum ConfigCommand {
    /// Report all problems of the configuration
    Check,
    /// Print the configuration in force, secrets hidden
    Show,
}

/// What a running node is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Subcommand)]
pub enum ClientCommand {
    /// Say why something was done, or was not, about a server (-i) or a cluster (--alias)
    Why,
    /// Say what a recovery would do if this server (-i) died now; touches nothing
    Plan,
    /// Watch a server (-i), and those it replicates with
    Discover,
    /// Watch a server (-i); does not wait until it has been read
    AsyncDiscover,
    /// Read a server (-i) now
    Refresh,
    /// Forget a server (-i)
    Forget,
    /// Forget all servers of a cluster (-i or --alias)
    ForgetCluster,
    /// Print the tree of a cluster (-i or --alias)
    Topology,
    /// Print the tree of a cluster in columns
    TopologyTabulated,
    /// Print the tree of a cluster with tags
    TopologyTags,
    /// List clusters
    Clusters,
    /// List clusters with their aliases
    ClustersAlias,
    /// List the writable primary of each cluster
    AllClustersMasters,
    /// List all servers
    AllInstances,
    /// List servers in which a text (--pattern or -i) occurs
    Search,
    /// List servers whose host:port a regular expression (--pattern) matches
    Find,
    /// Print the name of a server (-i), completed
    #[command(alias = "instance")]
    WhichInstance,
    /// Print the cluster of a server
    WhichCluster,
    /// Print the alias of a cluster
    WhichClusterAlias,
    /// Print the domain name of a cluster
    WhichClusterDomain,
    /// List the servers of a cluster
    WhichClusterInstances,
    /// Print the primary of a cluster
    WhichClusterMaster,
    /// List a few replicas that represent the lag of a cluster
    #[command(alias = "which-cluster-osc-slaves")]
    WhichClusterOscReplicas,
    /// Print the source of a server
    WhichMaster,
    /// List the replicas of a server
    #[command(alias = "which-slaves")]
    WhichReplicas,
    /// List servers in downtime
    #[command(alias = "downtimed")]
    WhichDowntimedInstances,
    /// List servers that recoveries have lost
    WhichLostInRecovery,
    /// Print the transactions that only this server has
    WhichGtidErrant,
    /// Print the server if it replicates
    IsReplicating,
    /// Print the server if its replication is stopped
    IsReplicationStopped,
    /// Print the state of a server as in the tree
    InstanceStatus,
    /// Print the representative lag of a cluster
    GetClusterHeuristicLag,
    /// Resolve a server's name and connect to it
    Resolve,
    /// List what is wrong
    ReplicationAnalysis,
    /// Recover from the failure of a server (-i), to a candidate (-d) if one is given
    Recover,
    /// Recover without running hooks
    RecoverLite,
    /// List recoveries
    #[command(alias = "recoveries")]
    AuditRecovery,
    /// Acknowledge all recoveries (--reason)
    AckAllRecoveries,
    /// Acknowledge one recovery (--id, --reason)
    AckRecovery,
    /// Acknowledge the recoveries of a cluster
    AckClusterRecoveries,
    /// Acknowledge the recoveries of a failed server
    AckInstanceRecoveries,
    /// Switch automatic recoveries off
    DisableGlobalRecoveries,
    /// Switch automatic recoveries on
    EnableGlobalRecoveries,
    /// Say whether automatic recoveries are on
    CheckGlobalRecoveries,
    /// Take a server out of consideration for a while (--reason, --owner, --duration)
    BeginDowntime,
    /// Take a server back into consideration
    EndDowntime,
    /// Lock a server (--reason, --owner)
    BeginMaintenance,
    /// Unlock a server
    EndMaintenance,
    /// Print the server if it is locked
    InMaintenance,
    /// Say how welcome a server is as a primary (--promotion-rule)
    RegisterCandidate,
    /// List registered promotion rules
    BulkPromotionRules,
    /// List all servers, for programs
    BulkInstances,
    /// List the tags of a server
    Tags,
    /// Print the value of a tag (--tag)
    TagValue,
    /// Set a tag (--tag name=value)
    Tag,
    /// Remove a tag from a server
    Untag,
    /// Remove a tag from every server that has it (--tag name=value)
    UntagAll,
    /// List servers by tags (--tag name,name=value,~name)
    Tagged,
    /// Say how the node is
    #[command(alias = "status")]
    Health,
    /// Have the node read its configuration again
    ReloadConfiguration,
    /// Print the node's answer to a path (--path)
    Api,
}

/// Options of all commands. Those that only mattered to the ancestors are taken and have no effect.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct Options {
    /// Configuration file
    #[arg(long, global = true, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// URL of a running node, or several behind blanks
    #[arg(short = 'U', long, global = true, env = "HAM4DB_API", value_name = "URL")]
    pub api: Option<String>,
    /// Server, host:port or host; several behind commas or blanks run the command for each
    #[arg(short, long, global = true, env = "HAM4DB_INSTANCE", value_name = "HOST:PORT")]
    pub instance: Option<String>,
    /// Destination or candidate, host:port or host
    #[arg(short, long, global = true, visible_short_alias = 's', value_name = "HOST:PORT")]
    pub destination: Option<String>,
    /// Cluster alias
    #[arg(short, long, global = true)]
    pub alias: Option<String>,
    /// Who does it; the login name without one
    #[arg(short, long, global = true)]
    pub owner: Option<String>,
    /// Why it is done
    #[arg(short, long, global = true, allow_hyphen_values = true)]
    pub reason: Option<String>,
    /// For how long: 30s, 10m, 6h, 2d, 1w
    #[arg(short = 'u', long, global = true)]
    pub duration: Option<String>,
    /// Text or regular expression
    #[arg(long, global = true, allow_hyphen_values = true)]
    pub pattern: Option<String>,
    /// How welcome it is: prefer, neutral, `prefer_not`, `must_not`
    #[arg(short = 'R', long, global = true, default_value = "prefer", value_name = "RULE")]
    pub promotion_rule: String,
    /// Tag: name, name=value, ~name
    #[arg(short, long, global = true)]
    pub tag: Option<String>,
    /// Recovery, by number or uid
    #[arg(long, global = true, value_name = "ID")]
    pub id: Option<String>,
    /// Path for `api`
    #[arg(short = 'P', long, global = true)]
    pub path: Option<String>,
    /// Port of servers given without one
    #[arg(short = 'D', long, global = true, default_value_t = 3306, value_name = "PORT")]
    pub default_port: u16,
    /// user:password for the node
    #[arg(short = 'b', long, global = true, value_name = "USER:PASSWORD")]
    pub auth: Option<String>,
    /// Header that names the user to the node, Name:value
    #[arg(
        short = 'e',
        long,
        global = true,
        env = "HAM4DB_AUTH_USER_HEADER",
        value_name = "NAME:VALUE"
    )]
    pub headers_auth: Option<String>,
    /// Print JSON
    #[arg(long, global = true)]
    pub json: bool,
    /// Log little
    #[arg(long, global = true, num_args = 0..=1, require_equals = true, default_missing_value = "true", default_value_t = false, action = ArgAction::Set, hide_default_value = true, hide_possible_values = true)]
    pub quiet: bool,
    /// Log more
    #[arg(long, global = true, num_args = 0..=1, require_equals = true, default_missing_value = "true", default_value_t = false, action = ArgAction::Set, hide_default_value = true, hide_possible_values = true)]
    pub verbose: bool,
    /// Log everything
    #[arg(long, global = true, num_args = 0..=1, require_equals = true, default_missing_value = "true", default_value_t = false, action = ArgAction::Set, hide_default_value = true, hide_possible_values = true)]
    pub debug: bool,
    #[command(flatten)]
    pub(crate) ignored: Ignored,
}

/// Options that are taken for the ancestors' sake.
#[derive(Debug, Clone, Default, clap::Args)]
pub(crate) struct Ignored {
    #[arg(long, global = true, hide = true, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    discovery: Option<String>,
    #[arg(long, global = true, hide = true, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    stack: Option<String>,
    #[arg(long, global = true, hide = true, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    strict: Option<String>,
    #[arg(long, global = true, hide = true, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    grab_election: Option<String>,
    #[arg(long, global = true, hide = true, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    ignore_raft_setup: Option<String>,
    #[arg(long, global = true, hide = true, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    skip_unresolve: Option<String>,
    #[arg(long, global = true, hide = true, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    skip_unresolve_check: Option<String>,
    #[arg(long, global = true, hide = true, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    skip_continuous_registration: Option<String>,
    #[arg(long, global = true, hide = true, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    enable_database_update: Option<String>,
}
