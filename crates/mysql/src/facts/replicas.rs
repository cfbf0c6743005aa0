//! Finding a server's replicas: the list they registered in, and the process list.

use std::net::Ipv6Addr;

use ham4db_domain::key::InstanceKey;

use crate::wire::ResultSet;

/// What the replica list tells.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Listed {
    /// Replicas that report host and port.
    pub(crate) keys: Vec<InstanceKey>,
    /// Some do not: they have to be looked for in the process list.
    pub(crate) incomplete: bool,
}

/// Reads `SHOW REPLICAS`. A replica that does not set `report_host` shows an empty one.
pub(crate) fn listed(set: &ResultSet) -> Listed {
    let mut listed = Listed::default();
    for row in set.rows() {
        let host = row.get("Host").unwrap_or_default().trim();
        let key = InstanceKey::new(host, row.parse("Port").unwrap_or(0));
        if key.is_valid() {
            listed.keys.push(key);
        } else {
            listed.incomplete = true;
        }
    }
    listed.keys.sort();
    listed.keys.dedup();
    listed
}

/// Reads connections that dump the binary log; their own port is not known, so it is taken to be their source's.
pub(crate) fn dumping(set: &ResultSet, own: &InstanceKey) -> Vec<InstanceKey> {
    let mut keys: Vec<_> = set
        .rows()
        .filter_map(|row| host_of(row.get("HOST")?))
        .map(|host| InstanceKey::new(host, own.port))
        // What comes from this very host has another port, which nobody knows here.
        .filter(|key| key.is_valid() && key != own)
        .collect();
    keys.sort();
    keys.dedup();
    keys
}

/// Adds those of the process list whose host is not in the list yet.
pub(crate) fn merge(listed: Vec<InstanceKey>, dumping: Vec<InstanceKey>) -> Vec<InstanceKey> {
    let mut keys = listed;
    let new: Vec<_> =
        dumping.into_iter().filter(|key| keys.iter().all(|known| known.host != key.host)).collect();
    keys.extend(new);
    keys.sort();
    keys
}

/// The host of a process list entry: `host:port`, `[ipv6]:port`, `ipv6:port`, or a bare host.
fn host_of(text: &str) -> Option<&str> {
    let text = text.trim();
    if let Some(rest) = text.strip_prefix('[') {
        return rest.split_once(']').map(|(host, _)| host);
    }
    let host = match text.rsplit_once(':') {
        // Servers print IPv6 addresses without brackets, and the port behind one more colon.
        Some((host, _)) if host.contains(':') => {
            if host.parse::<Ipv6Addr>().is_ok() {
                host
            } else {
                text
            }
        }
        Some((host, _)) => host,
        None => text,
    };
    (!host.is_empty()).then_some(host)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(rows: &[[&str; 2]]) -> ResultSet {
        ResultSet::from_rows(&["Host", "Port"], rows.iter().map(|row| row.map(Some)))
    }

    #[test]
    fn replicas_without_a_reported_host_make_the_list_incomplete() {
        let found = listed(&list(&[["db2", "3306"], ["", "3306"], ["db3", "0"]]));
        assert_eq!(found.keys, [InstanceKey::new("db2", 3306)]);
        assert!(found.incomplete);
        assert_eq!(listed(&list(&[])), Listed::default());
    }

    #[test]
    fn a_process_list_entry_has_a_host_whatever_its_address_family() {
        let cases = [
            ("10.0.0.2:45904", "10.0.0.2"),
            ("db2.example:1", "db2.example"),
            ("fe80::2:45904", "fe80::2"),
            ("[fe80::2]:45904", "fe80::2"),
            ("::1:45904", "::1"),
            ("localhost", "localhost"),
        ];
        for (text, host) in cases {
            assert_eq!(host_of(text), Some(host), "{text}");
        }
    }

    #[test]
    fn the_process_list_adds_only_hosts_that_the_list_lacks() {
        let own = InstanceKey::new("db1", 3306);
        let rows = [["repl", "db2:40000"], ["repl", "db3:40001"], ["repl", "db3:40002"]];
        let set = ResultSet::from_rows(&["USER", "HOST"], rows.iter().map(|row| row.map(Some)));
        let found = merge(vec![InstanceKey::new("db2", 3307)], dumping(&set, &own));
        assert_eq!(found, [InstanceKey::new("db2", 3307), InstanceKey::new("db3", 3306)]);
    }
}
