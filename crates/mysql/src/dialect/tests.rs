//! Words of real versions, from their manuals and as tried on the five flavours.

use super::*;

fn dialect(version: &str) -> Box<dyn Dialect> {
    dialect_of(Flavor::detect(version, ""), &Version::parse(version))
}

#[test]
fn words_change_at_their_versions() {
    // version, replica status, own position, replica list, stop
    let cases = [
        ("5.6.24-log", "SHOW SLAVE STATUS", "SHOW MASTER STATUS", "SHOW SLAVE HOSTS", "STOP SLAVE"),
        ("8.0.21", "SHOW SLAVE STATUS", "SHOW MASTER STATUS", "SHOW SLAVE HOSTS", "STOP SLAVE"),
        ("8.0.22", "SHOW REPLICA STATUS", "SHOW MASTER STATUS", "SHOW REPLICAS", "STOP REPLICA"),
        ("8.1.0", "SHOW REPLICA STATUS", "SHOW MASTER STATUS", "SHOW REPLICAS", "STOP REPLICA"),
        ("8.4.0", "SHOW REPLICA STATUS", "SHOW BINARY LOG STATUS", "SHOW REPLICAS", "STOP REPLICA"),
        (
            "8.10.0",
            "SHOW REPLICA STATUS",
            "SHOW BINARY LOG STATUS",
            "SHOW REPLICAS",
            "STOP REPLICA",
        ),
        (
            "9.7.4-2",
            "SHOW REPLICA STATUS",
            "SHOW BINARY LOG STATUS",
            "SHOW REPLICAS",
            "STOP REPLICA",
        ),
        (
            "10.5.23-MariaDB",
            "SHOW ALL SLAVES STATUS",
            "SHOW MASTER STATUS",
            "SHOW SLAVE HOSTS",
            "STOP SLAVE",
        ),
        (
            "11.8.6-MariaDB",
            "SHOW ALL SLAVES STATUS",
            "SHOW MASTER STATUS",
            "SHOW SLAVE HOSTS",
            "STOP SLAVE",
        ),
        (
            "2.4.1-maxscale",
            "SHOW SLAVE STATUS",
            "SHOW MASTER STATUS",
            "SHOW SLAVE HOSTS",
            "STOP SLAVE",
        ),
    ];
    for (version, status, position, replicas, stop) in cases {
        let words = dialect(version);
        assert_eq!(words.show_replica_status(), status, "{version}");
        assert_eq!(words.show_own_position(), position, "{version}");
        assert_eq!(words.show_replicas(), replicas, "{version}");
        assert_eq!(words.threads("STOP", Threads::Both, Channel::Only), stop, "{version}");
    }
}

#[test]
fn a_change_statement_is_in_the_words_of_its_server() {
    let source = InstanceKey::new("db'1", 3307);
    let at: BinlogCoordinates = "binlog.000002:77".parse().unwrap();
    let change = |place| Change {
        source: &source,
        place,
        heartbeat: Some(Duration::from_millis(2500)),
        get_public_key: false,
        credentials: None,
        channel: Channel::Only,
    };
    let cases = [
        (
            "9.7.4",
            Place::Auto,
            "CHANGE REPLICATION SOURCE TO SOURCE_HOST='db''1', SOURCE_PORT=3307, SOURCE_AUTO_POSITION=1, SOURCE_HEARTBEAT_PERIOD=2.500",
        ),
        (
            "8.0.22",
            Place::Auto,
            "CHANGE MASTER TO MASTER_HOST='db''1', MASTER_PORT=3307, MASTER_AUTO_POSITION=1, MASTER_HEARTBEAT_PERIOD=2.500",
        ),
        (
            "5.6.24",
            Place::AtWithoutGtid(at.clone()),
            "CHANGE MASTER TO MASTER_HOST='db''1', MASTER_PORT=3307, MASTER_AUTO_POSITION=0, MASTER_LOG_FILE='binlog.000002', MASTER_LOG_POS=77, MASTER_HEARTBEAT_PERIOD=2.500",
        ),
        (
            "10.11.18-MariaDB",
            Place::SlavePos,
            "CHANGE MASTER TO MASTER_HOST='db''1', MASTER_PORT=3307, MASTER_USE_GTID=slave_pos, MASTER_HEARTBEAT_PERIOD=2.500",
        ),
        (
            "10.11.18-MariaDB",
            Place::AtWithoutGtid(at),
            "CHANGE MASTER TO MASTER_HOST='db''1', MASTER_PORT=3307, MASTER_USE_GTID=no, MASTER_LOG_FILE='binlog.000002', MASTER_LOG_POS=77, MASTER_HEARTBEAT_PERIOD=2.500",
        ),
    ];
    for (version, place, expected) in cases {
        assert_eq!(dialect(version).change_source(&change(place)), expected, "{version}");
    }
}

#[test]
fn among_several_channels_the_default_one_is_named() {
    let words = dialect("8.4.0");
    let stop = words.threads("STOP", Threads::Receiver, Channel::Default);
    assert_eq!(stop, "STOP REPLICA IO_THREAD FOR CHANNEL ''");
    assert_eq!(words.reset_replica(Channel::Default), "RESET REPLICA ALL FOR CHANNEL ''");
}

#[test]
fn super_read_only_is_used_where_there_is_one() {
    let cases = [
        ("5.6.24", "read_only"),
        ("5.7.7", "read_only"),
        ("5.7.8", "super_read_only"),
        ("9.7.4", "super_read_only"),
        ("10.11.18-MariaDB", "read_only"),
    ];
    for (version, variable) in cases {
        assert_eq!(dialect(version).strongest_read_only(), variable, "{version}");
    }
}

#[test]
fn literals_cannot_be_escaped_from() {
    assert_eq!(statements::quote(r"a'b\c"), r"'a''b\\c'");
}
