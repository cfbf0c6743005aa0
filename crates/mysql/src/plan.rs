//! The statements a step comes to on one server in its present state. Pure, so that a dry run shows the same.

use ham4db_domain::coordinates::BinlogCoordinates;
use ham4db_domain::instance::{Instance, Positioning, Replication, ThreadState};
use ham4db_domain::key::InstanceKey;
use ham4db_domain::step::{ApplyTarget, SourcePosition, Step};
use ham4db_domain::version::Flavor;

use crate::dialect::{Change, Channel, Credentials, Dialect, Place, Threads, dialect_of};

/// One statement, and how it is shown.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Statement {
    pub(crate) sql: String,
    /// The same without secrets.
    pub(crate) shown: String,
}

/// What a step comes to.
pub(crate) enum Plan {
    /// The server already is as wished; says how.
    Nothing(&'static str),
    /// These statements, in order.
    Run(Vec<Statement>),
    /// Reading again and again until the target is applied.
    WaitApplied(ApplyTarget),
    /// Setting this variable, against clients that hold it up.
    MakeReadOnly(&'static str),
    /// Finding client connections and ending them.
    EndClients,
}

/// What the step comes to on a server that is as `instance` says.
///
/// # Errors
/// In words, when the step makes no sense there.
pub(crate) fn plan(
    step: &Step,
    instance: &Instance,
    dialect: &dyn Dialect,
    credentials: Option<Credentials>,
) -> Result<Plan, String> {
    let server = Planner { instance, dialect };
    match step {
        Step::StopReceiving { .. } => Ok(server.stop(Threads::Receiver)),
        Step::StopReplication { .. } => Ok(server.stop(Threads::Both)),
        Step::StartReplication { .. } => server.start(Threads::Both),
        Step::StartApplying { .. } => server.start(Threads::Applier),
        Step::WaitApplied { target, .. } => {
            server.replication()?;
            Ok(Plan::WaitApplied(target.clone()))
        }
        Step::Repoint { source, at, .. } => server.repoint(source, at, credentials),
        Step::ForgetSource { .. } => Ok(server.forget_source()),
        Step::Detach { .. } => server.detach(),
        Step::MakeWritable { .. } => Ok(server.make_writable()),
        Step::MakeReadOnly { .. } => Ok(server.make_read_only()),
        Step::EndClients { .. } => Ok(Plan::EndClients),
    }
}

/// The statements `step` would run on the server that `instance` describes, without secrets. Nothing is run.
///
/// What cannot be done, and what depends on what is found then, stands there as an SQL comment.
pub fn statements(step: &Step, instance: &Instance) -> Vec<String> {
    let dialect = dialect_of(instance.flavor, &instance.version);
    match plan(step, instance, dialect.as_ref(), None) {
        Err(reason) => vec![format!("-- impossible: {reason}")],
        Ok(Plan::Nothing(how)) => vec![format!("-- nothing to do: {how}")],
        Ok(Plan::Run(statements)) => statements.into_iter().map(|one| one.shown).collect(),
        Ok(Plan::WaitApplied(target)) => {
            vec![format!("{} -- until it has applied {target}", dialect.show_replica_status())]
        }
        Ok(Plan::MakeReadOnly(variable)) => make_read_only(variable).map(str::to_owned).into(),
        Ok(Plan::EndClients) => vec![
            dialect.connections().to_owned(),
            "KILL … -- each client connection that is found".to_owned(),
        ],
    }
}

/// `lock_wait_timeout` keeps the second from waiting for ever behind a client that holds a table lock.
pub(crate) fn make_read_only(variable: &str) -> [&'static str; 2] {
    let set = match variable {
        "super_read_only" => "SET GLOBAL super_read_only = ON",
        _ => "SET GLOBAL read_only = ON",
    };
    ["SET SESSION lock_wait_timeout = 1", set]
}

struct Planner<'a> {
    instance: &'a Instance,
    dialect: &'a dyn Dialect,
}

impl Planner<'_> {
    fn replication(&self) -> Result<&Replication, String> {
        self.instance.replication.as_ref().ok_or_else(|| "it is no replica".to_owned())
    }

