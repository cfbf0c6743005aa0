//! Where the replicas of a failed intermediate primary go.
//!
//! Its own source lives and has everything, so nothing can be lost: what counts is that all can follow, and that the
//! tree keeps its shape.

use crate::instance::{Instance, PromotionRule};
use crate::key::InstanceKey;
use crate::promotion::follow::{Follower, Leader, follow};
use crate::promotion::held::{Held, Method};
use crate::promotion::rejection::{admit_as_source, reachable};
use crate::promotion::{Distance, NoChoice, Question};
use crate::recovery::{Choice, Loss, Rejected};
use crate::topology::Member;
use crate::version::Flavor;

/// How new sources are preferred: the first field that differs decides, the least wins.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Rank {
    /// Replicas that could not follow it.
    lost: usize,
    /// What kind of move it is.
    way: Way,
    /// How welcome it is.
    rule: PromotionRule,
    /// How near it stands to the failed server.
    distance: Distance,
    /// It feeds many already.
    replicas: usize,
    /// Equal views give equal choices.
    key: InstanceKey,
}

/// The kinds of move, most welcome first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Way {
    /// Below a sibling of the failed server in its data centre.
    NearSibling,
    /// Below one of themselves, which goes below the failed server's source.
    Regroup,
    /// Below a sibling in another data centre.
    FarSibling,
    /// Below the failed server's source.
    Source,
}

impl Way {
    fn words(self) -> &'static str {
        match self {
            Self::NearSibling => "it is a sibling of the failed server in the same data centre",
            Self::Regroup => "it is one of the replicas, and goes below the failed server's source",
            Self::FarSibling => "it is a sibling of the failed server in another data centre",
            Self::Source => "it is the failed server's source",
        }
    }
}

struct Target<'a> {
    instance: &'a Instance,
    rank: Rank,
    followers: Vec<InstanceKey>,
    lost: Vec<Rejected>,
}

pub(super) fn choose(question: &Question<'_>) -> Result<Choice, NoChoice> {
    let failed = &question.intent.failed;
    let replicas = question.replicas();
    if replicas.is_empty() {
        return Err(NoChoice::NoReplica { failed: failed.clone() });
    }
    let source = source(question).map_err(|rejected| NoChoice::NobodyCanMove {
        failed: failed.clone(),
        rejected: vec![rejected],
    })?;
    let mut rejected = Vec::new();
    let mut targets = Vec::new();
    for (member, way) in possible(question, source) {
        match target(member, way, source, &replicas, question) {
            Ok(target) => targets.push(target),
            Err(reason) => rejected.push(Rejected { key: member.key.clone(), reason }),
        }
    }
    targets.sort_by(|one, other| one.rank.cmp(&other.rank));
    let best = match &question.intent.wanted {
        Some(wanted) => targets.iter().position(|target| target.instance.key == *wanted),
        None => (!targets.is_empty()).then_some(0),
    };
    let Some(best) = best.map(|at| targets.remove(at)) else {
        return Err(nobody(question, rejected));
    };
    rejected.extend(targets.iter().map(|other| Rejected {
        key: other.instance.key.clone(),
        reason: difference(&best, other),
    }));
    let words = "nothing is lost: the primary lives and has everything".to_owned();
    Ok(Choice {
        promoted: best.instance.key.clone(),
        reason: best.rank.way.words().to_owned(),
        position: best.instance.binlog.position.clone(),
        followers: best.followers,
        lost: best.lost,
        rejected,
        catch_up_from: None,
        loss: Loss { transactions: Some(0), unknown_for: None, words },
    })
}

fn nobody(question: &Question<'_>, rejected: Vec<Rejected>) -> NoChoice {
    let failed = question.intent.failed.clone();
    match &question.intent.wanted {
        None => NoChoice::NobodyCanMove { failed, rejected },
        Some(wanted) => {
            let known = rejected.iter().find(|one| one.key == *wanted);
            let reason = known.map_or_else(
                || format!("it is neither a replica, a sibling nor the source of {failed}"),
                |one| one.reason.clone(),
            );
            NoChoice::NotTheWanted { wanted: wanted.clone(), reason, rejected }
        }
    }
}

/// The failed server's source, which must answer: everything hangs from it in the end.
fn source<'a>(question: &Question<'a>) -> Result<&'a Member, Rejected> {
    let Some(key) = &question.intent.source else {
        let reason = "the source of the failed server is not known".to_owned();
        return Err(Rejected { key: question.intent.failed.clone(), reason });
    };
    let rejected = |reason| Rejected { key: key.clone(), reason };
    match question.view.get(key) {
        None => Err(rejected("the source of the failed server is not known".to_owned())),
        Some(member) => match reachable(member) {
            Ok(_) => Ok(member),
            Err(reason) => Err(rejected(format!("the source of the failed server: {reason}"))),
        },
    }
}

