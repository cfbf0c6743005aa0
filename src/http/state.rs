//! What the front end reads and whom it asks.

use std::sync::Arc;
use std::time::Duration;

use actix::Recipient;
use ham4db_actors::analyst::Problems;
use ham4db_actors::fleet::{Fleet, LiveFleet};
use ham4db_actors::gateway::Request;
use ham4db_actors::settings::{LiveSettings, Settings};
use ham4db_consensus::Leadership;
use ham4db_domain::explain::Explanation;
use ham4db_domain::filters::HostnameFilters;
use ham4db_domain::key::InstanceKey;
use ham4db_domain::registry::Registry;
use ham4db_store::Store;
use jiff::Timestamp;
use serde_json::Value;
use tokio::sync::{Semaphore, mpsc, oneshot, watch};

use super::access::Authentication;
use super::answer::ApiError;

/// Handlers that use the backend database at once.
pub const STORE_READERS: usize = 4;
/// How long a handler waits for its turn.
const STORE_PATIENCE: Duration = Duration::from_secs(5);

/// What handlers read, all of it published, and the way to the leader.
#[derive(Clone)]
pub struct State {
    /// All servers.
    pub fleet: LiveFleet,
    /// What users told.
    pub registry: watch::Receiver<Arc<Registry>>,
    /// What is wrong.
    pub problems: watch::Receiver<Arc<Problems>>,
    /// The settings of decisions.
    pub settings: LiveSettings,
    /// The settings of the front end.
    pub front: watch::Receiver<Arc<FrontSettings>>,
    /// Whether this node leads.
    pub leadership: watch::Receiver<Leadership>,
    /// Who changes things.
    pub leader: Recipient<Request>,
    /// The backend database, for what is not published.
    pub store: Store,
    /// Who may use it; see [`STORE_READERS`].
    pub store_permits: Arc<Semaphore>,
    /// Who reads the configuration again.
    pub reload: mpsc::Sender<Reload>,
    /// This node.
    pub node: Arc<Node>,
}

/// The settings of the front end that a reload may change.
#[derive(Debug, Clone, Default)]
pub struct FrontSettings {
    /// `URLPrefix`: empty, or with one leading slash and none at the end.
    pub prefix: String,
    /// `StatusEndpoint`.
    pub status_endpoint: String,
    /// `ReadOnly`: nothing is changed through HTTP.
    pub read_only: bool,
    /// `DefaultInstancePort`.
    pub default_port: u16,
    /// Who may do what.
    pub authentication: Authentication,
    /// `ProblemIgnoreHostnameFilters`.
    pub problem_ignore: HostnameFilters,
    /// `OSCIgnoreHostnameFilters`.
    pub osc_ignore: HostnameFilters,
    /// The configuration in force, secrets hidden.
    pub shown: Value,
}

/// This process, as it shows itself.
#[derive(Debug, Clone)]
pub struct Node {
    /// Host name.
    pub hostname: String,
    /// A name for this run of the program.
    pub token: String,
    /// Since when it runs.
    pub started: Timestamp,
    /// Where it keeps its state, such as `sqlite` or `mysql`.
    pub backend: String,
}

/// Asks for the configuration to be read again.
#[derive(Debug)]
pub struct Reload {
    /// A file to be read on top of the usual one.
    pub extra_file: Option<String>,
    /// Where the outcome goes: nothing, or all that is wrong. On an error the old configuration stays in force.
    pub answer: oneshot::Sender<Result<(), String>>,
}

/// All that is published, as it was at one moment: a handler never sees two of them.
#[derive(Clone)]
pub struct Moment {
    /// When.
    pub now: Timestamp,
    /// All servers.
    pub fleet: Arc<Fleet>,
    /// What users told.
    pub registry: Arc<Registry>,
    /// What is wrong.
    pub problems: Arc<Problems>,
    /// The settings of decisions.
    pub settings: Arc<Settings>,
    /// The settings of the front end.
    pub front: Arc<FrontSettings>,
    /// This node leads.
    pub leads: bool,
}

impl State {
    /// Tries whether the backend takes what this node writes.
    ///
    /// # Errors
    /// Why it does not, in words.
    pub async fn self_test(&self) -> Result<(), String> {
        let checked = self.with_store(|store| store.check().map_err(|error| error.to_string()));
        checked.await.unwrap_or_else(|error| Err(error.to_string()))
    }

    /// The latest stored refusal about any of these servers.
    pub async fn last_refusal(
        &self,
        keys: Vec<InstanceKey>,
    ) -> Result<Option<Explanation>, ApiError> {
        self.with_store(move |store| {
            let mut latest: Option<Explanation> = None;
            for key in &keys {
                let found = store.refusals(key, 1).map_err(ApiError::internal)?;
                let found = found.into_iter().map(|refusal| refusal.explanation);
                latest = latest.into_iter().chain(found).max_by_key(|story| story.decided);
            }
            Ok(latest)
        })
        .await?
    }

    /// Does something with the backend on a thread that may block; a few at a time.
    async fn with_store<T: Send + 'static>(
        &self,
        act: impl FnOnce(&Store) -> T + Send + 'static,
    ) -> Result<T, ApiError> {
        let permit =
            tokio::time::timeout(STORE_PATIENCE, self.store_permits.clone().acquire_owned());
        let permit = permit.await.map_err(|_| ApiError::Busy("the backend database is busy"))?;
        let store = self.store.clone();
        let acted = tokio::task::spawn_blocking(move || {
            let acted = act(&store);
            drop(permit);
            acted
        });
        acted.await.map_err(ApiError::internal)
    }

    /// Everything as it is at `now`.
    pub fn moment(&self, now: Timestamp) -> Moment {
        Moment {
            now,
            fleet: self.fleet.borrow().clone(),
            registry: self.registry.borrow().clone(),
            problems: self.problems.borrow().clone(),
            settings: self.settings.borrow().clone(),
            front: self.front.borrow().clone(),
            leads: self.leadership.borrow().leads,
        }
    }
}
