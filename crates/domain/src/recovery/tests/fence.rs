use std::sync::Arc;

use crate::fixture::{Fleet, key, later, now, replication};
use crate::instance::{Instance, Positioning, ThreadState};
use crate::key::InstanceKey;
use crate::recovery::{FenceState, fence_state, found_again};
use crate::registry::{Downtime, Fence, LOST_IN_RECOVERY, RecoveryUid, Registry};
use crate::topology::Member;

/// Server `r1`, changed, as the member that is fenced.
fn back(change: impl FnOnce(&mut Instance)) -> Member {
    let fleet = Fleet::mysql(1).with("r1", |r1| {
        r1.replication = None;
        (r1.read_only, r1.super_read_only) = (false, Some(false));
        change(r1);
    });
    Member::clone(fleet.view.get(&key("r1")).unwrap())
}

fn fence(confirmed: bool) -> Fence {
    Fence {
        recovery: RecoveryUid("one".to_owned()),
        successor: key("r2"),
        since: now(),
        confirmed: confirmed.then(now),
        last_error: None,
    }
}

fn name(state: &FenceState) -> &'static str {
    match state {
        FenceState::Waiting => "waiting",
        FenceState::InEffect => "in effect",
        FenceState::Obsolete(_) => "obsolete",
        FenceState::ToDo(_) => "to do",
    }
}

#[test]
fn what_a_fence_needs_follows_from_what_the_server_is_now() {
    let writable: fn(&mut Instance) = |_| ();
    let read_only: fn(&mut Instance) =
        |server| (server.read_only, server.super_read_only) = (true, Some(true));
    let half: fn(&mut Instance) = |server| server.read_only = true;
    let replica: fn(&mut Instance) = |server| {
        server.read_only = true;
        server.replication = Some(replication("r2", Positioning::OracleGtid));
    };
    let cases = [
        ("it takes writes", writable, false, "to do"),
        ("it takes writes again after a restart", writable, true, "to do"),
        ("its clients were not ended yet", read_only, false, "to do"),
        ("administrators may write", half, true, "to do"),
        ("it takes no writes", read_only, true, "in effect"),
        ("somebody made it a replica", replica, true, "obsolete"),
    ];
    for (case, change, confirmed, expected) in cases {
        assert_eq!(name(&fence_state(&back(change), &fence(confirmed))), expected, "{case}");
    }
    let fleet = Fleet::mysql(1).without("r1");
    let dead = fleet.view.get(&key("r1")).unwrap();
    assert_eq!(name(&fence_state(dead, &fence(false))), "waiting");
}

fn lost(fleet: &Fleet, host: &str, seconds_ago: i64, reason: &str) -> Vec<InstanceKey> {
    let mut registry = Registry::default();
    let downtime = Downtime {
        owner: "recovery one".to_owned(),
        reason: reason.to_owned(),
        begins: later(-seconds_ago),
        ends: later(86400),
    };
    registry.downtimes.insert(key(host), downtime);
    let members: Vec<Arc<Member>> = fleet.view.members().cloned().collect();
    found_again(&members.iter(), &registry, now())
}

#[test]
fn a_lost_server_that_replicates_again_for_a_minute_is_found() {
    let follows = Fleet::mysql(2).with("r1", |r1| {
        r1.replication.as_mut().unwrap().io_thread = ThreadState::Running;
    });
    assert_eq!(lost(&follows, "r1", 61, LOST_IN_RECOVERY), [key("r1")]);
    assert_eq!(lost(&follows, "r1", 59, LOST_IN_RECOVERY), []);
    assert_eq!(lost(&follows, "r1", 61, "new disk"), []);
    assert_eq!(lost(&follows, "r2", 61, LOST_IN_RECOVERY), [], "it does not replicate");
    assert_eq!(lost(&follows.clone().without("r1"), "r1", 61, LOST_IN_RECOVERY), [], "it is dead");
}

#[test]
fn a_lost_server_that_alone_suggests_its_alias_is_found() {
    let alone = Fleet::mysql(1).with("r1", |r1| {
        r1.replication = None;
        r1.suggested_alias = Some("shop".to_owned());
    });
    assert_eq!(lost(&alone, "r1", 61, LOST_IN_RECOVERY), [key("r1")]);
    let both = alone.with("p", |p| p.suggested_alias = Some("shop".to_owned()));
    assert_eq!(lost(&both, "r1", 61, LOST_IN_RECOVERY), []);
}
