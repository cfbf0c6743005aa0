//! Answers of a server → [`Instance`]. Pure: opens nothing, and is tested on captured answers.

mod custom;
mod heartbeat;
mod own;
mod replicas;
mod replication;
mod values;

use std::time::Duration;

use ham4db_domain::gtid::GtidSet;
use ham4db_domain::instance::{GtidState, Instance, Positioning};
use ham4db_domain::key::InstanceKey;
use ham4db_domain::version::{Flavor, Version};

use crate::server::Snapshot;
use crate::settings::{CustomFact, OwnName, ProbeSettings};
use crate::wire::{ResultSet, Row, ServerError};

pub(crate) use own::gtid;
pub(crate) use replication::{ReplicaStatus, replica_status};

/// What a statement of the probe asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Question {
    /// The variables whose absence would spoil the reading.
    Basics,
    /// Replica status.
    ReplicaStatus,
    /// The server's own position.
    OwnPosition,
    /// Variables of semi-synchronous replication.
    SemiSync,
    /// Status variables.
    Status,
    /// The replica list.
    Replicas,
    /// Connections that read the binary log.
    DumpConnections,
    /// Signs of life of the source.
    Heartbeat,
    /// Members of the group.
    Group,
    /// Whether replication credentials can be read back.
    Credentials,
    /// A query of the configuration.
    Custom(CustomFact),
}

/// A server's answers to the questions of a probe, in no particular order.
#[derive(Debug, Default)]
pub(crate) struct Answers(Vec<(Question, Result<ResultSet, ServerError>)>);

/// What is known before the answers are read.
pub(crate) struct Context<'a> {
    pub(crate) key: &'a InstanceKey,
    /// From the greeting; the basics may know better.
    pub(crate) version: &'a Version,
    pub(crate) flavor: Flavor,
    pub(crate) settings: &'a ProbeSettings,
    /// Since when, at most, the receiver has had its present connection.
    pub(crate) connected_for: Option<Duration>,
}

impl Answers {
    /// Puts a statement's answer to the others.
    pub(crate) fn push(&mut self, question: Question, answer: Result<ResultSet, ServerError>) {
        self.0.push((question, answer));
    }

    /// Takes the answer to one question from other answers.
    pub(crate) fn take_over(&mut self, question: Question, from: Self) {
        self.0.retain(|(asked, _)| *asked != question);
        self.0.extend(from.0.into_iter().filter(|(asked, _)| *asked == question));
    }

    /// The answer, whatever it is; `None` when this was not asked.
    pub(crate) fn answer(&self, question: Question) -> Option<&Result<ResultSet, ServerError>> {
        self.0.iter().find(|(asked, _)| *asked == question).map(|(_, answer)| answer)
    }

    /// The answer, if it was asked for and is none of the server's errors.
    pub(crate) fn rows(&self, question: Question) -> Option<&ResultSet> {
        self.answer(question)?.as_ref().ok()
    }
}

/// Puts together what the answers tell. Side facts that are missing leave a complaint, not an error.
///
/// # Errors
/// In words, when the basics are not there or make no sense.
pub(crate) fn snapshot(answers: &Answers, context: &Context<'_>) -> Result<Snapshot, String> {
    let basics =
        answers.rows(Question::Basics).and_then(ResultSet::first).ok_or("no basic facts")?;
    let mut complaints = refusals(answers);
    let status = answers
        .rows(Question::ReplicaStatus)
        .map(|set| replica_status(set, &mut complaints))
        .unwrap_or_default();
    let mut instance = instance(basics, status, answers, context, &mut complaints);
    for (question, answer) in &answers.0 {
        if let (Question::Custom(fact), Ok(set)) = (question, answer)
            && let Err(complaint) = custom::apply(*fact, set, &mut instance)
        {
            complaints.push(complaint);
        }
    }
    let own_name = own_name(basics, context, &mut complaints);
    Ok(Snapshot { instance, own_name, partial: false, complaints })
}

