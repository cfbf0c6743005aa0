//! One request on its way through a handler.

use std::cell::OnceCell;
use std::collections::BTreeMap;
use std::sync::Arc;

use actix_web::http::header::HeaderMap;
use ham4db_actors::gateway::{Answer as Given, Ask, GatewayError, Request};
use ham4db_api::cluster::ClusterInfo;
use ham4db_api::instance::{Instance, View};
use ham4db_domain::command::{Order, Reply};
use ham4db_domain::key::{InstanceKey, KeyError};
use ham4db_domain::osc::heuristic_lag_s;
use ham4db_domain::topology::{Member, Topology, aliases};

use super::answer::ApiError;
use super::path::Params;
use super::state::{Moment, State};

/// A request with what it may look at.
pub struct Call {
    /// Whom it may ask.
    pub state: State,
    /// What it may look at.
    pub at: Moment,
    /// What its path says.
    pub params: Params,
    /// What its query says.
    pub query: Vec<(String, String)>,
    /// Its headers.
    pub headers: HeaderMap,
    /// Who asks, where callers have names.
    pub user: Option<String>,
    /// What clusters are called, once somebody wants to know.
    pub aliases: OnceCell<BTreeMap<String, String>>,
}

/// A cluster and its name.
pub struct Cluster<'a> {
    /// Name.
    pub name: &'a str,
    /// Servers.
    pub topology: &'a Arc<Topology>,
}

/// Entries on one page of a listing.
pub const PAGE: usize = 20;

