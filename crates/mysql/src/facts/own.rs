//! What a server says of itself: identity, binary log, GTID, semi-synchronous replication, group.

use std::time::Duration;

use ham4db_domain::coordinates::BinlogCoordinates;
use ham4db_domain::instance::{
    Binlog, BinlogFormat, GroupMember, GtidState, SemiSync, SemiSyncReplica, SemiSyncSource,
};
use ham4db_domain::key::InstanceKey;

use super::values::{is_on, pairs, parse_or_complain};
use crate::wire::{ResultSet, Row};

/// Binary log settings from the basics; the position comes from `own_position`.
pub(super) fn binlog(basics: Row<'_>, own_position: Option<&ResultSet>) -> Binlog {
    Binlog {
        enabled: basics.get("log_bin").is_some_and(is_on),
        logs_updates: basics.get("log_updates").is_some_and(is_on),
        format: basics.get("binlog_format").and_then(BinlogFormat::parse),
        row_image: basics.get("binlog_row_image").filter(|text| !text.is_empty()).map(Into::into),
        position: own_position
            .and_then(ResultSet::first)
            .and_then(|row| BinlogCoordinates::new(row.get("File")?, row.parse("Position")?)),
    }
}

/// GTID variables from the basics; what has been received comes from the replica status.
pub(crate) fn gtid(basics: Row<'_>, complaints: &mut Vec<String>) -> GtidState {
    let mut set = |column: &str| {
        parse_or_complain(column, basics.get(column), complaints).unwrap_or_default()
    };
    let (executed, purged) = (set("gtid_executed"), set("gtid_purged"));
    let mut position = |column: &str| parse_or_complain(column, basics.get(column), complaints);
    GtidState {
        mode: basics.get("gtid_mode").filter(|mode| !mode.is_empty()).map(str::to_ascii_uppercase),
        executed,
        purged,
        slave_pos: position("gtid_slave_pos"),
        binlog_pos: position("gtid_binlog_pos"),
        domain_id: basics.parse("gtid_domain_id"),
        ..GtidState::default()
    }
}

/// Semi-synchronous replication from its variables and the status. Either wording, each side on its own.
pub(super) fn semi_sync(variables: &ResultSet, status: Option<&ResultSet>) -> SemiSync {
    let variables = pairs(variables);
    let status = status.map(pairs).unwrap_or_default();
    let number = |text: Option<&&str>| text.and_then(|text| text.parse::<u32>().ok());
    let on = |text: Option<&&str>| text.is_some_and(|text| is_on(text));
    let source = [("source", "replica", true), ("master", "slave", false)].into_iter().find_map(
        |(side, other, new_names)| {
            let variable =
                |name: &str| variables.get(format!("rpl_semi_sync_{side}_{name}").as_str());
            let state = |name: &str| status.get(format!("Rpl_semi_sync_{side}_{name}").as_str());
            variable("enabled")?;
            Some(SemiSyncSource {
                enabled: on(variable("enabled")),
                active: on(state("status")),
                timeout: Duration::from_millis(
                    variable("timeout").and_then(|text| text.parse().ok()).unwrap_or(0),
                ),
                // MariaDB waits for one, and has no variable for it.
                wait_for_replicas: number(variable(&format!("wait_for_{other}_count")))
                    .unwrap_or(1),
                clients: number(state("clients")).unwrap_or(0),
                new_names,
            })
        },
    );
    let replica =
        [("replica", true), ("slave", false)].into_iter().find_map(|(side, new_names)| {
            let enabled = variables.get(format!("rpl_semi_sync_{side}_enabled").as_str())?;
            let active = status.get(format!("Rpl_semi_sync_{side}_status").as_str());
            Some(SemiSyncReplica { enabled: is_on(enabled), active: on(active), new_names })
        });
    SemiSync { priority: 0, source, replica }
}

/// The group the server belongs to; `None` when it is no member of any.
pub(super) fn group(members: &ResultSet, own_uuid: Option<&str>) -> Option<GroupMember> {
    let own_uuid = own_uuid?;
    let own = members
        .rows()
        .find(|row| row.get("MEMBER_ID").is_some_and(|id| id.eq_ignore_ascii_case(own_uuid)))?;
    let name = own.get("GROUP_NAME").filter(|name| !name.is_empty())?.to_ascii_lowercase();
    let key =
        |row: Row<'_>| Some(InstanceKey::new(row.get("MEMBER_HOST")?, row.parse("MEMBER_PORT")?));
    let single_primary = own.get("SINGLE_PRIMARY").is_some_and(is_on);
    let primary = members
        .rows()
        .find(|row| single_primary && row.get("MEMBER_ROLE") == Some("PRIMARY"))
        .and_then(key);
    Some(GroupMember {
        name,
        single_primary,
        state: own.get("MEMBER_STATE").unwrap_or_default().to_owned(),
        role: own.get("MEMBER_ROLE").unwrap_or_default().to_owned(),
        members: members.rows().filter_map(key).collect(),
        primary,
    })
}
