//! Sets of MySQL GTIDs, tagged ones included.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::GtidError;

/// Largest transaction number, 2^63 - 2.
const MAX_NUMBER: u64 = i64::MAX as u64 - 1;

/// Origin of transactions: server (or group) uuid in lower case, and tag ("" without one).
type Origin = (String, String);

/// Half-open `[start, end)`, ordered, disjoint and not touching.
type Intervals = Vec<(u64, u64)>;

/// A set of MySQL GTIDs in canonical form.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct GtidSet {
    origins: BTreeMap<Origin, Intervals>,
}

impl GtidSet {
    /// Holds no transaction.
    pub fn is_empty(&self) -> bool {
        self.origins.is_empty()
    }

    /// Number of transactions.
    pub fn count(&self) -> u128 {
        self.origins.values().flatten().map(|(start, end)| u128::from(end - start)).sum()
    }

    /// All transactions of either set.
    #[must_use]
    pub fn union(&self, other: &Self) -> Self {
        let mut sum = self.clone();
        for (origin, intervals) in &other.origins {
            let own = sum.origins.entry(origin.clone()).or_default();
            own.extend_from_slice(intervals);
            merge(own);
        }
        sum
    }

    /// The transactions of this set that `other` does not hold.
    #[must_use]
    pub fn subtract(&self, other: &Self) -> Self {
        let origins = self
            .origins
            .iter()
            .filter_map(|(origin, intervals)| {
                let left = match other.origins.get(origin) {
                    Some(taken) => difference(intervals, taken),
                    None => intervals.clone(),
                };
                (!left.is_empty()).then(|| (origin.clone(), left))
            })
            .collect();
        Self { origins }
    }

    /// The transactions both sets hold.
    #[must_use]
    pub fn intersect(&self, other: &Self) -> Self {
        self.subtract(&self.subtract(other))
    }

    /// Holds every transaction of `other`.
    pub fn contains(&self, other: &Self) -> bool {
        other.origins.iter().all(|(origin, intervals)| match self.origins.get(origin) {
            Some(own) => difference(intervals, own).is_empty(),
            None => false,
        })
    }

    /// Without the transactions of `uuid`, whatever their tag.
    #[must_use]
    pub fn without_uuid(&self, uuid: &str) -> Self {
        let uuid = uuid.to_ascii_lowercase();
        let kept = self.origins.iter().filter(|((origin, _), _)| *origin != uuid);
        Self {
            origins: kept.map(|(origin, intervals)| (origin.clone(), intervals.clone())).collect(),
        }
    }

    /// The uuids that transactions of this set come from, each once.
    pub fn uuids(&self) -> impl Iterator<Item = &str> {
        let mut last = None;
        self.origins.keys().filter_map(move |(uuid, _)| {
            let new = last != Some(uuid);
            last = Some(uuid);
            new.then_some(uuid.as_str())
        })
    }

    /// The single GTIDs as `uuid:number` or `uuid:tag:number`; `None` when there are more than `limit`.
    pub fn expand(&self, limit: usize) -> Option<Vec<String>> {
        if self.count() > limit as u128 {
            return None;
        }
        let singles = self.origins.iter().flat_map(|((uuid, tag), intervals)| {
            let prefix = if tag.is_empty() { uuid.clone() } else { format!("{uuid}:{tag}") };
            intervals
                .iter()
                .flat_map(|(start, end)| *start..*end)
                .map(move |number| format!("{prefix}:{number}"))
        });
        Some(singles.collect())
    }
}

/// Sorts, and joins what overlaps or touches.
fn merge(intervals: &mut Intervals) {
    intervals.sort_unstable();
    let mut merged: Intervals = Vec::with_capacity(intervals.len());
    for &(start, end) in intervals.iter() {
        match merged.last_mut() {
            Some((_, last)) if start <= *last => *last = end.max(*last),
            _ => merged.push((start, end)),
        }
    }
    *intervals = merged;
}

/// `from` without `taken`; both canonical.
fn difference(from: &[(u64, u64)], taken: &[(u64, u64)]) -> Intervals {
    let mut left = Vec::new();
    let mut taken = taken.iter().copied().peekable();
    for &(mut start, end) in from {
        while start < end {
            match taken.peek() {
                Some(&(_, gone)) if gone <= start => {
                    taken.next();
                }
                Some(&(cut, gone)) if cut < end => {
                    if start < cut {
                        left.push((start, cut));
                    }
                    start = gone;
                }
                _ => {
                    left.push((start, end));
                    start = end;
                }
            }
        }
    }
    left
}

