//! Times as the published JSON writes them.

use jiff::Timestamp;
use jiff::tz::TimeZone;

/// `2026-01-31 13:05:09`, in UTC.
pub fn timestamp(at: Timestamp) -> String {
    at.to_zoned(TimeZone::UTC).strftime("%Y-%m-%d %H:%M:%S").to_string()
}

/// As [`timestamp`]; empty when there is none.
pub(crate) fn timestamp_or_empty(at: Option<Timestamp>) -> String {
    at.map(timestamp).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_in_utc_without_a_zone() {
        let at: Timestamp = "2026-01-31T14:05:09.75+01:00".parse().unwrap();
        assert_eq!(timestamp(at), "2026-01-31 13:05:09");
        assert_eq!(timestamp_or_empty(None), "");
    }
}
