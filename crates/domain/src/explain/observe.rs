//! What each server said of itself and of its source, in words.

use jiff::Timestamp;

use crate::explain::Observation;
use crate::instance::{Instance, ThreadState};
use crate::key::InstanceKey;
use crate::topology::{Member, Topology};

/// What the failed server and its replicas said, the server itself first.
pub(super) fn observations(
    subject: &InstanceKey,
    topology: &Topology,
    now: Timestamp,
) -> Vec<Observation> {
    let own = topology.get(subject).map(|member| observation(member, now));
    let replicas = topology.replicas_of(subject).map(|member| observation(member, now));
    own.into_iter().chain(replicas).collect()
}

fn observation(member: &Member, now: Timestamp) -> Observation {
    let words = match (&member.checks.failure, member.current()) {
        (_, Some(instance)) => state(member, instance),
        (Some(failure), None) => failure.to_string(),
        (None, None) => "has not been reached yet".to_owned(),
    };
    let at = member.checks.last_checked.unwrap_or(now);
    Observation { at, server: member.key.clone(), words }
}

/// The state of a server that answers.
fn state(member: &Member, instance: &Instance) -> String {
    let Some(replication) = &instance.replication else {
        let mode = if instance.read_only { "read-only" } else { "takes writes" };
        return format!("answers, follows nobody, {mode}");
    };
    let silent = if member.receiver_is_silent() {
        ", but has heard nothing for longer than a living source keeps silent"
    } else {
        ""
    };
    let receiver = thread(replication.io_thread);
    let receiver_error = error(replication.io_errno, &replication.io_error);
    let applier = thread(replication.sql_thread);
    let applier_error = error(replication.sql_errno, &replication.sql_error);
    let lag = match replication.lag_s {
        Some(lag_s) if lag_s > 0 => format!("; {lag_s} s behind"),
        Some(_) | None => String::new(),
    };
    format!(
        "answers; receiver {receiver}{silent}{receiver_error}; applier {applier}{applier_error}{lag}"
    )
}

fn error(number: u32, text: &str) -> String {
    if number == 0 { String::new() } else { format!(" (error {number}: {text})") }
}

fn thread(state: ThreadState) -> &'static str {
    match state {
        ThreadState::Absent => "absent",
        ThreadState::Stopped => "stopped",
        ThreadState::Running => "running",
        ThreadState::Other => "trying to connect",
    }
}
