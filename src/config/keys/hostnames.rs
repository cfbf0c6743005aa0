//! How servers are named.

use ham4db_actors::resolver::ResolveMethod;

use crate::config::kinds::{Bool, Choice, Minutes, Named, Pattern};
use crate::config::table::Status::{Acted, NotYet};
use crate::config::table::group;

impl Named for ResolveMethod {
    const NAMES: &[(&str, Self)] = &[
        ("default", Self::AsGiven),
        ("none", Self::AsGiven),
        ("", Self::AsGiven),
        ("cname", Self::CanonicalName),
        ("ip", Self::Address),
    ];
}

/// Which name a server is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ServerName {
    /// None: the name under which it was found is kept.
    None,
    /// `@@hostname`.
    Hostname,
    /// `@@report_host`.
    ReportHost,
}

impl Named for ServerName {
    const NAMES: &[(&str, Self)] = &[
        ("@@hostname", Self::Hostname),
        ("@@report_host", Self::ReportHost),
        ("none", Self::None),
        ("", Self::None),
    ];
}

group! {
    /// How servers are named.
    hostnames: Hostnames;

    /// What a host name is turned into before it is used.
    "HostnameResolveMethod" => resolve: Choice<ResolveMethod> = ResolveMethod::AsGiven; Acted, OnReload;
    /// Which variable of a server gives its name.
    "MySQLHostnameResolveMethod" => server_name: Choice<ServerName> = ServerName::Hostname; Acted, OnReload;
    /// Does not check the names of binlog servers.
    "SkipBinlogServerUnresolveCheck" => skip_binlog_servers: Bool = true; NotYet, OnReload;
    /// How long a resolved name is remembered.
    "ExpiryHostnameResolvesMinutes" => expiry: Minutes<0, 525_600> = 60; Acted, OnReload;
    /// Resolved names that are not accepted.
    "RejectHostnameResolvePattern" => reject: Pattern = (); Acted, OnReload;
}
