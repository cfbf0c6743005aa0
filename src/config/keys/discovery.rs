//! Which servers are watched, and how often.

use crate::config::kinds::{
    Bool, Factor, Hosts, Hours, Millis, Patterns, Seconds, SpanOrOff, Text, Texts, Whole,
};
use crate::config::table::Status::{Acted, Ignored, NotYet};
use crate::config::table::group;

group! {
    /// Which servers are watched, and how often.
    discovery: Discovery;

    /// Servers to begin with, as `host:port`; their sources and replicas follow.
    "DiscoverySeeds" => seeds: Texts = &[]; Acted, OnReload;
    /// Follows sources and replicas of each server to the next. ham4db's ancestor did so only when asked.
    "AutoDiscover" => crawl: Bool = true;
        Ignored("sources and replicas are always followed; use the DiscoveryIgnore… filters to leave some out"), OnReload;
    /// How often all facts of a server are read.
    "InstancePollSeconds" => poll: Seconds<1, 3_600> = 5; Acted, OnReload;
    /// How often a server is asked, between the polls, only whether it still answers.
    "LivenessPollMilliseconds" => liveness_poll: Millis<100, 60_000> = 1_000; Acted, OnReload;
    /// Factor by which the polls of a dead server get rarer, each time.
    "DeadInstancePollSecondsMultiplyFactor" => dead_poll_factor: Factor = 1.0; Acted, OnReload;
    /// Longest time between two polls of a dead server. The default is never below `InstancePollSeconds`.
    "DeadInstancePollSecondsMax" => dead_poll_max: Seconds<1, 86_400> = 300; Acted, OnReload;
    /// Probes of dead servers at once, besides those of others; 0 is as many as of others.
    "DeadInstanceDiscoveryMaxConcurrency" => dead_concurrency: Whole<u32, 0, 100_000> = 0;
        Acted, AtStart;
    /// Probes at once.
    "DiscoveryMaxConcurrency" => concurrency: Whole<u32, 1, 100_000> = 300; Acted, AtStart;
    /// Servers waiting for a probe, at most.
    "DiscoveryQueueCapacity" => queue_capacity: Whole<u32, 1, 100_000_000> = 100_000;
        Ignored("there is no queue: each server is polled by an actor of its own"), AtStart;
    /// Samples kept of that queue.
    "DiscoveryQueueMaxStatisticsSize" => queue_statistics: Whole<u32, 0, 1_000_000> = 120;
        Ignored("there is no queue: each server is polled by an actor of its own"), AtStart;
    /// How long measurements of probes are kept.
    "DiscoveryCollectionRetentionSeconds" => metrics_retention: Seconds<1, 86_400> = 120; NotYet, OnReload;
    /// Servers in one write to the backend database.
    "InstanceWriteBufferSize" => write_buffer: Whole<i64, -1, 1_000_000> = 100;
        Ignored("observations are always written in batches"), AtStart;
    /// Collects observations before writing them.
    "BufferInstanceWrites" => buffer_writes: Bool = false;
        Ignored("observations are always written in batches"), AtStart;
    /// How often collected observations are written.
    "InstanceFlushIntervalMilliseconds" => flush_interval: Millis<0, 60_000> = 100;
        Ignored("observations are always written in batches"), AtStart;
    /// Finds replicas by `SHOW REPLICAS` first.
    "DiscoverByShowSlaveHosts" => by_show_replicas: Bool = false; Acted, OnReload;
    /// Query giving the replication lag in seconds, one number.
    "ReplicationLagQuery" | "SlaveLagQuery" => lag_query: Text = ""; Acted, OnReload;
    /// Does not look for MaxScale.
    "SkipMaxScaleCheck" => skip_maxscale: Bool = true; NotYet, OnReload;
    /// How long a server may be unseen before it is forgotten.
    "UnseenInstanceForgetHours" => forget_after: Hours<1, 87_600> = 240; Acted, OnReload;
    /// How often the topologies are recorded; 0 is never.
    "SnapshotTopologiesIntervalHours" => snapshot_every: SpanOrOff<3_600_000, 87_600> = 0; NotYet, OnReload;
    /// Replicas that are not followed: addresses, or expressions on `host:port`.
    "DiscoveryIgnoreReplicaHostnameFilters" => ignore_replicas: Hosts = (); Acted, OnReload;
    /// Sources that are not followed.
    "DiscoveryIgnoreMasterHostnameFilters" => ignore_sources: Hosts = (); Acted, OnReload;
    /// Servers that are never looked at.
    "DiscoveryIgnoreHostnameFilters" => ignore: Hosts = (); Acted, OnReload;
    /// Replicas that log in at their source as one of these users are left alone: regular expressions.
    "DiscoveryIgnoreReplicationUsernameFilters" => ignore_users: Patterns = (); Acted, OnReload;
}
