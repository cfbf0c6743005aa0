//! By which name a server goes: the one it calls itself by, if that name leads to it.
//!
//! A server's own host name is often of no use to others (containers, loopback tests, missing DNS). So it is taken
//! only after a connection under that name has reached the same server; until then, and otherwise, the server keeps
//! the name under which it was found.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use ham4db_domain::instance::Instance;
use ham4db_domain::key::InstanceKey;
use ham4db_mysql::server::{Servers, Snapshot};

use crate::resolver::NamePolicy;
use crate::settings::LiveSettings;

/// Names that were seen, each with the key its server goes by.
pub struct Names {
    servers: Arc<dyn Servers>,
    settings: LiveSettings,
    known: HashMap<InstanceKey, InstanceKey>,
    /// When a name was turned into another, by `HostnameResolveMethod`.
    resolved: HashMap<InstanceKey, Instant>,
    pending: HashSet<InstanceKey>,
}

/// What is to be done with a server that was read under some name.
pub enum Verdict {
    /// It goes by this key.
    Known(InstanceKey),
    /// It calls itself otherwise; whether that name is of use has to be found out.
    ToVerify(Verification),
}

/// A name to be tried.
pub struct Verification {
    servers: Arc<dyn Servers>,
    names: NamePolicy,
    limit: Duration,
    found: InstanceKey,
    own: InstanceKey,
    identity: Identity,
}

/// The outcome: the server found under one name goes by another, or by the same.
pub struct Verified {
    found: InstanceKey,
    own: InstanceKey,
    reached: bool,
}

/// What tells servers apart, whatever they are called.
#[derive(Debug, PartialEq, Eq)]
struct Identity {
    uuid: Option<String>,
    server_id: Option<u32>,
}

impl Names {
    /// No names yet.
    pub fn new(servers: Arc<dyn Servers>, settings: LiveSettings) -> Self {
        let (known, resolved, pending) = (HashMap::new(), HashMap::new(), HashSet::new());
        Self { servers, settings, known, resolved, pending }
    }

    /// The server found as `found` goes by `own`: a look-up said so.
    pub fn rename(&mut self, found: InstanceKey, own: InstanceKey) {
        self.resolved.insert(found.clone(), Instant::now());
        self.known.insert(found, own);
    }

    /// Names that were looked up so long ago that they have to be looked up again. Until then they stay what they are.
    pub fn expired(&mut self) -> Vec<InstanceKey> {
        let expiry = self.settings.borrow().discovery.names.expiry;
        let old: Vec<InstanceKey> = self
            .resolved
            .iter()
            .filter(|(_, at)| at.elapsed() >= expiry)
            .map(|(name, _)| name.clone())
            .collect();
        for name in &old {
            self.resolved.remove(name);
        }
        old
    }

    /// Which key the server that was read as `found` goes by.
    pub fn judge(&mut self, found: &InstanceKey, snapshot: &Snapshot) -> Verdict {
        if let Some(key) = self.known.get(found) {
            return Verdict::Known(key.clone());
        }
        match &snapshot.own_name {
            Some(own) if own != found && own.is_valid() => {
                if !self.pending.insert(found.clone()) {
                    return Verdict::Known(found.clone());
                }
                let settings = self.settings.borrow();
                Verdict::ToVerify(Verification {
                    servers: self.servers.clone(),
                    names: settings.discovery.names.clone(),
                    limit: settings.probing.deadline,
                    found: found.clone(),
                    own: own.clone(),
                    identity: Identity::of(&snapshot.instance),
                })
            }
            _ => {
                self.known.insert(found.clone(), found.clone());
                Verdict::Known(found.clone())
            }
        }
    }

    /// Takes the outcome of a verification in.
    pub fn settle(&mut self, verified: Verified) {
        let Verified { found, own, reached } = verified;
        self.pending.remove(&found);
        if reached && own == found {
            self.known.insert(own, found);
        } else if reached {
            log::info!("instance.key":% = own; "{found} goes by its own name, {own}");
            self.known.insert(own.clone(), own.clone());
            self.known.insert(found, own);
        } else {
            log::info!(
                "instance.key":% = found;
                "{found} calls itself {own}, which does not lead to it; it keeps the name it was found under"
            );
            self.known.insert(found.clone(), found);
        }
    }

    /// The key a server goes by, as far as it is settled.
    pub fn known(&self, name: &InstanceKey) -> InstanceKey {
        self.known.get(name).unwrap_or(name).clone()
    }

    /// Writes the settled keys into what an instance says of its neighbours.
    pub fn canonicalise(&self, instance: &mut Instance) {
        if self.known.is_empty() {
            return;
        }
        let put = |key: &mut InstanceKey| {
            if let Some(known) = self.known.get(key)
                && known != key
            {
                *key = known.clone();
            }
        };
        if let Some(replication) = &mut instance.replication {
            put(&mut replication.source);
        }
        instance.replicas.iter_mut().for_each(put);
        if let Some(group) = &mut instance.group {
            group.members.iter_mut().for_each(put);
            group.primary.iter_mut().for_each(put);
        }
    }
}

impl Identity {
    fn of(instance: &Instance) -> Self {
        Self { uuid: instance.server_uuid.clone(), server_id: instance.server_id }
    }
}

impl Verification {
    /// Tries to reach the server under its own name.
    pub async fn run(self) -> Verified {
        let Self { servers, names, limit, found, own, identity } = self;
        let own = names.resolve(&own, limit).await.unwrap_or(own);
        if own == found {
            return Verified { found, own, reached: true };
        }
        let reached = match servers.server(&own).probe(limit).await {
            Ok(snapshot) => Identity::of(&snapshot.instance) == identity,
            Err(_) => false,
        };
        Verified { found, own, reached }
    }
}
