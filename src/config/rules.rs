//! Rules that look at more than one key, or outside the file.

use std::path::PathBuf;
use std::time::Duration;

use actix_web::http::header::HeaderName;
use ham4db_domain::key::{InstanceKey, KeyError};

use super::credentials::{self, Client};
use super::load::{Draft, Origin};
use super::{AuthMethod, Config, Engine, ListenAddress, Secret};

/// The rules, in the order in which they are applied. Each adjusts values or adds what is wrong.
const RULES: &[fn(&mut Draft)] = &[
    secrets_from_the_environment,
    credentials_files,
    authentication,
    listen_address,
    advertised_address,
    prefixes,
    backend,
    tls_to_servers,
    tls_to_backend,
    seeds,
    probe_times,
    dead_polls,
    semi_sync_wait,
    half_done,
    name_patterns,
    promotion_vetoes,
    raft,
    consul,
];

/// Applies every rule.
pub(crate) fn check(draft: &mut Draft) {
    for rule in RULES {
        rule(draft);
    }
}

/// Reads a seed: `host`, `host:port`, or either with the ancestor's `mysql:` in front.
pub(crate) fn seed(text: &str, default_port: u16) -> Result<InstanceKey, KeyError> {
    InstanceKey::parse(text.strip_prefix("mysql:").unwrap_or(text), Some(default_port))
}

/// `${NAME}` as a whole value stands for the content of a variable.
fn secrets_from_the_environment(draft: &mut Draft) {
    type Field = fn(&mut Config) -> &mut Secret;
    const SECRETS: &[(&str, Field)] = &[
        ("MySQLTopologyPassword", |config| &mut config.servers.password),
        ("MySQLOrchestratorPassword", |config| &mut config.backend.password),
        ("HTTPAuthPassword", |config| &mut config.http.password),
        ("ConsulAclToken", |config| &mut config.publishing.consul_token),
    ];
    for (name, secret) in SECRETS {
        let text = secret(&mut draft.config).expose().to_owned();
        match credentials::variable(&text) {
            Some(variable) => match (draft.environment.0)(variable) {
                Some(value) => {
                    *secret(&mut draft.config) = Secret::new(value);
                    draft.set_origin(name, Origin::Environment { variable: variable.to_owned() });
                }
                None => draft.problem(name, format!("environment variable {variable} is not set")),
            },
            None if text.contains("${") => draft.doubt(
                name,
                "is taken as it is; only a value that is ${NAME} as a whole stands for a variable",
            ),
            None => {}
        }
    }
}

/// User and password of a credentials file win over those of the configuration.
fn credentials_files(draft: &mut Draft) {
    let servers = draft.config.servers.credentials_file.clone();
    if let Some((file, client)) =
        credentials_file(draft, "MySQLTopologyCredentialsConfigFile", servers)
    {
        let servers = &mut draft.config.servers;
        let user = client.user.map(|user| servers.user = user);
        let password = client.password.map(|text| servers.password = Secret::new(text));
        note(draft, "MySQLTopologyUser", user, &file);
        note(draft, "MySQLTopologyPassword", password, &file);
    }
    let backend = draft.config.backend.credentials_file.clone();
    if let Some((file, client)) =
        credentials_file(draft, "MySQLOrchestratorCredentialsConfigFile", backend)
    {
        let backend = &mut draft.config.backend;
        let user = client.user.map(|user| backend.user = user);
        let password = client.password.map(|text| backend.password = Secret::new(text));
        note(draft, "MySQLOrchestratorUser", user, &file);
        note(draft, "MySQLOrchestratorPassword", password, &file);
    }
}

fn note(draft: &mut Draft, name: &'static str, set: Option<()>, file: &Origin) {
    if set.is_some() {
        draft.set_origin(name, file.clone());
    }
}

