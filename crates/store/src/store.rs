//! What is kept between two runs of a node.

use std::sync::Arc;

use ham4db_domain::checks::Checks;
use ham4db_domain::command::Row;
use ham4db_domain::explain::Explanation;
use ham4db_domain::instance::Instance;
use ham4db_domain::key::InstanceKey;
use ham4db_domain::registry::Registry;
use ham4db_domain::topology::{Member, Server};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::engine::{Bound, Engine, EngineError, Value, absolute};
use crate::error::StoreError;
use crate::rows;
use crate::settings::StoreSettings;

/// The backend database. Cheap to clone; every method blocks, so callers run it in `spawn_blocking`.
#[derive(Clone)]
pub struct Store {
    engine: Engine,
    place: Arc<str>,
    /// Names this opening of the backend: the latest one alone writes replicated state.
    session: i64,
}

/// Why nothing was done about a failure, as it was stored.
#[derive(Debug, Clone, PartialEq)]
pub struct Refusal {
    /// When.
    pub at: Timestamp,
    /// The story.
    pub explanation: Explanation,
}

/// A server's state as it is stored.
#[derive(Serialize, Deserialize)]
struct StoredServer {
    instance: Option<Instance>,
    checks: Checks,
}

impl Store {
    /// Opens the backend, makes it when it is missing, and brings its tables to this version.
    ///
    /// # Errors
    /// In words that say which file or server, what happened, and what to do.
    pub fn open(settings: &StoreSettings) -> Result<Self, StoreError> {
        let place = match settings {
            StoreSettings::Sqlite { file } => absolute(file),
            StoreSettings::MySql(server) => server.place(),
        };
        // Two processes do not open one backend in the same nanosecond.
        let session = i64::try_from(Timestamp::now().as_nanosecond()).unwrap_or(i64::MAX);
        let store = Self { engine: Engine::open(settings)?, place: place.into(), session };
        store.write("begin a session", &[progress("session", session)])?;
        Ok(store)
    }

    /// File or server, for messages.
    pub fn place(&self) -> &str {
        &self.place
    }

    /// The state that the log built, and how far the log has been applied.
    ///
    /// # Errors
    /// When it cannot be read, or a row of it was written by another version: nothing of it is left out.
    pub fn load_registry(&self) -> Result<(Registry, u64), StoreError> {
        let mut registry = Registry::default();
        for row in self.read(
            "read the replicated state",
            "SELECT kind, id, body FROM replicated ORDER BY kind, id",
            &[],
        )? {
            let [Value::Text(kind), Value::Text(id), Value::Text(body)] = row.as_slice() else {
                return Err(self.failed("read the replicated state", "a row of it is no text"));
            };
            rows::put(&mut registry, kind, id, body).map_err(|reason| StoreError::Row {
                place: self.place.to_string(),
                kind: kind.clone(),
                id: id.clone(),
                reason,
            })?;
        }
        let highest = registry.recoveries.values().map(|recovery| recovery.id).max().unwrap_or(0);
        registry.next_recovery_id = self.progress("recovery_id")?.max(highest);
        Ok((registry, self.progress("applied")?))
    }

    /// Writes the rows that a command changed, and the log position it reaches, in one transaction.
    ///
    /// # Errors
    /// `Unconfirmed` when it may have been written; [`Store::settle`] tells. `InUse` when another process has opened
    /// the backend since. With every other one nothing was written.
    pub fn write_rows(
        &self,
        registry: &Registry,
        changed: &[Row],
        applied: u64,
    ) -> Result<(), StoreError> {
        let mut statements = vec![progress("applied", number(applied))];
        if changed.iter().any(|row| matches!(row, Row::Recovery(_))) {
            statements.push(progress("recovery_id", number(registry.next_recovery_id)));
        }
        for row in changed {
            let (kind, id) = rows::place(row);
            let content = rows::content(registry, row)
                .map_err(|error| self.failed("write a row", &error.to_string()))?;
            let (kind, id) = (Value::Text(kind.to_owned()), Value::Text(id));
            statements.push(match content {
                Some(body) => (
                    "REPLACE INTO replicated (kind, id, body) VALUES (?, ?, ?)",
                    vec![kind, id, Value::Text(body)],
                ),
                None => ("DELETE FROM replicated WHERE kind = ? AND id = ?", vec![kind, id]),
            });
        }
        self.write_alone("write the replicated state", &statements)
    }

