//! Small values that larger objects are made of.

use ham4db_domain as domain;
use serde::{Deserialize, Serialize};

/// Name of a server.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct InstanceKey {
    /// Host; empty when there is no server.
    pub hostname: String,
    /// Port; 0 when there is no server.
    pub port: u16,
}

impl From<&domain::key::InstanceKey> for InstanceKey {
    fn from(key: &domain::key::InstanceKey) -> Self {
        Self { hostname: key.host.clone(), port: key.port }
    }
}

impl From<Option<&domain::key::InstanceKey>> for InstanceKey {
    fn from(key: Option<&domain::key::InstanceKey>) -> Self {
        key.map(Self::from).unwrap_or_default()
    }
}

impl std::fmt::Display for InstanceKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        domain::key::InstanceKey::new(self.hostname.clone(), self.port).fmt(f)
    }
}

impl InstanceKey {
    /// Names a server, and not the absence of one.
    pub fn is_set(&self) -> bool {
        !self.hostname.is_empty() && self.hostname != "_" && self.port != 0
    }
}

/// Keys as the JSON lists them: by host, then port.
pub fn keys<'a>(keys: impl IntoIterator<Item = &'a domain::key::InstanceKey>) -> Vec<InstanceKey> {
    let mut keys: Vec<_> = keys.into_iter().map(InstanceKey::from).collect();
    keys.sort();
    keys
}

/// A place in a log.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct BinlogCoordinates {
    /// File name; empty when there is no place.
    pub log_file: String,
    /// Position in it.
    pub log_pos: u64,
    /// 0 binary log, 1 relay log.
    #[serde(rename = "Type")]
    pub kind: u8,
}

impl BinlogCoordinates {
    /// A place in a binary log.
    pub fn binary(at: Option<&domain::coordinates::BinlogCoordinates>) -> Self {
        at.map_or_else(Self::default, |at| Self {
            log_file: at.file.clone(),
            log_pos: at.position,
            kind: 0,
        })
    }

    /// A place in a relay log.
    pub fn relay(at: Option<&domain::coordinates::BinlogCoordinates>) -> Self {
        Self { kind: 1, ..Self::binary(at) }
    }
}

/// A number that may be unknown.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct NullInt64 {
    /// The number, 0 when it is unknown.
    pub int64: i64,
    /// It is known.
    pub valid: bool,
}

impl From<Option<u64>> for NullInt64 {
    fn from(number: Option<u64>) -> Self {
        Self { int64: number.map_or(0, saturating), valid: number.is_some() }
    }
}

/// A truth that may be unknown.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct NullBool {
    /// The truth, false when it is unknown.
    pub bool: bool,
    /// It is known.
    pub valid: bool,
}

impl From<Option<bool>> for NullBool {
    fn from(truth: Option<bool>) -> Self {
        Self { bool: truth.unwrap_or(false), valid: truth.is_some() }
    }
}

/// The number as JSON readers with 64 signed bits take it.
pub(crate) fn saturating(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// A duration in nanoseconds.
pub(crate) fn nanoseconds(duration: std::time::Duration) -> i64 {
    i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX)
}
