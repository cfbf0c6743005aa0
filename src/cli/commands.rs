//! What each command asks a node for, and what it prints of the answer.

use ham4db_domain::key::{InstanceKey, KeyError};
use serde_json::Value;

use super::client::{Reply, encode};
use super::options::{ClientCommand, Options};
use super::output;

/// One command: where it asks, and how it prints.
#[derive(Clone, Copy)]
pub struct Row {
    /// Whom it is about.
    pub about: About,
    /// First words of the path.
    pub path: &'static str,
    /// The rest of the path, behind whom it is about.
    pub rest: fn(&Options) -> Result<String, UsageError>,
    /// How it prints.
    pub show: Show,
}

/// Whom a command is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum About {
    /// Nobody in particular.
    All,
    /// Each server of `-i`.
    Instance,
    /// Each server of `-i`, and the one of `-d` if there is one.
    InstanceAndCandidate,
    /// The cluster of `--alias` or `-i`.
    Cluster,
    /// The same, or all.
    ClusterOrAll,
    /// The cluster of `--alias`, or else each server of `-i`.
    InstanceOrAlias,
}

/// Prints an answer: lines, of the answer, the options, and the server it is about.
pub type Lines = fn(&Reply, &Options, &str) -> Result<Vec<String>, String>;

/// How a command prints.
#[derive(Clone, Copy)]
pub enum Show {
    /// Line by line.
    Lines(Lines),
    /// As the node wrote it, for people.
    Page,
    /// As the node wrote it, for programs.
    Raw,
}

/// What is missing, or makes no sense, on the command line.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UsageError {
    /// An option is needed.
    #[error("{0}")]
    Missing(&'static str),
    /// A server's name makes no sense.
    #[error("{text:?} is no server: {reason}")]
    BadInstance {
        /// What was given.
        text: String,
        /// What is wrong with it.
        reason: KeyError,
    },
}

/// One question to a node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    /// The server it is about, as it was given; "" for none.
    pub about: String,
    /// Path below `/api/`.
    pub path: String,
}

/// What a command asks, one question a server.
pub fn questions(row: &Row, options: &Options) -> Result<Vec<Question>, UsageError> {
    let rest = (row.rest)(options)?;
    let path = |middle: &str| format!("{}{middle}{rest}", row.path);
    let hint = options.alias.as_ref().or(options.instance.as_ref()).map(|hint| hint.trim());
    let cluster = |hint: &str| {
        vec![Question { about: String::new(), path: path(&format!("/{}", encode(hint))) }]
    };
    match (row.about, hint, &options.alias) {
        (About::All, ..) | (About::ClusterOrAll, None, _) => {
            Ok(vec![Question { about: String::new(), path: path("") }])
        }
        (About::Cluster | About::ClusterOrAll, Some(hint), _) => Ok(cluster(hint)),
        (About::Cluster, None, _) => Err(UsageError::Missing(
            "which cluster? give one of its servers with -i host:port, or its alias with --alias",
        )),
        (About::InstanceOrAlias, _, Some(alias)) => Ok(vec![Question {
            about: String::new(),
            path: format!("{}/cluster/{}{rest}", row.path, encode(alias.trim())),
        }]),
        (About::Instance | About::InstanceAndCandidate | About::InstanceOrAlias, ..) => {
            let candidate = match &options.destination {
                Some(text) if row.about == About::InstanceAndCandidate => {
                    key_segments(&instance(text, options)?)
                }
                _ => String::new(),
            };
            let keys = instances(options)?.into_iter().map(|key| Question {
                path: path(&format!("{}{candidate}", key_segments(&key))),
                about: key.to_string(),
            });
            Ok(keys.collect())
        }
    }
}

fn instances(options: &Options) -> Result<Vec<InstanceKey>, UsageError> {
    let given = options.instance.as_deref().unwrap_or_default();
    let texts = given.split([',', ' ', '\t', '\n']).filter(|text| !text.is_empty());
    let keys = texts.map(|text| instance(text, options)).collect::<Result<Vec<_>, _>>()?;
    if keys.is_empty() {
        return Err(UsageError::Missing("which server? give it with -i host:port"));
    }
    Ok(keys)
}

fn instance(text: &str, options: &Options) -> Result<InstanceKey, UsageError> {
    InstanceKey::parse(text, Some(options.default_port))
        .map_err(|reason| UsageError::BadInstance { text: text.to_owned(), reason })
}

