//! What is logged, and where to.

use crate::config::kinds::{Bool, Choice, Named, Text};
use crate::config::table::Status::NotYet;
use crate::config::table::{Status::Acted, group};

/// What stands in front of messages of this node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Identity {
    /// Nothing.
    None,
    /// The full host name.
    Fqdn,
    /// The host name.
    Hostname,
    /// The text of `CustomOrcIdentity`.
    Custom,
}

impl Named for Identity {
    const NAMES: &[(&str, Self)] = &[
        ("", Self::None),
        ("none", Self::None),
        ("FQDN", Self::Fqdn),
        ("hostname", Self::Hostname),
        ("custom", Self::Custom),
    ];
}

group! {
    /// What is logged, and where to.
    logging: Logging;

    /// Logs debugging messages too.
    "Debug" => debug: Bool = false; Acted, OnReload;
    /// Logs to syslog as well.
    "EnableSyslog" => syslog: Bool = false; NotYet, AtStart;
    /// Logs which servers the discovery filters left out.
    "EnableDiscoveryFiltersLogs" => discovery_filters: Bool = true; NotYet, OnReload;
    /// Logs each probe of a server that is dead.
    "DeadInstanceDiscoveryLogsEnabled" => dead_instances: Bool = false; NotYet, OnReload;
    /// Which name of this node stands in front of the messages of recoveries.
    "PrependMessagesWithOrcIdentity" => identity: Choice<Identity> = Identity::None; NotYet, AtStart;
    /// The name used when `PrependMessagesWithOrcIdentity` is `custom`.
    "CustomOrcIdentity" => custom_identity: Text = ""; NotYet, AtStart;
}