fn credentials_file(
    draft: &mut Draft,
    name: &str,
    file: Option<PathBuf>,
) -> Option<(Origin, Client)> {
    let file = file?;
    let read = std::fs::read_to_string(&file).map_err(|error| format!("cannot be read: {error}"));
    match read.and_then(|text| credentials::parse(&text)) {
        Ok(client) => {
            if credentials::is_open_to_all(&file) {
                draft.doubt(name, "every user of this machine may read the file; chmod o-r it");
            }
            Some((Origin::Credentials { file }, client))
        }
        Err(reason) => {
            draft.problem(name, reason);
            None
        }
    }
}

/// A method must be one that is there, and have what it needs.
fn authentication(draft: &mut Draft) {
    let http = &draft.config.http;
    let nameless = http.user.is_empty() || http.password.is_empty();
    match http.authentication {
        AuthMethod::None => {}
        AuthMethod::Proxy => {
            if HeaderName::try_from(http.user_header.as_str()).is_err() {
                draft.problem("AuthUserHeader", "must be the name of a header");
            }
        }
        AuthMethod::Basic | AuthMethod::Multi => {
            if nameless {
                draft.problem("AuthenticationMethod", "needs HTTPAuthUser and HTTPAuthPassword");
            }
        }
        AuthMethod::Token => draft.problem(
            "AuthenticationMethod",
            "tokens are not available yet; use \"basic\", \"multi\" or \"proxy\"",
        ),
    }
}

/// Without authentication only this machine is let in, unless an address says otherwise.
fn listen_address(draft: &mut Draft) {
    let http = &mut draft.config.http;
    if http.authentication != AuthMethod::None || http.socket.is_some() {
        return;
    }
    if !draft.given.contains_key("ListenAddress") {
        http.listen = ListenAddress { host: Some("127.0.0.1".to_owned()), port: http.listen.port };
    } else if !http.listen.is_loopback() {
        draft.doubt(
            "ListenAddress",
            "whoever reaches this address may do everything, because AuthenticationMethod is not set; \
             \"127.0.0.1:3000\" lets in this machine only",
        );
    }
}

/// `HTTPAdvertise` is a scheme, a host and a port.
fn advertised_address(draft: &mut Draft) {
    let text = draft.config.http.advertise.trim_end_matches('/').to_owned();
    let fits = |rest: &str| {
        rest.rsplit_once(':').is_some_and(|(host, port)| {
            let named = !host.is_empty() && !host.contains(['/', '@', '?', '#', ' ']);
            named && port.parse::<u16>().is_ok_and(|port| port > 0)
        })
    };
    let rest = text.strip_prefix("http://").or_else(|| text.strip_prefix("https://"));
    if !text.is_empty() && !rest.is_some_and(fits) {
        draft.problem(
            "HTTPAdvertise",
            "must be http://host:port or https://host:port, without a path",
        );
    }
    draft.config.http.advertise = text;
}

/// Prefixes get the slashes they need, and no others.
fn prefixes(draft: &mut Draft) {
    let http = &mut draft.config.http;
    let prefix = http.url_prefix.trim_matches('/');
    http.url_prefix = if prefix.is_empty() { String::new() } else { format!("/{prefix}") };
    if http.status_endpoint.is_empty() {
        http.status_endpoint.push_str("/api/status");
    } else if !http.status_endpoint.starts_with('/') {
        http.status_endpoint.insert(0, '/');
    }
    let publishing = &mut draft.config.publishing;
    let prefix = publishing.prefix.trim_end_matches('/');
    publishing.prefix = format!("{prefix}/");
}

/// Which database is used, and whether it can be found.
fn backend(draft: &mut Draft) {
    if !draft.is_given("BackendDB") && draft.is_given("MySQLOrchestratorHost") {
        draft.config.backend.engine = Engine::MySql;
    }
    let backend = &draft.config.backend;
    match backend.engine {
        Engine::Sqlite if backend.sqlite_file.is_none() => {
            draft.problem("SQLite3DataFile", "a file must be named for a backend of SQLite");
        }
        Engine::MySql if backend.database.is_empty() => {
            draft.problem("MySQLOrchestratorDatabase", "must be given for a backend of MySQL");
        }
        Engine::Sqlite | Engine::MySql => {}
    }
}

