//! MariaDB GTIDs and positions: at most one GTID a replication domain.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::GtidError;

/// One MariaDB GTID without its domain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct MariaDbGtid {
    /// Number of the transaction within its domain.
    pub sequence: u64,
    /// Server that wrote it.
    pub server_id: u32,
}

/// A position: the last GTID of each replication domain.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct MariaDbPosition {
    domains: BTreeMap<u32, MariaDbGtid>,
}

impl MariaDbPosition {
    /// Stands before every transaction.
    pub fn is_empty(&self) -> bool {
        self.domains.is_empty()
    }

    /// Has reached `other` in each of its domains. Within a domain the order is total by sequence number.
    pub fn covers(&self, other: &Self) -> bool {
        other.domains.iter().all(|(domain, gtid)| {
            self.domains.get(domain).is_some_and(|own| own.sequence >= gtid.sequence)
        })
    }

    /// The later GTID of each domain.
    #[must_use]
    pub fn union(&self, other: &Self) -> Self {
        let mut domains = self.domains.clone();
        for (domain, gtid) in &other.domains {
            let own = domains.entry(*domain).or_insert(*gtid);
            if gtid.sequence > own.sequence {
                *own = *gtid;
            }
        }
        Self { domains }
    }

    /// How many transactions `self` has that `other` does not, summed over domains. Gaps count.
    pub fn ahead_of(&self, other: &Self) -> u64 {
        self.domains
            .iter()
            .map(|(domain, gtid)| {
                let reached = other.domains.get(domain).map_or(0, |other| other.sequence);
                gtid.sequence.saturating_sub(reached)
            })
            .fold(0, u64::saturating_add)
    }

    /// Domain and last GTID, by domain.
    pub fn domains(&self) -> impl Iterator<Item = (u32, MariaDbGtid)> {
        self.domains.iter().map(|(domain, gtid)| (*domain, *gtid))
    }
}

impl FromStr for MariaDbPosition {
    type Err = GtidError;

    fn from_str(text: &str) -> Result<Self, GtidError> {
        let mut domains = BTreeMap::new();
        for gtid in text.split(',').map(str::trim).filter(|gtid| !gtid.is_empty()) {
            let bad = |reason| GtidError { text: gtid.to_owned(), reason };
            let mut numbers = gtid.splitn(3, '-').map(str::trim);
            let mut next = || numbers.next().ok_or_else(|| bad("it is not domain-server-sequence"));
            let (domain, server_id, sequence) = (next()?, next()?, next()?);
            let domain: u32 = domain.parse().map_err(|_| bad("the domain is no number"))?;
            let server_id = server_id.parse().map_err(|_| bad("the server id is no number"))?;
            let sequence = sequence.parse().map_err(|_| bad("the sequence is no number"))?;
            if domains.insert(domain, MariaDbGtid { sequence, server_id }).is_some() {
                return Err(bad("its domain stands twice in the position"));
            }
        }
        Ok(Self { domains })
    }
}

impl fmt::Display for MariaDbPosition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, (domain, gtid)) in self.domains.iter().enumerate() {
            let comma = if at == 0 { "" } else { "," };
            write!(f, "{comma}{domain}-{}-{}", gtid.server_id, gtid.sequence)?;
        }
        Ok(())
    }
}

impl TryFrom<String> for MariaDbPosition {
    type Error = GtidError;

    fn try_from(text: String) -> Result<Self, GtidError> {
        text.parse()
    }
}

impl From<MariaDbPosition> for String {
    fn from(position: MariaDbPosition) -> Self {
        position.to_string()
    }
}
