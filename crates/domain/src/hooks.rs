//! Which hooks run when, and with which values.
//!
//! Values reach a hook as environment variables. A placeholder in its text becomes a reference to its variable, quoted
//! for the place it stands in: the shell never reads a value as part of the program, so no host name and no error text
//! can be a command.

use crate::analysis::Problem;
use crate::filters::ClusterFilters;
use crate::key::InstanceKey;
use crate::recovery::{Kind, Outcome, keys};
use crate::registry::{Recovery, Registry};
use crate::topology::Topology;

/// A list of hooks, named for the moment at which it runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum HookList {
    /// A failure was noted for the first time.
    OnFailureDetection,
    /// A recovery is about to change something.
    PreFailover,
    /// A primary was replaced.
    PostMasterFailover,
    /// The replicas of an intermediate primary have a new source.
    PostIntermediateMasterFailover,
    /// After any recovery with a successor.
    PostFailover,
    /// After any recovery without one.
    PostUnsuccessfulFailover,
}

impl HookList {
    /// The key of the configuration.
    pub fn key(self) -> &'static str {
        match self {
            Self::OnFailureDetection => "OnFailureDetectionProcesses",
            Self::PreFailover => "PreFailoverProcesses",
            Self::PostMasterFailover => "PostMasterFailoverProcesses",
            Self::PostIntermediateMasterFailover => "PostIntermediateMasterFailoverProcesses",
            Self::PostFailover => "PostFailoverProcesses",
            Self::PostUnsuccessfulFailover => "PostUnsuccessfulFailoverProcesses",
        }
    }

    /// A failing hook ends the list and what it stands before.
    pub fn may_forbid(self) -> bool {
        match self {
            Self::OnFailureDetection | Self::PreFailover => true,
            Self::PostMasterFailover
            | Self::PostIntermediateMasterFailover
            | Self::PostFailover
            | Self::PostUnsuccessfulFailover => false,
        }
    }

    /// The lists that run after a recovery, in their order.
    pub fn after(kind: Kind, outcome: &Outcome) -> &'static [Self] {
        match (outcome, kind) {
            (Outcome::Recovered { .. }, Kind::Primary) => {
                &[Self::PostMasterFailover, Self::PostFailover]
            }
            (Outcome::Recovered { .. }, Kind::Intermediate) => {
                &[Self::PostIntermediateMasterFailover, Self::PostFailover]
            }
            (Outcome::Failed { .. } | Outcome::Aborted { .. }, _) => {
                &[Self::PostUnsuccessfulFailover]
            }
        }
    }
}

/// One hook, ready to be run by the shell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hook {
    /// Configuration key of the list.
    pub list: String,
    /// The command as configured.
    pub configured: String,
    /// The command with its placeholders replaced.
    pub command: String,
    /// Nobody waits for it, and it cannot fail anything.
    pub in_background: bool,
    /// Variables for its environment.
    pub environment: Vec<(String, String)>,
}

/// The values that hooks are told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HookFacts {
    values: Vec<Value>,
}

/// One value: its placeholders and its variable.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Value {
    placeholders: &'static [&'static str],
    variable: &'static str,
    text: String,
}

/// What all hooks of a failure are told.
struct Failure<'a> {
    code: &'static str,
    description: &'static str,
    instance_type: &'static str,
    failed: &'a InstanceKey,
    cluster: &'a str,
    alias: &'a str,
    domain: &'a str,
    replicas: Vec<&'a InstanceKey>,
    is_downtimed: bool,
    node: &'a str,
    uid: &'a str,
}

