//! Whom the ancestors would promote, by binary log coordinates: the answer users can compare theirs with.
//!
//! Recoveries choose by GTID sets and with reasons; see [`crate::promotion`].

use std::cmp::Reverse;
use std::sync::Arc;

use super::CaseError;
use super::state::{State, majority};
use crate::can_replicate::can_replicate;
use crate::coordinates::BinlogCoordinates;
use crate::instance::{BinlogFormat, Instance, PromotionRule};
use crate::key::InstanceKey;
use crate::topology::Member;
use crate::version::MajorVersion;

/// How good a replica is; the least one wins.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Merit {
    executed: Reverse<Option<BinlogCoordinates>>,
    logs_updates: Reverse<bool>,
    version: MajorVersion,
    format: Option<BinlogFormat>,
    in_data_center: Reverse<bool>,
    errant: bool,
    rule: PromotionRule,
    key: InstanceKey,
}

impl State {
    /// The replica of `source` that would take its place.
    pub(super) fn candidate_replica(&self, source: &Member) -> Result<InstanceKey, CaseError> {
        let center = source.instance.as_ref().map(|facts| facts.location.data_center.as_str());
        let mut replicas: Vec<(Merit, &Member, &Instance)> = self
            .topology
            .replicas_of(&source.key)
            .filter_map(|member| {
                let facts = member.instance.as_deref()?;
                Some((self.merit(member, facts, center), member.as_ref(), facts))
            })
            .collect();
        replicas.sort_by(|(a, ..), (b, ..)| a.cmp(b));
        let version = majority(replicas.iter().map(|(.., facts)| facts.major_version()));
        let format = majority(replicas.iter().map(|(.., facts)| facts.binlog.format));
        let suits = |member: &Member, facts: &Instance| {
            self.can_be_promoted(member)
                && Some(facts.major_version()) <= version
                && Some(facts.binlog.format) <= format
        };
        replicas
            .iter()
            .find(|(_, member, facts)| suits(member, facts))
            .map(|(_, member, _)| member.key.clone())
            .ok_or_else(|| CaseError::NoCandidate(source.key.to_string()))
    }

    /// The server that should end up in the place of `failed`, after `promoted` has taken it for the time being.
    pub(super) fn promoted_replacement(&self, failed: &Member, promoted: &Member) -> InstanceKey {
        let keep = || promoted.key.clone();
        let members: Vec<&Arc<Member>> = self
            .topology
            .members()
            .filter(|member| member.place.cluster == promoted.place.cluster)
            .filter(|member| member.key != failed.key)
            .collect();
        let last = |wanted: fn(PromotionRule) -> bool, fits: &dyn Fn(&Member) -> bool| {
            members
                .iter()
                .filter(|member| wanted(self.rule(&member.key)))
                .filter(|member| self.can_take_over(member, promoted) && fits(member))
                .last()
                .map(|member| member.key.clone())
        };
        let in_place_of_failed = |member: &Member| same_place(member, failed);
        let in_place_of_promoted = |member: &Member| same_place(member, promoted);
        let near = |member: &Member| self.is_near(member, failed);
        let is_candidate = is_candidate_rule(self.rule(&promoted.key));

        if is_candidate && same_place(promoted, failed) {
            return keep();
        }
        if let Some(key) = last(is_candidate_rule, &in_place_of_failed) {
            return key;
        }
        if is_candidate && near(promoted) {
            return keep();
        }
        let better = last(is_candidate_rule, &in_place_of_promoted)
            .or_else(|| last(is_candidate_rule, &near));
        if let Some(key) = better {
            return key;
        }
        if near(promoted) && self.rule(&promoted.key) != PromotionRule::PreferNot {
            return keep();
        }
        last(is_neutral, &in_place_of_failed)
            .or_else(|| last(is_neutral, &in_place_of_promoted))
            .or_else(|| last(is_neutral, &near))
            .unwrap_or_else(keep)
    }

    fn merit(&self, member: &Member, facts: &Instance, center: Option<&str>) -> Merit {
        let replication = facts.replication.as_ref();
        Merit {
            executed: Reverse(replication.and_then(|replication| replication.executed.clone())),
            logs_updates: Reverse(facts.binlog.logs_updates),
            version: facts.major_version(),
            format: facts.binlog.format,
            in_data_center: Reverse(center == Some(facts.location.data_center.as_str())),
            errant: !member.errant.is_empty(),
            rule: self.rule(&member.key),
            key: member.key.clone(),
        }
    }

    fn can_be_promoted(&self, member: &Member) -> bool {
        let banned = self.promotion_policy.ignore.match_key(&member.key)
            || self.rule(&member.key) == PromotionRule::MustNot;
        !banned
            && member.current().is_some_and(|facts| {
                facts.binlog.enabled && facts.binlog.logs_updates && !facts.is_binlog_server()
            })
    }

    fn can_take_over(&self, member: &Member, promoted: &Member) -> bool {
        let follows = member.source() == Some(&promoted.key);
        let (Some(own), Some(other)) = (&member.instance, &promoted.instance) else {
            return false;
        };
        follows
            && self.can_be_promoted(member)
            && can_replicate(other, own, &self.promotion_policy).is_ok()
    }

    fn is_near(&self, member: &Member, failed: &Member) -> bool {
        let (here, there) = (place(member), place(failed));
        let policy = &self.promotion_policy;
        (!policy.same_data_center || here.0 == there.0)
            && (!policy.same_region || here.1 == there.1)
    }

    pub(super) fn rule(&self, key: &InstanceKey) -> PromotionRule {
        let expiry = self.promotion_policy.candidate_expiry;
        self.registry.rule(key, self.now, expiry).unwrap_or_default()
    }
}

fn is_candidate_rule(rule: PromotionRule) -> bool {
    matches!(rule, PromotionRule::Must | PromotionRule::Prefer)
}

fn is_neutral(rule: PromotionRule) -> bool {
    rule == PromotionRule::Neutral
}

/// Data centre, region, environment.
fn place(member: &Member) -> (&str, &str, &str) {
    member.instance.as_ref().map_or(("", "", ""), |facts| {
        let location = &facts.location;
        (&location.data_center, &location.region, &location.environment)
    })
}

fn same_place(a: &Member, b: &Member) -> bool {
    let (here, there) = (place(a), place(b));
    here.0 == there.0 && here.2 == there.2
}
