//! Runs the programs that are configured around recoveries: each with a limit, its output bounded and kept.

use std::process::Stdio;
use std::time::{Duration, Instant};

use ham4db_domain::explain::HookRun;
use ham4db_domain::hooks::Hook;
use jiff::Timestamp;
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::{Child, Command};

use crate::settings::HookPolicy;

/// Runs one hook to its end, or until its limit is reached.
pub async fn run(hook: Hook, policy: &HookPolicy) -> HookRun {
    let at = Timestamp::now();
    let began = Instant::now();
    let (ok, ended, output) = match start(&hook, policy) {
        Err(error) => (false, format!("not started: {error}"), String::new()),
        Ok(_) if hook.in_background => (true, "runs in the background".to_owned(), String::new()),
        Ok(child) => wait(child, policy).await,
    };
    HookRun {
        list: hook.list,
        command: hook.configured,
        at,
        took: began.elapsed(),
        ended,
        ok,
        output,
    }
}

fn start(hook: &Hook, policy: &HookPolicy) -> std::io::Result<Child> {
    let mut command = Command::new(&policy.shell);
    command
        .arg("-c")
        .arg(&hook.command)
        .envs(hook.environment.iter().map(|(name, value)| (name, value)))
        .stdin(Stdio::null())
        .process_group(0);
    if hook.in_background {
        command.stdout(Stdio::null()).stderr(Stdio::null());
    } else {
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    }
    command.spawn()
}

/// Waits for the end of a hook: whether it was good, in which words, and the end of its output.
async fn wait(mut child: Child, policy: &HookPolicy) -> (bool, String, String) {
    let group = child.id();
    let half = policy.output_bytes / 2;
    let out = tail(child.stdout.take(), half);
    let err = tail(child.stderr.take(), half);
    let all = async { tokio::join!(child.wait(), out, err) };
    match tokio::time::timeout(policy.limit, all).await {
        Ok((Ok(status), out, err)) => {
            let ended =
                status.code().map_or_else(|| status.to_string(), |code| format!("exit {code}"));
            (status.success(), ended, join(&out, &err))
        }
        Ok((Err(error), out, err)) => (false, format!("lost: {error}"), join(&out, &err)),
        Err(_) => {
            kill(group).await;
            (false, format!("killed after {} s", policy.limit.as_secs()), String::new())
        }
    }
}

/// Ends a hook and everything it started.
async fn kill(group: Option<u32>) {
    let Some(group) = group else { return };
    let killed = Command::new("kill")
        .args(["-KILL", "--", &format!("-{group}")])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    if let Ok(Ok(status)) = tokio::time::timeout(Duration::from_secs(1), killed).await
        && status.success()
    {
        return;
    }
    log::warn!("a hook that took too long could not be ended; its process group is {group}");
}

/// Reads to the end and keeps the last `limit` bytes.
async fn tail(from: Option<impl AsyncRead + Unpin>, limit: usize) -> Vec<u8> {
    let mut kept = Vec::new();
    let Some(mut from) = from else { return kept };
    let mut chunk = vec![0; 4096];
    while let Ok(count @ 1..) = from.read(&mut chunk).await {
        kept.extend_from_slice(&chunk[..count]);
        if kept.len() > 2 * limit {
            kept.drain(..kept.len() - limit);
        }
    }
    kept.drain(..kept.len().saturating_sub(limit));
    kept
}

fn join(out: &[u8], err: &[u8]) -> String {
    let (out, err) = (String::from_utf8_lossy(out), String::from_utf8_lossy(err));
    match (out.trim_end(), err.trim_end()) {
        (out, "") => out.to_owned(),
        ("", err) => err.to_owned(),
        (out, err) => format!("{out}\n{err}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy(limit_ms: u64) -> HookPolicy {
        HookPolicy {
            shell: "bash".into(),
            limit: Duration::from_millis(limit_ms),
            output_bytes: 100,
            lists: Vec::new(),
        }
    }

    fn hook(command: &str) -> Hook {
        Hook {
            list: "PreFailoverProcesses".into(),
            configured: command.into(),
            command: command.into(),
            in_background: false,
            environment: vec![("ORC_FAILED_HOST".into(), "db1; rm -rf /".into())],
        }
    }

    #[tokio::test]
    async fn a_hook_finds_its_values_and_its_output_is_kept() {
        let run = run(hook("echo \"[$ORC_FAILED_HOST]\"; echo oops >&2"), &policy(10_000)).await;
        assert_eq!(
            (run.ok, run.ended.as_str(), run.output.as_str()),
            (true, "exit 0", "[db1; rm -rf /]\noops")
        );
    }

    #[tokio::test]
    async fn a_failing_hook_says_how_it_ended() {
        let run = run(hook("exit 3"), &policy(10_000)).await;
        assert_eq!((run.ok, run.ended.as_str()), (false, "exit 3"));
    }

    #[tokio::test]
    async fn a_hook_that_never_ends_is_killed_with_its_children() {
        let run = run(hook("sleep 600 & wait"), &policy(100)).await;
        assert!(!run.ok && run.ended.starts_with("killed"), "{run:?}");
        assert!(run.took < Duration::from_secs(5), "{run:?}");
    }

    #[tokio::test]
    async fn only_the_end_of_a_long_output_is_kept() {
        let run = run(hook("seq 1 100000"), &policy(10_000)).await;
        assert!(run.ok && run.output.len() <= 100 && run.output.ends_with("100000"), "{run:?}");
    }
}
