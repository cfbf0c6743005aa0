//! What a promotion loses: what the failed server was last known to have, and how old that knowledge is.

use std::time::Duration;

use jiff::Timestamp;

use crate::checks::seconds_between;
use crate::instance::Instance;
use crate::policy::PromotionPolicy;
use crate::promotion::follow::transactions;
use crate::promotion::held::{Held, Method};
use crate::recovery::{LastKnown, Loss};

/// Estimates what is lost when the server with `facts`, which will have `will_have`, takes over.
///
/// `around` is what other reachable replicas have; what it has beyond `will_have` is lost as well.
pub(crate) fn estimate(
    last: &LastKnown,
    facts: &Instance,
    will_have: &Held,
    around: &Held,
    now: Timestamp,
) -> Loss {
    let counted = match Method::of(facts) {
        Method::OracleGtid if last.executed.is_empty() && last.seen.is_none() => None,
        Method::MariaDbGtid if last.binlog_pos.is_none() => None,
        Method::OracleGtid | Method::MariaDbGtid => {
            Some(held_by(last).union(around).count_beyond(will_have))
        }
        Method::File => by_coordinates(last, facts),
    };
    let transactions = counted.map(|count| u64::try_from(count).unwrap_or(u64::MAX));
    let unknown_for =
        last.seen.map(|seen| Duration::from_secs_f64(seconds_between(seen, now).clamp(0.0, 1e12)));
    let words = words(transactions, unknown_for);
    Loss { transactions, unknown_for, words }
}

/// What the failed server was known to have.
pub(crate) fn held_by(last: &LastKnown) -> Held {
    Held { set: last.executed.clone(), position: last.binlog_pos.clone().unwrap_or_default() }
}

/// Nothing is known to be lost when the replica read up to where the source was last seen writing.
fn by_coordinates(last: &LastKnown, facts: &Instance) -> Option<u128> {
    let read = facts.replication.as_ref()?.executed.as_ref()?;
    let wrote = last.position.as_ref()?;
    (read >= wrote).then_some(0)
}

fn words(count: Option<u64>, unknown_for: Option<Duration>) -> String {
    let known = match count {
        None => "how many transactions are lost is unknown".to_owned(),
        Some(0) => "no transaction that the failed server was known to have is lost".to_owned(),
        Some(1) => "1 transaction that the failed server was known to have is lost".to_owned(),
        Some(count) => {
            format!("{count} transactions that the failed server was known to have are lost")
        }
    };
    match unknown_for {
        None => format!("{known}; it was never seen alive"),
        Some(age) => format!(
            "{known}; it was last seen alive {:.1} s before, and what it wrote after that is not counted",
            age.as_secs_f64()
        ),
    }
}

/// Refuses a loss beyond `MaxPromotionLossTransactions` and `MaxPromotionLossSeconds`.
pub(crate) fn check(loss: &Loss, policy: &PromotionPolicy) -> Result<(), String> {
    if let Some(most) = policy.max_loss_transactions {
        match loss.transactions {
            Some(count) if count > most => {
                return Err(format!(
                    "{} would be lost, and MaxPromotionLossTransactions allows {most}",
                    transactions(count.into())
                ));
            }
            None => {
                return Err(format!(
                    "how many transactions would be lost is unknown, and MaxPromotionLossTransactions allows {most}"
                ));
            }
            Some(_) => {}
        }
    }
    if let Some(most) = policy.max_loss {
        match loss.unknown_for {
            Some(age) if age > most => {
                return Err(format!(
                    "the failed server was last seen alive {:.1} s ago, and MaxPromotionLossSeconds allows {:.1} s",
                    age.as_secs_f64(),
                    most.as_secs_f64()
                ));
            }
            None => {
                return Err(format!(
                    "the failed server was never seen alive, and MaxPromotionLossSeconds allows {:.1} s",
                    most.as_secs_f64()
                ));
            }
            Some(_) => {}
        }
    }
    Ok(())
}

/// Judges going on without `missing`, which another replica has and the promoted server could not fetch.
pub(crate) fn loss_without(
    missing: &Held,
    promoted: &Instance,
    policy: &PromotionPolicy,
) -> Result<(), String> {
    let count = missing.count_beyond(&Held::within_reach(promoted));
    let transactions = Some(u64::try_from(count).unwrap_or(u64::MAX));
    let loss = Loss { transactions, unknown_for: Some(Duration::ZERO), words: String::new() };
    check(&loss, policy)
}
