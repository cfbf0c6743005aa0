//! Taking steps on a real server: looking, planning, and running what the plan says.

mod wait;

use std::time::Duration;

use ham4db_domain::checks::ProbeFailure;
use ham4db_domain::instance::Instance;
use ham4db_domain::key::InstanceKey;
use ham4db_domain::step::Step;
use tokio::time::{Instant, timeout_at};

use crate::dialect::Credentials;
use crate::plan::{Plan, Statement, make_read_only, plan};
use crate::probe::{Session, failure, hung};
use crate::server::{Performed, StepError};
use crate::settings::MySqlSettings;
use crate::wire::{ResultSet, WireError};

const LOCK_WAIT_TIMEOUT: u16 = 1205;
const NO_SUCH_CONNECTION: u16 = 1094;

/// What is known of a server before a step is taken.
pub(crate) struct Before {
    instance: Instance,
    credentials: Option<Credentials>,
}

/// One step on one server, within one deadline.
struct Work<'a> {
    session: &'a mut Session,
    server: &'a InstanceKey,
    settings: &'a MySqlSettings,
    deadline: Instant,
    limit: Duration,
}

/// Reads what the step is planned from. Changes nothing.
///
/// # Errors
/// [`StepError::NotReached`] when the connection fails, or the limit is over.
pub(crate) async fn look(
    session: &mut Session,
    step: &Step,
    settings: &MySqlSettings,
    deadline: Instant,
    limit: Duration,
) -> Result<Before, StepError> {
    let mut work = Work { session, server: step.server(), settings, deadline, limit };
    let reading = work.session.read_for_step(work.server, &settings.probe);
    let snapshot = match timeout_at(deadline, reading).await {
        Ok(snapshot) => snapshot.map_err(|failure| work.not_reached(failure))?,
        Err(_) => return Err(work.not_reached(hung(limit))),
    };
    let instance = snapshot.instance;
    let has_login =
        instance.replication.as_ref().is_some_and(|replication| replication.user.is_some());
    let credentials = match (step, &settings.probe.credentials_query) {
        (Step::Repoint { .. }, Some(query)) if !has_login => work.credentials(query).await?,
        _ => None,
    };
    Ok(Before { instance, credentials })
}

/// Takes the step.
///
/// # Errors
/// See [`StepError`].
pub(crate) async fn take(
    session: &mut Session,
    step: &Step,
    before: Before,
    settings: &MySqlSettings,
    deadline: Instant,
    limit: Duration,
) -> Result<Performed, StepError> {
    let server = step.server();
    let planned = plan(step, &before.instance, session.dialect.as_ref(), before.credentials)
        .map_err(|reason| StepError::Impossible { server: server.clone(), reason })?;
    let mut work = Work { session, server, settings, deadline, limit };
    match planned {
        Plan::Nothing(how) => Ok(Performed::already(how)),
        Plan::Run(statements) => work.run_all(&statements).await,
        Plan::WaitApplied(target) => {
            let Step::WaitApplied { limit: own, .. } = step else {
                return Ok(Performed::already(""));
            };
            work.limit = limit.min(*own);
            work.deadline = deadline.min(Instant::now() + *own);
            wait::until_applied(&mut work, &target).await
        }
        Plan::MakeReadOnly(variable) => work.make_read_only(variable).await,
        Plan::EndClients => work.end_clients().await.map(|ended| {
            let detail = format!("{ended} client connections ended");
            if ended > 0 { Performed::changed(detail) } else { Performed::already(detail) }
        }),
    }
}

