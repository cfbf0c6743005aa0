//! Why something was done, or was not; and what would be done.

use actix_web::http::StatusCode;
use ham4db_api::keys::InstanceKey as ShownKey;
use ham4db_api::recovery::BlockedTopologyRecovery;
use ham4db_domain::analysis::Problem;
use ham4db_domain::explain::{Aftermath, Explanation};
use ham4db_domain::key::InstanceKey;
use ham4db_domain::recovery::{Circumstances, Refusal, may_begin, plan};
use ham4db_domain::registry::{LOST_IN_RECOVERY, Recovery, Registry};
use ham4db_domain::topology::Topology;

use crate::http::answer::{Answer, ApiError};
use crate::http::call::{Call, Cluster};

type Result = std::result::Result<Answer, ApiError>;

/// The latest story about a server.
pub async fn why_instance(call: Call) -> Result {
    let key = call.instance()?;
    let recovery = latest(&call.at.registry, |recovery| concerns(recovery, &key));
    if let Some(recovery) =
        recovery.filter(|recovery| recovery.intent.failed == key && dealt_with(&call, recovery))
    {
        return tell(&call, Some(Explanation::of_recovery(recovery)), &key.to_string());
    }
    let recovery = recovery.map(Explanation::of_recovery);
    let problem = problem_of(&call, &key);
    let refusal = call.state.last_refusal(vec![key.clone()]).await?;
    tell(&call, newest(problem, recovery, refusal), &key.to_string())
}

/// The latest story about a cluster.
pub async fn why_cluster(call: Call) -> Result {
    let hint = call.params.get("clusterHint").to_owned();
    let (recovery, problem, keys) = {
        let cluster = call.cluster()?;
        let alias = call.alias(&cluster);
        let recovery = latest(&call.at.registry, |recovery| {
            recovery.cluster == cluster.name
                || recovery.alias == alias
                || cluster.topology.get(&recovery.intent.failed).is_some()
        });
        let problems = call.at.problems.get(cluster.name).map(Vec::as_slice).unwrap_or_default();
        let problem = problems.first().map(|problem| story_of_problem(&call, problem, &cluster));
        let keys = cluster.topology.members().map(|member| member.key.clone()).collect();
        (recovery.map(Explanation::of_recovery), problem, keys)
    };
    let refusal = call.state.last_refusal(keys).await?;
    tell(&call, newest(problem, recovery, refusal), &hint)
}

/// What a recovery of a server would do if it died now.
pub fn plan_instance(call: &Call) -> Result {
    let key = call.instance()?;
    let wanted = match call.params.find("candidateHost") {
        Some(_) => Some(call.instance_named("candidateHost", "candidatePort")?),
        None => None,
    };
    let cluster =
        call.cluster_of_instance(&key).ok_or_else(|| ApiError::UnknownInstance(key.clone()))?;
    let planned = plan(
        cluster.topology,
        &key,
        wanted.as_ref(),
        problems(call).find(|problem| problem.key == key),
        &call.at.registry,
        &call.at.settings.recovery,
        &circumstances(call, &cluster),
    );
    let planned = planned.ok_or(ApiError::UnknownInstance(key))?;
    match call.query("format") {
        "text" => Ok(Answer::text(StatusCode::OK, planned.page())),
        _ => Answer::json(&planned),
    }
}

/// Recoveries that do not begin because another one ended not long ago.
pub fn blocked(call: &Call) -> Result {
    let wanted = call.params.find("clusterName");
    let found = problems(call).filter(|problem| wanted.is_none_or(|name| name == problem.cluster));
    let blocked: Vec<_> = found.filter_map(|problem| blocked_by(call, problem)).collect();
    Answer::json(&blocked)
}

fn blocked_by(call: &Call, problem: &Problem) -> Option<BlockedTopologyRecovery> {
    let cluster = call.cluster_of_name(&problem.cluster)?;
    let refusal = refusal(call, problem, &cluster)?;
    let (Refusal::Blocked { id, .. } | Refusal::JustPromoted { id, .. }) = refusal else {
        return None;
    };
    Some(BlockedTopologyRecovery {
        failed_instance_key: ShownKey::from(&problem.key),
        cluster_name: problem.cluster.clone(),
        analysis: problem.code.name().to_owned(),
        last_blocked_timestamp: ham4db_api::timestamp(call.at.now),
        blocking_recovery_id: id,
    })
}

