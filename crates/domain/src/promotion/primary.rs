//! The successor of a primary.

use std::collections::BTreeMap;

use crate::instance::{BinlogFormat, Instance, PromotionRule};
use crate::key::InstanceKey;
use crate::promotion::follow::{Follower, Leader, follow, may_replicate, offered, transactions};
use crate::promotion::held::{Backlog, Held, Method, executed_coordinates, own_transactions};
use crate::promotion::rejection::{admit, reachable};
use crate::promotion::{Distance, NoChoice, Question, loss};
use crate::recovery::{Choice, Loss, Rejected};
use crate::topology::{Member, Topology};
use crate::version::MajorVersion;

/// How candidates are preferred: the first field that differs decides, the least wins.
///
/// Rule and place come before how much a replica has received, because with GTID a candidate fetches what it lacks from
/// the replica that has it before it takes writes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Rank {
    /// It has transactions of its own, which all others would have to take over.
    has_own: bool,
    /// Replicas that could not follow it.
    lost: usize,
    /// People work on it.
    downtimed: bool,
    /// It would keep the cluster waiting while it applies what it has received.
    far_behind: bool,
    /// How welcome it is.
    rule: PromotionRule,
    /// How near it stands to the failed primary.
    distance: Distance,
    /// Transactions it would first have to fetch from another replica.
    to_fetch: u128,
    /// What it has received and not applied.
    backlog: Backlog,
    /// Older servers first: newer ones can follow them.
    version: MajorVersion,
    /// Smaller formats first: a replica must not use a smaller one than its source.
    format: Option<BinlogFormat>,
    /// Equal views give equal choices.
    key: InstanceKey,
}

/// A candidate, and what its promotion would mean.
struct Candidate<'a> {
    instance: &'a Instance,
    rank: Rank,
    catch_up_from: Option<InstanceKey>,
    followers: Vec<InstanceKey>,
    lost: Vec<Rejected>,
    loss: Loss,
}

/// The replicas that can be reached, and what all together have.
struct Siblings<'a> {
    reachable: BTreeMap<&'a InstanceKey, Follower<'a>>,
    unreachable: Vec<Rejected>,
}

pub(super) fn choose(question: &Question<'_>) -> Result<Choice, NoChoice> {
    let failed = &question.intent.failed;
    let replicas = question.replicas();
    if replicas.is_empty() {
        return Err(NoChoice::NoReplica { failed: failed.clone() });
    }
    let siblings = Siblings::of(&replicas, question);
    let mut rejected = Vec::new();
    let mut candidates = Vec::new();
    for member in replicas {
        match candidate(member, &siblings, question) {
            Ok(candidate) => candidates.push(candidate),
            Err(reason) => rejected.push(Rejected { key: member.key.clone(), reason }),
        }
    }
    candidates.sort_by(|one, other| one.rank.cmp(&other.rank));
    let best = match &question.intent.wanted {
        None if candidates.is_empty() => {
            return Err(NoChoice::AllRejected { failed: failed.clone(), rejected });
        }
        None => candidates.remove(0),
        Some(wanted) => {
            match candidates.iter().position(|candidate| candidate.instance.key == *wanted) {
                Some(at) => candidates.remove(at),
                None => return Err(not_the_wanted(wanted, failed, rejected)),
            }
        }
    };
    let asked_for = question.intent.wanted.is_some();
    rejected.extend(candidates.iter().map(|other| Rejected {
        key: other.instance.key.clone(),
        reason: if asked_for {
            format!("{} was asked for", best.instance.key)
        } else {
            difference(&best.rank, &other.rank)
        },
    }));
    Ok(Choice {
        reason: reason(&best, candidates.first(), question),
        promoted: best.instance.key.clone(),
        position: best.instance.binlog.position.clone(),
        followers: best.followers,
        lost: best.lost,
        rejected,
        catch_up_from: best.catch_up_from,
        loss: best.loss,
    })
}