fn key_segments(key: &InstanceKey) -> String {
    format!("/{}/{}", encode(&key.host), key.port)
}

/// The rows of the table: one a command.
pub fn row(command: ClientCommand) -> Row {
    use About::{All, Cluster, ClusterOrAll, Instance, InstanceAndCandidate, InstanceOrAlias};
    use ClientCommand as C;
    match command {
        C::Why => page(InstanceOrAlias, "why"),
        C::Plan => page(InstanceAndCandidate, "plan"),
        C::Discover => ask(Instance, "discover", output::subject),
        C::AsyncDiscover => ask(Instance, "async-discover", output::subject),
        C::Refresh => ask(Instance, "refresh", output::details_key),
        C::Forget => ask(Instance, "forget", output::details_key),
        C::ForgetCluster => ask(Cluster, "forget-cluster", output::nothing),
        C::Topology => ask(Cluster, "topology", output::details_text),
        C::TopologyTabulated => ask(Cluster, "topology-tabulated", output::details_text),
        C::TopologyTags => ask(Cluster, "topology-tags", output::details_text),
        C::Clusters => ask(All, "clusters", output::texts),
        C::ClustersAlias => ask(All, "clusters-info", output::cluster_aliases),
        C::AllClustersMasters => ask(All, "masters", output::keys),
        C::AllInstances => ask(All, "all-instances", output::keys),
        C::Search => with(ask(All, "search", output::keys), search),
        C::Find => with(ask(All, "all-instances", output::keys_by_pattern), pattern_needed),
        C::WhichInstance => ask(Instance, "instance", output::key),
        C::WhichCluster => {
            ask(Cluster, "cluster-info", |reply, _, _| output::field(reply, "ClusterName"))
        }
        C::WhichClusterAlias => {
            ask(Cluster, "cluster-info", |reply, _, _| output::field(reply, "ClusterAlias"))
        }
        C::WhichClusterDomain => {
            ask(Cluster, "cluster-info", |reply, _, _| output::field(reply, "ClusterDomain"))
        }
        C::GetClusterHeuristicLag => {
            ask(Cluster, "cluster-info", |reply, _, _| output::field(reply, "HeuristicLag"))
        }
        C::WhichClusterInstances => ask(Cluster, "cluster", output::keys),
        C::WhichClusterMaster => ask(Cluster, "master", output::key),
        C::WhichClusterOscReplicas => ask(Cluster, "cluster-osc-replicas", output::keys),
        C::WhichMaster => ask(Instance, "instance", output::source),
        C::WhichReplicas => ask(Instance, "instance-replicas", output::keys),
        C::WhichDowntimedInstances => ask(ClusterOrAll, "downtimed", output::keys),
        C::WhichLostInRecovery => ask(All, "downtimed", output::lost_in_recovery),
        C::WhichGtidErrant => {
            ask(Instance, "instance", |reply, _, _| output::field(reply, "GtidErrant"))
        }
        C::IsReplicating => {
            ask(Instance, "instance", |reply, _, _| output::key_if_threads(reply, 1))
        }
        C::IsReplicationStopped => {
            ask(Instance, "instance", |reply, _, _| output::key_if_threads(reply, 0))
        }
        C::InstanceStatus => ask(Instance, "topology", output::status),
        C::Resolve => ask(Instance, "resolve", output::details_key),
        C::ReplicationAnalysis => ask(All, "replication-analysis", output::analysis),
        C::Recover => ask(InstanceAndCandidate, "recover", output::details_key),
        C::RecoverLite => ask(InstanceAndCandidate, "recover-lite", output::details_key),
        C::AuditRecovery => ask(All, "audit-recovery", output::recoveries),
        C::AckAllRecoveries => with(ask(All, "ack-all-recoveries", output::message), comment),
        C::AckRecovery => with(ask(All, "ack-recovery", output::message), id_and_comment),
        C::AckClusterRecoveries => {
            with(ask(Cluster, "ack-recovery/cluster", output::message), comment)
        }
        C::AckInstanceRecoveries => {
            with(ask(Instance, "ack-recovery/instance", output::message), comment)
        }
        C::DisableGlobalRecoveries => ask(All, "disable-global-recoveries", output::ok_disabled),
        C::EnableGlobalRecoveries => ask(All, "enable-global-recoveries", output::ok_enabled),
        C::CheckGlobalRecoveries => ask(All, "check-global-recoveries", output::ok_checked),
        C::BeginDowntime => {
            with(ask(Instance, "begin-downtime", output::details_key), owner_reason_duration)
        }
        C::EndDowntime => ask(Instance, "end-downtime", output::details_key),
        C::BeginMaintenance => {
            with(ask(Instance, "begin-maintenance", output::details_key), owner_reason)
        }
        C::EndMaintenance => ask(Instance, "end-maintenance", output::details_key),
        C::InMaintenance => ask(Instance, "in-maintenance", output::details_text_unless_empty),
        C::RegisterCandidate => {
            with(ask(Instance, "register-candidate", output::details_key), rule)
        }
        C::BulkPromotionRules => ask(All, "bulk-promotion-rules", output::promotion_rules),
        C::BulkInstances => ask(All, "bulk-instances", output::keys),
        C::Tags => ask(Instance, "tags", output::texts),
        C::TagValue => ask(Instance, "tags", output::tag_value),
        C::Tag => with(ask(Instance, "tag", output::details_key), tag),
        C::Untag => with(ask(Instance, "untag", output::details_keys), tag),
        C::UntagAll => with(ask(All, "untag-all", output::details_keys), tag),
        C::Tagged => with(ask(All, "tagged", output::keys), tag),
        C::Health => ask(All, "health", output::health),
        C::ReloadConfiguration => ask(All, "reload-configuration", output::message),
        C::Api => Row { about: All, path: "", rest: raw_path, show: Show::Raw },
    }
}

