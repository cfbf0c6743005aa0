//! Recoveries and noticed failures: listings, and taking note of them.

use std::time::Duration;

use ham4db_api::keys::InstanceKey;
use ham4db_api::recovery::{TopologyRecovery, TopologyRecoveryStep};
use ham4db_domain::command::{Acknowledged, Order, Reply};
use ham4db_domain::recovery::Outcome;
use ham4db_domain::registry::{Acknowledgement, Detection, Recovery, RecoveryUid};
use serde::Serialize;

use crate::http::answer::{Answer, ApiError};
use crate::http::call::Call;

type Result = std::result::Result<Answer, ApiError>;

/// How long ago "recently" is.
const RECENTLY: Duration = Duration::from_mins(5);

/// All recoveries, newest first, by pages.
pub fn all(call: &Call) -> Result {
    listing(call, |_| true)
}

/// One recovery, by number.
pub fn by_id(call: &Call) -> Result {
    let id = call.params.get("id");
    single(call, |recovery| recovery.id.to_string() == id)
}

/// One recovery, by uid.
pub fn by_uid(call: &Call) -> Result {
    single(call, |recovery| recovery.uid.0 == call.params.get("uid"))
}

/// Recoveries of a cluster, by pages.
pub fn of_cluster(call: &Call) -> Result {
    listing(call, |recovery| recovery.cluster == call.params.get("clusterName"))
}

/// Recoveries of a cluster that had this alias, by pages.
pub fn of_alias(call: &Call) -> Result {
    listing(call, |recovery| recovery.alias == call.params.get("clusterAlias"))
}

/// What happened in one recovery.
pub fn steps(call: &Call) -> Result {
    let uid = RecoveryUid(call.params.get("uid").to_owned());
    let steps = call.at.registry.recoveries.get(&uid).into_iter().flat_map(|found| &found.steps);
    let steps: Vec<_> =
        (1..).zip(steps).map(|(id, step)| TopologyRecoveryStep::of(id, &uid, step)).collect();
    Answer::json(&steps)
}

/// Recoveries in progress in a cluster.
pub fn active_of_cluster(call: &Call) -> Result {
    single(call, |recovery| {
        recovery.closed.is_none() && recovery.cluster == call.params.get("clusterName")
    })
}

/// Recoveries of a cluster that ended a moment ago.
pub fn recent_of_cluster(call: &Call) -> Result {
    single(call, |recovery| {
        ended_recently(call, recovery) && recovery.cluster == call.params.get("clusterName")
    })
}

/// Recoveries that ended a moment ago with this server as the successor.
pub fn recent_of_instance(call: &Call) -> Result {
    let key = call.instance()?;
    single(call, |recovery| {
        let outcome = recovery.closed.as_ref().map(|closed| &closed.outcome);
        ended_recently(call, recovery)
            && matches!(outcome, Some(Outcome::Recovered { successor, .. }) if *successor == key)
    })
}

/// Noticed failures, newest first, by pages.
pub fn detections(call: &Call) -> Result {
    show_detections(call, |_| true)
}

/// One noticed failure, by number.
pub fn detection_by_id(call: &Call) -> Result {
    let id = call.params.get("id");
    show_detections(call, |detection| detection.id.to_string() == id)
}

/// Noticed failures of the cluster of an alias, by pages.
pub fn detections_of_alias(call: &Call) -> Result {
    let alias = call.params.get("clusterAlias");
    show_detections(call, |detection| call.alias_of_name(&detection.cluster) == alias)
}

/// Acknowledges everything.
pub async fn acknowledge_all(call: Call) -> Result {
    let comment = comment(&call)?;
    acknowledge(&call, Acknowledged::All, &comment).await
}

/// Acknowledges one recovery, by number or uid.
pub async fn acknowledge_one(call: Call) -> Result {
    let given = call.params.find("uid").unwrap_or_else(|| call.params.get("recoveryId")).to_owned();
    let which = match given.parse() {
        Ok(id) => Acknowledged::Id { id },
        Err(_) => Acknowledged::Uid { uid: RecoveryUid(given.clone()) },
    };
    acknowledge(&call, which, &given).await
}