/// The facts but those of custom queries.
fn instance(
    basics: Row<'_>,
    status: ReplicaStatus,
    answers: &Answers,
    context: &Context<'_>,
    complaints: &mut Vec<String>,
) -> Instance {
    let server_uuid =
        basics.get("server_uuid").filter(|uuid| !uuid.is_empty()).map(str::to_ascii_lowercase);
    let version = basics.get("version").map_or_else(|| context.version.clone(), Version::parse);
    let comment = basics.get("version_comment").unwrap_or_default().to_owned();
    let flavor = match context.flavor {
        Flavor::MaxScale => Flavor::MaxScale,
        Flavor::MySql | Flavor::Percona | Flavor::Ndb | Flavor::MariaDb => {
            Flavor::detect(version.text(), &comment)
        }
    };
    let own_position = answers.rows(Question::OwnPosition);
    let mut instance = Instance {
        key: context.key.clone(),
        alias: None,
        server_id: basics.parse("server_id"),
        server_uuid: server_uuid.clone(),
        version,
        version_comment: comment,
        flavor,
        uptime_s: uptime(answers.rows(Question::Status)),
        read_only: basics.get("read_only").is_none_or(values::is_on),
        super_read_only: basics.get("super_read_only").map(values::is_on),
        location: custom::location(&context.key.host, context.settings),
        binlog: own::binlog(basics, own_position),
        replication: status.replication,
        other_channels: status.other_channels,
        gtid: GtidState {
            retrieved: status.retrieved,
            io_pos: status.io_pos,
            ..gtid(basics, complaints)
        },
        semi_sync: answers
            .rows(Question::SemiSync)
            .map(|set| own::semi_sync(set, answers.rows(Question::Status)))
            .unwrap_or_default(),
        group: answers
            .rows(Question::Group)
            .and_then(|set| own::group(set, server_uuid.as_deref())),
        replicas: replicas_of(answers, context),
        pseudo_gtid: false,
        detected_rule: None,
        suggested_alias: None,
        cluster_domain: None,
        latency: Duration::ZERO,
    };
    if flavor == Flavor::MaxScale {
        instance.binlog.enabled = true;
        instance.binlog.logs_updates = true;
    }
    complete_replication(&mut instance, answers, context);
    instance
}

/// Adds to the replica status what other answers know of the same connection.
fn complete_replication(instance: &mut Instance, answers: &Answers, context: &Context<'_>) {
    let Some(replication) = &mut instance.replication else { return };
    if let Some(set) = answers.rows(Question::Heartbeat)
        && let Some(heartbeat) = heartbeat::heartbeat(set, context.connected_for)
    {
        replication.heartbeat = heartbeat;
    } else if let Some(set) = answers.rows(Question::Status) {
        // 5.6 has one connection and keeps its counters among the status variables.
        let status = values::pairs(set);
        let heartbeat = &mut replication.heartbeat;
        if heartbeat.received.is_none() {
            heartbeat.received =
                status.get("Slave_received_heartbeats").and_then(|text| text.parse().ok());
        }
        if heartbeat.period.is_none() {
            heartbeat.period = status
                .get("Slave_heartbeat_period")
                .and_then(|text| text.parse().ok())
                .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
                .filter(|period| !period.is_zero());
        }
    }
    replication.credentials_available = context.settings.credentials_query.is_some()
        || answers
            .rows(Question::Credentials)
            .and_then(ResultSet::first)
            .and_then(|row| row.get(0))
            .is_some_and(values::is_on);
    // Without a GTID mode, what looks like a received set is a leftover.
    if replication.positioning != Positioning::OracleGtid && instance.gtid.mode.is_none() {
        instance.gtid.retrieved = GtidSet::default();
    }
}

fn replicas_of(answers: &Answers, context: &Context<'_>) -> Vec<InstanceKey> {
    let listed = answers.rows(Question::Replicas).map(replicas::listed).unwrap_or_default();
    match answers.rows(Question::DumpConnections) {
        Some(set) => replicas::merge(listed.keys, replicas::dumping(set, context.key)),
        None => listed.keys,
    }
}

/// The replica list does not name all replicas, so that the process list has to be read as well.
pub(crate) fn needs_dump_connections(answers: &Answers, settings: &ProbeSettings) -> bool {
    match answers.answer(Question::Replicas) {
        Some(Ok(set)) => {
            let listed = replicas::listed(set);
            listed.incomplete && (listed.keys.is_empty() || !settings.replicas_by_list_only)
        }
        Some(Err(_)) => true,
        None => false,
    }
}

fn uptime(status: Option<&ResultSet>) -> Option<u64> {
    values::pairs(status?).get("Uptime")?.parse().ok()
}

fn own_name(
    basics: Row<'_>,
    context: &Context<'_>,
    complaints: &mut Vec<String>,
) -> Option<InstanceKey> {
    let column = match context.settings.own_name {
        OwnName::AsFound => return None,
        OwnName::Hostname => "hostname",
        OwnName::ReportHost => "report_host",
    };
    let host = basics.get(column).map(str::trim).filter(|host| !host.is_empty());
    if host.is_none() {
        complaints
            .push(format!("@@{column} is empty, so the server keeps the name it was found under"));
    }
    host.map(|host| InstanceKey::new(host, context.key.port))
}

/// Side facts that the server would not tell. What a server simply does not have is no complaint.
fn refusals(answers: &Answers) -> Vec<String> {
    const UNKNOWN_VARIABLE: u16 = 1193;
    answers
        .0
        .iter()
        .filter_map(|(question, answer)| Some((question, answer.as_ref().err()?)))
        .filter(|(question, error)| {
            !(**question == Question::Group && error.code == UNKNOWN_VARIABLE)
        })
        .map(|(question, error)| match question {
            Question::Custom(fact) => format!("{}: {error}", fact.key()),
            question => format!("{question:?}: {error}"),
        })
        .collect()
}

#[cfg(test)]
mod tests;
