//! Names of instances: `host:port`, and the two spellings that mark a source as absent or detached.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Name of one server: host and port. Ordered by host, then port.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct InstanceKey {
    /// Host name or address as users and replicas write it; IPv6 without brackets.
    pub host: String,
    /// TCP port.
    pub port: u16,
}

/// Prefix that makes a source's host name unusable, and can be taken away again.
pub const DETACH_HINT: &str = "//";

/// Why a text is no instance key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// Nothing stands before the port.
    #[error("host name is empty")]
    NoHost,
    /// The part behind the last colon is no port.
    #[error("port {0:?} is not a number from 1 to 65535")]
    BadPort(String),
    /// No port is given and no default applies.
    #[error("port is missing")]
    NoPort,
}

impl InstanceKey {
    /// Makes a key of its parts, which are taken as they are.
    pub fn new(host: impl Into<String>, port: u16) -> Self {
        Self { host: host.into(), port }
    }

    /// Reads `host`, `host:port`, a bare IPv6 address or `[ipv6]:port`; a missing port is `default_port`.
    ///
    /// # Errors
    /// When the host is empty or the port is no port.
    pub fn parse(text: &str, default_port: Option<u16>) -> Result<Self, KeyError> {
        let text = text.trim();
        let (host, port) = split(text)?;
        if host.is_empty() {
            return Err(KeyError::NoHost);
        }
        let port = match port {
            Some(port) => match port.parse::<u16>() {
                Ok(number) if number > 0 => number,
                _ => return Err(KeyError::BadPort(port.to_owned())),
            },
            None => default_port.ok_or(KeyError::NoPort)?,
        };
        Ok(Self::new(host, port))
    }

    /// Names a server that can exist: host not empty, not `_`, not detached, port not 0.
    pub fn is_valid(&self) -> bool {
        !self.host.is_empty() && self.host != "_" && !self.is_detached() && self.port > 0
    }

    /// The host carries the detach hint.
    pub fn is_detached(&self) -> bool {
        self.host.starts_with(DETACH_HINT)
    }

    /// The key with the detach hint in front of the host.
    #[must_use]
    pub fn detached(&self) -> Self {
        if self.is_detached() {
            self.clone()
        } else {
            Self::new(format!("{DETACH_HINT}{}", self.host), self.port)
        }
    }

    /// The key without the detach hint.
    #[must_use]
    pub fn reattached(&self) -> Self {
        Self::new(self.host.trim_start_matches(DETACH_HINT), self.port)
    }
}

/// Host and, where one is written, port.
fn split(text: &str) -> Result<(&str, Option<&str>), KeyError> {
    if let Some(rest) = text.strip_prefix('[') {
        let (host, rest) = rest.split_once(']').ok_or(KeyError::NoHost)?;
        return match rest.strip_prefix(':') {
            Some(port) => Ok((host, Some(port))),
            None if rest.is_empty() => Ok((host, None)),
            None => Err(KeyError::BadPort(rest.to_owned())),
        };
    }
    match text.split_once(':') {
        Some((_, rest)) if rest.contains(':') => Ok((text, None)), // a bare IPv6 address
        Some((host, port)) => Ok((host, Some(port))),
        None => Ok((text, None)),
    }
}

impl fmt::Display for InstanceKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

impl FromStr for InstanceKey {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, KeyError> {
        Self::parse(text, None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_become_keys() {
        let cases = [
            ("db1:3307", Ok(InstanceKey::new("db1", 3307))),
            ("db1", Ok(InstanceKey::new("db1", 3306))),
            ("  db1 ", Ok(InstanceKey::new("db1", 3306))),
            ("10.0.0.1:1", Ok(InstanceKey::new("10.0.0.1", 1))),
            ("fe80::1", Ok(InstanceKey::new("fe80::1", 3306))),
            ("[fe80::1]:3307", Ok(InstanceKey::new("fe80::1", 3307))),
            ("[fe80::1]", Ok(InstanceKey::new("fe80::1", 3306))),
            ("//db1:3306", Ok(InstanceKey::new("//db1", 3306))),
            ("", Err(KeyError::NoHost)),
            (":3306", Err(KeyError::NoHost)),
            ("db1:0", Err(KeyError::BadPort("0".into()))),
            ("db1:x", Err(KeyError::BadPort("x".into()))),
            ("db1:70000", Err(KeyError::BadPort("70000".into()))),
            ("db1:", Err(KeyError::BadPort(String::new()))),
        ];
        for (text, expected) in cases {
            assert_eq!(InstanceKey::parse(text, Some(3306)), expected, "{text:?}");
        }
        assert_eq!("db1".parse::<InstanceKey>(), Err(KeyError::NoPort));
    }

    #[test]
    fn a_printed_key_reads_back_as_itself() {
        for text in ["db1:3306", "[fe80::1]:3307", "//db1:3306"] {
            assert_eq!(text.parse::<InstanceKey>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn detaching_can_be_undone() {
        let key = InstanceKey::new("db1", 3306);
        assert!(key.is_valid() && !key.detached().is_valid());
        assert_eq!(key.detached().detached(), key.detached());
        assert_eq!(key.detached().reattached(), key);
        assert!(!InstanceKey::new("_", 3306).is_valid());
    }
}
