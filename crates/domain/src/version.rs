//! Server versions and families, parsed once from what the server says of itself.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A family of servers that speaks one dialect.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Flavor {
    /// Oracle MySQL, and anything that does not say otherwise.
    MySql,
    /// Percona Server: MySQL's dialect.
    Percona,
    /// MySQL NDB Cluster: MySQL's dialect.
    Ndb,
    /// MariaDB.
    MariaDb,
    /// MaxScale's binlog router: serves binary logs, holds no data.
    MaxScale,
}

impl Flavor {
    /// Reads the family from `@@version` and `@@version_comment`.
    pub fn detect(version: &str, comment: &str) -> Self {
        if version.contains("MariaDB") {
            Self::MariaDb
        } else if comment.contains("Percona") {
            Self::Percona
        } else if version.contains("maxscale") {
            Self::MaxScale
        } else if version.contains("-ndb-") {
            Self::Ndb
        } else {
            Self::MySql
        }
    }

    /// The name users see (`FlavorName`).
    pub fn name(self) -> &'static str {
        match self {
            Self::MySql => "MySQL",
            Self::Percona => "Percona",
            Self::Ndb => "NDB",
            Self::MariaDb => "MariaDB",
            Self::MaxScale => "MaxScale",
        }
    }
}

/// A server version: the text as the server prints it, and its numbers for comparing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub struct Version {
    text: String,
    numbers: (u16, u16, u16),
}

impl Version {
    /// Keeps the text and reads up to three leading numbers; what is missing is 0.
    pub fn parse(text: impl Into<String>) -> Self {
        let text = text.into();
        // MariaDB puts `5.5.5-` in front of its version in the handshake, for the sake of old replicas.
        let digits =
            text.strip_prefix("5.5.5-").filter(|_| text.contains("MariaDB")).unwrap_or(&text);
        let mut parts = digits
            .split(|c: char| !c.is_ascii_digit() && c != '.')
            .next()
            .unwrap_or_default()
            .split('.')
            .map(|part| part.parse().unwrap_or(0));
        let numbers =
            (parts.next().unwrap_or(0), parts.next().unwrap_or(0), parts.next().unwrap_or(0));
        Self { text, numbers }
    }

    /// The text as the server prints it.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Major, minor and patch number.
    pub fn numbers(&self) -> (u16, u16, u16) {
        self.numbers
    }

    /// The first two numbers, which tell whether a replica can follow a source.
    pub fn major(&self) -> MajorVersion {
        MajorVersion(self.numbers.0, self.numbers.1)
    }

    /// Is this version, or a later one.
    pub fn at_least(&self, major: u16, minor: u16, patch: u16) -> bool {
        self.numbers >= (major, minor, patch)
    }
}

impl From<String> for Version {
    fn from(text: String) -> Self {
        Self::parse(text)
    }
}

impl From<Version> for String {
    fn from(version: Version) -> Self {
        version.text
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// The first two numbers of a version, such as 5.6 or 10.11. Compared as numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct MajorVersion(pub u16, pub u16);

impl fmt::Display for MajorVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.0, self.1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_of_real_servers_have_numbers() {
        let cases = [
            ("9.7.4-2", (9, 7, 4)),
            ("5.6.24-log", (5, 6, 24)),
            ("10.11.18-MariaDB-0+deb12u1-log", (10, 11, 18)),
            ("5.5.5-10.5.23-MariaDB", (10, 5, 23)),
            ("8.0.33-25", (8, 0, 33)),
            ("8.4", (8, 4, 0)),
            ("", (0, 0, 0)),
            ("Unknown", (0, 0, 0)),
        ];
        for (text, numbers) in cases {
            assert_eq!(Version::parse(text).numbers(), numbers, "{text:?}");
        }
    }

    #[test]
    fn versions_are_compared_as_numbers() {
        assert!(Version::parse("8.10.0").at_least(8, 4, 0));
        assert!(Version::parse("10.2.1").major() > Version::parse("9.7.4").major());
    }

    #[test]
    fn families_are_told_apart() {
        let cases = [
            ("10.11.18-MariaDB", "Debian 12", Flavor::MariaDb),
            ("8.0.33-25", "Percona Server (GPL)", Flavor::Percona),
            ("9.7.4-2", "(Debian)", Flavor::MySql),
            ("8.0.33-ndb-8.0.33", "MySQL Cluster", Flavor::Ndb),
            ("2.4.1-maxscale", "", Flavor::MaxScale),
        ];
        for (version, comment, flavor) in cases {
            assert_eq!(Flavor::detect(version, comment), flavor, "{version}");
        }
    }
}
