//! Waiting until a replica has applied something: by reading its state again and again.
//!
//! The servers' own waiting functions differ in each family, tell nothing while they wait, and go on on the server
//! when the connection breaks. Reading costs little, notices a stopped applier at once, and leaves nothing behind.

use std::time::Duration;

use ham4db_domain::coordinates::BinlogCoordinates;
use ham4db_domain::gtid::{GtidSet, MariaDbPosition};
use ham4db_domain::instance::{GtidState, Replication, ThreadState};
use ham4db_domain::step::ApplyTarget;
use tokio::time::{Instant, sleep, timeout_at};

use super::Work;
use crate::facts::ReplicaStatus;
use crate::probe::hung;
use crate::server::{Performed, StepError};

/// Pauses between two readings: the first, and the longest.
const FIRST_PAUSE: Duration = Duration::from_millis(1);
const LONGEST_PAUSE: Duration = Duration::from_millis(50);

/// What has to be reached.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Goal {
    Gtids(GtidSet),
    Position(MariaDbPosition),
    Coordinates(BinlogCoordinates),
    /// It never received anything.
    Nothing,
}

/// Waits until the target is applied.
pub(super) async fn until_applied(
    work: &mut Work<'_>,
    target: &ApplyTarget,
) -> Result<Performed, StepError> {
    let began = Instant::now();
    let mut goal = None;
    let mut pause = FIRST_PAUSE;
    let mut idle_readings = 0;
    loop {
        let (status, gtid) = read(work).await?;
        let goal = goal.get_or_insert_with(|| goal_of(target, &status, &gtid));
        let Some(replication) = &status.replication else {
            return Err(impossible(work, "it is no replica any more".to_owned()));
        };
        if is_reached(goal, replication, &gtid) {
            let waited = format!("waited {:.3} s", began.elapsed().as_secs_f64());
            return Ok(Performed::changed(waited));
        }
        if replication.sql_thread != ThreadState::Running {
            return Err(impossible(work, stopped(replication)));
        }
        // A source that dies in the middle of a transaction leaves half of it in the relay log.
        let drained = *target == ApplyTarget::Received
            && replication.io_thread == ThreadState::Stopped
            && reads_for_more(&status.applier_words)
            && all_appliers_wait(work).await?;
        idle_readings = if drained { idle_readings + 1 } else { 0 };
        if idle_readings > 2 {
            return Ok(Performed::changed("the rest of what it received is half a transaction"));
        }
        if Instant::now() + pause >= work.deadline {
            let progress =
                format!("{} is to be applied, {}", words(goal), progress(replication, &gtid));
            return Err(StepError::LimitReached {
                server: work.server.clone(),
                limit: work.limit,
                progress,
            });
        }
        sleep(pause).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

async fn read(work: &mut Work<'_>) -> Result<(ReplicaStatus, GtidState), StepError> {
    match timeout_at(work.deadline, work.session.read_progress()).await {
        Ok(progress) => progress.map_err(|failure| work.not_reached(failure)),
        Err(_) => Err(work.not_reached(hung(work.limit))),
    }
}

/// What is received is fixed at the first reading, so that a receiver that still runs moves no goal.
fn goal_of(target: &ApplyTarget, status: &ReplicaStatus, gtid: &GtidState) -> Goal {
    match target {
        ApplyTarget::Gtids { set } => Goal::Gtids(set.clone()),
        ApplyTarget::Position { position } => Goal::Position(position.clone()),
        ApplyTarget::Received => {
            let read = status.replication.as_ref().and_then(|replication| replication.read.clone());
            match (&status.io_pos, read) {
                _ if !status.retrieved.is_empty() && gtid.mode.is_some() => {
                    Goal::Gtids(status.retrieved.clone())
                }
                (Some(position), _) if !position.is_empty() => Goal::Position(position.clone()),
                (_, Some(read)) => Goal::Coordinates(read),
                (_, None) => Goal::Nothing,
            }
        }
    }
}

fn is_reached(goal: &Goal, replication: &Replication, gtid: &GtidState) -> bool {
    match goal {
        Goal::Gtids(set) => gtid.executed.contains(set),
        Goal::Position(position) => {
            gtid.slave_pos.as_ref().is_some_and(|applied| applied.covers(position))
        }
        Goal::Coordinates(read) => {
            replication.executed.as_ref().is_some_and(|executed| executed >= read)
        }
        Goal::Nothing => true,
    }
}

fn reads_for_more(applier_words: &str) -> bool {
    applier_words.contains("has read all relay log")
}

/// No applier thread works on a transaction: all wait to be given one.
async fn all_appliers_wait(work: &mut Work<'_>) -> Result<bool, StepError> {
    let connections = work.session.dialect.connections();
    let set = work.read(connections).await?;
    let mut states = set
        .rows()
        .filter(|row| {
            row.get("USER") == Some("system user") && row.get("COMMAND") != Some("Daemon")
        })
        .map(|row| row.get("STATE"));
    Ok(states.all(|state| {
        let state = state.unwrap_or_default();
        reads_for_more(state)
            || state.starts_with("Waiting for an event from Coordinator")
            || state.starts_with("Waiting for work from SQL thread")
    }))
}

fn impossible(work: &Work<'_>, reason: String) -> StepError {
    StepError::Impossible { server: work.server.clone(), reason }
}

fn stopped(replication: &Replication) -> String {
    if replication.sql_errno == 0 {
        "its applier is stopped, so what it received is not applied: start it first".to_owned()
    } else {
        let Replication { sql_errno, sql_error, .. } = replication;
        format!(
            "its applier stopped with error {sql_errno}, which has to be repaired first: {sql_error}"
        )
    }
}

fn words(goal: &Goal) -> String {
    match goal {
        Goal::Gtids(set) => set.to_string(),
        Goal::Position(position) => position.to_string(),
        Goal::Coordinates(coordinates) => coordinates.to_string(),
        Goal::Nothing => "nothing".to_owned(),
    }
}

fn progress(replication: &Replication, gtid: &GtidState) -> String {
    let delay = match replication.delay_s {
        0 => String::new(),
        seconds => format!("; it is configured to lag {seconds} s behind"),
    };
    match (&gtid.slave_pos, &replication.executed) {
        (Some(applied), _) => format!("applied is {applied}{delay}"),
        (None, _) if !gtid.executed.is_empty() => format!("applied is {}{delay}", gtid.executed),
        (None, Some(executed)) => format!("applied is {executed}{delay}"),
        (None, None) => format!("nothing is applied{delay}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::replica_status;
    use crate::wire::ResultSet;

    fn status(read: &str, executed: &str, retrieved: &str, io_pos: &str) -> ReplicaStatus {
        let columns = [
            "Master_Host",
            "Master_Log_File",
            "Read_Master_Log_Pos",
            "Relay_Master_Log_File",
            "Exec_Master_Log_Pos",
            "Retrieved_Gtid_Set",
            "Gtid_IO_Pos",
        ];
        let row = ["db1", "b.000001", read, "b.000001", executed, retrieved, io_pos];
        let set = ResultSet::from_rows(&columns, [row.map(Some)]);
        replica_status(&set, &mut Vec::new())
    }

    const UUID: &str = "af6ba10f-e721-11f1-93f2-000000000001";

    #[test]
    fn what_was_received_is_told_in_the_terms_of_the_family() {
        let retrieved = format!("{UUID}:1-3");
        let with_mode = GtidState { mode: Some("ON".into()), ..GtidState::default() };
        let none = GtidState::default();
        let at = Goal::Coordinates("b.000001:900".parse().unwrap());
        let cases = [
            (
                "mysql",
                status("900", "1", &retrieved, ""),
                &with_mode,
                Goal::Gtids(retrieved.parse().unwrap()),
            ),
            (
                "mariadb",
                status("900", "1", "", "0-1-9"),
                &none,
                Goal::Position("0-1-9".parse().unwrap()),
            ),
            ("by file", status("900", "1", "", ""), &none, at),
        ];
        for (name, status, gtid, goal) in cases {
            assert_eq!(goal_of(&ApplyTarget::Received, &status, gtid), goal, "{name}");
        }
    }

    #[test]
    fn a_goal_is_reached_when_all_of_it_is_applied() {
        let found = status("900", "900", "", "");
        let replication = found.replication.unwrap();
        let gtid = GtidState {
            executed: format!("{UUID}:1-3").parse().unwrap(),
            slave_pos: Some("0-1-9".parse().unwrap()),
            ..GtidState::default()
        };
        let gtids = |text: &str| Goal::Gtids(format!("{UUID}:{text}").parse().unwrap());
        let position = |text: &str| Goal::Position(text.parse().unwrap());
        let at = |text: &str| Goal::Coordinates(text.parse().unwrap());
        let cases = [
            (gtids("1-3"), true),
            (gtids("1-4"), false),
            (position("0-1-9"), true),
            (position("0-1-9,1-1-1"), false),
            (at("b.000001:900"), true),
            (at("b.000001:901"), false),
            (Goal::Nothing, true),
        ];
        for (goal, reached) in cases {
            assert_eq!(is_reached(&goal, &replication, &gtid), reached, "{goal:?}");
        }
    }
}
