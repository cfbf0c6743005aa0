//! Reading all facts of a server over one connection, in one round trip where that is possible.

use std::borrow::Cow;
use std::time::Duration;

use ham4db_domain::checks::{FailureKind, ProbeFailure};
use ham4db_domain::instance::{GtidState, Replication, ThreadState};
use ham4db_domain::key::InstanceKey;
use ham4db_domain::version::{Flavor, Version};
use tokio::time::Instant;

use crate::dialect::{Dialect, dialect_of};
use crate::facts::{
    Answers, Context, Question, ReplicaStatus, gtid, needs_dump_connections, replica_status,
    snapshot,
};
use crate::server::Snapshot;
use crate::settings::ProbeSettings;
use crate::wire::{Connection, ResultSet, ServerError, WireError};

/// Facts that hardly change are asked for in every so many readings.
const SELDOM: u32 = 12;

const UNKNOWN_VARIABLE: u16 = 1193;

/// A connection, and what has been learned over it.
pub(crate) struct Session {
    pub(crate) connection: Connection,
    pub(crate) dialect: Box<dyn Dialect>,
    version: Version,
    flavor: Flavor,
    /// Readings so far.
    readings: u32,
    /// Variables among the basics that this server does not have.
    absent: Vec<&'static str>,
    reads_process_list: bool,
    is_group_member: bool,
    /// The last answer to what is seldom asked.
    credentials: Option<ResultSet>,
    /// When the receiver was last seen without a connection.
    receiver_was_away: Option<Instant>,
}

impl Session {
    pub(crate) fn new(connection: Connection) -> Self {
        let version = Version::parse(connection.server_version());
        let flavor = match version.text() {
            text if text.to_ascii_lowercase().contains("maxscale") => Flavor::MaxScale,
            text => Flavor::detect(text, ""),
        };
        Self {
            dialect: dialect_of(flavor, &version),
            connection,
            version,
            flavor,
            readings: 0,
            absent: Vec::new(),
            reads_process_list: false,
            is_group_member: false,
            credentials: None,
            receiver_was_away: None,
        }
    }

    /// Reads all facts. When the connection fails after the basics, the snapshot is a partial one.
    ///
    /// # Errors
    /// When the connection failed before, or the basics could not be read.
    pub(crate) async fn read(
        &mut self,
        key: &InstanceKey,
        settings: &ProbeSettings,
    ) -> Result<Snapshot, ProbeFailure> {
        let mut answers = self.ask(&self.questions(settings)).await?;
        let wants_process_list = needs_dump_connections(&answers, settings);
        let mut partial = false;
        if wants_process_list && !self.reads_process_list {
            let question = (Question::DumpConnections, Cow::from(self.dialect.dump_connections()));
            partial = self.exchange(&[question], &mut answers).await.is_err();
        }
        self.reads_process_list = wants_process_list;
        let mut snapshot = self.understand(key, settings, &mut answers)?;
        snapshot.partial = partial;
        self.remember(&snapshot);
        Ok(snapshot)
    }

    /// Reads only what steps are planned from.
    ///
    /// # Errors
    /// As [`Session::read`].
    pub(crate) async fn read_for_step(
        &mut self,
        key: &InstanceKey,
        settings: &ProbeSettings,
    ) -> Result<Snapshot, ProbeFailure> {
        let wanted = [
            Question::Basics,
            Question::ReplicaStatus,
            Question::Status,
            Question::Heartbeat,
            Question::Group,
        ];
        let mut questions = self.questions(settings);
        questions.retain(|(question, _)| wanted.contains(question));
        let mut answers = self.ask(&questions).await?;
        self.understand(key, settings, &mut answers)
    }

    /// Reads how far a replica has come.
    ///
    /// # Errors
    /// When the connection failed, or the server refused a statement.
    pub(crate) async fn read_progress(
        &mut self,
    ) -> Result<(ReplicaStatus, GtidState), ProbeFailure> {
        let questions = [
            (Question::Basics, Cow::from(self.basics())),
            (Question::ReplicaStatus, self.dialect.show_replica_status().into()),
        ];
        let answers = self.ask(&questions).await?;
        let rows = |question| match answers.answer(question) {
            Some(Ok(set)) => Ok(set),
            Some(Err(error)) => Err(ProbeFailure { kind: error.kind(), detail: error.to_string() }),
            None => {
                Err(ProbeFailure { kind: FailureKind::Protocol, detail: "no answer".to_owned() })
            }
        };
        let mut complaints = Vec::new();
        let status = replica_status(rows(Question::ReplicaStatus)?, &mut complaints);
        let gtid = rows(Question::Basics)?.first().map(|basics| gtid(basics, &mut complaints));
        Ok((status, gtid.unwrap_or_default()))
    }

