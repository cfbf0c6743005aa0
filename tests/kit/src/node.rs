//! A ham4db process of one's own.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{KitError, free_port, wait_for};

/// How long a node may take until it answers, on a busy machine.
const START: Duration = Duration::from_secs(20);
/// How long a node may take to end after it was asked to.
const END: Duration = Duration::from_secs(10);
/// How long an answer may take.
const ANSWER: Duration = Duration::from_secs(30);
/// How much of the log is shown when a test fails.
const SHOWN_LINES: usize = 150;

/// A running node with its own folder, configuration, SQLite file and log.
pub struct Ham4db {
    binary: PathBuf,
    folder: TempDir,
    port: u16,
    child: Option<Child>,
}

impl Ham4db {
    /// Starts `binary` and waits until it says that it is healthy.
    ///
    /// `keys` is an object of configuration keys, which win over the kit's own.
    ///
    /// # Errors
    /// When it ends, or is not healthy in time; with the end of its log.
    pub fn start(binary: &Path, keys: &Value) -> Result<Self, KitError> {
        let folder = tempfile::Builder::new()
            .prefix("ham4db-node-")
            .tempdir()
            .map_err(KitError::io("no temporary folder for the node"))?;
        let port = free_port()?;
        let node = Self { binary: binary.to_owned(), folder, port, child: None };
        node.configure(keys)?;
        let mut node = node;
        node.run()?;
        Ok(node)
    }