    /// Waits until an unconfirmed transaction has come to its end, and tells how far the log has been applied.
    ///
    /// # Errors
    /// When that cannot be told yet.
    pub fn settle(&self) -> Result<u64, StoreError> {
        // Every transaction of the log locks the row of the session, so this one comes after it.
        self.write_alone("look how far the log was applied", &[])?;
        self.progress("applied")
    }

    /// Counts one more term of leadership of this node, and returns it.
    pub fn next_term(&self) -> Result<u64, StoreError> {
        let term = self.progress("term")? + 1;
        self.write_alone("write the term", &[progress("term", number(term))])?;
        Ok(term)
    }

    /// Stores the latest state of servers.
    pub fn save_members(&self, members: &[Arc<Member>]) -> Result<(), StoreError> {
        let statements: Result<Vec<Bound>, StoreError> = members
            .iter()
            .map(|member| {
                let instance = member.instance.as_deref();
                let stored = StoredServer { instance: instance.cloned(), checks: member.checks.clone() };
                let body = serde_json::to_string(&stored)
                    .map_err(|error| self.failed("write a server", &error.to_string()))?;
                let text = |text: Option<String>| text.map_or(Value::Null, Value::Text);
                let seen = member.checks.last_seen.map_or(Value::Null, |seen| Value::Int(seen.as_millisecond()));
                let values = vec![
                    Value::Text(member.key.host.clone()),
                    Value::Int(i64::from(member.key.port)),
                    Value::Text(member.place.cluster.clone()),
                    text(instance.map(|instance| instance.version.text().to_owned())),
                    text(instance.and_then(|instance| instance.source()).map(ToString::to_string)),
                    instance.map_or(Value::Null, |instance| Value::Int(i64::from(instance.read_only))),
                    seen,
                    Value::Text(body),
                ];
                Ok((
                    "REPLACE INTO server (host, port, cluster, version, source, read_only, seen_ms, body) \
                     VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                    values,
                ))
            })
            .collect();
        self.write("write servers", &statements?)
    }

    /// Drops what is stored of a server.
    pub fn forget_member(&self, key: &InstanceKey) -> Result<(), StoreError> {
        let values = vec![Value::Text(key.host.clone()), Value::Int(i64::from(key.port))];
        self.write("forget a server", &[("DELETE FROM server WHERE host = ? AND port = ?", values)])
    }

    /// All servers as they were last stored. One that cannot be read is left out: it will be read anew.
    pub fn load_members(&self) -> Result<Vec<Server>, StoreError> {
        let mut servers = Vec::new();
        for row in self.read(
            "read servers",
            "SELECT host, port, body FROM server ORDER BY host, port",
            &[],
        )? {
            let [Value::Text(host), Value::Int(port), Value::Text(body)] = row.as_slice() else {
                continue;
            };
            let Ok(port) = u16::try_from(*port) else { continue };
            let key = InstanceKey::new(host.clone(), port);
            match serde_json::from_str::<StoredServer>(body) {
                Ok(StoredServer { instance, checks }) => {
                    servers.push(Server {
                        key,
                        instance: instance.map(Arc::new),
                        checks,
                        silent_for: None,
                    });
                }
                Err(error) => {
                    log::warn!("instance.key":% = key, "error":% = error; "what was stored of {key} cannot be read");
                }
            }
        }
        Ok(servers)
    }

