//! What is done at once to see clearer, before any recovery, and what has to be remembered for it.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{AnalysisCode, Problem};
use crate::checks::seconds_between;
use crate::coordinates::BinlogCoordinates;
use crate::key::InstanceKey;
use crate::policy::AnalysisPolicy;
use crate::registry::Registry;
use crate::topology::Topology;

/// Something that is done at once so that the next analysis sees clearer.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(tag = "urgent", rename_all = "kebab-case")]
pub enum Urgent {
    /// Look at this server now.
    Reprobe {
        /// The server.
        key: InstanceKey,
    },
    /// Stop and start the receiver of a replica, so that a locked or overcrowded source shows itself.
    RestartReceiver {
        /// The replica.
        replica: InstanceKey,
        /// Its source, which the problem is about.
        source: InstanceKey,
    },
    /// Remember where the server writes: if it still writes there later, it is locked ([`Memory::note_position`]).
    NotePosition {
        /// The server.
        key: InstanceKey,
        /// Where it writes.
        position: BinlogCoordinates,
    },
}

/// The urgent things to do about a problem, before throttling ([`Memory::admit`]).
pub fn urgent(problem: &Problem, topology: &Topology, registry: &Registry) -> Vec<Urgent> {
    let reprobe = |key: &InstanceKey| Urgent::Reprobe { key: key.clone() };
    match problem.code {
        AnalysisCode::DeadMasterAndReplicas
        | AnalysisCode::AllMasterReplicasNotReplicating
        | AnalysisCode::AllMasterReplicasNotReplicatingOrDead => vec![reprobe(&problem.key)],
        AnalysisCode::UnreachableMaster => {
            let replicas = topology.replicas_through_binlog_servers(&problem.key);
            let replicas = replicas.into_iter().map(|replica| reprobe(&replica.key));
            [reprobe(&problem.key)].into_iter().chain(replicas).collect()
        }
        AnalysisCode::LockedSemiSyncMasterHypothesis => {
            let position = problem
                .facts
                .position
                .as_ref()
                .map(|at| Urgent::NotePosition { key: problem.key.clone(), position: at.clone() });
            [reprobe(&problem.key)].into_iter().chain(position).collect()
        }
        AnalysisCode::UnreachableMasterWithLaggingReplicas
        | AnalysisCode::UnreachableIntermediateMasterWithLaggingReplicas => {
            restart_receivers(&problem.key, topology, registry)
        }
        AnalysisCode::FirstTierReplicaFailingToConnectToMaster => {
            let source = topology.get(&problem.key).and_then(|member| member.source());
            source.map(reprobe).into_iter().collect()
        }
        AnalysisCode::NoProblem
        | AnalysisCode::DeadMasterWithoutReplicas
        | AnalysisCode::DeadMaster
        | AnalysisCode::DeadMasterAndSomeReplicas
        | AnalysisCode::LockedSemiSyncMaster
        | AnalysisCode::MasterWithTooManySemiSyncReplicas
        | AnalysisCode::NoWriteableMasterStructureWarning
        | AnalysisCode::MasterSingleReplicaNotReplicating
        | AnalysisCode::MasterSingleReplicaDead
        | AnalysisCode::DeadCoMaster
        | AnalysisCode::DeadCoMasterAndSomeReplicas
        | AnalysisCode::UnreachableCoMaster
        | AnalysisCode::AllCoMasterReplicasNotReplicating
        | AnalysisCode::DeadIntermediateMasterWithSingleReplicaFailingToConnect
        | AnalysisCode::DeadIntermediateMasterWithSingleReplica
        | AnalysisCode::DeadIntermediateMaster
        | AnalysisCode::DeadIntermediateMasterAndSomeReplicas
        | AnalysisCode::DeadIntermediateMasterAndReplicas
        | AnalysisCode::UnreachableIntermediateMaster
        | AnalysisCode::AllIntermediateMasterReplicasFailingToConnectOrDead
        | AnalysisCode::AllIntermediateMasterReplicasNotReplicating
        | AnalysisCode::BinlogServerFailingToConnectToMaster
        | AnalysisCode::DeadReplicationGroupMemberWithReplicas => Vec::new(),
    }
}

