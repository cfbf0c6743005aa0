//! Binary log coordinates: file and position, compared by the file's number.

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A place in a binary or relay log.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct BinlogCoordinates {
    /// Log file name, such as `binlog.000042`.
    pub file: String,
    /// Byte position in that file.
    pub position: u64,
}

/// A text is not `file:position`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not file:position")]
pub struct CoordinatesError(pub String);

impl BinlogCoordinates {
    /// Makes coordinates; `None` for an empty file name, which is how servers say "nowhere".
    pub fn new(file: impl Into<String>, position: u64) -> Option<Self> {
        let file = file.into();
        (!file.is_empty()).then_some(Self { file, position })
    }

    /// The file name without its number, and the number behind the last dot.
    fn stem_and_number(&self) -> (&str, Option<u64>) {
        match self.file.rsplit_once('.') {
            Some((stem, digits)) => match digits.parse() {
                Ok(number) => (stem, Some(number)),
                Err(_) => (&self.file, None),
            },
            None => (&self.file, None),
        }
    }
}

/// By file number, so that `binlog.1000000` comes after `binlog.999999`; other stems compare as text.
impl Ord for BinlogCoordinates {
    fn cmp(&self, other: &Self) -> Ordering {
        self.stem_and_number()
            .cmp(&other.stem_and_number())
            .then_with(|| self.position.cmp(&other.position))
            .then_with(|| self.file.cmp(&other.file))
    }
}

impl PartialOrd for BinlogCoordinates {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl fmt::Display for BinlogCoordinates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.file, self.position)
    }
}

impl FromStr for BinlogCoordinates {
    type Err = CoordinatesError;

    fn from_str(text: &str) -> Result<Self, CoordinatesError> {
        let bad = || CoordinatesError(text.to_owned());
        let (file, position) = text.rsplit_once(':').ok_or_else(bad)?;
        Self::new(file, position.parse().map_err(|_| bad())?).ok_or_else(bad)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> BinlogCoordinates {
        text.parse().unwrap()
    }

    #[test]
    fn a_number_that_grows_a_digit_is_still_later() {
        assert!(at("binlog.999999:4") < at("binlog.1000000:4"));
        assert!(at("binlog.000009:900") < at("binlog.000010:4"));
        assert!(at("binlog.000010:4") < at("binlog.000010:5"));
    }

    #[test]
    fn texts_that_are_no_coordinates_are_refused() {
        for text in ["", "binlog.000001", ":4", "binlog.000001:x"] {
            assert!(text.parse::<BinlogCoordinates>().is_err(), "{text:?}");
        }
    }
}
