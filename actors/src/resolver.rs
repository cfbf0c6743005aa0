//! Turns the names under which servers are found into the form that `HostnameResolveMethod` asks for.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use ham4db_domain::key::InstanceKey;
use hickory_resolver::TokioResolver;
use hickory_resolver::proto::rr::{RData, RecordType};
use regex::Regex;

/// `HostnameResolveMethod`: what a host name is turned into.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ResolveMethod {
    /// It stays as it is.
    #[default]
    AsGiven,
    /// The canonical name of the DNS.
    CanonicalName,
    /// An address, IPv4 before IPv6.
    Address,
}

/// How names are treated.
#[derive(Debug, Clone, Default)]
pub struct NamePolicy {
    /// What they are turned into.
    pub method: ResolveMethod,
    /// `RejectHostnameResolvePattern`: a result that matches is not taken.
    pub reject: Option<Regex>,
    /// `ExpiryHostnameResolvesMinutes`: how long a result is believed.
    pub expiry: Duration,
}

/// More names in a row than any DNS administrator means.
const LONGEST_CHAIN: usize = 8;

impl NamePolicy {
    /// `key` is a name that has to be turned into something else.
    pub fn concerns(&self, key: &InstanceKey) -> bool {
        self.method != ResolveMethod::AsGiven && key.host.parse::<IpAddr>().is_err()
    }

    /// The key under which the server at `key` is to go; `key` itself when the result is rejected.
    ///
    /// # Errors
    /// When the name has no address or cannot be looked up within `limit`, in words.
    pub async fn resolve(&self, key: &InstanceKey, limit: Duration) -> Result<InstanceKey, String> {
        if !self.concerns(key) {
            return Ok(key.clone());
        }
        let host = tokio::time::timeout(limit, self.look_up(key))
            .await
            .map_err(|_| format!("no answer within {} s", limit.as_secs_f64()))??;
        let rejected = self.reject.as_ref().is_some_and(|reject| reject.is_match(&host));
        Ok(if rejected { key.clone() } else { InstanceKey { host, port: key.port } })
    }

    async fn look_up(&self, key: &InstanceKey) -> Result<String, String> {
        match self.method {
            ResolveMethod::AsGiven => Ok(key.host.clone()),
            ResolveMethod::Address => address(key).await,
            ResolveMethod::CanonicalName => canonical_name(&key.host).await,
        }
    }
}

async fn address(key: &InstanceKey) -> Result<String, String> {
    let found = tokio::net::lookup_host((key.host.as_str(), key.port))
        .await
        .map_err(|error| error.to_string())?;
    let found: Vec<SocketAddr> = found.collect();
    let first = found.iter().find(|address| address.is_ipv4()).or_else(|| found.first());
    first.map(|address| address.ip().to_string()).ok_or_else(|| "no address".to_owned())
}

/// The last name of the chain that begins with `host`; `host` when it is no alias.
async fn canonical_name(host: &str) -> Result<String, String> {
    let resolver = TokioResolver::builder_tokio()
        .and_then(hickory_resolver::ResolverBuilder::build)
        .map_err(|error| error.to_string())?;
    let mut name = host.trim_end_matches('.').to_owned();
    for _ in 0..LONGEST_CHAIN {
        let answer = match resolver.lookup(format!("{name}."), RecordType::CNAME).await {
            Ok(answer) => answer,
            Err(error) if error.is_no_records_found() => return Ok(name),
            Err(error) => return Err(error.to_string()),
        };
        let next = answer.answers().iter().find_map(|record| match &record.data {
            RData::CNAME(target) => Some(target.0.to_utf8()),
            _ => None,
        });
        match next {
            Some(next) => next.trim_end_matches('.').clone_into(&mut name),
            None => return Ok(name),
        }
    }
    Err(format!("{host} is an alias of an alias, more than {LONGEST_CHAIN} times over"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: Duration = Duration::from_secs(5);

    fn policy(method: ResolveMethod) -> NamePolicy {
        NamePolicy { method, ..NamePolicy::default() }
    }

    #[tokio::test]
    async fn a_name_becomes_its_address_and_an_address_stays() {
        let by_address = policy(ResolveMethod::Address);
        let local = InstanceKey::new("localhost", 3306);
        assert_eq!(
            by_address.resolve(&local, LIMIT).await,
            Ok(InstanceKey::new("127.0.0.1", 3306))
        );
        let address = InstanceKey::new("192.0.2.7", 3306);
        assert_eq!(by_address.resolve(&address, LIMIT).await, Ok(address.clone()));
        let unknown = InstanceKey::new("no-such-host.invalid", 3306);
        assert!(by_address.resolve(&unknown, LIMIT).await.is_err());
    }

    #[tokio::test]
    async fn a_name_stays_as_it_is_when_nothing_else_is_asked_for_or_the_result_is_rejected() {
        let local = InstanceKey::new("localhost", 3306);
        assert_eq!(policy(ResolveMethod::AsGiven).resolve(&local, LIMIT).await, Ok(local.clone()));
        let mut rejecting = policy(ResolveMethod::Address);
        rejecting.reject = Some(Regex::new("^127[.]").unwrap());
        assert_eq!(rejecting.resolve(&local, LIMIT).await, Ok(local.clone()));
    }
}