/// Every valid replica but those on MariaDB GTID, which drop their relay logs on a restart. None while recoveries
/// are switched off everywhere: nothing is changed on any server then.
fn restart_receivers(
    source: &InstanceKey,
    topology: &Topology,
    registry: &Registry,
) -> Vec<Urgent> {
    if registry.recoveries_disabled.is_some() {
        return Vec::new();
    }
    topology
        .replicas_of(source)
        .filter(|replica| replica.current().is_some_and(|facts| !facts.uses_mariadb_gtid()))
        .map(|replica| Urgent::RestartReceiver {
            replica: replica.key.clone(),
            source: source.clone(),
        })
        .collect()
}

/// What earlier analyses left behind: noted positions, and when something urgent was last done to whom.
#[derive(Debug, Clone, Default)]
pub struct Memory {
    positions: BTreeMap<InstanceKey, (BinlogCoordinates, Timestamp)>,
    reprobed: BTreeMap<InstanceKey, Timestamp>,
    restarted: BTreeMap<InstanceKey, Timestamp>,
    swept: BTreeMap<InstanceKey, Timestamp>,
}

/// At most one re-probe of a server in this time.
const REPROBE_EVERY: Duration = Duration::from_secs(1);
/// At most one restart of a receiver, and one sweep over a source's replicas, in this time.
const RESTART_EVERY: Duration = Duration::from_secs(30);
/// How long replicas may take to reconnect after a sweep.
const GRACE: Duration = Duration::from_secs(5);

impl Memory {
    /// Notes where a server writes. The time of the first note is kept while it writes at the same place.
    pub fn note_position(&mut self, key: InstanceKey, position: BinlogCoordinates, at: Timestamp) {
        match self.positions.get(&key) {
            Some((noted, _)) if *noted == position => {}
            _ => {
                self.positions.insert(key, (position, at));
            }
        }
    }

    /// Leaves of `urgent` what has not been done too recently, and remembers that it is done now.
    ///
    /// Sweeps over the replicas of one source and restarts of one receiver are counted apart.
    pub fn admit(&mut self, urgent: Vec<Urgent>, now: Timestamp) -> Vec<Urgent> {
        let sweeps: BTreeMap<InstanceKey, bool> = urgent
            .iter()
            .filter_map(|order| match order {
                Urgent::RestartReceiver { source, .. } => Some(source.clone()),
                Urgent::Reprobe { .. } | Urgent::NotePosition { .. } => None,
            })
            .map(|source| {
                let due = is_due(&self.swept, &source, RESTART_EVERY, now);
                (source, due)
            })
            .collect();
        for (source, _) in sweeps.iter().filter(|(_, due)| **due) {
            self.swept.insert(source.clone(), now);
        }
        let swept_now = |source: &InstanceKey| sweeps.get(source).copied().unwrap_or(false);
        urgent
            .into_iter()
            .filter(|order| match order {
                Urgent::Reprobe { key } => take_turn(&mut self.reprobed, key, REPROBE_EVERY, now),
                Urgent::RestartReceiver { replica, source } => {
                    swept_now(source) && take_turn(&mut self.restarted, replica, RESTART_EVERY, now)
                }
                Urgent::NotePosition { .. } => true,
            })
            .collect()
    }

    /// The receivers of this server's replicas were restarted a moment ago.
    pub fn in_grace(&self, key: &InstanceKey, now: Timestamp) -> bool {
        self.swept.get(key).is_some_and(|swept| seconds_between(*swept, now) <= GRACE.as_secs_f64())
    }

    /// Forgets what no longer matters at `now`: times past their limits, positions noted longer than `keep` ago.
    pub fn prune(&mut self, now: Timestamp, keep: Duration) {
        let younger =
            |at: &Timestamp, limit: Duration| seconds_between(*at, now) <= limit.as_secs_f64();
        self.positions.retain(|_, (_, at)| younger(at, keep));
        self.reprobed.retain(|_, at| younger(at, REPROBE_EVERY));
        self.restarted.retain(|_, at| younger(at, RESTART_EVERY));
        self.swept.retain(|_, at| younger(at, RESTART_EVERY));
    }

    /// The server has been writing at `position` for longer than a semi-synchronous primary may.
    pub(super) fn is_stale(
        &self,
        key: &InstanceKey,
        position: &BinlogCoordinates,
        policy: &AnalysisPolicy,
        now: Timestamp,
    ) -> bool {
        let limit = Some(policy.locked_semi_sync_after).filter(|limit| !limit.is_zero());
        let limit_s = limit.unwrap_or(policy.reasonable_lag).as_secs_f64();
        self.positions.get(key).is_some_and(|(noted, since)| {
            noted == position && seconds_between(*since, now) > limit_s
        })
    }
}

