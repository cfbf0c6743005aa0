//! What actors, servers and the backend need to know, made of the configuration.

use std::sync::Arc;
use std::time::Duration;

use ham4db_actors::resolver::NamePolicy;
use ham4db_actors::settings::{DiscoveryPolicy, HookPolicy, ProbingPolicy, Settings};
use ham4db_domain::policy::{AliasPolicy, AnalysisPolicy, PromotionPolicy, RecoveryPolicy};
use ham4db_mysql::settings::{Account, CustomFact, Limits, MySqlSettings, OwnName, ProbeSettings};
use ham4db_mysql::wire::{TlsFiles, TlsMode, TlsSettings, TlsSettingsError};
use ham4db_store::{BackendTls, MySqlSettings as BackendSettings, StoreSettings};

use crate::config::{AuthMethod, Config, Engine, ServerName};
use crate::http::access::{Authentication, Credential};
use crate::http::server::Listen;
use crate::http::state::FrontSettings;

/// The settings of actors. Seeds that are no instance keys are left out; checking the configuration reports them.
pub fn actors(config: &Config, node: &str) -> Settings {
    Settings {
        node: node.to_owned(),
        probing: probing(config),
        discovery: discovery(config),
        analysis: analysis(config),
        recovery: recovery(config),
        aliases: aliases(config),
        hooks: hooks(config),
        keep_records: config.audit.keep,
        forget_unseen: config.discovery.forget_after,
    }
}

fn probing(config: &Config) -> ProbingPolicy {
    let discovery = &config.discovery;
    let count = |number: u32| usize::try_from(number).unwrap_or(usize::MAX);
    let sick = match discovery.dead_concurrency {
        0 => discovery.concurrency,
        given => given,
    };
    ProbingPolicy {
        poll: discovery.poll,
        liveness: discovery.liveness_poll,
        deadline: config.servers.probe_deadline,
        step_limit: config.servers.read_timeout,
        concurrency: count(discovery.concurrency),
        sick_concurrency: count(sick),
        dead_factor: discovery.dead_poll_factor,
        dead_max: discovery.dead_poll_max,
    }
}

fn discovery(config: &Config) -> DiscoveryPolicy {
    let discovery = &config.discovery;
    DiscoveryPolicy {
        seeds: config.seeds(),
        ignore: (*discovery.ignore).clone(),
        ignore_replicas: (*discovery.ignore_replicas).clone(),
        ignore_sources: (*discovery.ignore_sources).clone(),
        ignore_users: discovery.ignore_users.clone(),
        names: names(config),
    }
}

fn names(config: &Config) -> NamePolicy {
    let hostnames = &config.hostnames;
    NamePolicy {
        method: hostnames.resolve,
        reject: hostnames.reject.clone(),
        expiry: hostnames.expiry,
    }
}

fn analysis(config: &Config) -> AnalysisPolicy {
    let analysis = &config.analysis;
    AnalysisPolicy {
        poll: config.discovery.poll,
        reasonable_check: analysis.reasonable_check,
        reasonable_lag: analysis.reasonable_lag,
        reasonable_maintenance_lag: analysis.reasonable_maintenance_lag,
        locked_semi_sync_after: analysis.locked_semi_sync_after,
        reduce: analysis.reduce,
        exact_semi_sync: analysis.exact_semi_sync,
        recover_locked_semi_sync: false, // nothing acts on it yet, and its key says so
        recover_read_only_primary: analysis.recover_read_only_primary,
        ignore: (*analysis.ignore).clone(),
        candidate_expiry: analysis.candidate_expiry,
    }
}

fn recovery(config: &Config) -> RecoveryPolicy {
    let recovery = &config.recovery;
    let windows = recovery.confirmation.iter().map(|one| (one.clusters.clone(), one.window));
    RecoveryPolicy {
        promotion: promotion(config),
        primaries: (*recovery.primaries).clone(),
        intermediates: (*recovery.intermediates).clone(),
        block: recovery.block,
        detection_block: recovery.detection_block,
        confirmation: windows.collect(),
        make_writable: recovery.make_writable,
        detach_lost: recovery.detach_lost,
        detach_promoted: recovery.detach_promoted,
        fence: recovery.fence,
        concurrency: config.servers.concurrency,
    }
}

