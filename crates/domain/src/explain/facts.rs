//! The facts a rule read, in words: those that say something.

use crate::analysis::Facts;

/// One line a fact, the most telling first.
pub(super) fn words(facts: &Facts) -> Vec<String> {
    let mut words = vec![itself(facts)];
    words.push(replicas(facts));
    words.extend(moves(facts));
    if facts.semi_sync_enabled {
        words.push(format!(
            "semi-synchronous replication is on: commits wait for {}, {} acknowledge",
            facts.semi_sync_wait_for, facts.semi_sync_clients
        ));
    }
    if facts.downtimed_replicas > 0 {
        words.push(format!(
            "{} in downtime",
            count(facts.downtimed_replicas, "replica is", "replicas are")
        ));
    }
    if let (true, Some(ends)) = (facts.is_downtimed, facts.downtime_ends) {
        words.push(format!("it is in downtime until {}", ends.strftime("%Y-%m-%d %H:%M:%S UTC")));
    }
    words
}

fn itself(facts: &Facts) -> String {
    let role = match (facts.is_source, facts.is_co_source) {
        (_, true) => "a co-primary",
        (true, false) => "a primary",
        (false, false) if facts.replicas > 0 => "an intermediate primary",
        (false, false) => "a replica",
    };
    let state = match (facts.valid, facts.shows_life, facts.partial) {
        (true, _, _) => "answers",
        (false, true, _) => "does not answer as it should, but its process lives",
        (false, false, true) => "answered in part",
        (false, false, false) => "does not answer",
    };
    format!("it is {role} and {state}")
}

fn replicas(facts: &Facts) -> String {
    if facts.replicas == 0 {
        return "it has no replicas".to_owned();
    }
    let mut parts = vec![
        count(facts.replicas, "replica", "replicas"),
        count(facts.valid_replicas, "answers", "answer"),
        count(facts.replicating, "replicates", "replicate"),
    ];
    let more = [
        (facts.failing_to_connect, "cannot connect to it", "cannot connect to it"),
        (
            facts.silent,
            "has heard nothing of it for too long",
            "have heard nothing of it for too long",
        ),
        (facts.lagging, "lags", "lag"),
        (facts.delayed, "is delayed on purpose", "are delayed on purpose"),
    ];
    parts.extend(
        more.into_iter()
            .filter(|(number, _, _)| *number > 0)
            .map(|(n, one, many)| count(n, one, many)),
    );
    parts.join(", ")
}

/// How its replicas could be moved.
fn moves(facts: &Facts) -> Option<String> {
    let all = facts.valid_replicas;
    if all == 0 {
        None
    } else if facts.valid_oracle_gtid == all {
        Some("all replicas that answer follow by MySQL GTID".to_owned())
    } else if facts.valid_mariadb_gtid == all {
        Some("all replicas that answer follow by MariaDB GTID".to_owned())
    } else {
        let by_gtid = facts.valid_oracle_gtid + facts.valid_mariadb_gtid;
        Some(format!("{by_gtid} of {all} replicas that answer follow by GTID"))
    }
}

fn count(number: u32, one: &str, many: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { many })
}