/// Acknowledges the recoveries of a cluster, by a hint.
pub async fn acknowledge_cluster(call: Call) -> Result {
    let cluster = call.cluster()?.name.to_owned();
    acknowledge(&call, Acknowledged::Cluster { cluster: cluster.clone() }, &cluster).await
}

/// Acknowledges the recoveries of a cluster, by its alias.
pub async fn acknowledge_alias(call: Call) -> Result {
    let alias = call.params.get("clusterAlias").to_owned();
    let cluster = call.cluster_of_alias(&alias).map(|cluster| cluster.name.to_owned());
    let cluster = cluster.unwrap_or(alias);
    acknowledge(&call, Acknowledged::Cluster { cluster: cluster.clone() }, &cluster).await
}

/// Acknowledges the recoveries of a failed server.
pub async fn acknowledge_instance(call: Call) -> Result {
    let key = call.instance()?;
    acknowledge(&call, Acknowledged::Instance { key: key.clone() }, &InstanceKey::from(&key)).await
}

async fn acknowledge(call: &Call, which: Acknowledged, details: &impl Serialize) -> Result {
    let acknowledgement =
        Acknowledgement { by: call.by(), at: call.at.now, comment: comment(call)? };
    let count = match call.order(Order::Acknowledge { which, acknowledgement }).await? {
        Reply::Changed { count } => count,
        Reply::NotFound => 0,
        Reply::Done | Reply::Numbered { .. } | Reply::Refused { .. } => 1,
    };
    Answer::ok(format!("{count} recoveries acknowledged"), details)
}

fn comment(call: &Call) -> std::result::Result<String, ApiError> {
    match call.query("comment") {
        "" => Err(ApiError::BadParameter("No acknowledge comment given".to_owned())),
        comment => Ok(comment.to_owned()),
    }
}

fn ended_recently(call: &Call, recovery: &Recovery) -> bool {
    let ended = recovery.closed.as_ref().map(|closed| closed.at);
    ended.is_some_and(|at| call.at.now.duration_since(at) < RECENTLY.try_into().unwrap_or_default())
}

/// Recoveries that are wanted, newest first.
fn newest_first(
    call: &Call,
    wanted: impl Fn(&Recovery) -> bool,
) -> impl Iterator<Item = &Recovery> {
    let mut found: Vec<_> =
        call.at.registry.recoveries.values().filter(|recovery| wanted(recovery)).collect();
    found.sort_by_key(|recovery| std::cmp::Reverse(recovery.id));
    found.into_iter()
}

fn listing(call: &Call, wanted: impl Fn(&Recovery) -> bool) -> Result {
    let open_only = call.query("unacknowledged") == "true";
    let found = newest_first(call, |recovery| {
        wanted(recovery) && !(open_only && recovery.acknowledged.is_some())
    });
    let shown: Vec<_> = call.paged(found.map(TopologyRecovery::from));
    Answer::json(&shown)
}

fn single(call: &Call, wanted: impl Fn(&Recovery) -> bool) -> Result {
    let shown: Vec<_> = newest_first(call, wanted).map(TopologyRecovery::from).collect();
    Answer::json(&shown)
}

fn show_detections(call: &Call, wanted: impl Fn(&Detection) -> bool) -> Result {
    let found = call.at.registry.detections.iter().rev().filter(|detection| wanted(detection));
    let shown =
        call.paged(found.map(|detection| {
            TopologyRecovery::of_detection(detection, recovery_for(call, detection))
        }));
    Answer::json(&shown)
}

/// The first recovery of the failed server that was opened once the failure had been noticed.
fn recovery_for<'a>(call: &'a Call, detection: &Detection) -> Option<&'a Recovery> {
    call.at
        .registry
        .recoveries
        .values()
        .filter(|at| at.intent.failed == detection.failed && at.opened >= detection.at)
        .min_by_key(|recovery| recovery.opened)
}
