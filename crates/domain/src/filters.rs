//! Filters on host names and clusters, as configurations write them.

use std::net::IpAddr;

use regex::Regex;

use crate::key::InstanceKey;

/// A list of `…HostnameFilters`: an address must equal the host, anything else is an expression on `host:port`.
#[derive(Debug, Clone, Default)]
pub struct HostnameFilters(Vec<HostnameFilter>);

#[derive(Debug, Clone)]
enum HostnameFilter {
    Address(String),
    Pattern(Regex),
}

/// A filter that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{filter:?} is not a regular expression: {reason}")]
pub struct FilterError {
    /// The filter as written.
    pub filter: String,
    /// What is wrong with it.
    pub reason: String,
}

impl HostnameFilters {
    /// Reads the filters; an empty one never matches.
    ///
    /// # Errors
    /// The first one that is no regular expression.
    pub fn parse<S: AsRef<str>>(filters: &[S]) -> Result<Self, FilterError> {
        let filters =
            filters.iter().map(AsRef::as_ref).filter(|filter| !filter.is_empty()).map(|filter| {
                if filter.parse::<IpAddr>().is_ok() {
                    return Ok(HostnameFilter::Address(filter.to_owned()));
                }
                pattern(filter).map(HostnameFilter::Pattern)
            });
        filters.collect::<Result<_, _>>().map(Self)
    }

    /// Any filter matches `host:port`.
    pub fn match_key(&self, key: &InstanceKey) -> bool {
        self.any(&key.host, &key.to_string())
    }

    /// Any filter matches the host alone.
    pub fn match_host(&self, host: &str) -> bool {
        self.any(host, host)
    }

    fn any(&self, host: &str, text: &str) -> bool {
        self.0.iter().any(|filter| match filter {
            HostnameFilter::Address(address) => address == host,
            HostnameFilter::Pattern(pattern) => pattern.is_match(text),
        })
    }

    /// There is no filter.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// A list of cluster filters. The empty list matches nothing.
#[derive(Debug, Clone, Default)]
pub struct ClusterFilters(Vec<ClusterFilter>);

#[derive(Debug, Clone)]
enum ClusterFilter {
    All,
    Alias(String),
    AliasPattern(Regex),
    /// Equal to name or alias, or an expression on the name.
    Name(String, Regex),
}

impl ClusterFilters {
    /// Reads `*`, `alias=…`, `alias~=…`, a name, an alias, or a regular expression on the name.
    ///
    /// # Errors
    /// The first one whose expression cannot be read.
    pub fn parse<S: AsRef<str>>(filters: &[S]) -> Result<Self, FilterError> {
        let filters =
            filters.iter().map(AsRef::as_ref).filter(|filter| !filter.is_empty()).map(|filter| {
                if filter == "*" {
                    Ok(ClusterFilter::All)
                } else if let Some(expression) = filter.strip_prefix("alias~=") {
                    pattern(expression).map(ClusterFilter::AliasPattern)
                } else if let Some(alias) = filter.strip_prefix("alias=") {
                    Ok(ClusterFilter::Alias(alias.to_owned()))
                } else {
                    pattern(filter).map(|regex| ClusterFilter::Name(filter.to_owned(), regex))
                }
            });
        filters.collect::<Result<_, _>>().map(Self)
    }

    /// Any filter matches a cluster of this name and alias.
    pub fn matches(&self, name: &str, alias: &str) -> bool {
        self.0.iter().any(|filter| match filter {
            ClusterFilter::All => true,
            ClusterFilter::Alias(wanted) => wanted == alias,
            ClusterFilter::AliasPattern(pattern) => pattern.is_match(alias),
            ClusterFilter::Name(text, expression) => {
                text == name || text == alias || expression.is_match(name)
            }
        })
    }
}

fn pattern(text: &str) -> Result<Regex, FilterError> {
    Regex::new(text)
        .map_err(|error| FilterError { filter: text.to_owned(), reason: error.to_string() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clusters_match_by_name_alias_or_expression() {
        let cases = [
            ("*", true),
            ("db1:3306", true),
            ("shop", true),
            ("alias=shop", true),
            ("alias=sho", false),
            ("alias~=^sh", true),
            ("alias~=^db1", false),
            ("^db[0-9]", true),
            ("^shop", false),
            ("", false),
        ];
        for (filter, expected) in cases {
            let filters = ClusterFilters::parse(&[filter]).unwrap();
            assert_eq!(filters.matches("db1:3306", "shop"), expected, "{filter:?}");
        }
        assert!(!ClusterFilters::default().matches("db1:3306", "shop"));
        assert!(ClusterFilters::parse(&["alias~=("]).is_err());
    }

    #[test]
    fn an_address_filter_is_exact_and_a_pattern_is_not_anchored() {
        let key = InstanceKey::new("10.0.0.1", 3306);
        let matches = |filter: &str| HostnameFilters::parse(&[filter]).unwrap().match_key(&key);
        assert!(
            matches("10.0.0.1") && !matches("10.0.0.11") && matches("0.1:33") && !matches("db")
        );
    }
}
