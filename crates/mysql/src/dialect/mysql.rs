//! Oracle MySQL, Percona Server and NDB, 5.6 to 9.x: one family, told apart by version thresholds.

use ham4db_domain::version::Version;

use super::{Change, Channel, Dialect, Threads, Variable, statements};

pub(super) struct MySql(pub(super) Version);

impl MySql {
    /// 8.0.22 took REPLICA in for SLAVE in SHOW, START, STOP and RESET.
    fn says_replica(&self) -> bool {
        self.0.at_least(8, 0, 22)
    }

    fn replica_word(&self) -> &'static str {
        if self.says_replica() { "REPLICA" } else { "SLAVE" }
    }

    /// `performance_schema` tells of replication as of 5.7; when a transaction was last received, as of 8.0.
    fn has_heartbeat_tables(&self) -> bool {
        self.0.at_least(5, 7, 2)
    }

    /// Where the place of replication is kept could be chosen until 8.3 took the choice away.
    fn has_repository_choice(&self) -> bool {
        !self.0.at_least(8, 3, 0)
    }
}

impl Dialect for MySql {
    fn basics(&self) -> Vec<Variable> {
        let mut basics = statements::COMMON_BASICS.to_vec();
        basics.extend([
            ("@@global.server_uuid", "server_uuid"),
            ("@@global.gtid_mode", "gtid_mode"),
            ("@@global.gtid_executed", "gtid_executed"),
            ("@@global.gtid_purged", "gtid_purged"),
            ("@@global.binlog_row_image", "binlog_row_image"),
        ]);
        basics.push(if self.0.at_least(8, 0, 26) {
            ("@@global.log_replica_updates", "log_updates")
        } else {
            ("@@global.log_slave_updates", "log_updates")
        });
        if self.0.at_least(5, 7, 8) {
            basics.push(("@@global.super_read_only", "super_read_only"));
        }
        basics
    }

    fn show_replica_status(&self) -> &'static str {
        if self.says_replica() { "SHOW REPLICA STATUS" } else { "SHOW SLAVE STATUS" }
    }

    fn show_own_position(&self) -> &'static str {
        if self.0.at_least(8, 2, 0) { "SHOW BINARY LOG STATUS" } else { "SHOW MASTER STATUS" }
    }

    fn show_replicas(&self) -> &'static str {
        if self.says_replica() { "SHOW REPLICAS" } else { "SHOW SLAVE HOSTS" }
    }

    fn connections(&self) -> &'static str {
        if self.0.at_least(8, 0, 22) {
            "SELECT ID, USER, HOST, COMMAND, STATE FROM performance_schema.processlist"
        } else {
            "SELECT ID, USER, HOST, COMMAND, STATE FROM information_schema.processlist"
        }
    }

    fn dump_connections(&self) -> &'static str {
        if self.0.at_least(8, 0, 22) {
            "SELECT USER, HOST FROM performance_schema.processlist \
             WHERE COMMAND IN ('Binlog Dump', 'Binlog Dump GTID')"
        } else {
            "SELECT USER, HOST FROM information_schema.processlist \
             WHERE COMMAND IN ('Binlog Dump', 'Binlog Dump GTID')"
        }
    }

    fn heartbeat(&self) -> Option<&'static str> {
        if self.0.at_least(8, 0, 2) {
            // Times as seconds since the epoch, so that no change of the clock to summer time matters.
            Some(
                "SELECT s.CHANNEL_NAME, s.COUNT_RECEIVED_HEARTBEATS, c.HEARTBEAT_INTERVAL, \
                 s.QUEUEING_TRANSACTION, @@timestamp AS NOW_S, \
                 UNIX_TIMESTAMP(s.LAST_HEARTBEAT_TIMESTAMP) AS HEARTBEAT_S, \
                 UNIX_TIMESTAMP(s.LAST_QUEUED_TRANSACTION_END_QUEUE_TIMESTAMP) AS QUEUED_S \
                 FROM performance_schema.replication_connection_status s \
                 JOIN performance_schema.replication_connection_configuration c \
                 ON c.CHANNEL_NAME = s.CHANNEL_NAME",
            )
        } else if self.has_heartbeat_tables() {
            Some(
                "SELECT s.CHANNEL_NAME, s.COUNT_RECEIVED_HEARTBEATS, c.HEARTBEAT_INTERVAL \
                 FROM performance_schema.replication_connection_status s \
                 JOIN performance_schema.replication_connection_configuration c \
                 ON c.CHANNEL_NAME = s.CHANNEL_NAME",
            )
        } else {
            None
        }
    }

    fn group(&self) -> Option<&'static str> {
        self.0.at_least(8, 0, 2).then_some(
            "SELECT MEMBER_ID, MEMBER_HOST, MEMBER_PORT, MEMBER_STATE, MEMBER_ROLE, \
             @@global.group_replication_group_name AS GROUP_NAME, \
             @@global.group_replication_single_primary_mode AS SINGLE_PRIMARY \
             FROM performance_schema.replication_group_members WHERE MEMBER_STATE <> 'OFFLINE'",
        )
    }

    fn credentials_available(&self) -> Option<&'static str> {
        Some(if self.has_repository_choice() {
            "SELECT COUNT(*) > 0 AND MAX(User_name) <> '' AND @@global.master_info_repository = 'TABLE' \
             FROM mysql.slave_master_info"
        } else {
            "SELECT COUNT(*) > 0 AND MAX(User_name) <> '' FROM mysql.slave_master_info"
        })
    }

    fn privileged_accounts(&self) -> &'static str {
        if self.0.at_least(8, 0, 0) {
            "SELECT User AS USER FROM mysql.user WHERE Super_priv = 'Y' \
             UNION SELECT USER FROM mysql.global_grants WHERE PRIV = 'CONNECTION_ADMIN'"
        } else {
            "SELECT User AS USER FROM mysql.user WHERE Super_priv = 'Y'"
        }
    }

    fn threads(&self, verb: &str, threads: Threads, channel: Channel) -> String {
        statements::threads(verb, self.replica_word(), threads, channel)
    }

    fn reset_replica(&self, channel: Channel) -> String {
        statements::reset_replica(self.replica_word(), channel)
    }

    fn change_source(&self, change: &Change<'_>) -> String {
        if self.0.at_least(8, 0, 23) {
            let without_gtid = ", SOURCE_AUTO_POSITION=0";
            statements::change_source(
                "CHANGE REPLICATION SOURCE TO",
                "SOURCE",
                without_gtid,
                change,
            )
        } else {
            let without_gtid = ", MASTER_AUTO_POSITION=0";
            statements::change_source("CHANGE MASTER TO", "MASTER", without_gtid, change)
        }
    }

    fn strongest_read_only(&self) -> &'static str {
        if self.0.at_least(5, 7, 8) { "super_read_only" } else { "read_only" }
    }

    fn logs_in_by_public_key(&self) -> bool {
        self.0.at_least(8, 0, 4)
    }
}
