//! This node: how it is, who leads, what it is told to do with itself.

use std::collections::BTreeMap;
use std::time::Duration;

use actix_web::http::StatusCode;
use ham4db_api::envelope::ApiResponse;
use ham4db_api::health::{HealthStatus, NodeHealth};
use ham4db_api::keys::{InstanceKey, keys};
use serde_json::json;
use tokio::sync::oneshot;

use crate::http::answer::{Answer, ApiError};
use crate::http::call::Call;
use crate::http::state::Reload;

type Result = std::result::Result<Answer, ApiError>;

/// How long a name may take to resolve, and a connection to open.
const CONNECT_LIMIT: Duration = Duration::from_secs(2);
/// How long a configuration may take to be read.
const RELOAD_LIMIT: Duration = Duration::from_secs(10);

/// Always the same.
pub fn alive(_: &Call) -> Result {
    Answer::json(&"OK")
}

/// Whether this node leads, as a status code.
pub fn leader_check(call: &Call) -> Result {
    if call.at.leads {
        return Answer::json(&"OK");
    }
    let wanted = call.params.get("errorStatusCode").parse().ok();
    let status = wanted.filter(|code| (200..600).contains(code));
    let status = status.and_then(|code| StatusCode::from_u16(code).ok());
    Ok(Answer::json(&"Not leader")?.with_status(status.unwrap_or(StatusCode::NOT_FOUND)))
}

/// The request's own headers.
pub fn headers(call: &Call) -> Result {
    let mut shown: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (name, value) in &call.headers {
        let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
        shown.entry(canonical(name.as_str())).or_default().push(value);
    }
    Answer::json(&shown)
}

/// `x-forwarded-user` as `X-Forwarded-User`.
fn canonical(name: &str) -> String {
    let words = name.split('-').map(|word| {
        let mut letters = word.chars();
        let first = letters.next().map(|first| first.to_ascii_uppercase());
        first.into_iter().chain(letters).collect::<String>()
    });
    words.collect::<Vec<_>>().join("-")
}

/// The self test: can this node keep what it is told?
pub async fn health(call: Call) -> Result {
    let mut status = status_of(&call);
    match call.state.self_test().await {
        Ok(()) => {
            status.healthy = true;
            Answer::ok("Application node is healthy", &status)
        }
        Err(error) => {
            let message = format!("Application node is unhealthy {error}");
            status.error = json!({ "Message": error }).as_object().cloned();
            let details = serde_json::to_value(&status).map_err(ApiError::internal)?;
            Ok(Answer::json(&ApiResponse::error(message, details))?
                .with_status(StatusCode::INTERNAL_SERVER_ERROR))
        }
    }
}

fn status_of(call: &Call) -> HealthStatus {
    let node = &call.state.node;
    let this = NodeHealth {
        hostname: node.hostname.clone(),
        token: node.token.clone(),
        app_version: env!("CARGO_PKG_VERSION").to_owned(),
        first_seen_active: ham4db_api::timestamp(node.started),
        last_seen_active: ham4db_api::timestamp(call.at.now),
        command: "serve".to_owned(),
        db_backend: node.backend.clone(),
        last_reported: call.at.now.to_string(),
        ..NodeHealth::default()
    };
    HealthStatus {
        hostname: node.hostname.clone(),
        token: node.token.clone(),
        is_active_node: call.at.leads,
        active_node: if call.at.leads { this.clone() } else { NodeHealth::default() },
        available_nodes: vec![this],
        ..HealthStatus::default()
    }
}

/// Resolves a host and opens a connection to it.
pub async fn resolve(call: Call) -> Result {
    let key = call.instance()?;
    let address = (key.host.clone(), key.port);
    match tokio::time::timeout(CONNECT_LIMIT, tokio::net::TcpStream::connect(address)).await {
        Ok(Ok(_)) => Answer::ok("Instance resolved", &InstanceKey::from(&key)),
        Ok(Err(error)) => Err(ApiError::BadParameter(format!("Cannot connect to {key}: {error}"))),
        Err(_) => Err(ApiError::BadParameter(format!(
            "Cannot connect to {key} within {} s",
            CONNECT_LIMIT.as_secs()
        ))),
    }
}

/// Names are resolved anew at every dial, so there is nothing in the cache.
pub fn resolve_cache(_: &Call) -> Result {
    Answer::ok("Cache retrieved; names are resolved at every connection and not cached", &json!({}))
}

/// Reads the configuration again. With a bad file nothing changes.
pub async fn reload(call: Call) -> Result {
    let file = call.query("config").to_owned();
    let (answer, outcome) = oneshot::channel();
    let extra_file = (!file.is_empty()).then(|| file.clone());
    let busy = "another reload is under way; try again in a moment";
    call.state.reload.try_send(Reload { extra_file, answer }).map_err(|_| ApiError::Busy(busy))?;
    match tokio::time::timeout(RELOAD_LIMIT, outcome).await {
        Ok(Ok(Ok(()))) => Answer::ok("Config reloaded", &file),
        Ok(Ok(Err(problems))) => Err(ApiError::BadParameter(format!(
            "The configuration was not reloaded, the old one stays in force: {problems}"
        ))),
        Ok(Err(_)) => Err(ApiError::Busy("this node is shutting down")),
        Err(_) => {
            Err(ApiError::Busy("the configuration was not read in time; it may still take effect"))
        }
    }
}

/// The configuration in force, secrets hidden.
pub fn config(call: &Call) -> Result {
    Answer::json(&call.at.front.shown)
}

/// Keys of all servers.
pub fn bulk_instances(call: &Call) -> Result {
    Answer::json(&keys(call.at.fleet.members().map(|member| &member.key)))
}
