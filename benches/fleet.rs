//! What it costs to watch a fleet: simulated servers on loopback, each polled every 5 s by one node with SQLite.
//!
//! `cargo bench --bench fleet -- --simulator ../fleetsim [--servers 1000,5000] [--seconds 60]`
//!
//! The simulator is a project of its own; `docs/benchmarks.md` says what it has to do.

#![allow(clippy::print_stdout, reason = "a benchmark prints what it measured")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use clap::Parser;
use ham4db_testkit::{Ham4db, KitError, pause, wait_for};
use serde_json::{Value, json};

#[derive(Parser)]
struct Options {
    /// The simulator: its folder, which is built first, or its program
    #[arg(long, env = "FLEETSIM")]
    simulator: PathBuf,
    /// Sizes of fleets, comma separated; each cluster has four servers
    #[arg(long, value_delimiter = ',', default_value = "1000,5000")]
    servers: Vec<usize>,
    /// How long each is measured
    #[arg(long, default_value_t = 60)]
    seconds: u64,
    /// Given by cargo
    #[arg(long, hide = true)]
    bench: bool,
}

/// `InstancePollSeconds` of the measurement, and how much later than that a poll may come.
const POLL_S: f64 = 5.0;
const LATE: f64 = 1.2;
const CONTROL: &str = "http://127.0.0.1:29999";
const PATIENCE: Duration = Duration::from_mins(3);
/// Clock ticks in a second of `/proc/PID/stat`, on every Linux of today.
const TICKS_PER_S: f64 = 100.0;

fn main() -> ExitCode {
    let options = Options::parse();
    println!(
        "servers  known after  polls/s (wanted)  in time  longest gap  CPU-s/min  RSS      most RSS"
    );
    let measured = simulator(&options.simulator).and_then(|program| {
        options.servers.iter().try_for_each(|servers| {
            measure(&program, *servers, options.seconds).map(|line| println!("{line}"))
        })
    });
    match measured {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            println!("{error}");
            ExitCode::FAILURE
        }
    }
}

/// The program, built when a folder is given.
fn simulator(given: &Path) -> Result<PathBuf, KitError> {
    if given.is_file() {
        return Ok(given.to_owned());
    }
    let target = std::env::temp_dir().join("ham4db-fleetsim-target");
    let built = Command::new("cargo")
        .args(["build", "--release", "--quiet", "--manifest-path"])
        .arg(given.join("Cargo.toml"))
        .arg("--target-dir")
        .arg(&target)
        .status();
    match built {
        Ok(status) if status.success() => Ok(target.join("release/fleetsim")),
        _ => Err(KitError::Node(format!("no simulator can be built in {}", given.display()))),
    }
}

/// A running simulator; ends with its value.
struct Fleet(Child);

impl Drop for Fleet {
    fn drop(&mut self) {
        let _ = self.0.kill(); // it may have ended by itself
        let _ = self.0.wait();
    }
}

fn measure(program: &Path, servers: usize, seconds: u64) -> Result<String, KitError> {
    let clusters = (servers / 4).max(1);
    let simulator = Command::new(program)
        .args(["--tiers", "3", "--control", "29999", "--clusters", &clusters.to_string()])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .map_err(|error| KitError::Node(format!("{}: {error}", program.display())))?;
    let _fleet = Fleet(simulator);
    let seeds = wait_for("the simulator", PATIENCE, || ask("/seeds").ok())?;
    let began = Instant::now();
    let binary = Path::new(env!("CARGO_BIN_EXE_ham4db"));
    let keys = json!({
        "DiscoverySeeds": seeds,
        "InstancePollSeconds": POLL_S,
        "RecoverMasterClusterFilters": [],
        "RecoverIntermediateMasterClusterFilters": [],
    });
    let node = Ham4db::start(binary, &keys)?;
    wait_for("all servers are known", PATIENCE, || {
        let known = node.get("/api/bulk-instances").ok()?.as_array()?.len();
        (known >= clusters * 4).then_some(())
    })?;
    let known_after = began.elapsed();
    // One whole interval, so that the rush of the beginning is over. This time is what is measured, not a wait.
    pause(Duration::from_secs_f64(2.0 * POLL_S));
    ask("/reset")?;
    let (cpu, at) = (cpu_s(&node)?, Instant::now());
    pause(Duration::from_secs(seconds));
    let passed_s = at.elapsed().as_secs_f64();
    let cpu_a_minute = (cpu_s(&node)? - cpu) / passed_s * 60.0;
    let stats = ask(&format!("/stats?window={}", POLL_S * LATE))?;
    let number = |name: &str| stats[name].as_f64().unwrap_or(f64::NAN);
    let (rss, most) = memory_mb(&node)?;
    Ok(format!(
        "{:>7}  {:>9.1} s  {:>7.0} ({:>6.0})  {:>6.2} %  {:>9.1} s  {cpu_a_minute:>9.1}  {rss:>4.0} MB  {most:>5.0} MB",
        clusters * 4,
        known_after.as_secs_f64(),
        number("polls_per_s"),
        f64::from(u32::try_from(clusters * 4).unwrap_or(u32::MAX)) / POLL_S,
        100.0 * number("gaps_within_window"),
        number("gap_max_s"),
    ))
}

/// Asks the simulator's control port.
fn ask(path: &str) -> Result<Value, KitError> {
    let failed = |error: ureq::Error| KitError::Node(format!("simulator: {path}: {error}"));
    let text = ureq::get(format!("{CONTROL}{path}")).call().map_err(failed)?;
    let text = text.into_body().read_to_string().map_err(failed)?;
    Ok(serde_json::from_str(&text).unwrap_or(Value::String(text)))
}

/// Processor time the node has used since it began, in user and kernel.
fn cpu_s(node: &Ham4db) -> Result<f64, KitError> {
    let stat = proc_file(node, "stat")?;
    // Behind the name, which may contain blanks: state is field 3, utime 14, stime 15 (proc(5)).
    let fields: Vec<f64> = stat
        .rsplit(')')
        .next()
        .unwrap_or_default()
        .split_whitespace()
        .map(|field| field.parse().unwrap_or(0.0))
        .collect();
    Ok((fields.get(11).unwrap_or(&0.0) + fields.get(12).unwrap_or(&0.0)) / TICKS_PER_S)
}

/// Resident memory now, and at most, in MB.
fn memory_mb(node: &Ham4db) -> Result<(f64, f64), KitError> {
    let status = proc_file(node, "status")?;
    let value = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name));
        let kb = line.and_then(|line| line.trim().split(' ').next()?.parse::<f64>().ok());
        kb.unwrap_or(f64::NAN) / 1024.0
    };
    Ok((value("VmRSS:"), value("VmHWM:")))
}

fn proc_file(node: &Ham4db, name: &str) -> Result<String, KitError> {
    let pid = node.pid().ok_or_else(|| KitError::Node("ham4db has ended".to_owned()))?;
    fs::read_to_string(format!("/proc/{pid}/{name}"))
        .map_err(|error| KitError::Node(format!("/proc/{pid}/{name}: {error}")))
}