    /// The questions of this reading, with their statements.
    fn questions(&self, settings: &ProbeSettings) -> Vec<(Question, Cow<'static, str>)> {
        let words = &self.dialect;
        let now_and_then = self.readings.is_multiple_of(SELDOM);
        let mut questions = vec![
            (Question::Basics, Cow::from(self.basics())),
            (Question::ReplicaStatus, words.show_replica_status().into()),
            (Question::OwnPosition, words.show_own_position().into()),
            (Question::Status, words.status().into()),
            (Question::Replicas, words.show_replicas().into()),
        ];
        let mut add = |question, sql: Option<&'static str>| {
            questions.extend(sql.map(|sql| (question, Cow::from(sql))));
        };
        add(Question::SemiSync, words.semi_sync_variables());
        add(Question::Heartbeat, words.heartbeat());
        add(Question::Group, words.group().filter(|_| now_and_then || self.is_group_member));
        add(Question::Credentials, words.credentials_available().filter(|_| now_and_then));
        let process_list = words.dump_connections();
        add(Question::DumpConnections, Some(process_list).filter(|_| self.reads_process_list));
        if self.flavor != Flavor::MaxScale {
            questions.extend(
                settings
                    .queries
                    .iter()
                    .map(|(fact, sql)| (Question::Custom(*fact), Cow::from(sql.clone()))),
            );
        }
        questions
    }

    fn basics(&self) -> String {
        let variables: Vec<String> = self
            .dialect
            .basics()
            .into_iter()
            .filter(|(_, name)| !self.absent.contains(name))
            .map(|(variable, name)| format!("{variable} AS {name}"))
            .collect();
        format!("SELECT {}", variables.join(", "))
    }

    /// Asks, and asks for the basics again without what the server does not have.
    async fn ask(
        &mut self,
        questions: &[(Question, Cow<'static, str>)],
    ) -> Result<Answers, ProbeFailure> {
        let mut answers = Answers::default();
        self.exchange(questions, &mut answers).await?;
        while let Some(Err(error)) = answers.answer(Question::Basics)
            && error.code == UNKNOWN_VARIABLE
            && let Some(absent) = self.missing_variable(error)
        {
            self.absent.push(absent);
            let mut retried = Answers::default();
            let basics = [(Question::Basics, Cow::from(self.basics()))];
            self.exchange(&basics, &mut retried).await?;
            answers.take_over(Question::Basics, retried);
        }
        Ok(answers)
    }

    /// Which of the variables asked for an error names.
    fn missing_variable(&self, error: &ServerError) -> Option<&'static str> {
        self.dialect
            .basics()
            .into_iter()
            .filter(|(_, name)| !self.absent.contains(name))
            .find(|(variable, _)| {
                let bare = variable.rsplit(['.', '@']).next().unwrap_or(variable);
                error.message.contains(&format!("'{bare}'"))
            })
            .map(|(_, name)| name)
    }

    async fn exchange(
        &mut self,
        questions: &[(Question, Cow<'static, str>)],
        answers: &mut Answers,
    ) -> Result<(), ProbeFailure> {
        let sqls: Vec<&str> = questions.iter().map(|(_, sql)| sql.as_ref()).collect();
        let found = self.connection.query_each(&sqls).await.map_err(|error| failure(&error))?;
        for ((question, _), answer) in questions.iter().zip(found) {
            answers.push(*question, answer);
        }
        Ok(())
    }

    fn understand(
        &mut self,
        key: &InstanceKey,
        settings: &ProbeSettings,
        answers: &mut Answers,
    ) -> Result<Snapshot, ProbeFailure> {
        if let Some(Err(error)) = answers.answer(Question::Basics) {
            return Err(ProbeFailure { kind: error.kind(), detail: error.to_string() });
        }
        match (answers.answer(Question::Credentials), &self.credentials) {
            (Some(Ok(answer)), _) => self.credentials = Some(answer.clone()),
            (None, Some(earlier)) => answers.push(Question::Credentials, Ok(earlier.clone())),
            (Some(Err(_)), _) | (None, None) => {}
        }
        let context = Context {
            key,
            version: &self.version,
            flavor: self.flavor,
            settings,
            connected_for: self.receiver_was_away.map(|away| away.elapsed()),
        };
        snapshot(answers, &context)
            .map_err(|detail| ProbeFailure { kind: FailureKind::Protocol, detail })
    }

    fn remember(&mut self, snapshot: &Snapshot) {
        self.readings = self.readings.wrapping_add(1);
        self.is_group_member = snapshot.instance.group.is_some();
        if snapshot.instance.replication.as_ref().is_some_and(is_away) {
            self.receiver_was_away = Some(Instant::now());
        }
    }
}

/// The receiver has no connection to the source.
fn is_away(replication: &Replication) -> bool {
    replication.io_thread != ThreadState::Running
}

/// An error of the connection in the terms of the domain, with all its causes.
pub(crate) fn failure(error: &WireError) -> ProbeFailure {
    let mut detail = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        detail = format!("{detail}: {error}");
        cause = error.source();
    }
    ProbeFailure { kind: error.kind(), detail }
}

/// No answer within the limit, after the server had taken the connection.
pub(crate) fn hung(limit: Duration) -> ProbeFailure {
    let detail = format!("no answer within {:.1} s", limit.as_secs_f64());
    ProbeFailure { kind: FailureKind::Hung, detail }
}