fn is_due(
    done: &BTreeMap<InstanceKey, Timestamp>,
    key: &InstanceKey,
    every: Duration,
    now: Timestamp,
) -> bool {
    done.get(key).is_none_or(|at| seconds_between(*at, now) >= every.as_secs_f64())
}

fn take_turn(
    done: &mut BTreeMap<InstanceKey, Timestamp>,
    key: &InstanceKey,
    every: Duration,
    now: Timestamp,
) -> bool {
    let due = is_due(done, key, every, now);
    if due {
        done.insert(key.clone(), now);
    }
    due
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::{Fleet, key, later, now, problem};
    use crate::registry::Disabled;

    fn reprobe(host: &str) -> Urgent {
        Urgent::Reprobe { key: key(host) }
    }

    fn restart(host: &str) -> Urgent {
        Urgent::RestartReceiver { replica: key(host), source: key("p") }
    }

    fn orders(fleet: &Fleet, host: &str, code: AnalysisCode) -> Vec<Urgent> {
        urgent(&problem(host, code), &fleet.view, &fleet.registry)
    }

    #[test]
    fn the_right_servers_are_looked_at_again() {
        let fleet = Fleet::mysql(2);
        let all = vec![reprobe("p"), reprobe("r1"), reprobe("r2")];
        assert_eq!(orders(&fleet, "p", AnalysisCode::UnreachableMaster), all);
        let own = vec![reprobe("p")];
        assert_eq!(orders(&fleet, "p", AnalysisCode::DeadMasterAndReplicas), own);
        assert_eq!(orders(&fleet, "p", AnalysisCode::AllMasterReplicasNotReplicating), own);
        let first_tier = AnalysisCode::FirstTierReplicaFailingToConnectToMaster;
        assert_eq!(orders(&fleet, "r1", first_tier), own);
        assert_eq!(orders(&fleet, "p", AnalysisCode::DeadMaster), []);
    }

    #[test]
    fn receivers_are_restarted_only_where_and_when_that_does_no_harm() {
        let code = AnalysisCode::UnreachableMasterWithLaggingReplicas;
        let mut fleet = Fleet::mysql(2);
        assert_eq!(orders(&fleet, "p", code), [restart("r1"), restart("r2")]);
        assert_eq!(orders(&fleet.clone().without("r1"), "p", code), [restart("r2")]);
        assert_eq!(orders(&Fleet::mariadb(2), "p", code), []);
        fleet.registry.recoveries_disabled = Some(Disabled { by: "me".into(), at: now() });
        assert_eq!(orders(&fleet, "p", code), []);
    }

    #[test]
    fn nothing_urgent_is_done_too_often() {
        let mut memory = Memory::default();
        let both = || vec![reprobe("p"), restart("r1")];
        assert_eq!(memory.admit(both(), now()), both());
        assert!(memory.in_grace(&key("p"), later(5)) && !memory.in_grace(&key("p"), later(6)));
        assert_eq!(memory.admit(both(), now()), []);
        assert_eq!(memory.admit(both(), later(1)), [reprobe("p")]);
        assert_eq!(memory.admit(vec![restart("r2")], later(29)), [], "the sweep was a moment ago");
        assert_eq!(memory.admit(both(), later(30)), both());
        memory.prune(later(600), Duration::from_mins(1));
        assert!(memory.reprobed.is_empty() && memory.restarted.is_empty());
    }

    #[test]
    fn a_note_keeps_its_time_until_the_server_writes_on() {
        let mut memory = Memory::default();
        let (here, there) = (at(100), at(200));
        memory.note_position(key("p"), here.clone(), now());
        memory.note_position(key("p"), here.clone(), later(5));
        assert_eq!(memory.positions[&key("p")], (here, now()));
        memory.note_position(key("p"), there.clone(), later(6));
        assert_eq!(memory.positions[&key("p")], (there, later(6)));
    }

    fn at(position: u64) -> BinlogCoordinates {
        BinlogCoordinates { file: "binlog.000001".into(), position }
    }
}