fn ask(about: About, path: &'static str, lines: Lines) -> Row {
    Row { about, path, rest: |_| Ok(String::new()), show: Show::Lines(lines) }
}

fn page(about: About, path: &'static str) -> Row {
    let rest = |options: &Options| {
        Ok(if options.json { String::new() } else { "?format=text".to_owned() })
    };
    Row { about, path, rest, show: Show::Page }
}

fn with(row: Row, rest: fn(&Options) -> Result<String, UsageError>) -> Row {
    Row { rest, ..row }
}

fn search(options: &Options) -> Result<String, UsageError> {
    let text = options.pattern.as_ref().or(options.instance.as_ref());
    let missing = UsageError::Missing("search for what? give a text with --pattern");
    Ok(format!("?s={}", encode(text.ok_or(missing)?)))
}

fn pattern_needed(options: &Options) -> Result<String, UsageError> {
    match options.pattern {
        Some(_) => Ok(String::new()),
        None => Err(UsageError::Missing("find what? give a regular expression with --pattern")),
    }
}

fn comment(options: &Options) -> Result<String, UsageError> {
    Ok(format!("?comment={}", encode(reason(options)?)))
}

fn id_and_comment(options: &Options) -> Result<String, UsageError> {
    let missing = UsageError::Missing("which recovery? give its number with --id");
    let id = options.id.as_deref().ok_or(missing)?;
    Ok(format!("/{}{}", encode(id), comment(options)?))
}

fn owner_reason(options: &Options) -> Result<String, UsageError> {
    let login = || std::env::var("USER").or_else(|_| std::env::var("LOGNAME")).ok();
    let owner = options.owner.clone().or_else(login).filter(|owner| !owner.is_empty());
    let owner = owner.ok_or(UsageError::Missing("who are you? give a name with --owner"))?;
    Ok(format!("/{}/{}", encode(&owner), encode(reason(options)?)))
}

fn owner_reason_duration(options: &Options) -> Result<String, UsageError> {
    let duration = options.duration.iter().map(|text| format!("/{}", encode(text)));
    Ok(owner_reason(options)? + &duration.collect::<String>())
}

fn reason(options: &Options) -> Result<&str, UsageError> {
    let reason = options.reason.as_deref().map(str::trim).filter(|reason| !reason.is_empty());
    reason.ok_or(UsageError::Missing("why? give a reason with --reason"))
}

#[expect(clippy::unnecessary_wraps, reason = "all rests have one type")]
fn rule(options: &Options) -> Result<String, UsageError> {
    Ok(format!("/{}", encode(&options.promotion_rule)))
}

fn tag(options: &Options) -> Result<String, UsageError> {
    let tag = options.tag.as_ref().ok_or(UsageError::Missing("which tag? give it with --tag"))?;
    Ok(format!("?tag={}", encode(tag)))
}

fn raw_path(options: &Options) -> Result<String, UsageError> {
    let path = options.path.as_deref().or(options.pattern.as_deref());
    let missing = UsageError::Missing("which path? give it with --path, such as --path clusters");
    Ok(path.ok_or(missing)?.trim_start_matches('/').to_owned())
}