impl HookFacts {
    /// The values for hooks around a recovery; `outcome` is `None` before it has one.
    pub fn of(
        recovery: &Recovery,
        outcome: Option<&Outcome>,
        topology: Option<&Topology>,
        node: &str,
    ) -> Self {
        let intent = &recovery.intent;
        let domain = domain(topology, &intent.failed).unwrap_or_else(|| recovery.cluster.clone());
        let mut facts = Self::of_failure(&Failure {
            code: recovery.code.name(),
            description: recovery.code.description(),
            instance_type: match intent.kind {
                Kind::Primary => "master",
                Kind::Intermediate => "intermediate-master",
            },
            failed: &intent.failed,
            cluster: &recovery.cluster,
            alias: &recovery.alias,
            domain: &domain,
            replicas: intent.replicas.iter().collect(),
            is_downtimed: false,
            node,
            uid: &recovery.uid.0,
        });
        let (successor, lost): (_, &[InstanceKey]) = match outcome {
            Some(Outcome::Recovered { successor, lost, .. }) => (Some(successor), lost),
            Some(Outcome::Failed { .. } | Outcome::Aborted { .. }) | None => (None, &[]),
        };
        facts.outcome(successor.is_some(), lost);
        if let Some(successor) = successor {
            facts.successor(successor, recovery, topology);
        }
        facts
    }

    /// The values for hooks of a detection; no recovery exists yet.
    pub fn of_detection(problem: &Problem, topology: &Topology, node: &str) -> Self {
        let replicas = topology.replicas_of(&problem.key).map(|member| &member.key).collect();
        let domain =
            domain(Some(topology), &problem.key).unwrap_or_else(|| problem.cluster.clone());
        let member = topology.get(&problem.key);
        let alias = member.and_then(|member| member.place.suggested_alias.as_deref());
        let mut facts = Self::of_failure(&Failure {
            code: problem.code.name(),
            description: problem.code.description(),
            instance_type: problem.instance_type(),
            failed: &problem.key,
            cluster: &problem.cluster,
            alias: alias.unwrap_or(&problem.cluster),
            domain: &domain,
            replicas,
            is_downtimed: problem.facts.is_downtimed,
            node,
            uid: "",
        });
        facts.outcome(false, &[]);
        facts
    }

    /// With what is known of the cluster's name and of the settings for it.
    #[must_use]
    pub fn with_cluster(
        mut self,
        alias: &str,
        primaries: &ClusterFilters,
        intermediates: &ClusterFilters,
    ) -> Self {
        let cluster = self.get("ORC_FAILURE_CLUSTER").unwrap_or_default().to_owned();
        self.set("ORC_FAILURE_CLUSTER_ALIAS", alias.to_owned());
        let matches = |filters: &ClusterFilters| filters.matches(&cluster, alias).to_string();
        self.set("ORC_AUTO_MASTER_RECOVERY", matches(primaries));
        self.set("ORC_AUTO_INTERMEDIATE_MASTER_RECOVERY", matches(intermediates));
        self
    }

    /// With the command that asked for it: `force-master-failover`, `graceful-master-takeover` …
    #[must_use]
    pub fn with_command(mut self, command: &str) -> Self {
        self.set("ORC_COMMAND", command.to_owned());
        self
    }

    /// With the downtime that is in effect.
    #[must_use]
    pub fn with_downtime(
        mut self,
        registry: &Registry,
        failed: &InstanceKey,
        now: jiff::Timestamp,
    ) -> Self {
        self.set("ORC_IS_DOWNTIMED", registry.downtime(failed, now).is_some().to_string());
        self
    }

