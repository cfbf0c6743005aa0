//! Real servers that replicate, an application that writes, ham4db, and a primary that dies. Started by `./demo`.

use std::cmp::Ordering;
use std::io::{self, Write as _};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{self, AtomicBool};
use std::time::{Duration, Instant};

use clap::Parser;
use ham4db_testkit::{
    Flavour, Gtid, Ham4db, KitError, Shape, Topology, Writer, binary_beside_this, wait_for,
};
use jiff::Timestamp;
use serde_json::{Value, json};

/// Shows a failover on real servers of this machine.
#[derive(Parser)]
struct Options {
    /// mysql-9.7, mysql-5.6, mariadb-10.5, mariadb-10.11 or mariadb-11.8
    #[arg(long, default_value = "mysql-9.7")]
    flavour: String,
    /// End after the story instead of waiting for Ctrl-C
    #[arg(long)]
    once: bool,
}

/// How long anything here may take on a slow machine.
const PATIENCE: Duration = Duration::from_mins(1);
/// How long the application writes before the primary dies.
const WRITING: Duration = Duration::from_secs(2);
/// When servers end that were forgotten, because this process was killed.
const FORGOTTEN_AFTER_S: u32 = 4 * 3600;

/// Why the demo ends early.
enum Ended {
    Interrupted,
    Failed(KitError),
}

impl From<KitError> for Ended {
    fn from(error: KitError) -> Self {
        Self::Failed(error)
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let options = Options::parse();
    let interrupted = Arc::new(AtomicBool::new(false));
    let demo = Demo { interrupted: interrupted.clone() };
    let mut told = tokio::task::spawn_blocking(move || demo.run(&options));
    let told = tokio::select! {
        told = &mut told => told,
        _ = tokio::signal::ctrl_c() => {
            say("\nEnding everything that was started ...");
            interrupted.store(true, atomic::Ordering::Relaxed);
            told.await
        }
    };
    match told {
        Ok(Ok(())) => ExitCode::SUCCESS,
        Ok(Err(_)) if interrupted.load(atomic::Ordering::Relaxed) => ExitCode::from(130),
        Ok(Err(Ended::Interrupted)) => ExitCode::from(130),
        Ok(Err(Ended::Failed(error))) => {
            let _ = writeln!(io::stderr(), "demo: {error}");
            ExitCode::FAILURE
        }
        Err(panicked) => {
            let _ = writeln!(io::stderr(), "demo: {panicked}");
            ExitCode::FAILURE
        }
    }
}

struct Demo {
    interrupted: Arc<AtomicBool>,
}

impl Demo {
    fn run(&self, options: &Options) -> Result<(), Ended> {
        let flavour = Flavour::named(&options.flavour)
            .ok_or_else(|| KitError::Node(format!("no such flavour: {}", options.flavour)))?;
        say(&format!("Starting a primary and three replicas of {} ...", flavour.name()));
        let topology = Topology::start_for(FORGOTTEN_AFTER_S, flavour, 3, Shape::Star, Gtid::On)?;
        self.check()?;
        say("Starting ham4db, which is told of one replica only ...");
        let node = Ham4db::start(
            &binary_beside_this()?,
            &json!({ "DiscoverySeeds": [topology.key(1)], "InstancePollSeconds": 5 }),
        )?;
        let primary = topology.key(0);
        self.wait("three replicas of the primary", || replicating(&node, &primary, 3))?;
        say("It has found the others:\n");
        say(&client(&node, &["topology", "-i", &primary])?);

        let mut writer = Writer::start(&topology);
        self.wait("rows", || (writer.acknowledged() > 0).then_some(()))?;
        let began = Instant::now();
        say("An application writes to the primary.");
        self.wait("some rows", || (began.elapsed() >= WRITING).then_some(()))?;

        let killed_wall = Timestamp::now();
        let killed = topology.kill_at_once(0)?;
        say(&format!("\nSIGKILL to the primary {primary}.\n"));
        let gap = self.wait("writes to go on", || {
            writer.gaps().into_iter().find(|gap| gap.first_after.is_some())
        })?;
        let recovery = self.wait("the end of the recovery", || {
            let recoveries = node.get(&format!("/api/why/{}", path_of(&primary))).ok()?;
            recoveries["outcome"].is_object().then_some(recoveries)
        })?;
        writer.stop();
        let successor = gap.to.clone().unwrap_or_default();
        let lost = match topology.number(&successor) {
            Some(n) => writer.lost(n, killed)?.len(),
            None => 0,
        };
        let wrote_again = gap.first_after.map(|first| first.saturating_duration_since(killed));
        say(&timeline(&recovery, killed_wall, &successor, wrote_again));
        say(&format!(
            "\n  {} rows were acknowledged; of those before the kill, {lost} are lost.",
            writer.acknowledged()
        ));
        self.wait("replicas of the new primary", || replicating(&node, &successor, 2))?;
        say("\nThe tree now:\n");
        say(&client(&node, &["topology", "-i", &successor])?);
        say("What `ham4db why` says:\n");
        say(&client(&node, &["why", "-i", &primary])?);
        if options.once {
            return Ok(());
        }
        say(&format!(
            "ham4db goes on at {url}. In another terminal:\n\n  \
             export HAM4DB_API={url}/api\n  {binary} topology -i {successor}\n  \
             {binary} plan -i {successor}\n  curl -s {url}/api/replication-analysis\n\n\
             Ctrl-C ends everything and leaves nothing behind.",
            url = node.url(),
            binary = shown(&binary_beside_this()?)
        ));
        loop {
            self.wait("Ctrl-C", || None::<()>).or_else(|ended| match ended {
                Ended::Failed(KitError::Late { .. }) => Ok(()),
                other => Err(other),
            })?;
        }
    }