/// All servers that could feed the replicas, and the kind of move that would be.
fn possible<'a>(question: &Question<'a>, source: &'a Member) -> Vec<(&'a Member, Way)> {
    let failed = &question.intent.failed;
    let siblings = question.view.replicas_of(&source.key).filter(|member| member.key != *failed);
    let siblings = siblings.map(|member| {
        let near = member.instance.as_ref().is_some_and(|instance| {
            instance.location.data_center == question.intent.last_known.data_center
        });
        (&**member, if near { Way::NearSibling } else { Way::FarSibling })
    });
    let themselves = question.view.replicas_of(failed).map(|member| (&**member, Way::Regroup));
    siblings.chain(themselves).chain([(source, Way::Source)]).collect()
}

fn target<'a>(
    member: &'a Member,
    way: Way,
    source: &Member,
    replicas: &[&Member],
    question: &Question<'_>,
) -> Result<Target<'a>, String> {
    let instance = match way {
        Way::Source => reachable(member)?,
        Way::NearSibling | Way::FarSibling => {
            let instance = admit_as_source(member, question)?;
            if !instance.is_replicating() {
                return Err("it is not replicating".to_owned());
            }
            instance
        }
        Way::Regroup => {
            let instance = admit_as_source(member, question)?;
            below(member, instance, source, question)?;
            instance
        }
    };
    let mut followers = Vec::new();
    let mut lost = Vec::new();
    for replica in replicas.iter().filter(|replica| replica.key != member.key) {
        let outcome = reachable(replica).and_then(|facts| {
            below_with(replica, facts, instance, &will_have(instance, source), question)
        });
        let key = replica.key.clone();
        match outcome {
            Ok(()) => followers.push(key),
            Err(reason) => lost.push(Rejected { key, reason }),
        }
    }
    if followers.is_empty() && way != Way::Regroup {
        let reasons: Vec<_> =
            lost.iter().map(|one| format!("{}: {}", one.key, one.reason)).collect();
        return Err(format!("nobody could follow it ({})", reasons.join("; ")));
    }
    let rank = Rank {
        lost: lost.len(),
        way,
        rule: question.rule(instance),
        distance: question.distance(instance),
        replicas: usize::MAX - question.view.replicas_of(&member.key).count(),
        key: member.key.clone(),
    };
    Ok(Target { instance, rank, followers, lost })
}

/// MySQL finds its place below a server that is behind, MariaDB does not.
fn will_have(instance: &Instance, source: &Member) -> Held {
    let own = Held::applied(instance);
    match source.current() {
        Some(source) if instance.flavor != Flavor::MariaDb => own.union(&Held::applied(source)),
        Some(_) | None => own,
    }
}

fn below(
    member: &Member,
    facts: &Instance,
    source: &Member,
    question: &Question<'_>,
) -> Result<(), String> {
    let leader = reachable(source)?;
    below_with(member, facts, leader, &Held::applied(leader), question)
}

fn below_with(
    member: &Member,
    facts: &Instance,
    leader: &Instance,
    will_have: &Held,
    question: &Question<'_>,
) -> Result<(), String> {
    let failed = &question.intent.failed;
    if facts.source() != Some(failed) {
        return Err(format!("it does not follow {failed} any more"));
    }
    if Method::of(facts) == Method::File {
        return Err(format!(
            "it follows by file and position in the log of {failed}; where that is in the log of {} cannot be told \
             without GTID",
            leader.key
        ));
    }
    let follower = Follower { member, instance: facts, own: 0 };
    follow(&follower, &Leader { instance: leader, will_have }, question.policy).map(|_| ())
}

fn difference(best: &Target<'_>, other: &Target<'_>) -> String {
    let winner = &best.instance.key;
    if best.rank.lost != other.rank.lost {
        format!("fewer replicas could follow it than {winner}")
    } else if best.rank.way != other.rank.way {
        format!("{winner} is preferred: {}", best.rank.way.words())
    } else if best.rank.rule != other.rank.rule {
        let (own, its) = (other.rank.rule.name(), best.rank.rule.name());
        format!("its promotion rule is {own}, that of {winner} {its}")
    } else if best.rank.distance != other.rank.distance {
        let (own, its) = (other.rank.distance.words(), best.rank.distance.words());
        format!("it stands {own}, {winner} {its}")
    } else {
        format!("it is no better than {winner}")
    }
}
