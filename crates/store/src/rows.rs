//! The registry as rows, and back.

use ham4db_domain::command::Row;
use ham4db_domain::key::InstanceKey;
use ham4db_domain::registry::{RecoveryUid, Registry};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// Kind and name of a row.
pub fn place(row: &Row) -> (&'static str, String) {
    match row {
        Row::Downtime(key) => ("downtime", key.to_string()),
        Row::Maintenance(key) => ("maintenance", key.to_string()),
        Row::Candidate(key) => ("candidate", key.to_string()),
        Row::Tags(key) => ("tags", key.to_string()),
        Row::Alias(cluster) => ("alias", cluster.clone()),
        Row::Switch => ("switch", String::new()),
        Row::Seed(key) => ("seed", key.to_string()),
        Row::Forgotten(key) => ("forgotten", key.to_string()),
        Row::Detection(id) => ("detection", format!("{id:020}")),
        Row::Recovery(uid) => ("recovery", uid.0.clone()),
        Row::Fence(key) => ("fence", key.to_string()),
    }
}

/// The content of a row as the registry has it; `None` when it is gone.
pub fn content(registry: &Registry, row: &Row) -> Result<Option<String>, serde_json::Error> {
    match row {
        Row::Downtime(key) => json(registry.downtimes.get(key)),
        Row::Maintenance(key) => json(registry.maintenance.get(key)),
        Row::Candidate(key) => json(registry.candidates.get(key)),
        Row::Tags(key) => json(registry.tags.get(key)),
        Row::Alias(cluster) => json(registry.aliases.get(cluster)),
        Row::Switch => json(registry.recoveries_disabled.as_ref()),
        Row::Seed(key) => json(registry.seeds.get(key)),
        Row::Forgotten(key) => json(registry.forgotten.get(key)),
        Row::Detection(id) => {
            json(registry.detections.iter().find(|detection| detection.id == *id))
        }
        Row::Recovery(uid) => json(registry.recoveries.get(uid)),
        Row::Fence(key) => json(registry.fences.get(key)),
    }
}

fn json<T: Serialize>(value: Option<T>) -> Result<Option<String>, serde_json::Error> {
    value.map(|value| serde_json::to_string(&value)).transpose()
}

/// Puts a row that was read into the registry.
///
/// # Errors
/// What is wrong with the row, in words.
pub fn put(registry: &mut Registry, kind: &str, id: &str, body: &str) -> Result<(), String> {
    let key = || id.parse::<InstanceKey>().map_err(|error| error.to_string());
    match kind {
        "downtime" => drop(registry.downtimes.insert(key()?, value(body)?)),
        "maintenance" => drop(registry.maintenance.insert(key()?, value(body)?)),
        "candidate" => drop(registry.candidates.insert(key()?, value(body)?)),
        "tags" => drop(registry.tags.insert(key()?, value(body)?)),
        "alias" => drop(registry.aliases.insert(id.to_owned(), value(body)?)),
        "switch" => registry.recoveries_disabled = Some(value(body)?),
        "seed" => drop(registry.seeds.insert(key()?)),
        "forgotten" => drop(registry.forgotten.insert(key()?, value(body)?)),
        "detection" => registry.detections.push(value(body)?),
        "recovery" => drop(registry.recoveries.insert(RecoveryUid(id.to_owned()), value(body)?)),
        "fence" => drop(registry.fences.insert(key()?, value(body)?)),
        other => return Err(format!("rows of kind {other:?} are not known to this version")),
    }
    Ok(())
}

fn value<T: DeserializeOwned>(body: &str) -> Result<T, String> {
    serde_json::from_str(body).map_err(|error| error.to_string())
}
