//! What a server and its cluster are called, and where they stand.

use crate::config::kinds::{Bool, Minutes, Pattern, PatternMap, Text};
use crate::config::table::Status::{Acted, NotYet};
use crate::config::table::group;

group! {
    /// What a server and its cluster are called, and where they stand.
    classification: Classification;

    /// Aliases of clusters by an expression on their name.
    "ClusterNameToAlias" => cluster_aliases: PatternMap = (); Acted, OnReload;
    /// Query, on a primary, giving the alias of its cluster.
    "DetectClusterAliasQuery" => cluster_alias_query: Text = ""; Acted, OnReload;
    /// Query, on a primary, giving the domain of its cluster.
    "DetectClusterDomainQuery" => cluster_domain_query: Text = ""; Acted, OnReload;
    /// Query giving the alias of a server.
    "DetectInstanceAliasQuery" => instance_alias_query: Text = ""; Acted, OnReload;
    /// Query giving the promotion rule of a server.
    "DetectPromotionRuleQuery" => promotion_rule_query: Text = ""; Acted, OnReload;
    /// Expression whose group is the data centre in a host name.
    "DataCenterPattern" => data_center_pattern: Pattern = (); Acted, OnReload;
    /// Expression whose group is the region in a host name.
    "RegionPattern" => region_pattern: Pattern = (); Acted, OnReload;
    /// Expression whose group is the environment in a host name.
    "PhysicalEnvironmentPattern" | "EnvironmentPattern" => environment_pattern: Pattern = (); Acted, OnReload;
    /// Query giving the data centre of a server; wins over the pattern.
    "DetectDataCenterQuery" => data_center_query: Text = ""; Acted, OnReload;
    /// Query giving the region of a server; wins over the pattern.
    "DetectRegionQuery" => region_query: Text = ""; Acted, OnReload;
    /// Query giving the environment of a server; wins over the pattern.
    "DetectPhysicalEnvironmentQuery" | "DetectEnvironmentQuery" => environment_query: Text = ""; Acted, OnReload;
    /// Query giving the semi-synchronous priority of a server.
    "DetectSemiSyncEnforcedQuery" => semi_sync_query: Text = ""; Acted, OnReload;
    /// Accepts shortened host names in pools.
    "SupportFuzzyPoolHostnames" => fuzzy_pools: Bool = true; NotYet, OnReload;
    /// How long the members of a pool are remembered.
    "InstancePoolExpiryMinutes" => pool_expiry: Minutes<1, 5_256_000> = 60; NotYet, OnReload;
}