    fn channel(&self) -> Channel {
        if self.instance.other_channels.is_empty() && self.instance.group.is_none()
            || self.instance.flavor == Flavor::MariaDb
        {
            Channel::Only
        } else {
            Channel::Default
        }
    }

    fn threads(&self, verb: &str, threads: Threads) -> Statement {
        Statement::public(self.dialect.threads(verb, threads, self.channel()))
    }

    /// The statement that stops whatever runs; none when nothing does.
    fn stop_first(&self) -> Vec<Statement> {
        match self.stop(Threads::Both) {
            Plan::Run(statements) => statements,
            _ => Vec::new(),
        }
    }

    fn stop(&self, threads: Threads) -> Plan {
        let Some(replication) = &self.instance.replication else {
            return Plan::Nothing("it is no replica");
        };
        if is_at_rest(replication, threads) {
            return Plan::Nothing("it was stopped");
        }
        Plan::Run(vec![self.threads("STOP", threads)])
    }

    fn start(&self, threads: Threads) -> Result<Plan, String> {
        let replication = self.replication()?;
        let runs = |thread| matches!(thread, ThreadState::Running | ThreadState::Other);
        let applier = runs(replication.sql_thread);
        let is_running = match threads {
            Threads::Both => applier && runs(replication.io_thread),
            Threads::Receiver => runs(replication.io_thread),
            Threads::Applier => applier,
        };
        if is_running {
            return Ok(Plan::Nothing("it was running"));
        }
        Ok(Plan::Run(vec![self.threads("START", threads)]))
    }

    fn repoint(
        &self,
        source: &InstanceKey,
        at: &SourcePosition,
        credentials: Option<Credentials>,
    ) -> Result<Plan, String> {
        let place = self.place(at)?;
        let present = self.instance.replication.as_ref();
        if present.is_some_and(|present| present.source == *source && is_in_place(present, &place))
        {
            return Ok(Plan::Nothing("it already follows that source"));
        }
        let has_login = present.is_some_and(|present| present.user.is_some());
        if !has_login && credentials.is_none() {
            return Err("it has no replication credentials: set ReplicationCredentialsQuery, or run CHANGE \
                 REPLICATION SOURCE (CHANGE MASTER) with user and password once"
                .to_owned());
        }
        let mut statements = self.stop_first();
        if *at == SourcePosition::FromOwnBinlog {
            let sql = "SET GLOBAL gtid_slave_pos = @@global.gtid_binlog_pos";
            statements.push(Statement::public(sql.to_owned()));
        }
        let credentials = credentials.filter(|_| !has_login);
        statements.push(self.change(source, place, credentials));
        Ok(Plan::Run(statements))
    }

    fn place(&self, at: &SourcePosition) -> Result<Place, String> {
        let is_mariadb = self.instance.flavor == Flavor::MariaDb;
        match at {
            SourcePosition::Unchanged => self.unchanged(),
            SourcePosition::AutoPosition if self.instance.supports_oracle_gtid() => Ok(Place::Auto),
            SourcePosition::AutoPosition => Err("it has no gtid_mode, or it is OFF".to_owned()),
            SourcePosition::SlavePos | SourcePosition::FromOwnBinlog if is_mariadb => {
                Ok(Place::SlavePos)
            }
            SourcePosition::SlavePos | SourcePosition::FromOwnBinlog => {
                Err("it is no MariaDB server, so it has no gtid_slave_pos".to_owned())
            }
            SourcePosition::At { coordinates } => Ok(match &self.instance.replication {
                Some(present) if present.positioning != Positioning::File => {
                    Place::AtWithoutGtid(coordinates.clone())
                }
                _ => Place::At(coordinates.clone()),
            }),
        }
    }

