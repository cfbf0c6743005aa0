//! Commands of the ancestors that this version does not have. They are named, so that nobody takes them for a typo.

/// Their names.
const UNAVAILABLE: &[&str] = &[
    "access-token",
    "active-nodes",
    "can-replicate-from",
    "can-replicate-from-gtid",
    "change-master-credentials",
    "cluster-pool-instances",
    "continuous",
    "correlate-binlog-pos",
    "correlate-relaylog-pos",
    "custom-command",
    "delay-replication",
    "deregister-hostname-unresolve",
    "detach-replica",
    "detach-replica-master-host",
    "disable-gtid",
    "disable-semi-sync-master",
    "disable-semi-sync-replica",
    "dominant-dc",
    "downtimed",
    "dump-config",
    "enable-gtid",
    "enable-semi-sync-master",
    "enable-semi-sync-replica",
    "find-binlog-entry",
    "flush-binary-logs",
    "force-master-failover",
    "force-master-takeover",
    "get-candidate-replica",
    "graceful-master-takeover",
    "graceful-master-takeover-auto",
    "gtid-errant-inject-empty",
    "gtid-errant-reset-master",
    "instance",
    "internal-suggest-promoted-replacement",
    "last-executed-relay-entry",
    "last-pseudo-gtid",
    "locate-gtid-errant",
    "make-co-master",
    "master-pos-wait",
    "match",
    "match-replicas",
    "match-up",
    "match-up-replicas",
    "move-below",
    "move-equivalent",
    "move-gtid",
    "move-replicas-gtid",
    "move-up",
    "move-up-replicas",
    "purge-binary-logs",
    "raft-elect-leader",
    "raft-health",
    "raft-leader",
    "raft-leader-hostname",
    "reattach-replica",
    "reattach-replica-master-host",
    "redeploy-internal-db",
    "register-hostname-unresolve",
    "regroup-replicas",
    "regroup-replicas-bls",
    "regroup-replicas-gtid",
    "regroup-replicas-pgtid",
    "relocate",
    "relocate-below",
    "relocate-replicas",
    "rematch",
    "repoint",
    "repoint-replicas",
    "reset-hostname-resolve-cache",
    "reset-replica",
    "restart-replica",
    "restart-replica-statements",
    "set-heuristic-domain-instance",
    "set-read-only",
    "set-writeable",
    "show-resolve-hosts",
    "show-unresolve-hosts",
    "skip-query",
    "snapshot-topologies",
    "start-replica",
    "stop-replica",
    "stop-replica-nice",
    "submit-masters-to-kv-stores",
    "submit-pool-instances",
    "take-master",
    "take-siblings",
    "which-broken-replicas",
    "which-cluster-gh-ost-replicas",
    "which-cluster-osc-running-replicas",
    "which-heuristic-cluster-pool-instances",
    "which-heuristic-domain-instance",
];

/// What there is to say about a command that is not known; nothing when the ancestors did not know it either.
pub fn apology(command: &str) -> Option<String> {
    UNAVAILABLE.binary_search(&command).ok().map(|_| {
        format!("the command {command} is not available in this version; `ham4db help` lists those that are")
    })
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;
    use crate::cli::options::Cli;

    #[test]
    fn the_names_are_in_order_and_none_of_them_is_a_command() {
        assert!(UNAVAILABLE.is_sorted());
        for command in Cli::command().get_subcommands() {
            assert_eq!(apology(command.get_name()), None);
        }
    }
}
