//! Statements that differ between families in single words only.

use std::fmt::Write;

use ham4db_domain::key::InstanceKey;

use super::{Change, Channel, Place, Threads, Variable};

/// What every MySQL since 5.6 and every MariaDB knows.
pub(super) const COMMON_BASICS: &[Variable] = &[
    ("@@global.version", "version"),
    ("@@global.version_comment", "version_comment"),
    ("@@global.hostname", "hostname"),
    ("@@global.report_host", "report_host"),
    ("@@global.server_id", "server_id"),
    ("@@global.read_only", "read_only"),
    ("@@global.log_bin", "log_bin"),
    ("@@global.binlog_format", "binlog_format"),
];

/// `START` or `STOP` of replication threads.
pub(super) fn threads(verb: &str, replica: &str, threads: Threads, channel: Channel) -> String {
    let which = match threads {
        Threads::Both => "",
        Threads::Receiver => " IO_THREAD",
        Threads::Applier => " SQL_THREAD",
    };
    format!("{verb} {replica}{which}{}", for_channel(channel))
}

pub(super) fn reset_replica(replica: &str, channel: Channel) -> String {
    format!("RESET {replica} ALL{}", for_channel(channel))
}

/// `side` is `SOURCE` or `MASTER`, the prefix of the statement's options.
pub(super) fn change_source(
    verb: &str,
    side: &str,
    without_gtid: &str,
    change: &Change<'_>,
) -> String {
    let Change { source, place, heartbeat, get_public_key, credentials, channel } = change;
    let mut text =
        format!("{verb} {side}_HOST={}, {side}_PORT={}", quote_host(source), source.port);
    // Writing to a String cannot fail.
    if let Some(login) = credentials {
        let _ = write!(text, ", {side}_USER={}", quote(&login.user));
        let _ = write!(text, ", {side}_PASSWORD={}", quote(&login.password));
        let names = ["SSL_CA", "SSL_CERT", "SSL_KEY"];
        let files: Vec<_> =
            names.iter().zip(&login.tls_files).filter(|(_, file)| !file.is_empty()).collect();
        if !files.is_empty() {
            let _ = write!(text, ", {side}_SSL=1");
        }
        for (name, file) in files {
            let _ = write!(text, ", {side}_{name}={}", quote(file));
        }
    }
    if matches!(place, Place::AtWithoutGtid(_)) {
        text += without_gtid;
    }
    let _ = match place {
        Place::At(at) | Place::AtWithoutGtid(at) => {
            write!(text, ", {side}_LOG_FILE={}, {side}_LOG_POS={}", quote(&at.file), at.position)
        }
        Place::Auto => write!(text, ", {side}_AUTO_POSITION=1"),
        Place::SlavePos => write!(text, ", {side}_USE_GTID=slave_pos"),
        Place::CurrentPos => write!(text, ", {side}_USE_GTID=current_pos"),
    };
    if let Some(period) = heartbeat {
        let _ = write!(text, ", {side}_HEARTBEAT_PERIOD={:.3}", period.as_secs_f64());
    }
    if *get_public_key {
        let _ = write!(text, ", GET_{side}_PUBLIC_KEY=1");
    }
    text + for_channel(*channel)
}

/// A text as a literal.
pub(super) fn quote(text: &str) -> String {
    format!("'{}'", text.replace('\\', "\\\\").replace('\'', "''"))
}

/// A host name as a literal.
pub(super) fn quote_host(key: &InstanceKey) -> String {
    quote(&key.host)
}

fn for_channel(channel: Channel) -> &'static str {
    match channel {
        Channel::Only => "",
        Channel::Default => " FOR CHANNEL ''",
    }
}
