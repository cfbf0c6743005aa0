//! Requests that change something: each becomes one request to the leader.

use std::time::Duration;

use ham4db_actors::gateway::{Answer as Given, Ask};
use ham4db_api::instance::Instance;
use ham4db_api::keys::InstanceKey;
use ham4db_api::records::Maintenance;
use ham4db_domain as domain;
use ham4db_domain::command::{Order, Reply};
use ham4db_domain::instance::PromotionRule;
use ham4db_domain::recovery::Outcome;
use ham4db_domain::registry::{Downtime, Maintenance as Lock};
use jiff::Timestamp;
use serde_json::json;

use crate::http::answer::{Answer, ApiError};
use crate::http::call::Call;

type Result = std::result::Result<Answer, ApiError>;

/// How long a downtime or lock lasts when nobody says how long.
const DEFAULT_DURATION: Duration = Duration::from_mins(10);

/// Watches a server; answered when it has been read.
pub async fn discover(call: Call) -> Result {
    let key = call.instance()?;
    call.order(Order::Discover { key: key.clone() }).await?;
    call.ask(Ask::Refresh(key.clone())).await?;
    let fleet = call.state.fleet.borrow().clone();
    let shown = fleet.member(&key).map(|member| Instance::of(member, &call.view()));
    Answer::ok(format!("Instance discovered: {key}"), &shown)
}

/// Watches a server; answered at once.
pub async fn discover_later(call: Call) -> Result {
    let key = call.instance()?;
    call.order(Order::Discover { key: key.clone() }).await?;
    Answer::done(format!("Asynchronous discovery initiated for {key}"))
}

/// Reads a server now.
pub async fn refresh(call: Call) -> Result {
    let key = call.instance()?;
    call.ask(Ask::Refresh(key.clone())).await?;
    about(format!("Instance refreshed: {key}"), &key)
}

/// Forgets a server.
pub async fn forget(call: Call) -> Result {
    let key = call.instance()?;
    call.order(Order::Forget { key: key.clone() }).await?;
    about(format!("Instance forgotten: {key}"), &key)
}

/// Forgets all servers of a cluster.
pub async fn forget_cluster(call: Call) -> Result {
    let (name, keys) = {
        let cluster = call.cluster()?;
        let keys: Vec<_> = cluster.topology.members().map(|member| member.key.clone()).collect();
        (cluster.name.to_owned(), keys)
    };
    for key in keys {
        call.order(Order::Forget { key }).await?;
    }
    Answer::done(format!("Cluster forgotten: {name}"))
}

/// Begins a downtime.
pub async fn begin_downtime(call: Call) -> Result {
    let key = call.instance()?;
    let duration = match call.params.get("duration") {
        "" => DEFAULT_DURATION,
        text => parse_duration(text)?,
    };
    let downtime = Downtime {
        owner: call.params.get("owner").to_owned(),
        reason: call.params.get("reason").to_owned(),
        begins: call.at.now,
        ends: ends(&call, duration),
    };
    call.order(Order::BeginDowntime { key: key.clone(), downtime }).await?;
    about(format!("Downtime begun: {key} for {} s", duration.as_secs()), &key)
}

/// Ends a downtime.
pub async fn end_downtime(call: Call) -> Result {
    let key = call.instance()?;
    match call.order(Order::EndDowntime { key: key.clone() }).await? {
        Reply::NotFound => {
            Err(ApiError::declined(format!("{key} is not in downtime"), &InstanceKey::from(&key)))
        }
        _ => about(format!("Downtime ended: {key}"), &key),
    }
}

/// Takes a maintenance lock, always for the default time.
pub async fn begin_maintenance(call: Call) -> Result {
    let key = call.instance()?;
    let maintenance = Lock {
        owner: call.params.get("owner").to_owned(),
        reason: call.params.get("reason").to_owned(),
        begins: call.at.now,
        ends: ends(&call, DEFAULT_DURATION),
    };
    match call.ask(Ask::Order(Order::BeginMaintenance { key: key.clone(), maintenance })).await? {
        Given::Reply(Reply::Refused { reason }) => Err(ApiError::declined(reason, &0)),
        _ => about(format!("Maintenance begun: {key}"), &key),
    }
}

