//! What rules a server out, whoever else there is.

use crate::instance::{Instance, PromotionRule};
use crate::promotion::Question;
use crate::promotion::held::{Backlog, applier_is_broken};
use crate::topology::Member;

/// The facts of a replica that may take over, or why it may not.
pub(super) fn admit<'a>(
    member: &'a Member,
    question: &Question<'_>,
) -> Result<&'a Instance, String> {
    let instance = reachable(member)?;
    let checks: &[fn(&Instance, &Question<'_>) -> Option<String>] =
        &[excluded, place_in_tree, binary_log, forbidden, location, applier, lag];
    match checks.iter().find_map(|check| check(instance, question)) {
        Some(reason) => Err(reason),
        None => Ok(instance),
    }
}

/// The facts of a server that may feed replicas without becoming a primary, or why it may not.
pub(super) fn admit_as_source<'a>(
    member: &'a Member,
    question: &Question<'_>,
) -> Result<&'a Instance, String> {
    let instance = reachable(member)?;
    let checks: &[fn(&Instance, &Question<'_>) -> Option<String>] =
        &[excluded, binary_log, forbidden, applier];
    match checks.iter().find_map(|check| check(instance, question)) {
        Some(reason) => Err(reason),
        None => Ok(instance),
    }
}

/// The facts of a server whose latest probe was good.
pub(super) fn reachable(member: &Member) -> Result<&Instance, String> {
    member.current().ok_or_else(|| match &member.checks.failure {
        Some(failure) => format!("it cannot be used: it {failure}"),
        None => "it has not been reached yet".to_owned(),
    })
}

fn excluded(instance: &Instance, question: &Question<'_>) -> Option<String> {
    question.excluded.get(&instance.key).cloned()
}

fn place_in_tree(instance: &Instance, question: &Question<'_>) -> Option<String> {
    let failed = &question.intent.failed;
    match instance.source() {
        Some(source) if source == failed => {}
        Some(source) => return Some(format!("it follows {source}, not {failed}")),
        None => return Some(format!("it does not follow {failed} any more")),
    }
    if instance.is_group_secondary() {
        return Some(
            "it is a secondary of a replication group, which elects its own primary".into(),
        );
    }
    None
}

fn binary_log(instance: &Instance, _: &Question<'_>) -> Option<String> {
    if instance.is_binlog_server() {
        Some("it is a binlog server and holds no data".into())
    } else if !instance.binlog.enabled {
        Some("it has no binary log (log_bin), so nobody could follow it".into())
    } else if !instance.binlog.logs_updates {
        Some("it does not log what it replicates (log_replica_updates)".into())
    } else {
        None
    }
}

fn forbidden(instance: &Instance, question: &Question<'_>) -> Option<String> {
    if question.rule(instance) == PromotionRule::MustNot {
        return Some("its promotion rule is must_not".into());
    }
    if question.policy.ignore.match_key(&instance.key) {
        return Some("it matches PromotionIgnoreHostnameFilters".into());
    }
    let locked = question.registry.maintenance.get(&instance.key);
    locked.filter(|lock| lock.ends > question.now).map(|lock| {
        format!("it is under maintenance by {} since {} ({})", lock.owner, lock.begins, lock.reason)
    })
}

fn location(instance: &Instance, question: &Question<'_>) -> Option<String> {
    let (last, own) = (&question.intent.last_known, &instance.location);
    let name = |text: &str| if text.is_empty() { "unknown".to_owned() } else { text.to_owned() };
    if question.policy.same_data_center && last.data_center != own.data_center {
        return Some(format!(
            "it is in data centre {}, the failed server in {}, and PreventCrossDataCenterMasterFailover is on",
            name(&own.data_center),
            name(&last.data_center)
        ));
    }
    if question.policy.same_region && last.region != own.region {
        return Some(format!(
            "it is in region {}, the failed server in {}, and PreventCrossRegionMasterFailover is on",
            name(&own.region),
            name(&last.region)
        ));
    }
    None
}

fn applier(instance: &Instance, _: &Question<'_>) -> Option<String> {
    let replication = instance.replication.as_ref()?;
    if applier_is_broken(instance) {
        return Some(format!(
            "its applier stopped with error {}: {}",
            replication.sql_errno, replication.sql_error
        ));
    }
    if replication.delay_s > 0 && !Backlog::of(instance).is_none() {
        return Some(format!(
            "it is delayed by {} s on purpose and has not applied all it received",
            replication.delay_s
        ));
    }
    None
}

fn lag(instance: &Instance, question: &Question<'_>) -> Option<String> {
    let most = question.policy.fail_on_lag?;
    let lag_s = instance.replication.as_ref()?.lag_s?;
    (lag_s >= most.as_secs()).then(|| {
        format!(
            "it lags by {lag_s} s, and FailMasterPromotionOnLagMinutes allows less than {} s",
            most.as_secs()
        )
    })
}
