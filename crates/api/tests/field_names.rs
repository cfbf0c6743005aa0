//! The published field names and types, exactly.
#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::collections::BTreeMap;

use ham4db_api::analysis::ReplicationAnalysis;
use ham4db_api::cluster::ClusterInfo;
use ham4db_api::envelope::ApiResponse;
use ham4db_api::health::{HealthStatus, NodeHealth};
use ham4db_api::instance::Instance;
use ham4db_api::keys::{BinlogCoordinates, InstanceKey, NullBool, NullInt64};
use ham4db_api::records::{Audit, CandidateDatabaseInstance, Maintenance};
use ham4db_api::recovery::{BlockedTopologyRecovery, TopologyRecovery, TopologyRecoveryStep};
use serde::Serialize;
use serde_json::Value;

/// Object name to field name to type, in the words of the published list.
type Objects = BTreeMap<String, BTreeMap<String, String>>;

fn published() -> Objects {
    serde_json::from_str(include_str!("fields/objects.json")).unwrap()
}

/// An object as it is written, by its published name.
fn written() -> Vec<(&'static str, Value)> {
    fn of<T: Serialize>(value: T) -> Value {
        serde_json::to_value(value).unwrap()
    }
    let recovery = TopologyRecovery {
        successor_key: Some(InstanceKey::default()),
        successor_binlog_coordinates: Some(BinlogCoordinates::default()),
        all_errors: Some(Vec::new()),
        ..TopologyRecovery::default()
    };
    let analysis = ReplicationAnalysis {
        structure_analysis: Some(Vec::new()),
        ..ReplicationAnalysis::default()
    };
    let health = HealthStatus { raft_healthy_members: Some(Vec::new()), ..HealthStatus::default() };
    vec![
        ("Instance", of(Instance::default())),
        ("ReplicationAnalysis", of(analysis)),
        ("TopologyRecovery", of(recovery)),
        ("TopologyRecoveryStep", of(TopologyRecoveryStep::default())),
        ("BlockedTopologyRecovery", of(BlockedTopologyRecovery::default())),
        ("ClusterInfo", of(ClusterInfo::default())),
        ("InstanceKey", of(InstanceKey::default())),
        ("BinlogCoordinates", of(BinlogCoordinates::default())),
        ("NullInt64", of(NullInt64::default())),
        ("NullBool", of(NullBool::default())),
        ("Audit", of(Audit::default())),
        ("Maintenance", of(Maintenance::default())),
        ("CandidateDatabaseInstance", of(CandidateDatabaseInstance::default())),
        ("HealthStatus", of(health)),
        ("NodeHealth", of(NodeHealth::default())),
        ("APIResponse", of(ApiResponse::ok("", Value::Null))),
    ]
}

fn is_of_type(value: &Value, wanted: &str, objects: &Objects) -> bool {
    let wanted = wanted.trim_end_matches(" or null");
    match wanted {
        "string" => value.is_string(),
        "number" => value.is_number(),
        "bool" => value.is_boolean(),
        "object" => value.is_object(),
        "any" => true,
        list if list.ends_with("[]") => value.is_array(),
        name => value.as_object().is_some_and(|object| object.keys().eq(objects[name].keys())),
    }
}

#[test]
fn every_object_has_the_published_fields_and_no_other() {
    let objects = published();
    let mut written = written();
    written.sort_by_key(|(name, _)| *name);
    let names: Vec<_> = written.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(names, objects.keys().cloned().collect::<Vec<_>>());
    for (name, value) in written {
        let fields: BTreeMap<_, _> = value.as_object().unwrap().clone().into_iter().collect();
        let wanted = &objects[name];
        assert_eq!(
            fields.keys().collect::<Vec<_>>(),
            wanted.keys().collect::<Vec<_>>(),
            "fields of {name}"
        );
        for (field, value) in &fields {
            let kind = &wanted[field];
            assert!(is_of_type(value, kind, &objects), "{name}.{field} is {value}, not {kind}");
        }
    }
}

#[test]
fn the_large_objects_have_their_known_number_of_fields() {
    let objects = published();
    let counts = ["Instance", "ReplicationAnalysis", "TopologyRecovery", "ClusterInfo"]
        .map(|name| objects[name].len());
    assert_eq!(counts, [102, 57, 23, 7]);
}