/// Releases a maintenance lock, by server.
pub async fn end_maintenance(call: Call) -> Result {
    let key = call.instance()?;
    match call.order(Order::EndMaintenance { key: key.clone() }).await? {
        Reply::NotFound => Err(ApiError::declined(
            format!("{key} is not in maintenance"),
            &InstanceKey::from(&key),
        )),
        _ => about(format!("Maintenance ended: {key}"), &key),
    }
}

/// Releases a maintenance lock, by number.
pub async fn end_maintenance_by_id(call: Call) -> Result {
    let given = call.params.get("maintenanceKey");
    let found = call
        .at
        .registry
        .maintenance
        .iter()
        .find(|(_, lock)| Maintenance::id_of(lock).to_string() == given)
        .map(|(key, lock)| (key.clone(), Maintenance::id_of(lock)));
    let Some((key, id)) = found else {
        return Err(ApiError::BadParameter(format!("No maintenance has the key {given}")));
    };
    call.order(Order::EndMaintenance { key: key.clone() }).await?;
    Answer::ok(format!("Maintenance ended: {key}"), &id)
}

/// Whether a server is locked.
pub fn in_maintenance(call: &Call) -> Result {
    let key = call.instance()?;
    let locked = call.at.registry.in_maintenance(&key, call.at.now);
    let shown = if locked { key.to_string() } else { String::new() };
    Answer::ok(locked.to_string(), &shown)
}

/// All locks that are held.
pub fn maintenance(call: &Call) -> Result {
    let locks: Vec<_> = call
        .at
        .registry
        .maintenance
        .iter()
        .filter(|(_, lock)| lock.ends > call.at.now)
        .map(|(key, lock)| Maintenance::of(key, lock, call.at.now))
        .collect();
    Answer::json(&locks)
}

/// Registers a promotion rule.
pub async fn register_candidate(call: Call) -> Result {
    let key = call.instance()?;
    let given = call.params.get("promotionRule");
    let rule = PromotionRule::parse(given)
        .filter(|rule| *rule != PromotionRule::Must)
        .ok_or_else(|| {
            ApiError::BadParameter(format!(
                "Invalid promotion rule {given:?}: it must be prefer, neutral, prefer_not or must_not"
            ))
        })?;
    call.order(Order::RegisterCandidate { key: key.clone(), rule }).await?;
    about(format!("Registered candidate: {key} with promotion rule {}", rule.name()), &key)
}

/// Sets a cluster's alias by hand.
pub async fn set_cluster_alias(call: Call) -> Result {
    let cluster = call.params.get("clusterName").to_owned();
    let alias = call.query("alias").to_owned();
    let message = format!("Cluster {cluster} now has alias {alias:?}");
    call.order(Order::SetClusterAlias { cluster, alias }).await?;
    Answer::done(message)
}

/// Recovers a failed server, with hooks unless the query says otherwise.
pub async fn recover(call: Call) -> Result {
    let skip_hooks = call.query("skipProcesses") == "true";
    recover_with(call, skip_hooks).await
}

/// Recovers a failed server without hooks.
pub async fn recover_lite(call: Call) -> Result {
    recover_with(call, true).await
}