    /// The place as the replica has it now. A file position has to be named, since a change of source drops it.
    fn unchanged(&self) -> Result<Place, String> {
        let replication = self.replication()?;
        match replication.positioning {
            Positioning::OracleGtid => Ok(Place::Auto),
            Positioning::MariaDbSlavePos => Ok(Place::SlavePos),
            Positioning::MariaDbCurrentPos => Ok(Place::CurrentPos),
            Positioning::File => replication.executed.clone().map(Place::At).ok_or_else(|| {
                "it has applied nothing yet, so its position is not known".to_owned()
            }),
        }
    }

    fn change(
        &self,
        source: &InstanceKey,
        place: Place,
        credentials: Option<Credentials>,
    ) -> Statement {
        let present = self.instance.replication.as_ref();
        let asks_for_key = present.is_some_and(|present| {
            let tls = &present.tls;
            tls.enabled || tls.get_public_key == Some(true) || !tls.public_key_path.is_empty()
        });
        let mut change = Change {
            source,
            place,
            heartbeat: present.and_then(|present| present.heartbeat.period),
            get_public_key: self.dialect.logs_in_by_public_key() && !asks_for_key,
            credentials,
            channel: self.channel(),
        };
        let sql = self.dialect.change_source(&change);
        if let Some(login) = &mut change.credentials {
            "…".clone_into(&mut login.password);
        }
        Statement { sql, shown: self.dialect.change_source(&change) }
    }

    fn forget_source(&self) -> Plan {
        if self.instance.replication.is_none() {
            return Plan::Nothing("it has no source");
        }
        let mut statements = self.stop_first();
        statements.push(Statement::public(self.dialect.reset_replica(self.channel())));
        Plan::Run(statements)
    }

    fn detach(&self) -> Result<Plan, String> {
        let source = &self.replication()?.source;
        if source.is_detached() {
            return Ok(Plan::Nothing("it is detached"));
        }
        let place = self.unchanged()?;
        let mut statements = self.stop_first();
        statements.push(self.change(&source.detached(), place, None));
        Ok(Plan::Run(statements))
    }

    /// Switching `read_only` off switches `super_read_only` off as well.
    fn make_writable(&self) -> Plan {
        if self.instance.read_only || self.instance.super_read_only == Some(true) {
            Plan::Run(vec![Statement::public("SET GLOBAL read_only = OFF".to_owned())])
        } else {
            Plan::Nothing("it was writable")
        }
    }

    fn make_read_only(&self) -> Plan {
        if self.instance.read_only && self.instance.super_read_only != Some(false) {
            Plan::Nothing("it was read-only")
        } else {
            Plan::MakeReadOnly(self.dialect.strongest_read_only())
        }
    }
}

impl Statement {
    fn public(sql: String) -> Self {
        Self { shown: sql.clone(), sql }
    }
}

fn is_at_rest(replication: &Replication, threads: Threads) -> bool {
    let rests = |thread| matches!(thread, ThreadState::Stopped | ThreadState::Absent);
    match threads {
        Threads::Both => rests(replication.io_thread) && rests(replication.sql_thread),
        Threads::Receiver => rests(replication.io_thread),
        Threads::Applier => rests(replication.sql_thread),
    }
}

/// The replica already stands where a change would put it.
fn is_in_place(replication: &Replication, place: &Place) -> bool {
    let stands_at = |at: &BinlogCoordinates| replication.executed.as_ref() == Some(at);
    match place {
        Place::At(at) => replication.positioning == Positioning::File && stands_at(at),
        Place::AtWithoutGtid(_) => false,
        Place::Auto => replication.positioning == Positioning::OracleGtid,
        Place::SlavePos => replication.positioning == Positioning::MariaDbSlavePos,
        Place::CurrentPos => replication.positioning == Positioning::MariaDbCurrentPos,
    }
}

#[cfg(test)]
mod tests;