    /// The table of the reference, in its order.
    fn of_failure(failure: &Failure<'_>) -> Self {
        let Failure { failed, .. } = failure;
        let is_co_source = failure.instance_type == "co-master";
        let is_source = failure.instance_type == "master" || is_co_source;
        let replicas = keys(failure.replicas.iter().copied()).replace(", ", ",");
        let count = failure.replicas.len().to_string();
        let mut facts = Self { values: Vec::new() };
        let rows: [(&'static [&'static str], &'static str, String); 21] = [
            (&["{failureType}"], "ORC_FAILURE_TYPE", failure.code.to_owned()),
            (&["{instanceType}"], "ORC_INSTANCE_TYPE", failure.instance_type.to_owned()),
            (&["{isMaster}"], "ORC_IS_MASTER", is_source.to_string()),
            (&["{isCoMaster}"], "ORC_IS_CO_MASTER", is_co_source.to_string()),
            (&["{failureDescription}"], "ORC_FAILURE_DESCRIPTION", failure.description.to_owned()),
            (&["{command}"], "ORC_COMMAND", String::new()),
            (&["{failedHost}"], "ORC_FAILED_HOST", failed.host.clone()),
            (&["{failedPort}"], "ORC_FAILED_PORT", failed.port.to_string()),
            (&["{failureCluster}"], "ORC_FAILURE_CLUSTER", failure.cluster.to_owned()),
            (&["{failureClusterAlias}"], "ORC_FAILURE_CLUSTER_ALIAS", failure.alias.to_owned()),
            (&["{failureClusterDomain}"], "ORC_FAILURE_CLUSTER_DOMAIN", failure.domain.to_owned()),
            (&["{countReplicas}", "{countSlaves}"], "ORC_COUNT_REPLICAS", count),
            (&["{isDowntimed}"], "ORC_IS_DOWNTIMED", failure.is_downtimed.to_string()),
            (&["{autoMasterRecovery}"], "ORC_AUTO_MASTER_RECOVERY", false.to_string()),
            (
                &["{autoIntermediateMasterRecovery}"],
                "ORC_AUTO_INTERMEDIATE_MASTER_RECOVERY",
                false.to_string(),
            ),
            (&["{orchestratorHost}"], "ORC_ORCHESTRATOR_HOST", failure.node.to_owned()),
            (&["{recoveryUID}"], "ORC_RECOVERY_UID", failure.uid.to_owned()),
            (&["{isSuccessful}"], "ORC_IS_SUCCESSFUL", false.to_string()),
            (&["{lostReplicas}", "{lostSlaves}"], "ORC_LOST_REPLICAS", String::new()),
            (&["{countLostReplicas}"], "ORC_COUNT_LOST_REPLICAS", "0".to_owned()),
            (&["{replicaHosts}", "{slaveHosts}"], "ORC_REPLICA_HOSTS", replicas),
        ];
        for (placeholders, variable, text) in rows {
            facts.values.push(Value { placeholders, variable, text });
        }
        facts
    }

    fn outcome(&mut self, successful: bool, lost: &[InstanceKey]) {
        self.set("ORC_IS_SUCCESSFUL", successful.to_string());
        self.set("ORC_LOST_REPLICAS", keys(lost).replace(", ", ","));
        self.set("ORC_COUNT_LOST_REPLICAS", lost.len().to_string());
    }

    /// Only with a successor: otherwise these placeholders stay as they are and the variables are absent.
    fn successor(
        &mut self,
        successor: &InstanceKey,
        recovery: &Recovery,
        topology: Option<&Topology>,
    ) {
        let member = topology.and_then(|topology| topology.get(successor));
        let alias = member.and_then(|member| member.instance.as_ref()?.alias.clone());
        let position = recovery.choice.as_ref().and_then(|choice| choice.position.as_ref());
        let position = position.filter(|_| recovery.intent.kind == Kind::Primary);
        let mut push = |placeholders, variable, text| {
            self.values.push(Value { placeholders, variable, text });
        };
        push(&["{successorHost}"], "ORC_SUCCESSOR_HOST", successor.host.clone());
        push(&["{successorPort}"], "ORC_SUCCESSOR_PORT", successor.port.to_string());
        if let Some(position) = position {
            let text = position.to_string();
            push(&["{successorBinlogCoordinates}"], "ORC_SUCCESSOR_BINLOG_COORDINATES", text);
        }
        push(&["{successorAlias}"], "ORC_SUCCESSOR_ALIAS", alias.unwrap_or_default());
    }

