//! Reading single values of result sets, the same way everywhere.

use std::collections::HashMap;
use std::str::FromStr;

use ham4db_domain::coordinates::BinlogCoordinates;

use crate::wire::{ResultSet, Row};

/// A row in which a column may go by its new name or its old one.
#[derive(Clone, Copy)]
pub(super) struct Status<'a>(pub(super) Row<'a>);

impl<'a> Status<'a> {
    /// The value of whichever column is there; `None` when it is NULL or missing.
    pub(super) fn get(self, new: &str, old: &str) -> Option<&'a str> {
        self.0.get(new).or_else(|| self.0.get(old))
    }

    /// As [`Status::get`], with nothing for NULL and for a missing column.
    pub(super) fn text(self, new: &str, old: &str) -> String {
        self.get(new, old).unwrap_or_default().to_owned()
    }

    /// File and position from a pair of columns.
    pub(super) fn coordinates(
        self,
        file: (&str, &str),
        position: (&str, &str),
    ) -> Option<BinlogCoordinates> {
        let position = self.get(position.0, position.1)?.parse().ok()?;
        BinlogCoordinates::new(self.get(file.0, file.1)?, position)
    }
}

/// What counts as on: `SELECT` says 0 and 1, `SHOW` says OFF and ON, `read_only` of MariaDB 12 knows more words.
pub(super) fn is_on(text: &str) -> bool {
    !matches!(text.to_ascii_uppercase().as_str(), "" | "0" | "OFF" | "NO" | "FALSE")
}

/// The pairs of a `SHOW VARIABLES` or `SHOW STATUS`.
pub(super) fn pairs(set: &ResultSet) -> HashMap<&str, &str> {
    set.rows().filter_map(|row| Some((row.get(0)?, row.get(1)?))).collect()
}

/// Reads a text, or complains.
pub(super) fn parse_or_complain<T: FromStr>(
    what: &str,
    text: Option<&str>,
    complaints: &mut Vec<String>,
) -> Option<T>
where
    T::Err: std::fmt::Display,
{
    match text?.parse() {
        Ok(value) => Some(value),
        Err(error) => {
            complaints.push(format!("{what} cannot be read: {error}"));
            None
        }
    }
}
