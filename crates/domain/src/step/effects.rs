//! What a step does to the picture of the servers: for dry runs and tests.

use std::sync::Arc;

use crate::gtid::GtidSet;
use crate::instance::{Binlog, GtidState, Instance, Positioning, Replication, ThreadState};
use crate::key::InstanceKey;
use crate::step::{ApplyTarget, SourcePosition, Step};
use crate::topology::{Member, Topology};

impl Step {
    /// The view as it is to be expected after this step, when it goes well.
    ///
    /// A replica that is started below a server that answers is taken to have fetched everything by the time anybody
    /// looks. Places in the tree are not computed anew.
    #[must_use]
    pub fn apply_to(&self, view: &Topology) -> Topology {
        let Some(member) = view.get(self.server()) else { return view.clone() };
        let Some(facts) = &member.instance else { return view.clone() };
        let mut instance = Instance::clone(facts);
        self.change(&mut instance, view);
        let mut changed = Member::clone(member);
        changed.instance = Some(Arc::new(instance));
        view.with(changed)
    }

    fn change(&self, instance: &mut Instance, view: &Topology) {
        match self {
            Self::StopReceiving { .. } => {
                threads(instance, Some(ThreadState::Stopped), None);
            }
            Self::StopReplication { .. } => {
                threads(instance, Some(ThreadState::Stopped), Some(ThreadState::Stopped));
            }
            Self::StartReplication { .. } => start(instance, view),
            Self::StartApplying { .. } => threads(instance, None, Some(ThreadState::Running)),
            Self::WaitApplied { target, .. } => applied(instance, target),
            Self::Repoint { source, at, .. } => {
                threads(instance, Some(ThreadState::Stopped), Some(ThreadState::Stopped));
                repoint(instance, source, at);
            }
            Self::ForgetSource { .. } => {
                instance.replication = None;
                instance.gtid.retrieved = GtidSet::default();
                instance.gtid.io_pos = None;
            }
            Self::Detach { .. } => {
                threads(instance, Some(ThreadState::Stopped), Some(ThreadState::Stopped));
                if let Some(replication) = &mut instance.replication {
                    replication.source = replication.source.detached();
                }
            }
            Self::MakeWritable { .. } => read_only(instance, false),
            Self::MakeReadOnly { .. } => read_only(instance, true),
            Self::EndClients { .. } => {}
        }
    }
}

fn read_only(instance: &mut Instance, on: bool) {
    instance.read_only = on;
    instance.super_read_only = instance.super_read_only.map(|_| on);
}

fn threads(instance: &mut Instance, receiver: Option<ThreadState>, applier: Option<ThreadState>) {
    if let Some(replication) = &mut instance.replication {
        replication.io_thread = receiver.unwrap_or(replication.io_thread);
        replication.sql_thread = applier.unwrap_or(replication.sql_thread);
    }
}

fn start(instance: &mut Instance, view: &Topology) {
    let source = instance.source().and_then(|source| view.get(source));
    let source = source.and_then(|member| member.current()).cloned();
    let receiver = if source.is_some() { ThreadState::Running } else { ThreadState::Other };
    threads(instance, Some(receiver), Some(ThreadState::Running));
    let Some(source) = source else { return };
    fetch(&mut instance.gtid, &source.gtid);
    follow_log(&mut instance.replication, &source.binlog);
}

/// By GTID: everything the source has.
fn fetch(gtid: &mut GtidState, source: &GtidState) {
    gtid.executed = gtid.executed.union(&source.executed);
    if let Some(position) = &source.binlog_pos {
        let own = gtid.slave_pos.clone().unwrap_or_default();
        gtid.slave_pos = Some(own.union(position));
        let written = gtid.binlog_pos.clone().unwrap_or_default();
        gtid.binlog_pos = Some(written.union(position));
        gtid.io_pos.clone_from(&gtid.slave_pos);
    }
}

/// By coordinates: up to the end of the source's log.
fn follow_log(replication: &mut Option<Replication>, source: &Binlog) {
    if let (Some(replication), Some(end)) = (replication, &source.position) {
        replication.read = Some(end.clone());
        replication.executed = Some(end.clone());
    }
}

fn applied(instance: &mut Instance, target: &ApplyTarget) {
    match target {
        ApplyTarget::Received => {
            instance.gtid.executed = instance.all_gtids();
            if let Some(received) = &instance.gtid.io_pos {
                let own = instance.gtid.slave_pos.clone().unwrap_or_default();
                instance.gtid.slave_pos = Some(own.union(received));
            }
            if let Some(replication) = &mut instance.replication {
                replication.executed.clone_from(&replication.read);
            }
        }
        ApplyTarget::Gtids { set } => {
            instance.gtid.executed = instance.gtid.executed.union(set);
        }
        ApplyTarget::Position { position } => {
            let own = instance.gtid.slave_pos.clone().unwrap_or_default();
            instance.gtid.slave_pos = Some(own.union(position));
        }
    }
}

fn repoint(instance: &mut Instance, source: &InstanceKey, at: &SourcePosition) {
    // What was received and not applied is thrown away with the relay log.
    instance.gtid.retrieved = GtidSet::default();
    instance.gtid.io_pos.clone_from(&instance.gtid.slave_pos);
    let Some(replication) = &mut instance.replication else { return };
    replication.source = source.clone();
    (replication.io_errno, replication.sql_errno) = (0, 0);
    replication.io_error.clear();
    replication.sql_error.clear();
    match at {
        SourcePosition::Unchanged => {}
        SourcePosition::AutoPosition => replication.positioning = Positioning::OracleGtid,
        SourcePosition::SlavePos | SourcePosition::FromOwnBinlog => {
            replication.positioning = Positioning::MariaDbSlavePos;
        }
        SourcePosition::At { coordinates } => {
            replication.positioning = Positioning::File;
            replication.read = Some(coordinates.clone());
            replication.executed = Some(coordinates.clone());
            return;
        }
    }
    if replication.positioning != Positioning::File {
        replication.read = None;
        replication.executed = None;
    }
}
