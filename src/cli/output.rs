//! Prints answers line by line, as scripts know it.
#![expect(clippy::unnecessary_wraps, reason = "all printers have one type")]

use regex::Regex;
use serde_json::Value;

use ham4db_api::keys::InstanceKey;
use ham4db_api::recovery::TopologyRecovery;
use ham4db_domain::registry::LOST_IN_RECOVERY;

use super::client::Reply;
use super::options::Options;

type Printed = Result<Vec<String>, String>;

/// A published key as text; nothing for "no server".
fn key_text(value: &Value) -> Option<String> {
    let key: InstanceKey = serde_json::from_value(value.clone()).ok()?;
    key.is_set().then(|| key.to_string())
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

/// Text without quotes, anything else as JSON.
fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// Nothing.
pub fn nothing(_: &Reply, _: &Options, _: &str) -> Printed {
    Ok(Vec::new())
}

/// The server the command is about.
pub fn subject(reply: &Reply, _: &Options, about: &str) -> Printed {
    Ok(vec![key_text(&reply.details["Key"]).unwrap_or_else(|| about.to_owned())])
}

/// The key of the one server of the answer.
pub fn key(reply: &Reply, _: &Options, _: &str) -> Printed {
    Ok(key_text(&reply.details["Key"]).into_iter().collect())
}

/// The answer, which is a key.
pub fn details_key(reply: &Reply, _: &Options, about: &str) -> Printed {
    Ok(vec![key_text(&reply.details).unwrap_or_else(|| about.to_owned())])
}

/// The answer, which is a list of keys.
pub fn details_keys(reply: &Reply, _: &Options, _: &str) -> Printed {
    Ok(list(&reply.details).iter().filter_map(key_text).collect())
}

/// The keys of a list of servers, or a list of keys.
pub fn keys(reply: &Reply, _: &Options, _: &str) -> Printed {
    Ok(list(&reply.details).iter().filter_map(entry_key).collect())
}

fn entry_key(entry: &Value) -> Option<String> {
    key_text(entry.get("Key").unwrap_or(entry))
}

/// The keys that the pattern matches.
pub fn keys_by_pattern(reply: &Reply, options: &Options, _: &str) -> Printed {
    let pattern = options.pattern.as_deref().unwrap_or_default();
    let pattern = Regex::new(pattern).map_err(|error| format!("--pattern: {error}"))?;
    let keys = list(&reply.details).iter().filter_map(entry_key);
    Ok(keys.filter(|key| pattern.is_match(key)).collect())
}

/// Texts.
pub fn texts(reply: &Reply, _: &Options, _: &str) -> Printed {
    Ok(list(&reply.details).iter().map(plain).collect())
}

/// The answer, which is text of one or more lines.
pub fn details_text(reply: &Reply, _: &Options, _: &str) -> Printed {
    Ok(plain(&reply.details).lines().map(str::to_owned).collect())
}

/// The same, and nothing at all when it is empty.
pub fn details_text_unless_empty(reply: &Reply, _: &Options, _: &str) -> Printed {
    Ok(Some(plain(&reply.details)).filter(|text| !text.is_empty()).into_iter().collect())
}

/// What happened, in the node's words.
pub fn message(reply: &Reply, _: &Options, _: &str) -> Printed {
    Ok(vec![reply.message.clone()])
}

/// One field of the answer; an empty line when it is empty.
pub fn field(reply: &Reply, name: &str) -> Printed {
    Ok(vec![plain(&reply.details[name])])
}

/// Name and alias of each cluster, with a tab between them.
pub fn cluster_aliases(reply: &Reply, _: &Options, _: &str) -> Printed {
    let clusters = list(&reply.details).iter();
    let line = |cluster: &Value| {
        format!("{}\t{}", plain(&cluster["ClusterName"]), plain(&cluster["ClusterAlias"]))
    };
    Ok(clusters.map(line).collect())
}

/// The source of a server.
pub fn source(reply: &Reply, _: &Options, _: &str) -> Printed {
    Ok(key_text(&reply.details["MasterKey"]).into_iter().collect())
}

/// The server, if both its replication threads are in this state.
pub fn key_if_threads(reply: &Reply, state: i64) -> Printed {
    let threads = ["ReplicationSQLThreadState", "ReplicationIOThreadState"];
    let all = threads.iter().all(|thread| reply.details[thread] == state);
    Ok(key_text(&reply.details["Key"]).filter(|_| all).into_iter().collect())
}

/// The servers in downtime because a recovery lost them.
pub fn lost_in_recovery(reply: &Reply, _: &Options, _: &str) -> Printed {
    let lost =
        list(&reply.details).iter().filter(|entry| entry["DowntimeReason"] == LOST_IN_RECOVERY);
    Ok(lost.filter_map(entry_key).collect())
}

/// The part in brackets of the tree's line of a server.
pub fn status(reply: &Reply, _: &Options, about: &str) -> Printed {
    let tree = plain(&reply.details);
    let mut lines = tree.lines().filter(|line| line.split([' ', '[']).any(|word| word == about));
    let line = lines.next().ok_or_else(|| format!("{about} is not in the tree of its cluster"))?;
    Ok(line.find('[').map(|start| line[start..].to_owned()).into_iter().collect())
}

/// What is wrong, one line a server, without what is in downtime.
pub fn analysis(reply: &Reply, _: &Options, _: &str) -> Printed {
    let entries = list(&reply.details).iter();
    let lines = entries.filter(|entry| entry["SkippableDueToDowntime"] != true).map(|entry| {
        let code = plain(&entry["Analysis"]);
        let code = Some(code).filter(|code| code != "NoProblem");
        let codes = code.into_iter().chain(list(&entry["StructureAnalysis"]).iter().map(plain));
        let key = key_text(&entry["AnalyzedInstanceKey"]).unwrap_or_default();
        let cluster = plain(&entry["ClusterDetails"]["ClusterName"]);
        format!("{key} (cluster {cluster}): {}", codes.collect::<Vec<_>>().join(", "))
    });
    Ok(lines.collect())
}

/// The value of the tag asked for; nothing when the server does not have it.
pub fn tag_value(reply: &Reply, options: &Options, _: &str) -> Printed {
    let wanted = options.tag.as_deref().ok_or("which tag? give it with --tag")?;
    let tags = list(&reply.details).iter().map(plain);
    let value = |tag: String| {
        let (name, value) = tag.split_once('=')?;
        (name == wanted.trim()).then(|| value.to_owned())
    };
    Ok(tags.filter_map(value).collect())
}

/// Key and rule of each registered rule.
pub fn promotion_rules(reply: &Reply, _: &Options, _: &str) -> Printed {
    let rules = list(&reply.details).iter();
    let mut lines: Vec<_> = rules
        .filter_map(|rule| Some(format!("{} {}", key_text(rule)?, plain(&rule["PromotionRule"]))))
        .collect();
    lines.sort();
    Ok(lines)
}

/// Recoveries were switched off.
pub fn ok_disabled(_: &Reply, _: &Options, _: &str) -> Printed {
    Ok(vec!["OK: ham4db recoveries DISABLED globally".to_owned()])
}

/// Recoveries were switched on.
pub fn ok_enabled(_: &Reply, _: &Options, _: &str) -> Printed {
    Ok(vec!["OK: ham4db recoveries ENABLED globally".to_owned()])
}

/// Whether recoveries are off.
pub fn ok_checked(reply: &Reply, _: &Options, _: &str) -> Printed {
    Ok(vec![format!("OK: Global recoveries disabled: {}", reply.details == "disabled")])
}

/// How the node is, in one line.
pub fn health(reply: &Reply, _: &Options, _: &str) -> Printed {
    let details = &reply.details;
    let role = if details["IsActiveNode"] == true { "leads" } else { "does not lead" };
    let version = plain(&details["ActiveNode"]["AppVersion"]);
    Ok(vec![format!(
        "{}: {} {role}, version {version}",
        reply.message,
        plain(&details["Hostname"])
    )])
}

/// Recoveries as a table.
pub fn recoveries(reply: &Reply, _: &Options, _: &str) -> Printed {
    let recoveries: Vec<TopologyRecovery> = serde_json::from_value(reply.details.clone())
        .map_err(|error| format!("the node's list of recoveries cannot be read: {error}"))?;
    if recoveries.is_empty() {
        return Ok(vec!["no recoveries".to_owned()]);
    }
    let mut rows = vec![
        ["ID", "BEGUN (UTC)", "CLUSTER", "FAILURE", "FAILED", "SUCCESSOR", "STATE"]
            .map(str::to_owned)
            .to_vec(),
    ];
    rows.extend(recoveries.iter().map(|recovery| {
        let entry = &recovery.analysis_entry;
        let successor = recovery.successor_key.as_ref().filter(|key| key.is_set());
        vec![
            recovery.id.to_string(),
            recovery.recovery_start_timestamp.clone(),
            entry.cluster_details.cluster_alias.clone(),
            entry.analysis.clone(),
            entry.analyzed_instance_key.to_string(),
            successor.map_or_else(|| "-".to_owned(), ToString::to_string),
            state(recovery),
        ]
    }));
    Ok(table(&rows))
}

fn state(recovery: &TopologyRecovery) -> String {
    let ended = if recovery.is_active {
        "in progress"
    } else if recovery.is_successful {
        "recovered"
    } else {
        "failed"
    };
    if recovery.acknowledged { format!("{ended}, acknowledged") } else { ended.to_owned() }
}

/// Columns aligned to the left, with two blanks between them.
fn table(rows: &[Vec<String>]) -> Vec<String> {
    let columns = rows.first().map_or(0, Vec::len);
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max();
    let widths: Vec<_> = (0..columns).map(|column| width(column).unwrap_or(0)).collect();
    let line = |row: &Vec<String>| {
        let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}"));
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    rows.iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::commands::{Show, row};
    use super::super::options::ClientCommand as C;
    use super::*;

    fn printed(command: C, options: &Options, details: Value) -> Vec<String> {
        let reply = Reply { message: "m".into(), details };
        match row(command).show {
            Show::Lines(lines) => lines(&reply, options, "db1:3306").unwrap(),
            Show::Page | Show::Raw => panic!("{command:?} prints what the node wrote"),
        }
    }

    fn key(host: &str) -> Value {
        json!({"Hostname": host, "Port": 3306})
    }

    #[test]
    fn answers_are_printed_as_scripts_know_them() {
        let none = json!({"Hostname": "", "Port": 0});
        let instance = |sql: i64, io: i64| {
            json!({"Key": key("db1"), "MasterKey": key("db0"), "GtidErrant": "",
                "ReplicationSQLThreadState": sql, "ReplicationIOThreadState": io})
        };
        let info = json!({"ClusterName": "db1:3306", "ClusterAlias": "shop", "ClusterDomain": "d", "HeuristicLag": 7});
        let tree = "db0:3306     [0s,ok]\n+ db1:3306   [unknown,invalid]";
        let cases = [
            (C::Clusters, json!(["a", "b"]), vec!["a", "b"]),
            (C::ClustersAlias, json!([info]), vec!["db1:3306\tshop"]),
            (
                C::AllInstances,
                json!([{"Key": key("a")}, {"Key": key("b")}]),
                vec!["a:3306", "b:3306"],
            ),
            (C::Tagged, json!([key("a")]), vec!["a:3306"]),
            (C::Topology, json!(tree), tree.lines().collect()),
            (C::InstanceStatus, json!(tree), vec!["[unknown,invalid]"]),
            (C::Discover, json!({"Key": key("db1")}), vec!["db1:3306"]),
            (C::Discover, Value::Null, vec!["db1:3306"]),
            (C::Forget, key("db1"), vec!["db1:3306"]),
            (C::ForgetCluster, Value::Null, vec![]),
            (C::WhichCluster, info.clone(), vec!["db1:3306"]),
            (C::WhichClusterAlias, info.clone(), vec!["shop"]),
            (C::GetClusterHeuristicLag, info, vec!["7"]),
            (C::WhichClusterMaster, instance(1, 1), vec!["db1:3306"]),
            (C::WhichMaster, instance(1, 1), vec!["db0:3306"]),
            (C::WhichMaster, json!({"MasterKey": none}), vec![]),
            (C::WhichGtidErrant, instance(1, 1), vec![""]),
            (C::IsReplicating, instance(1, 1), vec!["db1:3306"]),
            (C::IsReplicating, instance(1, 0), vec![]),
            (C::IsReplicationStopped, instance(0, 0), vec!["db1:3306"]),
            (C::InMaintenance, json!("db1:3306"), vec!["db1:3306"]),
            (C::InMaintenance, json!(""), vec![]),
            (C::Recover, key("db2"), vec!["db2:3306"]),
            (C::AckAllRecoveries, json!("seen"), vec!["m"]),
            (
                C::CheckGlobalRecoveries,
                json!("enabled"),
                vec!["OK: Global recoveries disabled: false"],
            ),
            (
                C::CheckGlobalRecoveries,
                json!("disabled"),
                vec!["OK: Global recoveries disabled: true"],
            ),
            (C::Tags, json!(["role=backup"]), vec!["role=backup"]),
            (C::Untag, json!([key("db1")]), vec!["db1:3306"]),
            (
                C::BulkPromotionRules,
                json!([{"Hostname": "b", "Port": 1, "PromotionRule": "prefer"}, {"Hostname": "a", "Port": 1, "PromotionRule": "must_not"}]),
                vec!["a:1 must_not", "b:1 prefer"],
            ),
            (
                C::WhichLostInRecovery,
                json!([{"Key": key("a"), "DowntimeReason": "lost-in-recovery"}, {"Key": key("b"), "DowntimeReason": "disk"}]),
                vec!["a:3306"],
            ),
        ];
        for (command, details, lines) in cases {
            let shown = printed(command, &Options::default(), details.clone());
            assert_eq!(shown, lines, "{command:?} of {details}");
        }
    }

    #[test]
    fn an_analysis_is_one_line_with_its_codes_and_leaves_out_what_is_in_downtime() {
        let entry = |code: &str, warnings: Value, skipped: bool| {
            json!({"AnalyzedInstanceKey": key("db1"), "ClusterDetails": {"ClusterName": "c"},
                "Analysis": code, "StructureAnalysis": warnings, "SkippableDueToDowntime": skipped})
        };
        let details = json!([
            entry("DeadMaster", json!(null), false),
            entry("NoProblem", json!(["A", "B"]), false),
            entry("DeadMaster", json!(["A"]), false),
            entry("DeadMaster", json!(null), true),
        ]);
        assert_eq!(
            printed(C::ReplicationAnalysis, &Options::default(), details),
            [
                "db1:3306 (cluster c): DeadMaster",
                "db1:3306 (cluster c): A, B",
                "db1:3306 (cluster c): DeadMaster, A",
            ]
        );
    }

    #[test]
    fn options_pick_from_an_answer() {
        let tagged = Options { tag: Some("role".into()), ..Options::default() };
        let tags = json!(["role=backup", "roles=x"]);
        assert_eq!(printed(C::TagValue, &tagged, tags), ["backup"]);
        let pattern = Options { pattern: Some("^db[12]:".into()), ..Options::default() };
        let all = json!([{"Key": key("db1")}, {"Key": key("db3")}]);
        assert_eq!(printed(C::Find, &pattern, all), ["db1:3306"]);
    }

    #[test]
    fn recoveries_stand_in_aligned_columns() {
        let details = json!([{
            "Id": 12, "RecoveryStartTimestamp": "2026-01-02 03:04:05", "IsSuccessful": true, "Acknowledged": true,
            "SuccessorKey": key("db2"),
            "AnalysisEntry": {"AnalyzedInstanceKey": key("db1"), "Analysis": "DeadMaster", "ClusterDetails": {"ClusterAlias": "shop"}},
        }]);
        assert_eq!(
            printed(C::AuditRecovery, &Options::default(), details),
            [
                "ID  BEGUN (UTC)          CLUSTER  FAILURE     FAILED    SUCCESSOR  STATE",
                "12  2026-01-02 03:04:05  shop     DeadMaster  db1:3306  db2:3306   recovered, acknowledged",
            ]
        );
    }
}