async fn recover_with(call: Call, skip_hooks: bool) -> Result {
    let failed = call.instance()?;
    let wanted = match call.params.find("candidateHost") {
        Some(_) => Some(call.instance_named("candidateHost", "candidatePort")?),
        None => None,
    };
    let declined = |message: String| Err(ApiError::declined(message, &InstanceKey::from(&failed)));
    let ask = Ask::Recover { failed: failed.clone(), wanted, skip_hooks };
    match call.ask(ask).await {
        Ok(Given::Recovered(uid, Outcome::Recovered { successor, .. })) => {
            about(format!("Recovery executed on {failed}; recovery {uid}"), &successor)
        }
        Ok(Given::Recovered(uid, Outcome::Failed { reason } | Outcome::Aborted { reason })) => {
            declined(format!(
                "Recovery of {failed} ended without a successor: {reason}; recovery {uid}"
            ))
        }
        Ok(other) => Err(ApiError::internal(format!("a recovery was answered with {other:?}"))),
        Err(ApiError::Gateway(error)) => declined(format!("Recovery of {failed}: {error}")),
        Err(error) => Err(error),
    }
}

/// Switches automatic recoveries off.
pub async fn disable_recoveries(call: Call) -> Result {
    call.order(Order::SetGlobalRecoveries { enabled: false }).await?;
    Answer::ok("Globally disabled recoveries", &"disabled")
}

/// Switches automatic recoveries on.
pub async fn enable_recoveries(call: Call) -> Result {
    call.order(Order::SetGlobalRecoveries { enabled: true }).await?;
    Answer::ok("Globally enabled recoveries", &"enabled")
}

/// Whether automatic recoveries are on.
pub fn check_recoveries(call: &Call) -> Result {
    match &call.at.registry.recoveries_disabled {
        None => Answer::ok("Global recoveries enabled", &"enabled"),
        Some(disabled) => Answer::ok(
            format!("Global recoveries disabled by {} at {}", disabled.by, disabled.at),
            &"disabled",
        ),
    }
}

/// The promotion rules that are registered; part of the state that orders build.
pub fn promotion_rules(call: &Call) -> Result {
    let expiry = call.at.settings.analysis.candidate_expiry;
    let rules: Vec<_> = call
        .at
        .registry
        .candidates
        .iter()
        .filter(|(key, _)| call.at.registry.rule(key, call.at.now, expiry).is_some())
        .map(|(key, candidate)| {
            ham4db_api::records::CandidateDatabaseInstance::of(key, candidate, expiry)
        })
        .collect();
    Answer::json(&rules)
}

fn about(message: String, key: &domain::key::InstanceKey) -> Result {
    Answer::ok(message, &json!(InstanceKey::from(key)))
}

fn ends(call: &Call, duration: Duration) -> Timestamp {
    call.at.now.checked_add(duration).unwrap_or(Timestamp::MAX)
}

/// `30s`, `10m`, `6h`, `2d` or `1w`; 0 is the default time.
fn parse_duration(text: &str) -> std::result::Result<Duration, ApiError> {
    const UNITS: [(char, u64); 5] =
        [('s', 1), ('m', 60), ('h', 3600), ('d', 86_400), ('w', 604_800)];
    let parsed = UNITS.iter().find_map(|(unit, seconds)| {
        text.strip_suffix(*unit)?.parse::<u64>().ok()?.checked_mul(*seconds)
    });
    match parsed {
        Some(0) => Ok(DEFAULT_DURATION),
        Some(seconds) => Ok(Duration::from_secs(seconds)),
        None => Err(ApiError::BadParameter(format!(
            "Invalid duration {text:?}: write a number and one of s, m, h, d, w, such as 10m"
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_a_number_and_a_unit() {
        let seconds = |text| parse_duration(text).map(|duration| duration.as_secs()).ok();
        let cases = [
            ("30s", Some(30)),
            ("10m", Some(600)),
            ("6h", Some(21_600)),
            ("2d", Some(172_800)),
            ("1w", Some(604_800)),
            ("0m", Some(600)),
            ("10", None),
            ("1h30m", None),
            ("-1s", None),
            ("m", None),
            ("99999999999999999999w", None),
        ];
        for (text, expected) in cases {
            assert_eq!(seconds(text), expected, "{text:?}");
        }
    }
}
