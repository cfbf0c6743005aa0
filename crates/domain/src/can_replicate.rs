//! Who may replicate from whom, and who may be moved.

use jiff::Timestamp;

use crate::analysis::{Status, health};
use crate::instance::{BinlogFormat, Instance};
use crate::policy::{AnalysisPolicy, PromotionPolicy};
use crate::topology::Member;
use crate::version::MajorVersion;

/// Why one server may not replicate from another. The text follows the replica's name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Both are one server.
    #[error("cannot replicate from itself")]
    SameServer,
    /// The source writes no binary log.
    #[error("cannot replicate from a server without a binary log")]
    SourceWithoutBinlog,
    /// The source is a replica and keeps what it replicates out of its binary log.
    #[error("cannot replicate from a replica that does not log what it replicates")]
    SourceWithoutLoggedUpdates,
    /// The source runs a later version.
    #[error("runs version {own}, which is lower than the source's {source_version}")]
    LowerVersion {
        /// The replica's version.
        own: MajorVersion,
        /// The source's version.
        source_version: MajorVersion,
    },
    /// The source logs in a format the replica cannot write itself.
    #[error("logs in {} format, which is smaller than the source's {}", own.name(), source_format.name())]
    SmallerBinlogFormat {
        /// The replica's format.
        own: BinlogFormat,
        /// The source's format.
        source_format: BinlogFormat,
    },
    /// The source leaves out what the replica would need.
    #[error("has no replication filters, while the source has")]
    SourceWithFilters,
    /// The server ids are equal.
    #[error("has the same server id ({0}) as the source")]
    SameServerId(u32),
    /// The server uuids are equal.
    #[error("has the same server uuid ({0}) as the source")]
    SameServerUuid(String),
    /// The source applies later than the replica may.
    #[error("is delayed by {own_s} s, less than the source's {source_s} s")]
    SourceDelayed {
        /// The replica's delay.
        own_s: u64,
        /// The source's delay.
        source_s: u64,
    },
}

/// `replica` may replicate from `source`; otherwise the first reason why not.
///
/// # Errors
/// The first reason why it may not.
pub fn can_replicate(
    replica: &Instance,
    source: &Instance,
    policy: &PromotionPolicy,
) -> Result<(), Refusal> {
    if replica.key == source.key {
        return Err(Refusal::SameServer);
    }
    if !source.binlog.enabled {
        return Err(Refusal::SourceWithoutBinlog);
    }
    if source.is_replica() && !source.binlog.logs_updates {
        return Err(Refusal::SourceWithoutLoggedUpdates);
    }
    check_version(replica, source, policy)?;
    check_format(replica, source)?;
    if policy.verify_replication_filters && has_filters(source) && !has_filters(replica) {
        return Err(Refusal::SourceWithFilters);
    }
    check_identity(replica, source)?;
    check_delay(replica, source, policy)
}

/// Why a server may not be moved. The text follows the server's name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MoveRefusal {
    /// Its latest probe failed.
    #[error("cannot be moved: its latest check failed")]
    Invalid,
    /// It has not been looked at recently.
    #[error("cannot be moved: it was not checked recently")]
    Unchecked,
    /// Its receiver or applier does not run.
    #[error("cannot be moved by file and position: it is not replicating")]
    NotReplicating,
    /// It is not known how far it lags.
    #[error("cannot be moved by file and position: its lag is unknown")]
    LagUnknown,
    /// It lags too far.
    #[error("cannot be moved by file and position: it lags too far ({0} s)")]
    Lagging(u64),
}

/// A server may be moved by file and position.
///
/// # Errors
/// The first reason why it may not.
pub fn can_move(
    member: &Member,
    policy: &AnalysisPolicy,
    now: Timestamp,
) -> Result<(), MoveRefusal> {
    can_move_by_gtid(member, policy, now)?;
    let replication = member
        .instance
        .as_ref()
        .filter(|instance| instance.is_replicating())
        .and_then(|instance| instance.replication.as_ref())
        .ok_or(MoveRefusal::NotReplicating)?;
    let behind_s = replication.seconds_behind.ok_or(MoveRefusal::LagUnknown)?;
    let lag_s =
        if replication.delay_s > 0 { behind_s.abs_diff(replication.delay_s) } else { behind_s };
    if lag_s > policy.reasonable_maintenance_lag.as_secs() {
        return Err(MoveRefusal::Lagging(behind_s));
    }
    Ok(())
}