    fn get(&self, variable: &str) -> Option<&str> {
        let value = self.values.iter().find(|value| value.variable == variable)?;
        Some(&value.text)
    }

    fn set(&mut self, variable: &str, text: String) {
        let value = self.values.iter_mut().find(|value| value.variable == variable);
        if let Some(value) = value {
            value.text = text;
        }
    }
}

/// The domain of the cluster, as one of its servers suggests it.
fn domain(topology: Option<&Topology>, failed: &InstanceKey) -> Option<String> {
    topology?.get(failed)?.instance.as_ref()?.cluster_domain.clone()
}

/// The hooks of a list with their values, in their order.
pub fn hooks_of(list: HookList, commands: &[String], facts: &HookFacts) -> Vec<Hook> {
    commands.iter().map(|configured| hook(list, configured, facts)).collect()
}

fn hook(list: HookList, configured: &str, facts: &HookFacts) -> Hook {
    let trimmed = configured.trim_end();
    // `&&` at the end is a mistake for the shell to complain about, not a wish for the background.
    let background = trimmed.strip_suffix('&').filter(|rest| !rest.ends_with('&'));
    let environment = facts
        .values
        .iter()
        .map(|value| (value.variable.to_owned(), value.text.replace('\0', "")))
        .collect();
    Hook {
        list: list.key().to_owned(),
        configured: configured.to_owned(),
        command: replace(background.unwrap_or(trimmed).trim_end(), facts),
        in_background: background.is_some(),
        environment,
    }
}

/// How the shell reads the text around a placeholder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Quotes {
    None,
    Single,
    Double,
}

/// Puts references to variables in the place of placeholders.
fn replace(command: &str, facts: &HookFacts) -> String {
    let mut out = String::with_capacity(command.len());
    // The innermost last: `$(…)` begins anew within double quotes.
    let mut quotes = vec![Quotes::None];
    let mut rest = command;
    while let Some(first) = rest.chars().next() {
        let inner = quotes.last().copied().unwrap_or(Quotes::None);
        let found = facts.values.iter().find_map(|value| {
            let placeholder = value.placeholders.iter().find(|one| rest.starts_with(**one))?;
            Some((placeholder.len(), value.variable))
        });
        if let Some((length, variable)) = found {
            out.push_str(&reference(variable, inner));
            rest = &rest[length..];
            continue;
        }
        let mut length = first.len_utf8();
        match (inner, first) {
            (Quotes::None, '\'') => quotes.push(Quotes::Single),
            (Quotes::None, '"') => quotes.push(Quotes::Double),
            (Quotes::None, '(') => quotes.push(Quotes::None),
            (Quotes::Double, '$') if rest.starts_with("$(") => {
                quotes.push(Quotes::None);
                length += 1;
            }
            (Quotes::Single, '\'') | (Quotes::Double, '"') => {
                quotes.pop();
            }
            (Quotes::None, ')') if quotes.len() > 1 => {
                quotes.pop();
            }
            // The next character opens or closes nothing.
            (Quotes::None | Quotes::Double, '\\') => {
                length += rest[length..].chars().next().map_or(0, char::len_utf8);
            }
            // A comment: quotes in it open nothing.
            (Quotes::None, '#') if out.chars().next_back().is_none_or(char::is_whitespace) => {
                length = rest.find('\n').unwrap_or(rest.len());
            }
            (Quotes::None | Quotes::Single | Quotes::Double, _) => {}
        }
        out.push_str(&rest[..length]);
        rest = &rest[length..];
    }
    out
}

/// A reference that is one word, or part of one, where it stands.
fn reference(variable: &str, quotes: Quotes) -> String {
    match quotes {
        Quotes::None => format!("\"${{{variable}}}\""),
        Quotes::Double => format!("${{{variable}}}"),
        Quotes::Single => format!("'\"${{{variable}}}\"'"),
    }
}

#[cfg(test)]
mod tests;
