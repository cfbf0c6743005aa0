//! Tags of servers.

use ham4db_api::keys::{InstanceKey, keys};
use ham4db_domain as domain;
use ham4db_domain::command::Order;
use ham4db_domain::tags::{Tag, lines, parse_search, tagged, to_untag};

use crate::http::answer::{Answer, ApiError};
use crate::http::call::Call;

type Result = std::result::Result<Answer, ApiError>;

/// The tags of a server.
pub fn of_instance(call: &Call) -> Result {
    let key = call.instance()?;
    let tags = call.at.registry.tags.get(&key);
    Answer::json(&tags.map(lines).unwrap_or_default())
}

/// The value of one tag.
pub fn value(call: &Call) -> Result {
    let key = call.instance()?;
    let tag = given(call)?;
    let value = call.at.registry.tags.get(&key).and_then(|tags| tags.get(&tag.name));
    match value {
        Some(value) => Answer::json(value),
        None => Err(ApiError::BadParameter(format!("tag {} not found for {key}", tag.name))),
    }
}

/// Servers by their tags.
pub fn search(call: &Call) -> Result {
    let wanted = parse_search(call.query("tag")).map_err(bad)?;
    Answer::json(&keys(tagged(&call.at.registry.tags, &wanted)))
}

/// Sets a tag.
pub async fn set(call: Call) -> Result {
    let key = call.instance()?;
    let tag = given(&call)?.positive().map_err(bad)?;
    let value = tag.value.clone().unwrap_or_default();
    call.order(Order::Tag { key: key.clone(), name: tag.name.clone(), value }).await?;
    Answer::ok(format!("{key} tagged with {tag}"), &InstanceKey::from(&key))
}

/// Removes a tag from a server; with a value given, only if it has this one.
pub async fn remove(call: Call) -> Result {
    let key = call.instance()?;
    let tag = given(&call)?.positive().map_err(bad)?;
    untag(&call, &tag, Some(&key)).await
}

/// Removes a tag from every server that has it with this value.
pub async fn remove_everywhere(call: Call) -> Result {
    let tag = given(&call)?.positive_with_value().map_err(bad)?;
    untag(&call, &tag, None).await
}

async fn untag(call: &Call, tag: &Tag, instance: Option<&domain::key::InstanceKey>) -> Result {
    let untagged: Vec<domain::key::InstanceKey> =
        to_untag(&call.at.registry.tags, instance, tag).into_iter().cloned().collect();
    for key in &untagged {
        call.order(Order::Untag { key: key.clone(), name: tag.name.clone() }).await?;
    }
    Answer::ok(format!("{tag} removed from {} instances", untagged.len()), &keys(&untagged))
}

/// The tag of the path, or of the query.
fn given(call: &Call) -> std::result::Result<Tag, ApiError> {
    let text = match (call.params.find("tagName"), call.params.find("tagValue")) {
        (Some(name), Some(value)) => format!("{name}={value}"),
        (Some(name), None) => name.to_owned(),
        (None, _) => call.query("tag").to_owned(),
    };
    text.parse().map_err(bad)
}

#[expect(clippy::needless_pass_by_value, reason = "fits map_err")]
fn bad(error: domain::tags::TagError) -> ApiError {
    ApiError::BadParameter(error.to_string())
}