fn not_the_wanted(wanted: &InstanceKey, failed: &InstanceKey, rejected: Vec<Rejected>) -> NoChoice {
    let reason = rejected
        .iter()
        .find(|one| one.key == *wanted)
        .map_or_else(|| format!("it is no replica of {failed}"), |one| one.reason.clone());
    NoChoice::NotTheWanted { wanted: wanted.clone(), reason, rejected }
}

impl<'a> Siblings<'a> {
    fn of(replicas: &[&'a Member], question: &Question<'_>) -> Self {
        let known = loss::held_by(&question.intent.last_known);
        let mut siblings = Self { reachable: BTreeMap::new(), unreachable: Vec::new() };
        for member in replicas {
            let instance = match reachable(member) {
                Ok(instance) if instance.source() == Some(&question.intent.failed) => instance,
                Ok(_) => continue,
                Err(reason) => {
                    let key = member.key.clone();
                    siblings.unreachable.push(Rejected { key, reason });
                    continue;
                }
            };
            let others = replicas
                .iter()
                .filter(|other| other.key != member.key)
                .filter_map(|other| other.current())
                .fold(known.clone(), |sum, other| sum.union(&Held::within_reach(other)));
            let own = own_transactions(member, instance, &others);
            siblings.reachable.insert(&member.key, Follower { member, instance, own });
        }
        siblings
    }

    fn others(&self, key: &InstanceKey) -> impl Iterator<Item = &Follower<'a>> {
        self.reachable.iter().filter(move |(other, _)| **other != key).map(|(_, other)| other)
    }

    /// What others than `key` could hand on.
    fn offered(&self, key: &InstanceKey) -> Held {
        self.others(key).fold(Held::default(), |sum, other| sum.union(&offered(other)))
    }
}

fn candidate<'a>(
    member: &'a Member,
    siblings: &Siblings<'a>,
    question: &Question<'_>,
) -> Result<Candidate<'a>, String> {
    let instance = admit(member, question)?;
    let own = siblings.reachable.get(&member.key).map_or(0, |follower| follower.own);
    compare_places(instance, siblings, question)?;
    let reach = Held::within_reach(instance);
    let around = siblings.offered(&member.key);
    let to_fetch = around.count_beyond(&reach);
    let giver = if to_fetch > 0 { giver(instance, &reach, siblings, question) } else { None };
    let will_have = match giver {
        Some(giver) => reach.union(&offered(giver)),
        None => reach.clone(),
    };
    let leader = Leader { instance, will_have: &will_have };
    let mut followers = Vec::new();
    let mut lost = siblings.unreachable.clone();
    for other in siblings.others(&member.key) {
        let key = other.instance.key.clone();
        match follow(other, &leader, question.policy) {
            Ok(_) => followers.push(key),
            // Coordinates are compared once all have applied what they have.
            Err(_) if !places_are_final(siblings, question) => followers.push(key),
            Err(reason) => lost.push(Rejected { key, reason }),
        }
    }
    let known = &question.intent.last_known;
    let estimate = loss::estimate(known, instance, &will_have, &around, question.failed_at);
    loss::check(&estimate, question.policy)?;
    let rank = Rank {
        has_own: own > 0,
        lost: lost.len(),
        downtimed: question.registry.downtime(&member.key, question.now).is_some(),
        far_behind: far_behind(instance, question),
        rule: question.rule(instance),
        distance: question.distance(instance),
        to_fetch,
        backlog: Backlog::of(instance),
        version: instance.major_version(),
        format: instance.binlog.format,
        key: member.key.clone(),
    };
    let catch_up_from = giver.map(|giver| giver.instance.key.clone());
    Ok(Candidate { instance, rank, catch_up_from, followers, lost, loss: estimate })
}

/// Something is left to apply, and the lag says that it will take long.
fn far_behind(instance: &Instance, question: &Question<'_>) -> bool {
    let lag_s = instance.replication.as_ref().and_then(|replication| replication.lag_s);
    !Backlog::of(instance).is_none()
        && lag_s.is_some_and(|lag_s| lag_s > question.policy.reasonable_maintenance_lag.as_secs())
}