    /// Stores why nothing was done about a failure.
    pub fn save_explanation(&self, explanation: &Explanation) -> Result<(), StoreError> {
        let body = serde_json::to_string(explanation)
            .map_err(|error| self.failed("write a refusal", &error.to_string()))?;
        let values = vec![
            Value::Text(explanation.subject.host.clone()),
            Value::Int(i64::from(explanation.subject.port)),
            Value::Text(explanation.cluster.clone()),
            Value::Int(explanation.decided.as_millisecond()),
            Value::Text(body),
        ];
        let sql = "INSERT INTO refusal (host, port, cluster, at_ms, body) VALUES (?, ?, ?, ?, ?)";
        self.write("write a refusal", &[(sql, values)])
    }

    /// The latest refusals about a server, newest first.
    pub fn refusals(&self, key: &InstanceKey, most: u32) -> Result<Vec<Refusal>, StoreError> {
        let sql = "SELECT at_ms, body FROM refusal WHERE host = ? AND port = ? ORDER BY at_ms DESC, id DESC LIMIT ?";
        let values = [
            Value::Text(key.host.clone()),
            Value::Int(i64::from(key.port)),
            Value::Int(i64::from(most)),
        ];
        let rows = self.read("read refusals", sql, &values)?;
        Ok(rows.iter().filter_map(|row| refusal(row)).collect())
    }

    /// Drops local records from before a time.
    pub fn purge(&self, before: Timestamp) -> Result<(), StoreError> {
        let values = vec![Value::Int(before.as_millisecond())];
        self.write("purge refusals", &[("DELETE FROM refusal WHERE at_ms < ?", values)])
    }

    /// Reads something and writes it changed: the backend can be used, and is used by this process alone.
    pub fn check(&self) -> Result<(), StoreError> {
        let checked = self.progress("checked")?;
        let next = checked.wrapping_add(1) & 0xffff;
        self.write_alone("check itself", &[progress("checked", number(next))])
    }

    fn progress(&self, name: &str) -> Result<u64, StoreError> {
        let rows = self.read(
            "read its progress",
            "SELECT value FROM progress WHERE name = ?",
            &[Value::Text(name.to_owned())],
        )?;
        Ok(match rows.first().map(Vec::as_slice) {
            Some([Value::Int(number)]) => u64::try_from(*number).unwrap_or(0),
            _ => 0,
        })
    }

    fn read(
        &self,
        action: &'static str,
        sql: &str,
        values: &[Value],
    ) -> Result<Vec<Vec<Value>>, StoreError> {
        self.engine.read(sql, values).map_err(|error| self.error(action, error))
    }

    fn write(&self, action: &'static str, statements: &[Bound]) -> Result<(), StoreError> {
        self.engine.write(None, statements).map_err(|error| self.error(action, error))
    }

    /// Writes only while nobody else has opened the backend since.
    fn write_alone(&self, action: &'static str, statements: &[Bound]) -> Result<(), StoreError> {
        let session = Value::Int(self.session);
        let condition = (
            "UPDATE progress SET value = ? WHERE name = 'session' AND value = ?",
            vec![session.clone(), session],
        );
        self.engine.write(Some(&condition), statements).map_err(|error| self.error(action, error))
    }

    fn error(&self, action: &'static str, error: EngineError) -> StoreError {
        let place = self.place.to_string();
        match error {
            EngineError::Failed(reason) => StoreError::Statement { place, action, reason },
            EngineError::Unconfirmed(reason) => StoreError::Unconfirmed { place, action, reason },
            EngineError::Conflict => StoreError::InUse { place },
        }
    }

    fn failed(&self, action: &'static str, reason: &str) -> StoreError {
        self.error(action, EngineError::Failed(reason.to_owned()))
    }
}

/// A number as the engines store it.
fn number(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

fn progress(name: &str, value: i64) -> Bound {
    let values = vec![Value::Text(name.to_owned()), Value::Int(value)];
    ("REPLACE INTO progress (name, value) VALUES (?, ?)", values)
}

fn refusal(row: &[Value]) -> Option<Refusal> {
    let [Value::Int(at), Value::Text(body)] = row else { return None };
    let at = Timestamp::from_millisecond(*at).ok()?;
    let explanation = serde_json::from_str(body).ok()?;
    Some(Refusal { at, explanation })
}
