//! The key that a mistyped one was probably meant to be.

use super::table::names;

/// The name nearest to `key`, if one is near.
pub(crate) fn nearest(key: &str) -> Option<&'static str> {
    let key: Vec<char> = key.to_lowercase().chars().take(LONGEST).collect();
    let limit = (key.len() / 4).clamp(1, 4);
    let candidates = names().map(|(name, ..)| (distance(&key, &name.to_lowercase()), name));
    candidates.filter(|(distance, _)| *distance <= limit).min().map(|(_, name)| name)
}

/// No key is longer; what is longer is no typing error.
const LONGEST: usize = 80;

/// How many letters must be changed, added, left out or swapped with their neighbour.
fn distance(one: &[char], other: &str) -> usize {
    let other: Vec<char> = other.chars().collect();
    let mut before: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=other.len()).collect();
    for (i, a) in one.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, b) in other.iter().enumerate() {
            let mut cost = (last[j] + usize::from(a != b)).min(last[j + 1] + 1).min(row[j] + 1);
            if i > 0 && j > 0 && *a == other[j - 1] && one[i - 1] == *b {
                cost = cost.min(before[j - 1] + 1);
            }
            row.push(cost);
        }
        before = std::mem::replace(&mut last, row);
    }
    last[other.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mistyped_key_has_a_neighbour_and_another_word_has_none() {
        let cases = [
            ("InstancePolSeconds", Some("InstancePollSeconds")),
            ("instancepollsecond", Some("InstancePollSeconds")),
            ("DiscoverySedes", Some("DiscoverySeeds")),
            ("RecoverMasterClusterFilter", Some("RecoverMasterClusterFilters")),
            ("Debgu", Some("Debug")),
            ("BackendDbPasswort", Some("BackendDBPassword")),
            ("MyOwnRemark", None),
            ("x", None),
            ("", None),
        ];
        for (key, expected) in cases {
            assert_eq!(nearest(key), expected, "{key}");
        }
    }
}