/// The replica from which `instance` can fetch most of what it lacks: it keeps a binary log that still has it, and
/// `instance` may follow it.
fn giver<'s, 'a>(
    instance: &Instance,
    reach: &Held,
    siblings: &'s Siblings<'a>,
    question: &Question<'_>,
) -> Option<&'s Follower<'a>> {
    let method = Method::of(instance);
    siblings
        .others(&instance.key)
        .filter(|_| method != Method::File)
        .filter(|other| Method::of(other.instance) == method)
        .filter(|other| !question.excluded.contains_key(&other.instance.key))
        .filter(|other| may_replicate(instance, other.instance, question.policy).is_ok())
        .filter(|other| other.instance.gtid.purged.subtract(&reach.set).is_empty())
        .filter(|other| !is_delayed(other.instance))
        .map(|other| (offered(other).count_beyond(reach), other))
        .filter(|(gain, _)| *gain > 0)
        .min_by_key(|(gain, other)| {
            (u128::MAX - gain, other.own > 0, Backlog::of(other.instance), &other.instance.key)
        })
        .map(|(_, other)| other)
}

fn is_delayed(instance: &Instance) -> bool {
    instance.replication.as_ref().is_some_and(|replication| replication.delay_s > 0)
        && !Backlog::of(instance).is_none()
}

/// Without GTID, every replica must have stopped at the same place, or nobody knows where the others go on.
///
/// A person who names the candidate accepts that replicas behind it are lost; none may be ahead of it.
fn compare_places(
    instance: &Instance,
    siblings: &Siblings<'_>,
    question: &Question<'_>,
) -> Result<(), String> {
    if !places_are_final(siblings, question) {
        return Ok(());
    }
    let by_file = Method::of(instance) == Method::File;
    let own = if by_file {
        executed_coordinates(instance)
    } else {
        instance.replication.as_ref().and_then(|replication| replication.read.as_ref())
    };
    for other in siblings.others(&instance.key) {
        let other_by_file = Method::of(other.instance) == Method::File;
        if !by_file && !other_by_file {
            continue;
        }
        let its = executed_coordinates(other.instance);
        let name = &other.instance.key;
        let show = |place: Option<&_>| match place {
            Some(place) => format!("{place}"),
            None => "an unknown place".to_owned(),
        };
        if its > own {
            return Err(format!(
                "it got to {} and {name} to {} in the log of the failed server; what it lacks cannot be fetched \
                 without GTID on both",
                show(own),
                show(its)
            ));
        }
        let accepted = question.intent.wanted.as_ref() == Some(&instance.key);
        if by_file && its != own && !accepted {
            return Err(format!(
                "the replicas stopped at different places ({} here, {} on {name}), and without GTID {name} would be lost; \
                 name this candidate to accept that",
                show(own),
                show(its)
            ));
        }
    }
    Ok(())
}

/// Nobody who follows by file and position has anything left to apply, or can.
fn places_are_final(siblings: &Siblings<'_>, question: &Question<'_>) -> bool {
    !siblings.reachable.values().any(|other| {
        !question.excluded.contains_key(&other.instance.key)
            && Method::of(other.instance) == Method::File
            && will_apply_more(other.instance)
    })
}

fn will_apply_more(instance: &Instance) -> bool {
    !Backlog::of(instance).is_none()
        && !super::held::applier_is_broken(instance)
        && !is_delayed(instance)
}

/// Who still has to apply what it received before `choice` can be settled.
pub(crate) fn must_apply_first(question: &Question<'_>, choice: &Choice) -> Vec<InstanceKey> {
    let by_file = |instance: &Instance| Method::of(instance) == Method::File;
    let view = question.view;
    let any_by_file = view.get(&choice.promoted).and_then(|member| member.current());
    let any_by_file = any_by_file.is_some_and(by_file);
    [&choice.promoted]
        .into_iter()
        .chain(&choice.catch_up_from)
        .chain(choice.followers.iter().filter(|_| any_by_file))
        .filter(|key| !question.excluded.contains_key(*key))
        .filter(|key| {
            let instance = view.get(key).and_then(|member| member.current());
            instance.is_some_and(will_apply_more)
        })
        .cloned()
        .collect()
}