fn promotion(config: &Config) -> PromotionPolicy {
    let recovery = &config.recovery;
    PromotionPolicy {
        lower_replica_version_allowed: recovery.lower_replica_version_allowed,
        verify_replication_filters: recovery.verify_replication_filters,
        same_data_center: recovery.same_data_center,
        same_region: recovery.same_region,
        ignore: (*recovery.ignore).clone(),
        candidate_expiry: config.analysis.candidate_expiry,
        reasonable_maintenance_lag: config.analysis.reasonable_maintenance_lag,
        fail_on_lag: recovery.fail_on_lag,
        fail_if_not_applied: recovery.fail_if_not_applied,
        wait_until_applied: recovery.wait_until_applied,
        apply_limit: recovery.apply_limit,
        max_loss_transactions: recovery.max_loss_transactions,
        max_loss: recovery.max_loss,
    }
}

fn aliases(config: &Config) -> AliasPolicy {
    let pairs = &config.classification.cluster_aliases;
    AliasPolicy {
        by_name: pairs
            .iter()
            .map(|(regex, alias)| (regex.as_str().to_owned(), alias.clone()))
            .collect(),
        ..AliasPolicy::default()
    }
}

fn hooks(config: &Config) -> HookPolicy {
    let hooks = &config.hooks;
    let lists = [
        ("OnFailureDetectionProcesses", &hooks.on_detection),
        ("PreFailoverProcesses", &hooks.pre_failover),
        ("PostFailoverProcesses", &hooks.post_failover),
        ("PostUnsuccessfulFailoverProcesses", &hooks.post_unsuccessful),
        ("PostMasterFailoverProcesses", &hooks.post_primary),
        ("PostIntermediateMasterFailoverProcesses", &hooks.post_intermediate),
    ];
    HookPolicy {
        shell: hooks.shell.clone(),
        limit: hooks.timeout,
        output_bytes: hooks.max_output_bytes,
        lists: lists
            .into_iter()
            .map(|(key, commands)| (key.to_owned(), commands.clone()))
            .collect(),
    }
}

/// How watched servers are reached and read.
///
/// # Errors
/// When a TLS file cannot be used.
pub fn servers(config: &Config) -> Result<MySqlSettings, TlsSettingsError> {
    let servers = &config.servers;
    Ok(MySqlSettings {
        account: Account {
            user: servers.user.clone(),
            password: servers.password.expose().to_owned(),
        },
        tls: tls(config)?,
        probe: probe(config),
        limits: Limits { connect: servers.connect_timeout, ..Limits::default() },
    })
}

fn tls(config: &Config) -> Result<TlsMode, TlsSettingsError> {
    let servers = &config.servers;
    if !servers.mutual_tls && !servers.mixed_tls {
        return Ok(TlsMode::Off);
    }
    let settings = Arc::new(TlsSettings::load(&tls_files(config))?);
    Ok(if servers.mutual_tls { TlsMode::Required(settings) } else { TlsMode::IfNeeded(settings) })
}

/// What TLS to watched servers is made of, where it is used.
pub(crate) fn tls_files(config: &Config) -> TlsFiles {
    let servers = &config.servers;
    let identity = servers
        .mutual_tls
        .then(|| servers.tls_cert_file.clone().zip(servers.tls_key_file.clone()))
        .flatten();
    TlsFiles { ca: servers.tls_ca_file.clone(), identity, skip_verify: servers.tls_skip_verify }
}