/// Files of TLS to the watched servers.
fn tls_to_servers(draft: &mut Draft) {
    let servers = &draft.config.servers;
    let files = TlsKeys {
        switch: ("MySQLTopologyUseMutualTLS", servers.mutual_tls),
        verified: servers.mutual_tls || servers.mixed_tls,
        ca: ("MySQLTopologySSLCAFile", servers.tls_ca_file.clone()),
        certificate: ("MySQLTopologySSLCertFile", servers.tls_cert_file.clone()),
        key: ("MySQLTopologySSLPrivateKeyFile", servers.tls_key_file.clone()),
    };
    files.check(draft);
}

/// Files of TLS to the backend.
fn tls_to_backend(draft: &mut Draft) {
    let backend = &draft.config.backend;
    if backend.engine != Engine::MySql {
        return;
    }
    let files = TlsKeys {
        switch: ("MySQLOrchestratorUseMutualTLS", backend.mutual_tls),
        verified: backend.mutual_tls,
        ca: ("MySQLOrchestratorSSLCAFile", backend.tls_ca_file.clone()),
        certificate: ("MySQLOrchestratorSSLCertFile", backend.tls_cert_file.clone()),
        key: ("MySQLOrchestratorSSLPrivateKeyFile", backend.tls_key_file.clone()),
    };
    files.check(draft);
}