impl Work<'_> {
    async fn run_all(&mut self, statements: &[Statement]) -> Result<Performed, StepError> {
        for statement in statements {
            self.run(&statement.sql, &statement.shown).await?;
        }
        let shown: Vec<&str> = statements.iter().map(|one| one.shown.as_str()).collect();
        Ok(Performed::changed(shown.join("; ")))
    }

    /// Runs one statement that changes something.
    async fn run(&mut self, sql: &str, shown: &str) -> Result<(), StepError> {
        let failure = match timeout_at(self.deadline, self.session.connection.query(sql)).await {
            Ok(Ok(_)) => return Ok(()),
            Ok(Err(WireError::Server(error) | WireError::Statement { error, .. }))
                if !error.ends_connection() =>
            {
                return Err(StepError::Refused {
                    server: self.server.clone(),
                    action: shown.to_owned(),
                    code: error.code,
                    message: error.message,
                    advice: advice(error.code),
                });
            }
            Ok(Err(error)) => failure(&error),
            Err(_) => hung(self.limit),
        };
        Err(StepError::Unknown { server: self.server.clone(), action: shown.to_owned(), failure })
    }

    /// Runs one statement that only reads.
    async fn read(&mut self, sql: &str) -> Result<ResultSet, StepError> {
        match timeout_at(self.deadline, self.session.connection.query(sql)).await {
            Ok(Ok(sets)) => Ok(sets.into_iter().next().unwrap_or_default()),
            Ok(Err(error)) => Err(self.not_reached(failure(&error))),
            Err(_) => Err(self.not_reached(hung(self.limit))),
        }
    }

    fn not_reached(&self, failure: ProbeFailure) -> StepError {
        StepError::NotReached { server: self.server.clone(), failure }
    }

    async fn credentials(&mut self, query: &str) -> Result<Option<Credentials>, StepError> {
        let set = self.read(query).await?;
        Ok(set.first().and_then(|row| {
            let cell = |at: usize| row.get(at).unwrap_or_default().to_owned();
            let user = cell(0);
            let tls_files = [cell(2), cell(3), cell(4)];
            (!user.is_empty()).then(|| Credentials { user, password: cell(1), tls_files })
        }))
    }

    /// A client that holds a table lock would keep `read_only` from being set: it is ended, and again.
    async fn make_read_only(&mut self, variable: &str) -> Result<Performed, StepError> {
        let [short_wait, set] = make_read_only(variable);
        self.run(short_wait, short_wait).await?;
        let mut ended = 0;
        let outcome = loop {
            match self.run(set, set).await {
                Err(StepError::Refused { code: LOCK_WAIT_TIMEOUT, .. }) => {}
                Ok(()) if ended == 0 => break Ok(Performed::changed(set)),
                Ok(()) => {
                    let clients = format!("{ended} client connections were in the way and ended");
                    break Ok(Performed::changed(format!("{set}; {clients}")));
                }
                Err(error) => break Err(error),
            }
            if Instant::now() >= self.deadline {
                break Err(StepError::LimitReached {
                    server: self.server.clone(),
                    limit: self.limit,
                    progress:
                        "connections that cannot be ended hold locks, so read_only is not set"
                            .to_owned(),
                });
            }
            match self.end_clients().await {
                Ok(count) => ended += count,
                Err(error) => break Err(error),
            }
        };
        if !matches!(outcome, Err(StepError::Unknown { .. })) {
            let long_wait = "SET SESSION lock_wait_timeout = DEFAULT";
            self.run(long_wait, long_wait).await?;
        }
        outcome
    }

    /// Ends ordinary client connections and counts them.
    async fn end_clients(&mut self) -> Result<usize, StepError> {
        let (connections, accounts) =
            (self.session.dialect.connections(), self.session.dialect.privileged_accounts());
        let connections = self.read(connections).await?;
        // Whoever may not read the accounts spares none.
        let privileged = match self.read(accounts).await {
            Ok(set) => set,
            Err(error) if self.session.connection.is_usable() => {
                log::debug!("instance.key":% = self.server, "error":% = error; "privileged accounts of {} unknown", self.server);
                ResultSet::default()
            }
            Err(error) => return Err(error),
        };
        let privileged: Vec<&str> = privileged.rows().filter_map(|row| row.get(0)).collect();
        let own_id = u64::from(self.session.connection.id());
        let victims: Vec<u64> = connections
            .rows()
            .filter(|row| {
                let user = row.get("USER").unwrap_or_default();
                let is_ours = user == self.settings.account.user;
                !is_ours && !privileged.contains(&user) && is_client(user, row.get("COMMAND"))
            })
            .filter_map(|row| row.get_u64("ID"))
            .filter(|id| *id != own_id)
            .collect();
        self.kill(&victims).await
    }

    async fn kill(&mut self, victims: &[u64]) -> Result<usize, StepError> {
        if victims.is_empty() {
            return Ok(0);
        }
        let sqls: Vec<String> = victims.iter().map(|id| format!("KILL {id}")).collect();
        let sqls: Vec<&str> = sqls.iter().map(String::as_str).collect();
        let unknown = |failure| StepError::Unknown {
            server: self.server.clone(),
            action: "KILL".to_owned(),
            failure,
        };
        let answers =
            match timeout_at(self.deadline, self.session.connection.query_each(&sqls)).await {
                Ok(answers) => answers.map_err(|error| unknown(failure(&error)))?,
                Err(_) => return Err(unknown(hung(self.limit))),
            };
        let refused = answers
            .iter()
            .filter_map(|answer| answer.as_ref().err())
            .find(|error| error.code != NO_SUCH_CONNECTION);
        match refused {
            Some(error) => Err(StepError::Refused {
                server: self.server.clone(),
                action: "KILL".to_owned(),
                code: error.code,
                message: error.message.clone(),
                advice: advice(error.code),
            }),
            None => Ok(answers.iter().filter(|answer| answer.is_ok()).count()),
        }
    }
}

/// A connection of a client, as opposed to the server's own and to those of replication.
fn is_client(user: &str, command: Option<&str>) -> bool {
    const SERVERS_OWN: [&str; 6] = [
        "system user",
        "event_scheduler",
        "unauthenticated user",
        "mysql.session",
        "mysql.sys",
        "mysql.infoschema",
    ];
    let command = command.unwrap_or_default();
    let is_of_replication = command.starts_with("Binlog Dump")
        || matches!(command, "Daemon" | "Connect" | "Register Slave" | "Register Replica");
    !user.is_empty() && !SERVERS_OWN.contains(&user) && !is_of_replication
}

/// What to do about errors that users meet.
fn advice(code: u16) -> &'static str {
    match code {
        1044 | 1045 | 1142 | 1227 => {
            "; grant ham4db's account on this server what the documentation lists"
        }
        1198 | 3021 | 3081 => "; another client started replication meanwhile, so try again",
        1200 => "; it has no source: point it at one first",
        1201 | 1794 | 1872 => {
            "; its replication repository is damaged: look into its error log, RESET REPLICA (SLAVE) may help"
        }
        1290 => "; an option the server was started with forbids it",
        _ => "",
    }
}
