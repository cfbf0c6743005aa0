//! Matching of request paths against the patterns of the routes.

use std::collections::HashMap;

use percent_encoding::percent_decode_str;

/// The values a path gave to a pattern's parameters.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Params(Vec<(&'static str, String)>);

impl Params {
    /// The value of a parameter, without the white space that clients put around it; "" when the pattern lacks it.
    pub fn get(&self, name: &str) -> &str {
        self.find(name).unwrap_or_default()
    }

    /// The value of a parameter, if the pattern has it.
    pub fn find(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| *known == name).map(|(_, value)| value.trim())
    }
}

impl std::fmt::Display for Params {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (index, (name, value)) in self.0.iter().enumerate() {
            let gap = if index == 0 { "" } else { ", " };
            write!(f, "{gap}{name} {:?}", value.trim())?;
        }
        Ok(())
    }
}

/// Patterns by their first segment, each in the order in which it was added.
#[derive(Debug)]
pub struct Index<T>(HashMap<&'static str, Vec<(&'static str, T)>>);

impl<T> Default for Index<T> {
    fn default() -> Self {
        Self(HashMap::new())
    }
}

impl<T> Index<T> {
    /// Adds a pattern such as `instance/:host/:port`; its first segment is a fixed word.
    pub fn add(&mut self, pattern: &'static str, target: T) {
        let first = pattern.split('/').next().unwrap_or_default();
        self.0.entry(first).or_default().push((pattern, target));
    }

    /// The first pattern that matches the whole decoded path, which may end in one slash.
    pub fn find(&self, path: &str) -> Option<(&'static str, &T, Params)> {
        let path = path.strip_suffix('/').unwrap_or(path);
        let first = path.split('/').next().unwrap_or_default();
        let candidates = self.0.get(first)?;
        candidates
            .iter()
            .find_map(|(pattern, target)| Some((*pattern, target, matches(pattern, path)?)))
    }
}

/// The parameters, if the path has the pattern's segments.
fn matches(pattern: &'static str, path: &str) -> Option<Params> {
    let mut params = Vec::new();
    let mut segments = path.split('/');
    for wanted in pattern.split('/') {
        let segment = segments.next()?;
        match wanted.strip_prefix(':') {
            Some(name) if !segment.is_empty() && !segment.contains(['#', '?']) => {
                params.push((name, segment.to_owned()));
            }
            None if wanted == segment => {}
            _ => return None,
        }
    }
    segments.next().is_none().then_some(Params(params))
}

/// A path as it was meant: `%2F` is a slash like any other.
pub fn decode(path: &str) -> String {
    percent_decode_str(path).decode_utf8_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::encode;

    fn index() -> Index<&'static str> {
        let mut index = Index::default();
        for pattern in [
            "clusters",
            "audit-recovery",
            "audit-recovery/id/:id",
            "audit-recovery/:page",
            "tag/:host/:port",
            "begin-downtime/:host/:port/:owner/:reason",
        ] {
            index.add(pattern, pattern);
        }
        index
    }

    #[test]
    fn a_path_matches_as_a_whole_with_one_optional_slash_at_its_end() {
        let cases = [
            ("clusters", Some("clusters")),
            ("clusters/", Some("clusters")),
            ("clusters//", None),
            ("clusters/x", None),
            ("cluster", None),
            ("", None),
            ("audit-recovery/3", Some("audit-recovery/:page")),
            ("audit-recovery/id/3", Some("audit-recovery/id/:id")),
            ("tag//3306", None),
            ("tag/db#1/3306", None),
        ];
        for (path, expected) in cases {
            assert_eq!(index().find(path).map(|(pattern, _, _)| pattern), expected, "{path:?}");
        }
    }

    #[test]
    fn parameters_may_hold_colons_and_blanks_and_lose_the_line_end_of_clients() {
        let path = decode("begin-downtime/fe80::1/3306/me%0A/disk%20is%20full%0A");
        let index = index();
        let (_, _, params) = index.find(&path).unwrap();
        assert_eq!(params.get("host"), "fe80::1");
        assert_eq!(params.get("owner"), "me");
        assert_eq!(params.get("reason"), "disk is full");
        assert_eq!(params.get("duration"), "");
    }

    #[test]
    fn decoding_undoes_encoding_and_leaves_broken_escapes_alone() {
        for text in ["db1:3306", "a b/c%", "ünïcode", "100%"] {
            assert_eq!(decode(&encode(text)), text);
        }
        assert_eq!(decode("100%zz%4"), "100%zz%4");
        assert_eq!(decode("a%2Fb"), "a/b");
    }
}