/// An error of the node that the command answers with a line and success, because scripts expect it.
pub fn expected_failure(command: ClientCommand, message: &str) -> Option<Vec<String>> {
    let unknown = message.contains("Unable to determine cluster name");
    (command == ClientCommand::WhichCluster && unknown).then(|| vec![String::new()])
}

/// The answer as a program wants it.
pub fn json(reply: &Reply) -> String {
    let shown = match &reply.details {
        Value::Null => &Value::String(reply.message.clone()),
        details => details,
    };
    serde_json::to_string_pretty(shown).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::super::args::normalise;
    use super::super::options::{Cli, Command};
    use super::*;

    fn parse(line: &str) -> (ClientCommand, Options) {
        let words = std::iter::once("ham4db").chain(line.split_whitespace());
        let cli = Cli::try_parse_from(normalise(words.map(std::ffi::OsString::from)));
        let cli = cli.unwrap_or_else(|error| panic!("{line}: {error}"));
        match cli.command {
            Some(Command::Client(command)) => (command, cli.options),
            other => panic!("{line}: {other:?}"),
        }
    }

    fn paths(line: &str) -> Result<Vec<String>, UsageError> {
        let (command, options) = parse(line);
        let asked = questions(&row(command), &options)?;
        Ok(asked.into_iter().map(|question| question.path).collect())
    }

    #[test]
    fn commands_ask_for_the_published_paths() {
        let cases = [
            ("topology -i db1:3306", "topology/db1%3A3306"),
            ("-c topology -i db1:3306", "topology/db1%3A3306"),
            ("topology --alias shop", "topology/shop"),
            ("-c topology-tags -alias shop -i db1", "topology-tags/shop"),
            ("discover -i db1", "discover/db1/3306"),
            ("discover -i [fe80::1]:3307", "discover/fe80%3A%3A1/3307"),
            ("-D 3310 -c forget -i db1", "forget/db1/3310"),
            ("recover -i db1 -d db2:3307", "recover/db1/3306/db2/3307"),
            ("recover-lite -i db1 -s db2", "recover-lite/db1/3306/db2/3306"),
            (
                "begin-downtime -i db1 --owner ann --reason disk/full -u 2h",
                "begin-downtime/db1/3306/ann/disk%2Ffull/2h",
            ),
            ("begin-downtime -i db1 -o ann -r disk", "begin-downtime/db1/3306/ann/disk"),
            ("register-candidate -i db1", "register-candidate/db1/3306/prefer"),
            (
                "-c register-candidate -i db1 -promotion-rule must_not",
                "register-candidate/db1/3306/must_not",
            ),
            ("tag -i db1 -t role=backup", "tag/db1/3306?tag=role%3Dbackup"),
            ("tagged -t ~role", "tagged?tag=~role"),
            ("which-downtimed-instances", "downtimed"),
            ("downtimed --alias shop", "downtimed/shop"),
            (
                "ack-cluster-recoveries --alias shop -r seen",
                "ack-recovery/cluster/shop?comment=seen",
            ),
            (
                "ack-instance-recoveries -i db1 -r seen",
                "ack-recovery/instance/db1/3306?comment=seen",
            ),
            ("why -i db1", "why/db1/3306?format=text"),
            ("why --alias shop --json", "why/cluster/shop"),
            ("plan -i db1", "plan/db1/3306?format=text"),
            ("plan -i db1 -d db2", "plan/db1/3306/db2/3306?format=text"),
            ("search --pattern db", "search?s=db"),
            ("which-slaves -i db1", "instance-replicas/db1/3306"),
            ("api --path clusters-info", "clusters-info"),
            ("recoveries", "audit-recovery"),
        ];
        for (line, path) in cases {
            assert_eq!(paths(line), Ok(vec![path.replace("disk/full", "disk%2Ffull")]), "{line}");
        }
        assert_eq!(paths("discover -i db1,db2:3307").unwrap().len(), 2);
    }

    #[test]
    fn what_is_missing_is_asked_for() {
        let cases = [
            ("discover", "-i host:port"),
            ("topology", "--alias"),
            ("begin-downtime -i db1 -o ann", "--reason"),
            ("ack-all-recoveries", "--reason"),
            ("tag -i db1", "--tag"),
            ("discover -i db1:x", "db1:x"),
        ];
        for (line, words) in cases {
            let error = paths(line).unwrap_err().to_string();
            assert!(error.contains(words), "{line}: {error}");
        }
    }
}