/// A recovery dealt with the failed server, which has not come back since: there is nothing newer to tell of it.
fn dealt_with(call: &Call, recovery: &Recovery) -> bool {
    let downtime = call.at.registry.downtime(&recovery.intent.failed, call.at.now);
    recovery.closed.is_some()
        && downtime.is_some_and(|downtime| downtime.reason == LOST_IN_RECOVERY)
}

/// Of all that can be told, what happened last; a problem of this moment before everything that is over.
fn newest(
    problem: Option<Explanation>,
    recovery: Option<Explanation>,
    refusal: Option<Explanation>,
) -> Option<Explanation> {
    let stored = [recovery, refusal].into_iter().flatten().max_by_key(|story| story.decided);
    match (problem, stored) {
        // The stored story of the same problem knows more, such as when it was first suspected.
        (Some(problem), Some(stored)) if tells_of(&stored, &problem) => Some(stored),
        (Some(problem), _) => Some(problem),
        (None, stored) => stored,
    }
}

fn tells_of(stored: &Explanation, problem: &Explanation) -> bool {
    let code = |story: &Explanation| story.problem.as_ref().map(|problem| problem.code);
    stored.subject == problem.subject && (stored.outcome.is_none() || code(stored) == code(problem))
}

fn tell(call: &Call, story: Option<Explanation>, about: &str) -> Result {
    let story = story.ok_or_else(|| {
        ApiError::BadParameter(format!(
            "Nothing to explain: nothing is wrong with {about} and nothing is recorded of it; \
             `ham4db plan -i host:port` shows what a recovery would do"
        ))
    })?;
    match call.query("format") {
        "text" => {
            let block = call.at.settings.recovery.block;
            let aftermath = Aftermath::of(&story, &call.at.registry, block);
            Ok(Answer::text(StatusCode::OK, story.page(&aftermath)))
        }
        _ => Answer::json(&story),
    }
}

fn latest(registry: &Registry, wanted: impl Fn(&Recovery) -> bool) -> Option<&Recovery> {
    registry.recoveries.values().filter(|at| wanted(at)).max_by_key(|recovery| recovery.opened)
}

/// It failed, took over, or was dealt with.
fn concerns(recovery: &Recovery, key: &InstanceKey) -> bool {
    let chosen = recovery.choice.as_ref();
    recovery.intent.failed == *key
        || recovery.intent.replicas.contains(key)
        || chosen.is_some_and(|choice| choice.promoted == *key)
}

fn problem_of(call: &Call, key: &InstanceKey) -> Option<Explanation> {
    let problem = problems(call).find(|problem| problem.key == *key)?;
    let cluster = call.cluster_of_name(&problem.cluster)?;
    Some(story_of_problem(call, problem, &cluster))
}

fn story_of_problem(call: &Call, problem: &Problem, cluster: &Cluster<'_>) -> Explanation {
    let topology: &Topology = cluster.topology;
    let mut story = Explanation::of_problem(problem, topology, None, call.at.now);
    story.refusal = refusal(call, problem, cluster).map(|refusal| refusal.to_string());
    story
}

fn problems(call: &Call) -> impl Iterator<Item = &Problem> {
    call.at.problems.values().flatten()
}

/// Why no recovery of this problem begins by itself.
fn refusal(call: &Call, problem: &Problem, cluster: &Cluster<'_>) -> Option<Refusal> {
    let circumstances = circumstances(call, cluster);
    let policy = &call.at.settings.recovery;
    may_begin(problem, cluster.topology, &call.at.registry, policy, &circumstances).err()
}

fn circumstances(call: &Call, cluster: &Cluster<'_>) -> Circumstances {
    Circumstances {
        now: call.at.now,
        started: call.state.node.started,
        alias: call.alias(cluster).to_owned(),
        leads: call.at.leads,
        failed_since: None,
        forced: false,
        wanted: None,
    }
}
