use std::process::Command;

use super::*;
use crate::fixture::{Fleet, key};
use crate::recovery::Outcome;

const HOSTILE: &[&str] = &[
    "db1",
    "",
    "a b",
    "$(touch pwned)",
    "`touch pwned`",
    "'; touch pwned; '",
    "\"; touch pwned; \"",
    "'\"'\"'; touch pwned #",
    "a\nb\ttouch pwned",
    "{failedPort}",
    "\\",
    "*",
    "-rf",
    "$ORC_FAILED_PORT & touch pwned",
];

fn facts(value: &str) -> HookFacts {
    let fleet = Fleet::mysql(2);
    let recovery = fleet.recovery();
    let mut facts = HookFacts::of(&recovery, None, Some(&fleet.view), "node1");
    facts.set("ORC_FAILED_HOST", value.to_owned());
    facts
}

/// What bash prints for a command.
fn printed(command: &str, facts: &HookFacts) -> String {
    let hooks = hooks_of(HookList::PreFailover, &[command.to_owned()], facts);
    let directory = std::env::temp_dir();
    let output = Command::new("bash")
        .arg("-c")
        .arg(&hooks[0].command)
        .envs(hooks[0].environment.iter().map(|(name, value)| (name, value)))
        .current_dir(directory)
        .output()
        .unwrap();
    assert!(output.stderr.is_empty(), "{command}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn the_shell_never_reads_a_value_as_program() {
    let pwned = std::env::temp_dir().join("pwned");
    for value in HOSTILE {
        let facts = facts(value);
        let expected = format!("<{value}>");
        let cases = [
            "printf '<%s>' {failedHost}",
            "printf '<%s>' \"{failedHost}\"",
            "printf '<%s>' '{failedHost}'",
            "printf '<%s>' \"$(printf %s \"{failedHost}\")\"",
            "printf '<%s>' \"$ORC_FAILED_HOST\"",
            "# it's a comment\nprintf '<%s>' {failedHost}",
            "printf '<%s>' it\\'s >/dev/null; printf '<%s>' {failedHost}",
        ];
        for command in cases {
            assert_eq!(printed(command, &facts), expected, "{command} with {value:?}");
        }
        assert_eq!(
            printed("echo '<'pre-{failedHost}.suf'>'", &facts),
            format!("<pre-{value}.suf>\n")
        );
        let _ = printed("printf '<%s>' \"$(echo {failedHost})\"", &facts);
        let _ = printed("cat <<END\n{failedHost}\nEND", &facts);
        assert!(!pwned.exists(), "{value:?} was run");
    }
}

#[test]
fn a_command_for_the_background_loses_its_ampersand() {
    let facts = facts("db1");
    let commands = ["a {failedPort} &", "b", "c &&", "d& "].map(str::to_owned);
    let hooks = hooks_of(HookList::PostFailover, &commands, &facts);
    let found: Vec<_> =
        hooks.iter().map(|hook| (hook.command.as_str(), hook.in_background)).collect();
    let expected = [("a \"${ORC_FAILED_PORT}\"", true), ("b", false), ("c &&", false), ("d", true)];
    assert_eq!(found, expected);
    assert_eq!(hooks[0].configured, "a {failedPort} &");
    assert_eq!(hooks[0].list, "PostFailoverProcesses");
}

#[test]
fn a_successful_recovery_fills_every_placeholder_of_the_table() {
    let fleet = Fleet::mysql(3);
    let mut recovery = fleet.recovery();
    recovery.alias = "shop".into();
    recovery.choice = Some(fleet.choice());
    let lost = vec![key("r3"), key("r2")];
    let outcome = Outcome::Recovered { successor: key("r1"), lost, errors: Vec::new() };
    let facts = HookFacts::of(&recovery, Some(&outcome), Some(&fleet.view), "node1");
    let cases = [
        ("{failureType}", "DeadMaster"),
        ("{instanceType}", "master"),
        ("{isMaster} {isCoMaster}", "true false"),
        ("{command}", ""),
        ("{failedHost}:{failedPort}", "p:3306"),
        ("{failureCluster} {failureClusterAlias} {failureClusterDomain}", "p:3306 shop p:3306"),
        ("{countReplicas} {countSlaves}", "3 3"),
        ("{replicaHosts}", "r1:3306,r2:3306,r3:3306"),
        ("{slaveHosts}", "r1:3306,r2:3306,r3:3306"),
        ("{isDowntimed}", "false"),
        ("{autoMasterRecovery} {autoIntermediateMasterRecovery}", "false false"),
        ("{orchestratorHost}", "node1"),
        ("{recoveryUID}", "uid-1"),
        ("{isSuccessful}", "true"),
        ("{lostReplicas} {lostSlaves}", "r3:3306,r2:3306 r3:3306,r2:3306"),
        ("{countLostReplicas}", "2"),
        ("{successorHost}:{successorPort}", "r1:3306"),
        ("{successorBinlogCoordinates}", "binlog.000007:1000"),
        ("{successorAlias}", ""),
    ];
    for (text, expected) in cases {
        assert_eq!(printed(&format!("printf %s \"{text}\""), &facts), expected, "{text}");
    }
    let description = printed("printf %s {failureDescription}", &facts);
    assert!(description.contains("none of its replicas is replicating"), "{description}");
}

#[test]
fn without_a_successor_its_placeholders_stay_and_its_variables_are_absent() {
    let fleet = Fleet::mysql(2);
    let outcome = Outcome::Failed { reason: "nobody".into() };
    let facts = HookFacts::of(&fleet.recovery(), Some(&outcome), Some(&fleet.view), "node1");
    assert_eq!(printed("printf %s '{successorHost}'", &facts), "{successorHost}");
    let hooks = hooks_of(HookList::PostFailover, &["true".to_owned()], &facts);
    assert!(hooks[0].environment.iter().all(|(name, _)| !name.starts_with("ORC_SUCCESSOR")));
    assert_eq!(facts.get("ORC_IS_SUCCESSFUL"), Some("false"));
}

#[test]
fn the_lists_after_a_recovery_follow_its_outcome() {
    let good = Outcome::Recovered { successor: key("r1"), lost: Vec::new(), errors: Vec::new() };
    let bad = Outcome::Aborted { reason: String::new() };
    let names = |kind, outcome: &Outcome| {
        HookList::after(kind, outcome).iter().map(|list| list.key()).collect::<Vec<_>>()
    };
    assert_eq!(
        names(Kind::Primary, &good),
        ["PostMasterFailoverProcesses", "PostFailoverProcesses"]
    );
    assert_eq!(
        names(Kind::Intermediate, &good),
        ["PostIntermediateMasterFailoverProcesses", "PostFailoverProcesses"]
    );
    assert_eq!(names(Kind::Primary, &bad), ["PostUnsuccessfulFailoverProcesses"]);
}
