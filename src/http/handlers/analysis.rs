//! What is wrong now.

use ham4db_api::analysis::ReplicationAnalysis;
use ham4db_domain::analysis::Problem;

use crate::http::answer::{Answer, ApiError};
use crate::http::call::Call;

type Result = std::result::Result<Answer, ApiError>;

/// Everything that is wrong.
pub fn all(call: &Call) -> Result {
    answer(call, |_| true)
}

/// What is wrong in one cluster, by its name or alias; nothing in one that is not known.
pub fn of_cluster(call: &Call) -> Result {
    let given = call.params.get("clusterName");
    let cluster = call.cluster_of_name(given).or_else(|| call.cluster_of_alias(given));
    let name = cluster.map(|cluster| cluster.name.to_owned());
    answer(call, |problem| name.as_ref() == Some(&problem.cluster))
}

/// What is wrong with one server.
pub fn of_instance(call: &Call) -> Result {
    let key = call.instance()?;
    answer(call, |problem| problem.key == key)
}

fn answer(call: &Call, wanted: impl Fn(&Problem) -> bool) -> Result {
    let view = call.view();
    let shown: Vec<_> = call
        .at
        .problems
        .values()
        .flatten()
        .filter(|problem| problem.is_notable() && wanted(problem))
        .filter_map(|problem| {
            let cluster = call.cluster_of_name(&problem.cluster)?;
            Some(ReplicationAnalysis::of(problem, cluster.topology, call.info(&cluster), &view))
        })
        .collect();
    Answer::ok(format!("Analysis of {} instances", shown.len()), &shown)
}
