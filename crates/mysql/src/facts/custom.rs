//! Facts that come from the configuration: patterns on the host name, and queries, which win over them.

use ham4db_domain::instance::{Instance, Location, PromotionRule};
use regex::Regex;

use crate::settings::{CustomFact, ProbeSettings};
use crate::wire::ResultSet;

/// What the patterns make of a host name.
pub(super) fn location(host: &str, settings: &ProbeSettings) -> Location {
    let first_group = |pattern: &Option<Regex>| {
        let captures = pattern.as_ref()?.captures(host)?;
        captures.get(1).map(|group| group.as_str().to_owned())
    };
    Location {
        data_center: first_group(&settings.data_center_pattern).unwrap_or_default(),
        region: first_group(&settings.region_pattern).unwrap_or_default(),
        environment: first_group(&settings.environment_pattern).unwrap_or_default(),
    }
}

/// Puts the single value of a query where it belongs. A query without a row leaves things as they are.
///
/// # Errors
/// In words, when the value is not what the fact needs.
pub(super) fn apply(
    fact: CustomFact,
    answer: &ResultSet,
    instance: &mut Instance,
) -> Result<(), String> {
    let Some(value) = answer.first().and_then(|row| row.get(0)).map(str::trim) else {
        return Ok(());
    };
    let text = || Some(value.to_owned()).filter(|text| !text.is_empty());
    let wrong = |wanted: &str| format!("{} gave {value:?}, not {wanted}", fact.key());
    match fact {
        CustomFact::DataCenter => value.clone_into(&mut instance.location.data_center),
        CustomFact::Region => value.clone_into(&mut instance.location.region),
        CustomFact::Environment => value.clone_into(&mut instance.location.environment),
        CustomFact::InstanceAlias => instance.alias = text(),
        CustomFact::ClusterAlias => instance.suggested_alias = text(),
        CustomFact::ClusterDomain => instance.cluster_domain = text(),
        CustomFact::PseudoGtid => instance.pseudo_gtid = value == "1",
        CustomFact::SemiSyncPriority => {
            instance.semi_sync.priority = value.parse().map_err(|_| wrong("a number"))?;
        }
        CustomFact::PromotionRule => {
            let rule = PromotionRule::parse(value).ok_or_else(|| wrong("a promotion rule"))?;
            instance.detected_rule = Some(rule);
        }
        CustomFact::ReplicationLag => {
            let seconds: f64 = value.parse().map_err(|_| wrong("a number"))?;
            if let Some(replication) = &mut instance.replication {
                replication.lag_s = Some(whole_seconds(seconds));
            }
        }
    }
    Ok(())
}

/// Lag as whole seconds, cut off; what is negative or no number is 0.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a cast of floats saturates"
)]
fn whole_seconds(seconds: f64) -> u64 {
    seconds as u64
}
