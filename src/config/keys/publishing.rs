//! Who else is told: key-value stores and monitoring.

use crate::config::kinds::{Bool, Choice, Named, Password, SpanOrOff, Text, Texts, Whole};
use crate::config::table::Status::{Ignored, NotYet};
use crate::config::table::group;

/// How keys are written to Consul.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConsulProvider {
    /// One by one.
    Single,
    /// In transactions.
    Transaction,
}

impl Named for ConsulProvider {
    const NAMES: &[(&str, Self)] = &[
        ("consul", Self::Single),
        ("", Self::Single),
        ("consul-txn", Self::Transaction),
        ("consul_txn", Self::Transaction),
    ];
}

/// How Consul is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scheme {
    /// Plain.
    Http,
    /// With TLS.
    Https,
}

impl Named for Scheme {
    const NAMES: &[(&str, Self)] = &[("http", Self::Http), ("https", Self::Https)];
}

group! {
    /// Who else is told: key-value stores and monitoring.
    publishing: Publishing;

    /// Consul, as `host:port`.
    "ConsulAddress" => consul: Text = ""; NotYet, AtStart;
    /// How Consul is reached.
    "ConsulScheme" => consul_scheme: Choice<Scheme> = Scheme::Http; NotYet, AtStart;
    /// Token shown to Consul.
    "ConsulAclToken" => consul_token: Password = ""; NotYet, AtStart;
    /// Writes to the Consul of every data centre.
    "ConsulCrossDataCenterDistribution" => consul_all_data_centers: Bool = false; NotYet, AtStart;
    /// How keys are written to Consul.
    "ConsulKVStoreProvider" => consul_provider: Choice<ConsulProvider> = ConsulProvider::Single; NotYet, AtStart;
    /// Keys in one transaction, from 5 to 64.
    "ConsulMaxKVsPerTransaction" => consul_max_keys: Whole<i64, 0, 1_000_000> = 5; NotYet, AtStart;
    /// `ZooKeeper` servers, with commas between them.
    "ZkAddress" => zookeeper: Text = ""; NotYet, AtStart;
    /// Path in front of the keys of primaries.
    "KVClusterMasterPrefix" => prefix: Text = "mysql/master"; NotYet, AtStart;
    /// Graphite server that gets measurements.
    "GraphiteAddr" => graphite: Text = ""; NotYet, AtStart;
    /// Path in front of measurements; `{hostname}` is this host.
    "GraphitePath" => graphite_path: Text = ""; NotYet, AtStart;
    /// Writes underscores for the dots of the host name there.
    "GraphiteConvertHostnameDotsToUnderscores" => graphite_underscores: Bool = true; NotYet, AtStart;
    /// How often measurements are sent; 0 is never.
    "GraphitePollSeconds" => graphite_every: SpanOrOff<1_000, 86_400> = 60; NotYet, AtStart;
    /// Monitoring systems that get measurements.
    "MonitorType" => monitors: Texts = &["graphite"];
        Ignored("each monitoring system is switched on by its own address"), AtStart;
}
