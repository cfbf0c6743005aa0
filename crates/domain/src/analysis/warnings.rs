//! Structure warnings, each with the condition under which it holds.

use super::{Facts, StructureWarning};
use StructureWarning::{
    DifferentGTIDModesStructureWarning, ErrantGTIDStructureWarning,
    MixedAndRowLoggingReplicasStructureWarning,
    MultipleMajorVersionsLoggingReplicasStructureWarning, NoFailoverSupportStructureWarning,
    NoLoggingReplicasStructureWarning, NoWriteableMasterStructureWarning,
    NotEnoughValidSemiSyncReplicasStructureWarning,
    StatementAndMixedLoggingReplicasStructureWarning,
    StatementAndRowLoggingReplicasStructureWarning,
};

type Warning = (StructureWarning, fn(&Facts) -> bool);

/// Every warning that holds, in the fixed order.
pub(super) fn all(facts: &Facts) -> Vec<StructureWarning> {
    let holding = WARNINGS.iter().filter(|(_, matches)| matches(facts));
    holding.map(|(warning, _)| *warning).collect()
}

pub(super) const WARNINGS: &[Warning] = &[
    (NoLoggingReplicasStructureWarning, |f| f.is_source && f.logging == 0 && f.replicas > 1),
    (NoFailoverSupportStructureWarning, |f| {
        f.is_source && f.replicas > 1 && !f.has_failover_support()
    }),
    (StatementAndMixedLoggingReplicasStructureWarning, |f| {
        f.is_source && f.logging_statement > 0 && f.logging_mixed > 0
    }),
    (StatementAndRowLoggingReplicasStructureWarning, |f| {
        f.is_source && f.logging_statement > 0 && f.logging_row > 0
    }),
    (MixedAndRowLoggingReplicasStructureWarning, |f| {
        f.is_source && f.logging_mixed > 0 && f.logging_row > 0
    }),
    (MultipleMajorVersionsLoggingReplicasStructureWarning, |f| {
        f.is_source && f.logging_versions > 1
    }),
    (DifferentGTIDModesStructureWarning, |f| {
        let own = f.gtid_mode.as_ref();
        own.is_some_and(|own| f.replica_gtid_modes.iter().any(|mode| mode != own))
    }),
    (ErrantGTIDStructureWarning, |f| !f.errant.is_empty()),
    (NoWriteableMasterStructureWarning, |f| f.is_source && f.read_only),
    (NotEnoughValidSemiSyncReplicasStructureWarning, |f| {
        f.is_source
            && f.semi_sync_enabled
            && !f.semi_sync_active
            && f.semi_sync_wait_for > 0
            && f.semi_sync_clients < f.semi_sync_wait_for
    }),
];