fn probe(config: &Config) -> ProbeSettings {
    let classification = &config.classification;
    let queries = [
        (CustomFact::DataCenter, &classification.data_center_query),
        (CustomFact::Region, &classification.region_query),
        (CustomFact::Environment, &classification.environment_query),
        (CustomFact::InstanceAlias, &classification.instance_alias_query),
        (CustomFact::PromotionRule, &classification.promotion_rule_query),
        (CustomFact::SemiSyncPriority, &classification.semi_sync_query),
        (CustomFact::ClusterAlias, &classification.cluster_alias_query),
        (CustomFact::ClusterDomain, &classification.cluster_domain_query),
        (CustomFact::ReplicationLag, &config.discovery.lag_query),
    ];
    let credentials = &config.servers.replication_credentials_query;
    ProbeSettings {
        replicas_by_list_only: config.discovery.by_show_replicas,
        own_name: match config.hostnames.server_name {
            ServerName::None => OwnName::AsFound,
            ServerName::Hostname => OwnName::Hostname,
            ServerName::ReportHost => OwnName::ReportHost,
        },
        data_center_pattern: classification.data_center_pattern.clone(),
        region_pattern: classification.region_pattern.clone(),
        environment_pattern: classification.environment_pattern.clone(),
        queries: queries
            .into_iter()
            .filter(|(_, query)| !query.trim().is_empty())
            .map(|(fact, query)| (fact, query.clone()))
            .collect(),
        credentials_query: Some(credentials.clone()).filter(|query| !query.trim().is_empty()),
    }
}

/// What the front end needs to know.
pub fn front(config: &Config) -> FrontSettings {
    let prefix = config.http.url_prefix.trim_matches('/');
    FrontSettings {
        prefix: if prefix.is_empty() { String::new() } else { format!("/{prefix}") },
        status_endpoint: config.http.status_endpoint.clone(),
        read_only: config.http.read_only,
        default_port: config.servers.default_port,
        authentication: authentication(config),
        problem_ignore: (*config.analysis.ignore_problems).clone(),
        osc_ignore: (*config.analysis.ignore_osc).clone(),
        shown: config.shown(),
    }
}

fn authentication(config: &Config) -> Authentication {
    let http = &config.http;
    let credential =
        || Credential { user: http.user.clone(), password: http.password.expose().to_owned() };
    match http.authentication {
        AuthMethod::None => Authentication::Open,
        AuthMethod::Basic => Authentication::Basic(credential()),
        AuthMethod::Multi => Authentication::Multi(credential()),
        AuthMethod::Proxy => Authentication::Proxy {
            header: http.user_header.clone(),
            power_users: http.power_users.iter().cloned().collect(),
        },
        AuthMethod::Token => Authentication::ReadOnly,
    }
}

/// Where the front end listens. Where everybody may do everything, that is this machine only, unless the
/// configuration says otherwise.
pub fn listen(config: &Config) -> Listen {
    if let Some(socket) = &config.http.socket {
        return Listen::Unix(socket.clone());
    }
    let mut address = config.http.listen.clone();
    let open = config.http.authentication == AuthMethod::None;
    if open && config.origin("ListenAddress").is_none() {
        address.host = Some("127.0.0.1".to_owned());
    }
    Listen::Tcp(address.to_string())
}

/// The name of the backend as users know it.
pub fn backend_name(config: &Config) -> &'static str {
    match config.backend.engine {
        Engine::Sqlite => "sqlite",
        Engine::MySql => "mysql",
    }
}

/// Where the backend is.
pub fn backend(config: &Config) -> StoreSettings {
    let backend = &config.backend;
    match backend.engine {
        Engine::Sqlite => StoreSettings::Sqlite {
            file: backend.sqlite_file.clone().unwrap_or_else(|| "ham4db.sqlite3".into()),
        },
        Engine::MySql => StoreSettings::MySql(BackendSettings {
            host: backend.host.clone(),
            port: backend.port,
            user: backend.user.clone(),
            password: backend.password.expose().to_owned(),
            database: backend.database.clone(),
            connections: backend.max_connections,
            connect_limit: config.servers.connect_timeout.max(Duration::from_secs(1)),
            read_limit: backend.read_timeout,
            tls: backend.mutual_tls.then(|| BackendTls {
                ca_file: backend.tls_ca_file.clone(),
                identity: backend.tls_cert_file.clone().zip(backend.tls_key_file.clone()),
                skip_verify: backend.tls_skip_verify,
            }),
        }),
    }
}
