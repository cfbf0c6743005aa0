//! Kinds of values with regular expressions and filters in them.

use std::ops::Deref;
use std::time::Duration;

use ham4db_domain::filters::{ClusterFilters, HostnameFilters};
use regex::Regex;
use serde_json::Value;

use super::Mismatch::{self, Because, NotAllowed};
use super::{Kind, Texts, show_span, span, text};
use crate::config::file::Given;

/// What a list of texts means, together with the texts.
#[derive(Debug, Clone, Default)]
pub struct Parsed<T> {
    /// The texts as written.
    pub texts: Vec<String>,
    value: T,
}

impl<T> Deref for Parsed<T> {
    type Target = T;
    fn deref(&self) -> &T {
        &self.value
    }
}

/// Filters on `host:port`.
pub struct Hosts;

impl Kind for Hosts {
    type Field = Parsed<HostnameFilters>;
    type Default = ();
    fn initial((): ()) -> Self::Field {
        Parsed::default()
    }
    fn read(given: &Given) -> Result<Self::Field, Mismatch> {
        parsed(given, |texts| HostnameFilters::parse(texts).map_err(|error| error.to_string()))
    }
    fn show(field: &Self::Field) -> Value {
        field.texts.as_slice().into()
    }
    fn allowed() -> String {
        "a list of IP addresses and regular expressions on host:port".to_owned()
    }
}

/// Filters on clusters.
pub struct Clusters;

impl Kind for Clusters {
    type Field = Parsed<ClusterFilters>;
    type Default = ();
    fn initial((): ()) -> Self::Field {
        Parsed::default()
    }
    fn read(given: &Given) -> Result<Self::Field, Mismatch> {
        parsed(given, |texts| ClusterFilters::parse(texts).map_err(|error| error.to_string()))
    }
    fn show(field: &Self::Field) -> Value {
        field.texts.as_slice().into()
    }
    fn allowed() -> String {
        "a list of cluster names, aliases, alias=…, alias~=…, * and regular expressions on the name"
            .to_owned()
    }
}

/// A regular expression; the empty text is none.
pub struct Pattern;

impl Kind for Pattern {
    type Field = Option<Regex>;
    type Default = ();
    fn initial((): ()) -> Option<Regex> {
        None
    }
    fn read(given: &Given) -> Result<Option<Regex>, Mismatch> {
        let text = text(given)?;
        if text.is_empty() { Ok(None) } else { regex(text).map(Some) }
    }
    fn show(field: &Option<Regex>) -> Value {
        field.as_ref().map_or("", Regex::as_str).into()
    }
    fn allowed() -> String {
        "a regular expression in quotes, or \"\" for none".to_owned()
    }
}

/// A list of regular expressions.
pub struct Patterns;

impl Kind for Patterns {
    type Field = Vec<Regex>;
    type Default = ();
    fn initial((): ()) -> Vec<Regex> {
        Vec::new()
    }
    fn read(given: &Given) -> Result<Vec<Regex>, Mismatch> {
        let texts = Texts::read(given)?;
        let texts = texts.iter().filter(|text| !text.is_empty());
        texts.map(|text| regex(text)).collect()
    }
    fn show(field: &Vec<Regex>) -> Value {
        field.iter().map(Regex::as_str).collect()
    }
    fn allowed() -> String {
        "a list of regular expressions".to_owned()
    }
}

/// Regular expressions and the text each stands for, in the order of the file.
pub struct PatternMap;

impl Kind for PatternMap {
    type Field = Vec<(Regex, String)>;
    type Default = ();
    fn initial((): ()) -> Self::Field {
        Vec::new()
    }
    fn read(given: &Given) -> Result<Self::Field, Mismatch> {
        let pairs = given.pairs().ok_or(NotAllowed)?.iter();
        let read = pairs.map(|(pattern, value)| {
            let value = value.as_str().ok_or(NotAllowed)?;
            Ok((regex(pattern)?, value.to_owned()))
        });
        read.collect()
    }
    fn show(field: &Self::Field) -> Value {
        let pairs = field.iter().map(|(regex, text)| (regex.as_str().to_owned(), text.as_str()));
        Value::Object(pairs.map(|(key, text)| (key, text.into())).collect())
    }
    fn allowed() -> String {
        "an object of regular expressions and texts, as {\"^db1\": \"shop\"}".to_owned()
    }
}

/// How long the primaries of some clusters must stay dead before a recovery starts.
#[derive(Debug, Clone)]
pub struct Confirmation {
    /// The filter as written.
    pub filter: String,
    /// Which clusters.
    pub clusters: ClusterFilters,
    /// How long.
    pub window: Duration,
}

/// Cluster filters with a number of seconds each, in the order of the file.
pub struct Confirmations;

impl Kind for Confirmations {
    type Field = Vec<Confirmation>;
    type Default = ();
    fn initial((): ()) -> Self::Field {
        Vec::new()
    }
    fn read(given: &Given) -> Result<Self::Field, Mismatch> {
        let pairs = given.pairs().ok_or(NotAllowed)?.iter();
        let read = pairs.map(|(filter, value)| {
            let window = span(value, 1_000).filter(|window| window.as_secs() <= 86_400);
            let window = window.ok_or_else(|| {
                Because(format!("{value} for {filter:?} is not a number from 0 to 86400"))
            })?;
            let clusters =
                ClusterFilters::parse(&[filter]).map_err(|error| Because(error.to_string()))?;
            Ok(Confirmation { filter: filter.clone(), clusters, window })
        });
        read.collect()
    }
    fn show(field: &Self::Field) -> Value {
        let shown = field.iter().map(|one| (one.filter.clone(), show_span(one.window, 1_000)));
        Value::Object(shown.collect())
    }
    fn allowed() -> String {
        "an object of cluster filters and seconds, as {\"alias=shop\": 10, \"*\": 2}".to_owned()
    }
}

fn regex(text: &str) -> Result<Regex, Mismatch> {
    Regex::new(text).map_err(|error| {
        Because(format!("{text:?} is not a regular expression: {}", last_line(&error.to_string())))
    })
}

/// The errors of expressions draw a picture; the last line says what is wrong.
fn last_line(text: &str) -> &str {
    let line = text.lines().last().unwrap_or(text).trim();
    line.strip_prefix("error: ").unwrap_or(line)
}

/// Reads texts one by one, so that every wrong one is named, and then as a whole.
fn parsed<T>(
    given: &Given,
    parse: impl Fn(&[String]) -> Result<T, String>,
) -> Result<Parsed<T>, Mismatch> {
    let texts = Texts::read(given)?;
    let wrong = texts.iter().filter_map(|text| parse(std::slice::from_ref(text)).err());
    let wrong: Vec<_> = wrong.map(|error| flat(&error)).collect();
    if !wrong.is_empty() {
        return Err(Because(wrong.join("; ")));
    }
    let value = parse(&texts).map_err(Because)?;
    Ok(Parsed { texts, value })
}

/// A message of several lines as its first and its last.
fn flat(message: &str) -> String {
    match message.split_once('\n') {
        None => message.to_owned(),
        Some((first, _)) => format!(
            "{} {}",
            first.trim().trim_end_matches("regex parse error:").trim(),
            last_line(message)
        ),
    }
}
