//! MariaDB, 10.5 to 11.8: it kept the old words, and these versions need no threshold between them.

use super::{Change, Dialect, Variable, statements};

pub(super) struct MariaDb;

impl Dialect for MariaDb {
    fn basics(&self) -> Vec<Variable> {
        let mut basics = statements::COMMON_BASICS.to_vec();
        basics.extend([
            ("@@global.log_slave_updates", "log_updates"),
            ("@@global.binlog_row_image", "binlog_row_image"),
            ("@@global.gtid_slave_pos", "gtid_slave_pos"),
            ("@@global.gtid_binlog_pos", "gtid_binlog_pos"),
            ("@@global.gtid_domain_id", "gtid_domain_id"),
        ]);
        basics
    }

    fn show_replica_status(&self) -> &'static str {
        "SHOW ALL SLAVES STATUS"
    }

    fn change_source(&self, change: &Change<'_>) -> String {
        statements::change_source("CHANGE MASTER TO", "MASTER", ", MASTER_USE_GTID=no", change)
    }
}
