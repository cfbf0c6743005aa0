//! What is run around a recovery.

use ham4db_testkit::{Flavour, poll_until};
use serde_json::{Value, json};

use crate::support::{PATIENCE, Scene, told_key};

fn hooks(story: &Value) -> Vec<(String, bool)> {
    let run =
        |hook: &Value| (hook["list"].as_str().unwrap().to_owned(), hook["ok"].as_bool().unwrap());
    story["hooks"].as_array().unwrap().iter().map(run).collect()
}

#[test]
fn hooks_run_in_their_order_with_what_they_need_to_know() {
    let note = |list: &str| {
        format!(
            "echo {list} $ORC_FAILURE_TYPE $ORC_FAILED_HOST:$ORC_FAILED_PORT $ORC_SUCCESSOR_HOST:$ORC_SUCCESSOR_PORT {{failureType}} {{failedHost}}:{{failedPort}} >> told.txt"
        )
    };
    let keys = json!({
        "OnFailureDetectionProcesses": [note("detection")],
        "PreFailoverProcesses": [note("pre")],
        "PostMasterFailoverProcesses": [note("post-master")],
        "PostIntermediateMasterFailoverProcesses": [note("post-intermediate")],
        "PostFailoverProcesses": [note("post")],
        "PostUnsuccessfulFailoverProcesses": [note("unsuccessful")],
    });
    let scene = Scene::of(Flavour::Mariadb1011, 2, &keys);
    let failed = scene.key(0);
    scene.topology.kill(0).unwrap();
    let (story, successor) = scene.await_recovery(0);
    let told = scene.node.file("told.txt").unwrap();
    let code = story["problem"]["code"].as_str().unwrap();
    let nobody = ":";
    let successor = scene.key(successor);
    let line =
        |list: &str, successor: &str| format!("{list} {code} {failed} {successor} {code} {failed}");
    assert_eq!(
        // What it seemed to be at first is told as well.
        told.lines().filter(|line| !line.contains("Unreachable")).collect::<Vec<_>>(),
        [
            line("detection", nobody),
            line("pre", nobody),
            line("post-master", &successor),
            line("post", &successor)
        ]
    );
}

#[test]
fn a_hook_that_forbids_a_recovery_leaves_nothing_blocked() {
    // The first run fails, the second does not.
    let keys = json!({ "PreFailoverProcesses": ["test -e seen || { touch seen; echo not yet; exit 7; }"] });
    let scene = Scene::of(Flavour::Mariadb1011, 2, &keys);
    scene.topology.kill(0).unwrap();
    poll_until("word of the hook that failed", PATIENCE, || {
        scene.why(0)?.to_string().contains("exit 7").then_some(())
    });
    assert_eq!(scene.topology.writable_servers(), [0; 0]);
    scene.await_recovery(0);
    assert_eq!(scene.recoveries(), 2);
}

#[test]
fn a_hook_that_takes_too_long_is_ended_and_the_recovery_goes_on() {
    let keys = json!({
        "HookTimeoutSeconds": 1,
        "PostFailoverProcesses": ["echo begun; sleep 600", "echo next"],
    });
    let scene = Scene::of(Flavour::Mariadb1011, 2, &keys);
    scene.topology.kill(0).unwrap();
    let (story, _) = scene.await_recovery(0);
    let list = "PostFailoverProcesses".to_owned();
    assert_eq!(hooks(&story), [(list.clone(), false), (list, true)]);
    assert!(
        story["hooks"][0]["ended"].as_str().unwrap().contains("killed"),
        "{:#}",
        story["hooks"]
    );
}

#[test]
fn values_reach_the_shell_as_one_word_whatever_they_are() {
    let keys = json!({
        "PostFailoverProcesses": ["printf '%s\\n' {failureDescription} {successorHost} > told.txt"],
    });
    let scene = Scene::of(Flavour::Mariadb1011, 2, &keys);
    scene.topology.kill(0).unwrap();
    let (story, _) = scene.await_recovery(0);
    let told = scene.node.file("told.txt").unwrap();
    let lines: Vec<&str> = told.lines().collect();
    assert_eq!(lines.len(), 2, "{told}");
    assert!(lines[0].contains(' '), "{told}");
    assert!(told_key(&story["outcome"]["successor"]).starts_with(lines[1]));
}