/// The keys of one use of TLS, by their names.
struct TlsKeys {
    switch: (&'static str, bool),
    /// TLS is used, if only sometimes.
    verified: bool,
    ca: (&'static str, Option<PathBuf>),
    certificate: (&'static str, Option<PathBuf>),
    key: (&'static str, Option<PathBuf>),
}

impl TlsKeys {
    /// What is used can be read, and what is not used says so.
    fn check(self, draft: &mut Draft) {
        let (switch, on) = self.switch;
        let pair = [(self.certificate.clone(), &self.key), (self.key.clone(), &self.certificate)];
        for ((name, file), (other, counterpart)) in pair {
            if on && file.is_some() && counterpart.is_none() {
                draft.problem(name, format!("needs {other} as well"));
            }
        }
        let uses = [(self.ca, self.verified), (self.certificate, on), (self.key, on)];
        for ((name, file), used) in uses {
            let Some(file) = file else { continue };
            if !used {
                draft.doubt(name, format!("has no effect without {switch}"));
            } else if let Err(error) = std::fs::read(&file) {
                draft.problem(name, format!("cannot be read: {error}"));
            }
        }
    }
}

/// Every seed must be a server's name.
fn seeds(draft: &mut Draft) {
    let discovery = &draft.config.discovery;
    let port = draft.config.servers.default_port;
    let wrong: Vec<_> = discovery
        .seeds
        .iter()
        .filter_map(|text| Some(format!("{text:?} is not host:port: {}", seed(text, port).err()?)))
        .collect();
    let nobody = !discovery.seeds.is_empty() && draft.config.servers.user.is_empty();
    for reason in wrong {
        draft.problem("DiscoverySeeds", reason);
    }
    if nobody {
        draft.doubt(
            "MySQLTopologyUser",
            "is not set, so the servers of DiscoverySeeds will hardly let ham4db in",
        );
    }
}

/// The deadline of a probe covers the time a connection may take.
fn probe_times(draft: &mut Draft) {
    let connect = draft.config.servers.connect_timeout;
    let deadline = draft.config.servers.probe_deadline;
    if !draft.is_given("ProbeDeadlineMilliseconds") {
        draft.config.servers.probe_deadline = deadline.max(connect);
    } else if draft.is_given("MySQLConnectTimeoutSeconds") && connect > deadline {
        draft.doubt(
            "ProbeDeadlineMilliseconds",
            "is shorter than MySQLConnectTimeoutSeconds, which thus has no effect on probes",
        );
    }
    if draft.config.discovery.liveness_poll > draft.config.discovery.poll {
        draft.doubt(
            "LivenessPollMilliseconds",
            "is longer than InstancePollSeconds, so there are no checks between the polls",
        );
    }
}

/// The polls of dead servers may only be rarer than those of living ones.
fn dead_polls(draft: &mut Draft) {
    let discovery = &mut draft.config.discovery;
    if discovery.dead_poll_max >= discovery.poll {
        return;
    }
    if draft.given.contains_key("DeadInstancePollSecondsMax") {
        draft.problem("DeadInstancePollSecondsMax", "must not be below InstancePollSeconds");
    } else {
        discovery.dead_poll_max = discovery.poll;
    }
}

/// Zero stands for the reasonable lag.
fn semi_sync_wait(draft: &mut Draft) {
    let analysis = &mut draft.config.analysis;
    if analysis.locked_semi_sync_after == Duration::ZERO {
        analysis.locked_semi_sync_after = analysis.reasonable_lag;
    }
}

/// What is reported, and not repaired as by the ancestor.
fn half_done(draft: &mut Draft) {
    let analysis = &draft.config.analysis;
    let halves = [
        (
            "EnforceExactSemiSyncReplicas",
            analysis.exact_semi_sync,
            "reports semi-synchronous replicas that are too many; this version does not switch them off",
        ),
        (
            "RecoverNonWriteableMaster",
            analysis.recover_read_only_primary,
            "reports a primary that is read-only; this version does not make it writable",
        ),
    ];
    for (name, _, text) in halves.into_iter().filter(|(_, on, _)| *on) {
        draft.doubt(name, text);
    }
}

/// What a pattern gives is its group.
fn name_patterns(draft: &mut Draft) {
    let names = &draft.config.classification;
    let patterns = [
        ("DataCenterPattern", &names.data_center_pattern),
        ("RegionPattern", &names.region_pattern),
        ("PhysicalEnvironmentPattern", &names.environment_pattern),
    ];
    let without = |pattern: &regex::Regex| pattern.captures_len() < 2;
    let groupless = patterns.map(|(name, pattern)| (name, pattern.as_ref().is_some_and(without)));
    for (name, _) in groupless.into_iter().filter(|(_, groupless)| *groupless) {
        draft
            .problem(name, "needs a group in parentheses around the part of the host name to take");
    }
}

/// Vetoes must not contradict each other, and need what they compare.
fn promotion_vetoes(draft: &mut Draft) {
    let recovery = &draft.config.recovery;
    let contradicts = recovery.fail_if_not_applied && recovery.wait_until_applied;
    let blind = recovery.fail_on_lag.is_some() && draft.config.discovery.lag_query.is_empty();
    if contradicts {
        draft.problem(
            "FailMasterPromotionIfSQLThreadNotUpToDate",
            "contradicts DelayMasterPromotionIfSQLThreadNotUpToDate; only one of the two can be true",
        );
    }
    if blind {
        draft.problem(
            "FailMasterPromotionOnLagMinutes",
            "needs ReplicationLagQuery to know the lag",
        );
    }
}

/// A node of several needs a place and an address.
fn raft(draft: &mut Draft) {
    let raft = &mut draft.config.raft;
    if raft.advertise.is_empty() {
        raft.advertise.clone_from(&raft.bind);
    }
    let (placeless, deaf) = (raft.data_dir.is_none(), raft.bind.is_empty());
    if !raft.enabled {
        return;
    }
    if placeless {
        draft.problem("RaftDataDir", "must be given when RaftEnabled is true");
    }
    if deaf {
        draft.problem("RaftBind", "must not be empty when RaftEnabled is true");
    }
}

/// Consul takes at most 64 keys at once.
fn consul(draft: &mut Draft) {
    let keys = draft.config.publishing.consul_max_keys;
    let used = keys.clamp(5, 64);
    if used != keys {
        draft.config.publishing.consul_max_keys = used;
        draft.doubt(
            "ConsulMaxKVsPerTransaction",
            format!("{used} is used, the nearest possible number"),
        );
    }
}
