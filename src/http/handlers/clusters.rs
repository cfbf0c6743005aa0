//! Clusters: their names, what they are made of, who leads them.

use ham4db_api::cluster::ClusterInfo;
use ham4db_domain::osc::osc_replicas;

use crate::http::answer::{Answer, ApiError};
use crate::http::call::{Call, Cluster};

type Result = std::result::Result<Answer, ApiError>;

/// Names of all clusters.
pub fn names(call: &Call) -> Result {
    Answer::json(&call.clusters().map(|cluster| cluster.name).collect::<Vec<_>>())
}

/// Summaries of all clusters.
pub fn infos(call: &Call) -> Result {
    let infos: Vec<ClusterInfo> = call.clusters().map(|cluster| call.info(&cluster)).collect();
    Answer::json(&infos)
}

/// Summary of one cluster.
pub fn info(call: &Call) -> Result {
    Answer::json(&call.info(&call.cluster()?))
}

/// Summary of the cluster of an alias.
pub fn info_by_alias(call: &Call) -> Result {
    Answer::json(&call.info(&by_alias(call)?))
}

/// Servers of one cluster.
pub fn members(call: &Call) -> Result {
    Answer::json(&call.show(call.cluster()?.topology.members()))
}

/// Servers of the cluster of an alias.
pub fn members_by_alias(call: &Call) -> Result {
    Answer::json(&call.show(by_alias(call)?.topology.members()))
}

/// The primary of one cluster.
pub fn primary(call: &Call) -> Result {
    let cluster = call.cluster()?;
    match cluster.topology.primary(cluster.name) {
        Some(primary) => Answer::json(&call.show([primary]).pop()),
        None => Err(ApiError::BadParameter(format!("No masters found for {}", cluster.name))),
    }
}

/// The writable primary of each cluster that has one.
pub fn primaries(call: &Call) -> Result {
    let primaries =
        call.clusters().filter_map(|cluster| cluster.topology.writable_primary(cluster.name));
    Answer::json(&call.show(primaries))
}

/// A few replicas that represent the lag of a cluster.
pub fn control_replicas(call: &Call) -> Result {
    let cluster = call.cluster()?;
    Answer::json(&call.show(osc_replicas(
        cluster.topology,
        cluster.name,
        &call.at.front.osc_ignore,
    )))
}

fn by_alias(call: &Call) -> std::result::Result<Cluster<'_>, ApiError> {
    let alias = call.params.get("clusterAlias");
    call.cluster_of_alias(alias).ok_or_else(|| ApiError::UnknownCluster(alias.to_owned()))
}
