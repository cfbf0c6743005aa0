//! How long applications wait when a primary dies or freezes: real servers, an application that writes all the time,
//! default settings. Medians and spreads; `docs/benchmarks.md` says how to read them.
//!
//! `cargo bench --bench failover -- [--runs 10] [--flavour mysql-9.7,mariadb-10.11] [--how kill,freeze]`

#![allow(clippy::print_stdout, reason = "a benchmark prints what it measured")]

use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Parser;
use ham4db_testkit::{Flavour, Gtid, Ham4db, KitError, Shape, Topology, Writer, wait_for};
use serde_json::{Value, json};

#[derive(Parser)]
struct Options {
    /// Failovers of each kind
    #[arg(long, default_value_t = 10)]
    runs: usize,
    /// Flavours, comma separated
    #[arg(long, value_delimiter = ',', default_value = "mysql-9.7,mariadb-10.11")]
    flavour: Vec<String>,
    /// kill (SIGKILL), freeze (SIGSTOP)
    #[arg(long, value_delimiter = ',', default_value = "kill,freeze")]
    how: Vec<String>,
    /// Given by cargo
    #[arg(long, hide = true)]
    bench: bool,
}

const PATIENCE: Duration = Duration::from_secs(90);
/// Rows that are written before the primary fails.
const ROWS_BEFORE: usize = 200;

/// One failover.
struct Run {
    /// From the signal to the first row that the new primary acknowledged.
    writable: Duration,
    /// From the signal until the recovery was over and all replicas followed.
    over: Duration,
    /// From SIGCONT until the old primary was read-only.
    fenced: Option<Duration>,
    /// Rows acknowledged before the signal that the new primary does not have.
    lost: usize,
}

fn main() -> ExitCode {
    let options = Options::parse();
    println!("from the signal, in seconds: median (least to most) of {} runs\n", options.runs);
    println!(
        "{:<14} {:<7} {:>24} {:>24} {:>24} {:>5}",
        "flavour", "signal", "writes go on", "all replicas follow", "fenced after SIGCONT", "lost"
    );
    for flavour in &options.flavour {
        for how in &options.how {
            match measure(flavour, how, options.runs) {
                Ok(runs) => print(flavour, how, &runs),
                Err(error) => {
                    println!("{flavour} {how}: {error}");
                    return ExitCode::FAILURE;
                }
            }
        }
    }
    ExitCode::SUCCESS
}

fn measure(flavour: &str, how: &str, runs: usize) -> Result<Vec<Run>, KitError> {
    let flavour = Flavour::named(flavour)
        .ok_or_else(|| KitError::Node(format!("no such flavour: {flavour}")))?;
    (0..runs).map(|_| run(flavour, how)).collect()
}

fn run(flavour: Flavour, how: &str) -> Result<Run, KitError> {
    let topology = Topology::start(flavour, 3, Shape::Star, Gtid::On)?;
    let binary = Path::new(env!("CARGO_BIN_EXE_ham4db"));
    let node = Ham4db::start(binary, &json!({ "DiscoverySeeds": [topology.key(0)] }))?;
    let primary = topology.key(0);
    wait_for("three replicas", PATIENCE, || {
        let cluster = node.get(&format!("/api/cluster/{primary}")).ok()?;
        let running = |one: &&Value| one["ReplicationIOThreadRuning"] == json!(true);
        (cluster.as_array()?.iter().filter(running).count() == 3).then_some(())
    })?;
    let mut writer = Writer::start(&topology);
    wait_for("rows", PATIENCE, || (writer.acknowledged() >= ROWS_BEFORE).then_some(()))?;
    let at =
        if how == "freeze" { topology.freeze_at_once(0)? } else { topology.kill_at_once(0)? };
    let gap = wait_for("writes to go on", PATIENCE, || {
        writer.gaps().into_iter().find(|gap| gap.first_after.is_some())
    })?;
    let over = wait_for("the end of the recovery", PATIENCE, || {
        let story = node.get(&format!("/api/why/{}", primary.replace(':', "/"))).ok()?;
        story["outcome"].is_object().then(|| at.elapsed())
    })?;
    let fenced = if how == "freeze" {
        let thawed = topology.thaw_at_once(0)?;
        let read_only = || topology.value(0, "SELECT @@global.read_only").ok().flatten();
        wait_for("a fence", PATIENCE, || {
            (read_only().as_deref() == Some("1")).then(|| thawed.elapsed())
        })
        .map(Some)?
    } else {
        None
    };
    writer.stop();
    let writable = gap.first_after.unwrap_or_else(Instant::now).saturating_duration_since(at);
    let successor = gap.to.as_deref().and_then(|key| topology.number(key));
    let lost = successor.map_or(Ok(0), |n| writer.lost(n, at).map(|rows| rows.len()))?;
    Ok(Run { writable, over, fenced, lost })
}

fn print(flavour: &str, how: &str, runs: &[Run]) {
    let of = |value: fn(&Run) -> Option<Duration>| spread(runs.iter().filter_map(value).collect());
    let lost: usize = runs.iter().map(|run| run.lost).sum();
    println!(
        "{flavour:<14} {how:<7} {:>24} {:>24} {:>24} {lost:>5}",
        of(|run| Some(run.writable)),
        of(|run| Some(run.over)),
        of(|run| run.fenced),
    );
}

/// `median (least to most)`.
fn spread(mut times: Vec<Duration>) -> String {
    times.sort_unstable();
    let (Some(least), Some(most)) = (times.first(), times.last()) else { return "-".to_owned() };
    let middle = times.len() / 2;
    let median = if times.len().is_multiple_of(2) {
        (times[middle - 1] + times[middle]) / 2
    } else {
        times[middle]
    };
    format!("{:.3} ({:.3} to {:.3})", median.as_secs_f64(), least.as_secs_f64(), most.as_secs_f64())
}
