//! The configuration: one JSON object, read once, checked as a whole, and handed out as typed values.
//!
//! [`settings`] is the table of all keys; reading, checking, suggesting and showing are driven by it.

use std::collections::BTreeMap;

use ham4db_domain::key::InstanceKey;
use serde_json::Value;

mod credentials;
mod file;
mod findings;
mod keys;
mod kinds;
mod load;
mod rules;
mod secret;
mod suggest;
mod table;

pub use findings::{Notice, NoticeKind, Problem, Problems};
pub use keys::agents::Agents;
pub use keys::analysis::Analysis;
pub use keys::audit::Audit;
pub use keys::backend::{Backend, Engine};
pub use keys::classification::Classification;
pub use keys::discovery::Discovery;
pub use keys::hooks::Hooks;
pub use keys::hostnames::{Hostnames, ServerName};
pub use keys::http::{AuthMethod, Http, ListenAddress};
pub use keys::logging::{Identity, Logging};
pub use keys::pseudo_gtid::PseudoGtid;
pub use keys::publishing::{ConsulProvider, Publishing, Scheme};
pub use keys::raft::Raft;
pub use keys::recovery::Recovery;
pub use keys::servers::Servers;
pub use kinds::{Confirmation, Parsed};
pub use load::{Origin, Sources};
pub use secret::Secret;
pub use table::{Effect, Setting, Status, Synonym};

/// Everything that can be configured. `Config::default()` works as it is.
#[derive(Debug, Clone, Default)]
pub struct Config {
    /// The HTTP server.
    pub http: Http,
    /// The backend database.
    pub backend: Backend,
    /// How watched servers are logged in to and asked.
    pub servers: Servers,
    /// Which servers are watched, and how often.
    pub discovery: Discovery,
    /// How servers are named.
    pub hostnames: Hostnames,
    /// What servers and clusters are called, and where they stand.
    pub classification: Classification,
    /// What counts as a problem.
    pub analysis: Analysis,
    /// What is recovered, and how.
    pub recovery: Recovery,
    /// Commands run when something happens.
    pub hooks: Hooks,
    /// What is written down.
    pub audit: Audit,
    /// What is logged.
    pub logging: Logging,
    /// Several nodes acting as one.
    pub raft: Raft,
    /// Who else is told.
    pub publishing: Publishing,
    /// Pseudo-GTID.
    pub pseudo_gtid: PseudoGtid,
    /// Agents on database hosts.
    pub agents: Agents,
    /// Where the values come from that are not defaults, by key.
    origins: BTreeMap<&'static str, Origin>,
}

impl Config {
    /// Where the value of a key comes from; `None` for a default.
    pub fn origin(&self, key: &str) -> Option<&Origin> {
        self.origins.get(key)
    }

    /// Every key with its value as it would be written in a file, secrets hidden.
    pub fn shown(&self) -> Value {
        let shown = settings().filter_map(|setting| Some((setting.name, setting.shown(self)?)));
        Value::Object(shown.map(|(name, value)| (name.to_owned(), value)).collect())
    }

    /// The servers of `DiscoverySeeds`.
    pub fn seeds(&self) -> Vec<InstanceKey> {
        let seeds = self.discovery.seeds.iter();
        seeds.filter_map(|seed| rules::seed(seed, self.servers.default_port).ok()).collect()
    }
}

/// The table of all keys, group by group.
pub fn settings() -> impl Iterator<Item = &'static Setting> {
    GROUPS.iter().copied().flatten()
}

const GROUPS: &[&[Setting]] = &[
    keys::http::SETTINGS,
    keys::backend::SETTINGS,
    keys::servers::SETTINGS,
    keys::discovery::SETTINGS,
    keys::hostnames::SETTINGS,
    keys::classification::SETTINGS,
    keys::analysis::SETTINGS,
    keys::recovery::SETTINGS,
    keys::hooks::SETTINGS,
    keys::audit::SETTINGS,
    keys::logging::SETTINGS,
    keys::raft::SETTINGS,
    keys::publishing::SETTINGS,
    keys::pseudo_gtid::SETTINGS,
    keys::agents::SETTINGS,
    keys::obsolete::SETTINGS,
];

#[cfg(test)]
mod tests;
