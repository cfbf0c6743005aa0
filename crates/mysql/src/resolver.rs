//! Names → addresses, with a memory: when no name can be resolved, the fleet must not look dead.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout};

/// Looks names up through the system's resolver.
#[derive(Debug)]
pub(crate) struct Resolver {
    known: Mutex<HashMap<String, Known>>,
    /// Each look-up holds a thread of the runtime, for as long as the resolver takes.
    lookups: Semaphore,
}

#[derive(Debug, Clone)]
struct Known {
    addresses: Vec<IpAddr>,
    /// `None`: still good when nothing better is to be had.
    fresh_until: Option<Instant>,
}

const LOOKUPS_AT_ONCE: usize = 32;
/// With addresses at hand from earlier, a slow resolver is not waited for longer than this.
const PATIENCE: Duration = Duration::from_secs(1);

impl Resolver {
    pub(crate) fn new() -> Self {
        Self { known: Mutex::default(), lookups: Semaphore::new(LOOKUPS_AT_ONCE) }
    }

    /// All addresses of a host, at least one. What was looked up is used for `keep`.
    ///
    /// # Errors
    /// In words, when there is none, within `limit`.
    pub(crate) async fn addresses(
        &self,
        host: &str,
        port: u16,
        limit: Duration,
        keep: Duration,
    ) -> Result<Vec<SocketAddr>, String> {
        if let Ok(address) = host.parse::<IpAddr>() {
            return Ok(vec![SocketAddr::new(address, port)]);
        }
        let known = self.lock().get(host).cloned();
        let with_port = |addresses: &[IpAddr]| {
            addresses.iter().map(|address| SocketAddr::new(*address, port)).collect()
        };
        if let Some(known) = &known
            && known.fresh_until.is_some_and(|until| Instant::now() < until)
        {
            return Ok(with_port(&known.addresses));
        }
        let limit = if known.is_some() { limit.min(PATIENCE) } else { limit };
        match (timeout(limit, self.look_up(host)).await, known) {
            (Ok(Ok(addresses)), _) => {
                let fresh_until = Some(Instant::now() + keep);
                let found = with_port(&addresses);
                self.lock().insert(host.to_owned(), Known { addresses, fresh_until });
                Ok(found)
            }
            (_, Some(old)) => Ok(with_port(&old.addresses)),
            (Ok(Err(reason)), None) => Err(reason),
            (Err(_), None) => Err("the resolver does not answer".to_owned()),
        }
    }

    /// The addresses did not lead to the server: they are looked up anew next time.
    pub(crate) fn doubt(&self, host: &str) {
        if let Some(known) = self.lock().get_mut(host) {
            known.fresh_until = None;
        }
    }

    async fn look_up(&self, host: &str) -> Result<Vec<IpAddr>, String> {
        let _room = self.lookups.acquire().await.map_err(|closed| closed.to_string())?;
        let found = tokio::net::lookup_host((host, 0)).await.map_err(|error| error.to_string())?;
        let mut addresses: Vec<IpAddr> = Vec::new();
        for address in found.map(|address| address.ip()) {
            if !addresses.contains(&address) {
                addresses.push(address);
            }
        }
        if addresses.is_empty() { Err("it has no address".to_owned()) } else { Ok(addresses) }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<String, Known>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: Duration = Duration::from_secs(5);

    #[tokio::test]
    async fn addresses_need_no_look_up() {
        let resolver = Resolver::new();
        for (host, expected) in [("127.0.0.1", "127.0.0.1:7"), ("::1", "[::1]:7")] {
            let found = resolver.addresses(host, 7, LIMIT, LIMIT).await.unwrap();
            assert_eq!(found, [expected.parse::<SocketAddr>().unwrap()]);
        }
    }

    #[tokio::test]
    async fn a_name_that_cannot_be_resolved_any_more_keeps_its_addresses() {
        let resolver = Resolver::new();
        let host = "name.invalid";
        assert!(resolver.addresses(host, 7, LIMIT, LIMIT).await.is_err());
        let old = Known { addresses: vec![IpAddr::from([10, 0, 0, 1])], fresh_until: None };
        resolver.lock().insert(host.to_owned(), old);
        let found = resolver.addresses(host, 7, LIMIT, LIMIT).await.unwrap();
        assert_eq!(found, ["10.0.0.1:7".parse::<SocketAddr>().unwrap()]);
    }

    #[tokio::test]
    async fn doubted_addresses_are_looked_up_anew() {
        let resolver = Resolver::new();
        let wrong = Known {
            addresses: vec![IpAddr::from([10, 0, 0, 1])],
            fresh_until: Some(Instant::now() + LIMIT),
        };
        resolver.lock().insert("localhost".to_owned(), wrong);
        let before = resolver.addresses("localhost", 7, LIMIT, LIMIT).await.unwrap();
        resolver.doubt("localhost");
        let after = resolver.addresses("localhost", 7, LIMIT, LIMIT).await.unwrap();
        assert_eq!(before, ["10.0.0.1:7".parse::<SocketAddr>().unwrap()]);
        assert!(after.iter().all(|address| address.ip().is_loopback()), "{after:?}");
    }
}
