//! Servers: one, some, all.

use std::sync::Arc;

use ham4db_domain::analysis::instance_problems;
use ham4db_domain::topology::Member;

use crate::http::answer::{Answer, ApiError};
use crate::http::call::Call;

type Result = std::result::Result<Answer, ApiError>;

/// One server.
pub fn one(call: &Call) -> Result {
    Answer::json(&call.show([call.member()?]).pop())
}

/// Direct replicas of a server, known or not.
pub fn replicas(call: &Call) -> Result {
    let key = call.instance()?;
    let replicas = call.at.fleet.clusters.values().flat_map(|topology| topology.replicas_of(&key));
    Answer::json(&call.show(replicas))
}

/// All servers.
pub fn all(call: &Call) -> Result {
    Answer::json(&call.show(call.at.fleet.members()))
}

/// Servers in which a text occurs.
pub fn search(call: &Call) -> Result {
    let text = match call.params.get("searchString") {
        "" => call.query("s"),
        text => text,
    };
    Answer::json(&call.show(call.at.fleet.members().filter(|member| mentions(member, text))))
}

/// Servers with problems, without those in downtime and those the configuration hides.
pub fn problems(call: &Call) -> Result {
    let cluster = call.params.get("clusterName");
    let view = call.view();
    let found = call.at.fleet.members().filter(|member| {
        (cluster.is_empty() || member.place.cluster == cluster)
            && view.registry.downtime(&member.key, view.now).is_none()
            && !call.at.front.problem_ignore.match_key(&member.key)
            && !instance_problems(member, view.policy, view.now).is_empty()
    });
    Answer::json(&call.show(found))
}

/// Servers in downtime.
pub fn downtimed(call: &Call) -> Result {
    let cluster = match call.params.find("clusterHint") {
        Some(_) => Some(call.cluster()?.name),
        None => None,
    };
    let downtimed = call.at.fleet.members().filter(|member| {
        cluster.is_none_or(|name| name == member.place.cluster)
            && call.at.registry.downtime(&member.key, call.at.now).is_some()
    });
    Answer::json(&call.show(downtimed))
}

/// A text occurs in one of the names of a server, or is its server id or port.
fn mentions(member: &Arc<Member>, text: &str) -> bool {
    let in_facts = member.instance.as_ref().is_some_and(|instance| {
        instance.version.text().contains(text)
            || instance.version_comment.contains(text)
            || instance.alias.as_ref().is_some_and(|alias| alias.contains(text))
            || instance.server_id.is_some_and(|id| id.to_string() == text)
    });
    let suggested = member.place.suggested_alias.as_ref();
    in_facts
        || member.key.to_string().contains(text)
        || member.place.cluster.contains(text)
        || suggested.is_some_and(|alias| alias.contains(text))
        || member.key.port.to_string() == text
}