impl FromStr for GtidSet {
    type Err = GtidError;

    /// Reads what servers print: blocks behind commas, blanks and line breaks between them, empty blocks ignored.
    fn from_str(text: &str) -> Result<Self, GtidError> {
        let mut set = Self::default();
        let text = text.trim().strip_prefix('+').unwrap_or(text);
        for block in text.split(',').map(str::trim).filter(|block| !block.is_empty()) {
            set.add_block(block)?;
        }
        for intervals in set.origins.values_mut() {
            merge(intervals);
        }
        set.origins.retain(|_, intervals| !intervals.is_empty());
        Ok(set)
    }
}

impl GtidSet {
    /// Adds `uuid[:interval…][:tag:interval…]…`, unmerged.
    fn add_block(&mut self, block: &str) -> Result<(), GtidError> {
        let bad = |reason| GtidError { text: block.to_owned(), reason };
        let mut parts = block.split(':').map(str::trim);
        let uuid = parts.next().unwrap_or_default().to_ascii_lowercase();
        if !is_uuid(&uuid) {
            return Err(bad("it does not begin with a uuid"));
        }
        let mut tag = String::new();
        let mut tag_is_bare = true; // no interval has followed the uuid or the tag yet
        for part in parts {
            if part.starts_with(|c: char| c.is_ascii_digit()) {
                let interval = parse_interval(part).map_err(bad)?;
                let intervals = self.origins.entry((uuid.clone(), tag.clone())).or_default();
                intervals.extend(interval);
                tag_is_bare = false;
            } else {
                if tag_is_bare && !tag.is_empty() {
                    return Err(bad("a tag has no interval"));
                }
                tag = part.to_ascii_lowercase();
                if !is_tag(&tag) {
                    return Err(bad("a tag is not a letter or _ and up to 31 of a-z, 0-9, _"));
                }
                tag_is_bare = true;
            }
        }
        if tag_is_bare { Err(bad("an interval is missing")) } else { Ok(()) }
    }
}

/// `n` or `a-b` as a half-open interval; `None` when `b < a`, which servers drop as empty.
fn parse_interval(text: &str) -> Result<Option<(u64, u64)>, &'static str> {
    let number = |text: &str| {
        let digits = text.trim();
        let value: u64 =
            digits.parse().ok().filter(|_| digits.bytes().all(|b| b.is_ascii_digit()))?;
        (1..=MAX_NUMBER).contains(&value).then_some(value)
    };
    let number = |text| number(text).ok_or("an interval is not n or n-m");
    let (first, last) = match text.split_once('-') {
        Some((first, last)) => (number(first)?, number(last)?),
        None => (number(text)?, number(text)?),
    };
    Ok((first <= last).then_some((first, last + 1)))
}

fn is_uuid(text: &str) -> bool {
    text.len() == 36
        && text.bytes().enumerate().all(|(at, byte)| match at {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        })
}

fn is_tag(text: &str) -> bool {
    let mut bytes = text.bytes();
    let first = bytes.next().is_some_and(|byte| byte.is_ascii_lowercase() || byte == b'_');
    first
        && text.len() <= 32
        && bytes.all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
}

impl fmt::Display for GtidSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut last: Option<&str> = None;
        for ((uuid, tag), intervals) in &self.origins {
            match last {
                Some(same) if same == uuid => {}
                Some(_) => write!(f, ",{uuid}")?,
                None => f.write_str(uuid)?,
            }
            last = Some(uuid);
            if !tag.is_empty() {
                write!(f, ":{tag}")?;
            }
            for (start, end) in intervals {
                if end - start == 1 {
                    write!(f, ":{start}")?;
                } else {
                    write!(f, ":{start}-{}", end - 1)?;
                }
            }
        }
        Ok(())
    }
}

impl TryFrom<String> for GtidSet {
    type Error = GtidError;

    fn try_from(text: String) -> Result<Self, GtidError> {
        text.parse()
    }
}

impl From<GtidSet> for String {
    fn from(set: GtidSet) -> Self {
        set.to_string()
    }
}