/// A server may be moved by GTID or Pseudo-GTID, or become a co-source.
///
/// # Errors
/// The first reason why it may not.
pub fn can_move_by_gtid(
    member: &Member,
    policy: &AnalysisPolicy,
    now: Timestamp,
) -> Result<(), MoveRefusal> {
    match health(member, policy, now) {
        Status::Invalid => Err(MoveRefusal::Invalid),
        Status::Unchecked => Err(MoveRefusal::Unchecked),
        Status::NonReplicating | Status::Lag | Status::Ok => Ok(()),
    }
}

fn check_version(
    replica: &Instance,
    source: &Instance,
    policy: &PromotionPolicy,
) -> Result<(), Refusal> {
    let (own, source_version) = (replica.major_version(), source.major_version());
    let exempt = replica.is_binlog_server() || policy.lower_replica_version_allowed;
    if own < source_version && !exempt {
        return Err(Refusal::LowerVersion { own, source_version });
    }
    Ok(())
}

fn check_format(replica: &Instance, source: &Instance) -> Result<(), Refusal> {
    let logs = replica.binlog.enabled && replica.binlog.logs_updates;
    match (replica.binlog.format, source.binlog.format) {
        (Some(own), Some(source_format)) if logs && own < source_format => {
            Err(Refusal::SmallerBinlogFormat { own, source_format })
        }
        _ => Ok(()),
    }
}

fn check_identity(replica: &Instance, source: &Instance) -> Result<(), Refusal> {
    if replica.is_binlog_server() {
        return Ok(());
    }
    if let Some(id) = replica.server_id.filter(|_| replica.server_id == source.server_id) {
        return Err(Refusal::SameServerId(id));
    }
    let uuid = replica.server_uuid.as_ref().filter(|uuid| !uuid.is_empty());
    match uuid.filter(|_| replica.server_uuid == source.server_uuid) {
        Some(uuid) => Err(Refusal::SameServerUuid(uuid.clone())),
        None => Ok(()),
    }
}

fn check_delay(
    replica: &Instance,
    source: &Instance,
    policy: &PromotionPolicy,
) -> Result<(), Refusal> {
    let (own_s, source_s) = (delay_s(replica), delay_s(source));
    if source_s > own_s && source_s > policy.reasonable_maintenance_lag.as_secs() {
        return Err(Refusal::SourceDelayed { own_s, source_s });
    }
    Ok(())
}

fn has_filters(instance: &Instance) -> bool {
    instance.replication.as_ref().is_some_and(|replication| replication.has_filters)
}