    fn check(&self) -> Result<(), Ended> {
        if self.interrupted.load(atomic::Ordering::Relaxed) {
            Err(Ended::Interrupted)
        } else {
            Ok(())
        }
    }

    /// Waits until there is something to see, or the user has enough.
    fn wait<T>(&self, what: &str, mut look: impl FnMut() -> Option<T>) -> Result<T, Ended> {
        let found = wait_for(what, PATIENCE, || match self.check() {
            Err(ended) => Some(Err(ended)),
            Ok(()) => look().map(Ok),
        });
        found?
    }
}

/// Something, when ham4db sees `count` replicas replicate in the cluster of `key`.
fn replicating(node: &Ham4db, key: &str, count: usize) -> Option<()> {
    let cluster = node.get(&format!("/api/cluster/{key}")).ok()?;
    let running = |one: &&Value| one["ReplicationIOThreadRuning"] == json!(true);
    (cluster.as_array()?.iter().filter(running).count() == count).then_some(())
}

/// When what happened, in seconds since the kill.
fn timeline(
    story: &Value,
    killed: Timestamp,
    successor: &str,
    wrote_again: Option<Duration>,
) -> String {
    let since = |at: &Value| -> Option<f64> {
        let at: Timestamp = at.as_str()?.parse().ok()?;
        Some(at.duration_since(killed).as_secs_f64())
    };
    let steps = story["steps"].as_array().map(Vec::as_slice).unwrap_or_default();
    let step = |is_meant: &dyn Fn(&str) -> bool| {
        let last = steps.iter().rev().find(|step| step["message"].as_str().is_some_and(is_meant));
        last.and_then(|step| since(&step["at"]))
    };
    let code = story["problem"]["code"].as_str().unwrap_or("?");
    let mut lines = [
        (Some(0.0), "SIGKILL".to_owned()),
        (since(&story["first_suspected"]), "first sign of trouble".to_owned()),
        (since(&story["decided"]), format!("decided: {code}")),
        (
            step(&|message| message.starts_with(&format!("make {successor} writable"))),
            format!("{successor} is writable"),
        ),
        (
            step(&|message| message.starts_with("start replication on")),
            "all replicas follow it".to_owned(),
        ),
        (
            wrote_again.map(|after| after.as_secs_f64()),
            format!("the application's first row at {successor}"),
        ),
    ];
    lines.sort_by(|one, other| one.0.partial_cmp(&other.0).unwrap_or(Ordering::Equal));
    let line = |(at, what): &(Option<f64>, String)| match at {
        Some(s) => format!("  {s:>7.3} s  {what}"),
        None => format!("        ? s  {what}"),
    };
    lines.iter().map(line).collect::<Vec<_>>().join("\n")
}

fn client(node: &Ham4db, arguments: &[&str]) -> Result<String, KitError> {
    match node.cli(arguments)? {
        (0, said, _) => Ok(said),
        (code, _, error) => Err(KitError::Node(format!(
            "ham4db {} ended with {code}: {error}",
            arguments.join(" ")
        ))),
    }
}

/// `host:port` as two parts of a path.
fn path_of(key: &str) -> String {
    key.replace(':', "/")
}

/// The path as seen from the current folder, if it is below it.
fn shown(path: &std::path::Path) -> String {
    let here = std::env::current_dir().unwrap_or_default();
    path.strip_prefix(&here).unwrap_or(path).display().to_string()
}

/// Prints a line; a closed pipe is nobody's loss.
fn say(text: &str) {
    let _ = writeln!(io::stdout(), "{text}");
}