impl Call {
    /// A value of the query, without white space around it; "" without one.
    pub fn query(&self, name: &str) -> &str {
        self.query.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value.trim())
    }

    /// Who asks, for records: the user, or this node where callers have no names.
    pub fn by(&self) -> String {
        self.user.clone().unwrap_or_else(|| self.state.node.hostname.clone())
    }

    /// What servers are shown against.
    pub fn view(&self) -> View<'_> {
        View { now: self.at.now, registry: &self.at.registry, policy: &self.at.settings.analysis }
    }

    /// The members as JSON objects.
    pub fn show<'a>(&self, members: impl IntoIterator<Item = &'a Arc<Member>>) -> Vec<Instance> {
        let view = self.view();
        members.into_iter().map(|member| Instance::of(member, &view)).collect()
    }

    /// The server of `:host/:port`, completed.
    pub fn instance(&self) -> Result<InstanceKey, ApiError> {
        self.instance_named("host", "port")
    }

    /// The server of two parameters, completed.
    pub fn instance_named(&self, host: &str, port: &str) -> Result<InstanceKey, ApiError> {
        let (host, port) = (self.params.get(host), self.params.get(port));
        let number = port.parse().ok().filter(|number| *number > 0);
        let number = number.ok_or_else(|| ApiError::BadPort(port.to_owned()))?;
        if host.is_empty() {
            return Err(ApiError::BadInstance { text: host.to_owned(), source: KeyError::NoHost });
        }
        Ok(self.complete(InstanceKey::new(host, number)))
    }

    /// The known server of `:host/:port`.
    pub fn member(&self) -> Result<&Arc<Member>, ApiError> {
        let key = self.instance()?;
        self.at.fleet.member(&key).ok_or(ApiError::UnknownInstance(key))
    }

    /// The only known server with this port whose host contains the given text, where the text is not itself a
    /// known host or an address.
    pub fn complete(&self, key: InstanceKey) -> InstanceKey {
        let known = &self.at.fleet.cluster_of;
        if known.contains_key(&key) || key.host.parse::<std::net::Ipv4Addr>().is_ok() {
            return key;
        }
        let mut matching =
            known.keys().filter(|other| other.port == key.port && other.host.contains(&key.host));
        match (matching.next(), matching.next()) {
            (Some(only), None) => only.clone(),
            _ => key,
        }
    }

    /// The cluster a parameter hints at: by its name, its alias, or one of its servers; `:host/:port` is a hint too.
    pub fn cluster(&self) -> Result<Cluster<'_>, ApiError> {
        match self.params.find("clusterHint") {
            Some(hint) => self.cluster_of_hint(hint),
            None => self.cluster_of_hint(&format!(
                "{}:{}",
                self.params.get("host"),
                self.params.get("port")
            )),
        }
    }

    /// The cluster of exactly this name.
    pub fn cluster_of_name(&self, name: &str) -> Option<Cluster<'_>> {
        let (name, topology) = self.at.fleet.clusters.get_key_value(name)?;
        Some(Cluster { name, topology })
    }

    /// The cluster of exactly this alias.
    pub fn cluster_of_alias(&self, alias: &str) -> Option<Cluster<'_>> {
        self.clusters().find(|cluster| self.alias(cluster) == alias)
    }

    fn cluster_of_hint(&self, hint: &str) -> Result<Cluster<'_>, ApiError> {
        let by_instance = || {
            let key = InstanceKey::parse(hint, Some(self.at.front.default_port)).ok()?;
            self.cluster_of_instance(&self.complete(key))
        };
        self.cluster_of_name(hint)
            .or_else(|| self.cluster_of_alias(hint))
            .or_else(by_instance)
            .ok_or_else(|| ApiError::UnknownCluster(hint.to_owned()))
    }

    /// The cluster a server belongs to.
    pub fn cluster_of_instance(&self, key: &InstanceKey) -> Option<Cluster<'_>> {
        let name = self.at.fleet.cluster_of.get(key)?;
        self.cluster_of_name(name)
    }

    /// All clusters, by name.
    pub fn clusters(&self) -> impl Iterator<Item = Cluster<'_>> {
        self.at.fleet.clusters.iter().map(|(name, topology)| Cluster { name, topology })
    }

    /// What a cluster is called.
    pub fn alias<'a>(&'a self, cluster: &Cluster<'a>) -> &'a str {
        self.alias_of_name(cluster.name)
    }

    /// What the cluster of this name is called; its name when it has no alias or is not known.
    pub fn alias_of_name<'a>(&'a self, name: &'a str) -> &'a str {
        let aliases = self.aliases.get_or_init(|| {
            let clusters = self.at.fleet.clusters.values().map(Arc::as_ref);
            aliases(clusters, &self.at.registry, &self.at.settings.aliases, self.at.now)
        });
        aliases.get(name).map_or(name, String::as_str)
    }

    /// Summary of a cluster.
    pub fn info(&self, cluster: &Cluster<'_>) -> ClusterInfo {
        let alias = self.alias(cluster);
        let recovery = &self.at.settings.recovery;
        let primary = cluster.topology.primary(cluster.name);
        let domain = primary
            .and_then(|primary| primary.instance.as_ref())
            .and_then(|instance| instance.cluster_domain.clone());
        ClusterInfo {
            cluster_name: cluster.name.to_owned(),
            cluster_domain: domain.unwrap_or_default(),
            count_instances: cluster.topology.len(),
            heuristic_lag: heuristic_lag_s(
                cluster.topology,
                cluster.name,
                &self.at.front.osc_ignore,
            )
            .unwrap_or_default(),
            has_automated_master_recovery: recovery.primaries.matches(cluster.name, alias),
            has_automated_intermediate_master_recovery: recovery
                .intermediates
                .matches(cluster.name, alias),
            cluster_alias: alias.to_owned(),
        }
    }

    /// The page asked for, counted from 0.
    pub fn page(&self) -> usize {
        self.params.get("page").parse().unwrap_or(0)
    }

    /// The entries of the page asked for.
    pub fn paged<T>(&self, entries: impl IntoIterator<Item = T>) -> Vec<T> {
        entries.into_iter().skip(self.page().saturating_mul(PAGE)).take(PAGE).collect()
    }

    /// Has the leader do something.
    pub async fn ask(&self, ask: Ask) -> Result<Given, ApiError> {
        let request = Request { by: self.by(), ask };
        let answer = self.state.leader.send(request).await;
        Ok(answer.map_err(|_| GatewayError::Gone)??)
    }

    /// Has the leader carry out an order; a refusal is an error, with nothing changed.
    pub async fn order(&self, order: Order) -> Result<Reply, ApiError> {
        match self.ask(Ask::Order(order)).await? {
            Given::Reply(Reply::Refused { reason }) => {
                Err(ApiError::declined(reason, &serde_json::Value::Null))
            }
            Given::Reply(reply) => Ok(reply),
            other => Err(ApiError::internal(format!("an order was answered with {other:?}"))),
        }
    }
}
