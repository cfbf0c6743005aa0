//! Whether a replica of the failed server can follow the one that takes over, and from which place in its log.

use crate::can_replicate::can_replicate;
use crate::gtid::GtidSet;
use crate::instance::Instance;
use crate::policy::PromotionPolicy;
use crate::promotion::held::{Held, Method, executed_coordinates};
use crate::step::SourcePosition;
use crate::topology::Member;
use crate::version::Flavor;

/// A replica and what it may keep and offer; see [`offered`].
pub(crate) struct Follower<'a> {
    /// Its place and its own transactions.
    pub(crate) member: &'a Member,
    /// Its facts.
    pub(crate) instance: &'a Instance,
    /// Transactions it wrote itself.
    pub(crate) own: u128,
}

/// The server that takes over, and what it will have when it does.
pub(crate) struct Leader<'a> {
    /// Its facts.
    pub(crate) instance: &'a Instance,
    /// What it will have.
    pub(crate) will_have: &'a Held,
}

/// The place from which `follower` goes on below `leader`, or why it cannot.
pub(crate) fn follow(
    follower: &Follower<'_>,
    leader: &Leader<'_>,
    policy: &PromotionPolicy,
) -> Result<SourcePosition, String> {
    may_replicate(follower.instance, leader.instance, policy)?;
    let name = &leader.instance.key;
    let method = Method::of(follower.instance);
    match method {
        Method::OracleGtid => {
            if !leader.instance.supports_oracle_gtid() {
                return Err(format!("it follows by MySQL GTID, which {name} does not use"));
            }
            let purged = leader.instance.gtid.purged.subtract(&follower.instance.gtid.executed);
            if !purged.is_empty() {
                return Err(format!(
                    "it needs {} that {name} has purged from its binary logs",
                    transactions(purged.count())
                ));
            }
        }
        Method::MariaDbGtid => {
            // Every MariaDB server numbers what it logs, also one that follows nobody or by file and position.
            if leader.instance.flavor != Flavor::MariaDb {
                return Err(format!("it follows by MariaDB GTID, which {name} does not use"));
            }
        }
        Method::File => return file_place(follower.instance, leader.instance),
    }
    let beyond = applied_of_source(follower).count_beyond(leader.will_have);
    if beyond > 0 {
        return Err(format!(
            "it has applied {} that {name} does not have and cannot get",
            transactions(beyond)
        ));
    }
    Ok(SourcePosition::Unchanged)
}

/// How many transactions of its source `follower` has applied that `leader` has not. By GTID only.
pub(crate) fn beyond(follower: &Instance, errant: &GtidSet, leader: &Instance) -> u128 {
    if Method::of(follower) == Method::File {
        return 0;
    }
    let mut own = Held::applied(follower).without(errant);
    if let Some(slave_pos) = &follower.gtid.slave_pos {
        own.position.clone_from(slave_pos);
    }
    own.count_beyond(&Held::applied(leader))
}

/// What a replica has applied of its source, without what it wrote itself.
fn applied_of_source(follower: &Follower<'_>) -> Held {
    let mut held = Held::applied(follower.instance).without(&follower.member.errant);
    if follower.own > 0 {
        held.position = follower.instance.gtid.slave_pos.clone().unwrap_or_default();
    }
    held
}

/// What a replica could hand on of its source's transactions, without what it wrote itself.
pub(crate) fn offered(follower: &Follower<'_>) -> Held {
    let mut held = Held::within_reach(follower.instance).without(&follower.member.errant);
    if follower.own > 0 {
        let gtid = &follower.instance.gtid;
        held.position = gtid.slave_pos.clone().unwrap_or_default();
    }
    held
}

/// Replicas that stopped at the same place of one log have the same data, so the leader's own present place is where
/// the other goes on. Anything else cannot be told from coordinates.
fn file_place(follower: &Instance, leader: &Instance) -> Result<SourcePosition, String> {
    let name = &leader.key;
    match (executed_coordinates(follower), executed_coordinates(leader)) {
        (Some(own), Some(its)) if own == its => match &leader.binlog.position {
            Some(position) => Ok(SourcePosition::At { coordinates: position.clone() }),
            None => Err(format!("the present binary log position of {name} is unknown")),
        },
        (Some(own), Some(its)) => Err(format!(
            "it follows by file and position and stopped at {own}, {name} at {its}: where it would go on in the binary \
             log of {name} cannot be told without GTID"
        )),
        (_, None) | (None, _) => {
            Err(format!("it follows by file and position, and how far it or {name} got is unknown"))
        }
    }
}

/// Settings and versions allow `replica` to replicate from `source`.
pub(crate) fn may_replicate(
    replica: &Instance,
    source: &Instance,
    policy: &PromotionPolicy,
) -> Result<(), String> {
    can_replicate(replica, source, policy)
        .map_err(|refusal| format!("it {refusal} ({})", source.key))
}

/// A number of transactions in words.
pub(crate) fn transactions(count: u128) -> String {
    if count == 1 { "1 transaction".to_owned() } else { format!("{count} transactions") }
}