/// What the promoted server still has to fetch from the replica that is ahead of it.
pub(crate) fn still_to_fetch(view: &Topology, choice: &Choice) -> Option<Held> {
    let giver = view.get(choice.catch_up_from.as_ref()?)?;
    let promoted = view.get(&choice.promoted)?.current()?;
    let has = Held::applied(giver.instance.as_deref()?).without(&giver.errant);
    (!Held::applied(promoted).covers(&has)).then_some(has)
}

/// Why the winner won.
fn reason(best: &Candidate<'_>, next: Option<&Candidate<'_>>, question: &Question<'_>) -> String {
    let reason = match (&question.intent.wanted, next) {
        (Some(_), _) => "it was asked for".to_owned(),
        (None, None) => "it is the only one that can take over".to_owned(),
        (None, Some(next)) => advantage(&best.rank, &next.rank),
    };
    match &best.catch_up_from {
        None => reason,
        Some(giver) => {
            let lacks = transactions(best.rank.to_fetch);
            format!("{reason}; it first fetches {lacks} that {giver} has and it lacks")
        }
    }
}

/// What the best has over the next, in words about the best.
fn advantage(best: &Rank, next: &Rank) -> String {
    let over = &next.key;
    if best.has_own != next.has_own {
        format!("it has no transactions of its own, unlike {over}")
    } else if best.lost != next.lost {
        format!("more replicas can follow it than {over}")
    } else if best.downtimed != next.downtimed {
        format!("it is not in downtime, unlike {over}")
    } else if best.far_behind != next.far_behind {
        format!("it has nothing old left to apply, unlike {over}")
    } else if best.rule != next.rule {
        format!("its promotion rule is {}, that of {over} {}", best.rule.name(), next.rule.name())
    } else if best.distance != next.distance {
        format!("it stands {}, {over} {}", best.distance.words(), next.distance.words())
    } else if best.to_fetch != next.to_fetch {
        format!("it has received more than {over}")
    } else if best.backlog != next.backlog {
        format!("it has applied more than {over}")
    } else if best.version != next.version {
        format!(
            "its version {} is lower than {} of {over}, so more can follow it",
            best.version, next.version
        )
    } else if best.format != next.format {
        format!("more binlog formats can follow its own than that of {over}")
    } else {
        format!("it and {over} are equally good, and its name comes first")
    }
}

/// What the best has over another, in words about the other.
fn difference(best: &Rank, other: &Rank) -> String {
    let winner = &best.key;
    if best.has_own != other.has_own {
        "it has transactions of its own that no other server has (errant)".to_owned()
    } else if best.lost != other.lost {
        format!(
            "{} could not follow it, {} could not follow {winner}",
            replicas(other.lost),
            replicas(best.lost)
        )
    } else if best.downtimed != other.downtimed {
        "it is in downtime".to_owned()
    } else if best.far_behind != other.far_behind {
        "it is far behind in applying what it received".to_owned()
    } else if best.rule != other.rule {
        format!(
            "its promotion rule is {}, that of {winner} {}",
            other.rule.name(),
            best.rule.name()
        )
    } else if best.distance != other.distance {
        format!("it stands {}, {winner} {}", other.distance.words(), best.distance.words())
    } else if best.to_fetch != other.to_fetch {
        format!("{winner} has received more")
    } else if best.backlog != other.backlog {
        format!("{winner} has applied more of what it received")
    } else if best.version != other.version {
        format!("its version {} is higher than {} of {winner}", other.version, best.version)
    } else if best.format != other.format {
        format!("its binlog format is larger than that of {winner}")
    } else {
        format!("it is as good as {winner}, whose name comes first")
    }
}

fn replicas(count: usize) -> String {
    if count == 1 { "1 replica".to_owned() } else { format!("{count} replicas") }
}