fn delay_s(instance: &Instance) -> u64 {
    instance.replication.as_ref().map_or(0, |replication| replication.delay_s)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::{Fleet, analysis_policy, later, policy};
    use crate::version::Version;

    type Change = fn(&mut Instance);

    fn replication(instance: &mut Instance) -> &mut crate::instance::Replication {
        instance.replication.as_mut().unwrap()
    }

    #[test]
    fn each_refusal_has_its_reason() {
        use Refusal as R;
        let nothing: Change = |_| ();
        let cases: [(Change, Change, Option<Refusal>); 12] = [
            (nothing, nothing, None),
            (nothing, |source| source.binlog.enabled = false, Some(R::SourceWithoutBinlog)),
            (
                nothing,
                |source| source.binlog.logs_updates = false,
                Some(R::SourceWithoutLoggedUpdates),
            ),
            (
                |replica| replica.version = Version::parse("8.0.33"),
                nothing,
                Some(R::LowerVersion {
                    own: MajorVersion(8, 0),
                    source_version: MajorVersion(9, 7),
                }),
            ),
            (nothing, |source| source.version = Version::parse("8.10.0"), None),
            (
                |replica| replica.binlog.format = Some(BinlogFormat::Mixed),
                nothing,
                Some(R::SmallerBinlogFormat {
                    own: BinlogFormat::Mixed,
                    source_format: BinlogFormat::Row,
                }),
            ),
            (
                |replica| {
                    replica.binlog.format = Some(BinlogFormat::Mixed);
                    replica.binlog.logs_updates = false;
                },
                nothing,
                None,
            ),
            (nothing, |source| replication(source).has_filters = true, None),
            (nothing, |source| source.server_id = Some(2), Some(R::SameServerId(2))),
            (nothing, |source| source.server_uuid = None, None),
            (nothing, |source| replication(source).delay_s = 20, None),
            (
                |replica| replication(replica).delay_s = 5,
                |source| replication(source).delay_s = 21,
                Some(R::SourceDelayed { own_s: 5, source_s: 21 }),
            ),
        ];
        for (index, (of_replica, of_source, expected)) in cases.into_iter().enumerate() {
            let fleet = Fleet::mysql(2).with("r1", of_replica).with("r2", of_source);
            let verdict =
                can_replicate(fleet.instance("r1"), fleet.instance("r2"), &fleet.policy.promotion);
            assert_eq!(verdict.err(), expected, "row {index}");
        }
        let fleet = Fleet::mysql(1);
        let own = fleet.instance("r1");
        assert_eq!(can_replicate(own, own, &policy().promotion), Err(R::SameServer));
    }

    #[test]
    fn settings_allow_lower_versions_and_forbid_filters() {
        let fleet = Fleet::mysql(2)
            .with("r1", |replica| replica.version = Version::parse("8.4.0"))
            .with("r2", |source| replication(source).has_filters = true);
        let verdict = |policy: &PromotionPolicy| {
            can_replicate(fleet.instance("r1"), fleet.instance("r2"), policy)
        };
        let mut policy = policy().promotion;
        policy.lower_replica_version_allowed = true;
        assert_eq!(verdict(&policy), Ok(()));
        policy.verify_replication_filters = true;
        assert_eq!(verdict(&policy), Err(Refusal::SourceWithFilters));
    }

    #[test]
    fn servers_with_one_uuid_are_kept_apart() {
        let fleet = Fleet::mysql(2);
        let uuid = fleet.instance("r1").server_uuid.clone();
        let twin = fleet.with("r2", |source| source.server_uuid.clone_from(&uuid));
        let verdict = can_replicate(twin.instance("r1"), twin.instance("r2"), &policy().promotion);
        assert_eq!(verdict.err(), uuid.map(Refusal::SameServerUuid));
    }

    #[test]
    fn only_a_server_whose_place_is_known_is_moved() {
        let cases: [(&str, Change, Option<MoveRefusal>); 4] = [
            ("replicates", |_| (), None),
            (
                "stopped",
                |it| replication(it).sql_thread = crate::instance::ThreadState::Stopped,
                Some(MoveRefusal::NotReplicating),
            ),
            (
                "unknown lag",
                |it| replication(it).seconds_behind = None,
                Some(MoveRefusal::LagUnknown),
            ),
            (
                "lags",
                |it| replication(it).seconds_behind = Some(21),
                Some(MoveRefusal::Lagging(21)),
            ),
        ];
        let policy = analysis_policy();
        for (name, change, expected) in cases {
            let fleet = Fleet::mysql(1)
                .with("r1", |it| {
                    replication(it).io_thread = crate::instance::ThreadState::Running;
                    replication(it).seconds_behind = Some(0);
                })
                .with("r1", change);
            let member = fleet.view.get(&crate::fixture::key("r1")).unwrap();
            assert_eq!(can_move(member, &policy, later(1)).err(), expected, "{name}");
            assert_eq!(can_move_by_gtid(member, &policy, later(1)), Ok(()), "{name}");
            let late = can_move(member, &policy, later(26)).err();
            assert_eq!(late, Some(MoveRefusal::Unchecked), "{name}");
        }
    }
}