    /// Writes the configuration anew; a running node reads it when told to, or at its next start.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn configure(&self, keys: &Value) -> Result<(), KitError> {
        let mut all = json!({
            "MySQLTopologyUser": "ham4db",
            "MySQLTopologyPassword": "ham4db",
            "RecoverMasterClusterFilters": ["*"],
            "RecoverIntermediateMasterClusterFilters": ["*"],
            "BackendDB": "sqlite",
            "SQLite3DataFile": self.folder.path().join("ham4db.sqlite3"),
            "ListenAddress": format!("127.0.0.1:{}", self.port),
            "HostnameResolveMethod": "none",
            "MySQLHostnameResolveMethod": "none",
        });
        if let (Some(all), Some(keys)) = (all.as_object_mut(), keys.as_object()) {
            all.extend(keys.clone());
        }
        fs::write(self.config(), all.to_string())
            .map_err(KitError::io("the configuration cannot be written"))
    }

    /// Where it listens, for a browser or client.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Gets `path` (such as `/api/health`) and reads the answer as JSON, whatever its status.
    ///
    /// # Errors
    /// When there is no answer, or it is not JSON.
    pub fn get(&self, path: &str) -> Result<Value, KitError> {
        let (_, body) = self.fetch(path)?;
        serde_json::from_str(&body)
            .map_err(|error| KitError::Node(format!("{path} is not JSON ({error}): {body}")))
    }

    /// Runs the client against this node: exit code, standard output, standard error.
    ///
    /// # Errors
    /// When it cannot be run.
    pub fn cli(&self, arguments: &[&str]) -> Result<(i32, String, String), KitError> {
        let done = Command::new(&self.binary)
            .args(arguments)
            .env("HAM4DB_API", format!("{}/api", self.url()))
            .stdin(Stdio::null())
            .current_dir(self.folder.path())
            .output()
            .map_err(KitError::io(format!("{} cannot be run", self.binary.display())))?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Ok((done.status.code().unwrap_or(-1), text(&done.stdout), text(&done.stderr)))
    }

    /// Its process, while it runs.
    pub fn pid(&self) -> Option<u32> {
        self.child.as_ref().map(Child::id)
    }

    /// Ends the process with SIGKILL.
    pub fn kill9(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill(); // it may be dead already
            let _ = child.wait();
        }
    }

    /// Stops the process with SIGSTOP, until [`Ham4db::thaw`].
    ///
    /// # Errors
    /// When it does not run.
    pub fn freeze(&self) -> Result<(), KitError> {
        self.send(Signal::STOP)
    }

    /// Lets a frozen process go on.
    ///
    /// # Errors
    /// When it does not run.
    pub fn thaw(&self) -> Result<(), KitError> {
        self.send(Signal::CONT)
    }

    /// Sends SIGHUP: the configuration is to be read again.
    ///
    /// # Errors
    /// When it does not run.
    pub fn hang_up(&self) -> Result<(), KitError> {
        self.send(Signal::HUP)
    }

    /// Starts the node again in the same folder, ending it first if it runs.
    ///
    /// # Errors
    /// When it is not healthy in time.
    pub fn restart(&mut self) -> Result<(), KitError> {
        self.stop();
        self.run()
    }

    /// Asks the process to end, and makes it when it does not.
    pub fn stop(&mut self) {
        if self.send(Signal::TERM).is_ok() && self.send(Signal::CONT).is_ok() {
            let child = &mut self.child;
            let ended = || child.as_mut()?.try_wait().ok().flatten().map(|_| ());
            let _ = wait_for("the end of ham4db", END, ended); // killed below when it does not end
        }
        self.kill9();
    }

    /// What stands in a file of its working directory.
    ///
    /// # Errors
    /// When there is no such file.
    pub fn file(&self, name: &str) -> Result<String, KitError> {
        let path = self.folder.path().join(name);
        fs::read_to_string(&path)
            .map_err(KitError::io(format!("{} cannot be read", path.display())))
    }

    /// Everything it has logged, over all its starts.
    pub fn log(&self) -> String {
        fs::read_to_string(self.log_file()).unwrap_or_default()
    }

    fn run(&mut self) -> Result<(), KitError> {
        let log = File::options()
            .create(true)
            .append(true)
            .open(self.log_file())
            .map_err(KitError::io("the log cannot be written"))?;
        let same = log.try_clone().map_err(KitError::io("the log cannot be shared"))?;
        let child = Command::new(&self.binary)
            .arg("serve")
            .arg("--config")
            .arg(self.config())
            .current_dir(self.folder.path())
            .stdin(Stdio::null())
            .stdout(log)
            .stderr(same)
            .spawn()
            .map_err(KitError::io(format!("{} cannot be run", self.binary.display())))?;
        self.child = Some(child);
        self.await_health()
    }

    fn await_health(&mut self) -> Result<(), KitError> {
        let mut ended = false;
        let healthy = wait_for("a healthy ham4db", START, || {
            ended = matches!(self.child.as_mut().map(Child::try_wait), Some(Ok(Some(_))) | None);
            let healthy = self.fetch("/api/health").is_ok_and(|(status, _)| status == 200);
            (ended || healthy).then_some(())
        });
        match healthy {
            Ok(()) if !ended => Ok(()),
            Ok(()) => Err(KitError::Node(format!("ended at its start:\n{}", self.log_end()))),
            Err(late) => Err(KitError::Node(format!("{late}:\n{}", self.log_end()))),
        }
    }

    fn fetch(&self, path: &str) -> Result<(u16, String), KitError> {
        let failed = |error: ureq::Error| KitError::Node(format!("{path}: {error}"));
        let agent: ureq::Agent = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .timeout_global(Some(ANSWER))
            .build()
            .into();
        let mut answer = agent.get(format!("{}{path}", self.url())).call().map_err(failed)?;
        let body = answer.body_mut().read_to_string().map_err(failed)?;
        Ok((answer.status().as_u16(), body))
    }

    fn send(&self, signal: Signal) -> Result<(), KitError> {
        let pid = self.child.as_ref().and_then(|child| i32::try_from(child.id()).ok());
        let pid = pid.and_then(Pid::from_raw);
        let pid = pid.ok_or_else(|| KitError::Node("does not run".to_owned()))?;
        kill_process(pid, signal)
            .map_err(|error| KitError::Node(format!("cannot be signalled: {error}")))
    }

    fn config(&self) -> PathBuf {
        self.folder.path().join("ham4db.conf.json")
    }

    fn log_file(&self) -> PathBuf {
        self.folder.path().join("ham4db.log")
    }

    fn log_end(&self) -> String {
        let log = self.log();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(SHOWN_LINES)..].join("\n")
    }
}

impl Drop for Ham4db {
    fn drop(&mut self) {
        self.stop();
        if std::thread::panicking() {
            eprintln!("--- the log of ham4db ends:\n{}\n---", self.log_end());
        }
    }
}

/// The `ham4db` binary in the folder of the running program, or the one above it.
///
/// # Errors
/// When there is none.
pub fn binary_beside_this() -> Result<PathBuf, KitError> {
    let here = std::env::current_exe().map_err(KitError::io("this program has no path"))?;
    let mut folders = here.ancestors().skip(1).take(2).map(|folder| folder.join("ham4db"));
    let missing = || KitError::Node("the binary is not built: cargo build --bin ham4db".to_owned());
    folders.find(|path| path.is_file()).ok_or_else(missing)
}
