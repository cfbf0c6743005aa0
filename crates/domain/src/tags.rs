//! Tags: parsing, searching.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::key::InstanceKey;

/// A tag as users write it: `name`, `name=value`, and either behind `~` or `!`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tag {
    /// Never empty.
    pub name: String,
    /// What stands behind `=`; `None` without one.
    pub value: Option<String>,
    /// It is asked for servers that do not have it.
    pub negated: bool,
}

/// Why a text is no tag, or not one that the request can use.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TagError {
    /// There is no name.
    #[error("tag {0:?} has no name")]
    NoName(String),
    /// A negated tag cannot be set or removed.
    #[error("tag {0:?} is negated, which only a search understands")]
    Negated(String),
    /// Removing a tag everywhere needs its value.
    #[error("tag {0:?} has no value; without an instance, name=value is needed")]
    NoValue(String),
}

impl FromStr for Tag {
    type Err = TagError;

    fn from_str(text: &str) -> Result<Self, TagError> {
        let text = text.trim();
        let positive = text.strip_prefix(['~', '!']);
        let (name, value) = match positive.unwrap_or(text).split_once('=') {
            Some((name, value)) => (name.trim(), Some(value.trim().to_owned())),
            None => (positive.unwrap_or(text).trim(), None),
        };
        if name.is_empty() {
            return Err(TagError::NoName(text.to_owned()));
        }
        Ok(Self { name: name.to_owned(), value, negated: positive.is_some() })
    }
}

impl fmt::Display for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.negated { "~" } else { "" };
        match &self.value {
            Some(value) => write!(f, "{sign}{}={value}", self.name),
            None => write!(f, "{sign}{}", self.name),
        }
    }
}

impl Tag {
    /// A tag that can be set or removed.
    ///
    /// # Errors
    /// When it is negated.
    pub fn positive(self) -> Result<Self, TagError> {
        if self.negated { Err(TagError::Negated(self.to_string())) } else { Ok(self) }
    }

    /// A tag that can be removed from all servers at once.
    ///
    /// # Errors
    /// When it is negated or has no value.
    pub fn positive_with_value(self) -> Result<Self, TagError> {
        let tag = self.positive()?;
        if tag.value.is_none() { Err(TagError::NoValue(tag.to_string())) } else { Ok(tag) }
    }

    /// A server with these tags is found by it. A server without any tag never is.
    pub fn matches(&self, tags: &BTreeMap<String, String>) -> bool {
        match (tags.get(&self.name), &self.value, self.negated) {
            (Some(_), None, false) => true,
            (Some(found), Some(wanted), false) => found == wanted,
            (Some(found), Some(other), true) => found != other,
            (None, None, true) => !tags.is_empty(),
            (Some(_), None, true) | (None, _, false) | (None, Some(_), true) => false,
        }
    }
}

/// Reads a search: tags behind commas, all of which have to match.
///
/// # Errors
/// The first one that is no tag.
pub fn parse_search(text: &str) -> Result<Vec<Tag>, TagError> {
    text.split(',').map(str::parse).collect()
}

/// The servers that all of `wanted` match, by key.
pub fn tagged<'a>(
    tags: &'a BTreeMap<InstanceKey, BTreeMap<String, String>>,
    wanted: &[Tag],
) -> Vec<&'a InstanceKey> {
    tags.iter()
        .filter(|(_, own)| wanted.iter().all(|tag| tag.matches(own)))
        .map(|(key, _)| key)
        .collect()
}

/// The servers that lose a tag when `tag` is removed, from `instance` alone if one is given.
pub fn to_untag<'a>(
    tags: &'a BTreeMap<InstanceKey, BTreeMap<String, String>>,
    instance: Option<&InstanceKey>,
    tag: &Tag,
) -> Vec<&'a InstanceKey> {
    tags.iter()
        .filter(|(key, _)| instance.is_none_or(|wanted| wanted == *key))
        .filter(|(_, own)| tag.matches(own))
        .map(|(key, _)| key)
        .collect()
}

/// The tags of one server as `name=value` lines, by name.
pub fn lines(tags: &BTreeMap<String, String>) -> Vec<String> {
    tags.iter().map(|(name, value)| format!("{name}={value}")).collect()
}

/// The tags of one server on one line: `name` or `name=value`, behind commas.
pub fn short(tags: &BTreeMap<String, String>) -> String {
    let texts: Vec<String> = tags
        .iter()
        .map(
            |(name, value)| {
                if value.is_empty() { name.clone() } else { format!("{name}={value}") }
            },
        )
        .collect();
    texts.join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_search_finds_what_users_expect() {
        let tags = |texts: &[(&str, &str)]| -> BTreeMap<String, String> {
            texts.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect()
        };
        let fleet = BTreeMap::from([
            (InstanceKey::new("a", 1), tags(&[("role", "backup")])),
            (InstanceKey::new("b", 1), tags(&[("role", "delayed"), ("candidate", "")])),
            (InstanceKey::new("c", 1), tags(&[("candidate", "")])),
            (InstanceKey::new("d", 1), tags(&[])),
        ]);
        let cases = [
            ("role", "a b"),
            ("role=backup", "a"),
            ("role=", ""),
            ("candidate=", "b c"),
            ("~role", "c"),
            ("!role", "c"),
            ("~role=backup", "b"),
            ("role,candidate", "b"),
            ("role, ~candidate", "a"),
            ("none", ""),
            ("~none", "a b c"),
        ];
        for (text, expected) in cases {
            let wanted = parse_search(text).unwrap();
            let found: Vec<_> =
                tagged(&fleet, &wanted).iter().map(|key| key.host.clone()).collect();
            assert_eq!(found.join(" "), expected, "{text:?}");
        }
    }

    #[test]
    fn a_tag_cannot_be_removed_by_negation_nor_everywhere_by_name_alone() {
        let tag = |text: &str| text.parse::<Tag>();
        assert_eq!(tag(" = "), Err(TagError::NoName("=".into())));
        assert_eq!(tag("~"), Err(TagError::NoName("~".into())));
        assert_eq!(tag("~a").unwrap().positive(), Err(TagError::Negated("~a".into())));
        assert_eq!(tag("a").unwrap().positive_with_value(), Err(TagError::NoValue("a".into())));
        assert!(tag("a=").unwrap().positive_with_value().is_ok());
    }
}
