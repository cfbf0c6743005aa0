//! From files to a checked configuration. Nothing stops at the first problem.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::Value;

use super::credentials::Environment;
use super::file::{self, Given, Pairs};
use super::findings::{Notice, NoticeKind, Problem, Problems};
use super::kinds::Mismatch;
use super::secret::HIDDEN;
use super::table::{self, Access, Effect, Setting, Status};
use super::{AuthMethod, Config, rules, settings, suggest};

/// Files looked for when none is named; those that exist are read in this order, later values win.
const SEARCHED: [&str; 3] = ["/etc/ham4db.conf.json", "conf/ham4db.conf.json", "ham4db.conf.json"];

/// Where a configuration is read from.
#[derive(Debug, Clone)]
pub struct Sources {
    files: Vec<PathBuf>,
    /// A file that does not exist is a problem.
    required: bool,
    environment: Environment,
}

/// Where a value that is no default comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// A file, under this name.
    File {
        /// The file.
        file: PathBuf,
        /// The key as written there.
        written: String,
    },
    /// A variable of the environment that a file refers to.
    Environment {
        /// Its name.
        variable: String,
    },
    /// A credentials file.
    Credentials {
        /// The file.
        file: PathBuf,
    },
}

/// A configuration in the making.
#[derive(Debug)]
pub(crate) struct Draft {
    pub config: Config,
    pub given: BTreeMap<&'static str, Entry>,
    pub found: Problems,
    pub environment: Environment,
}

/// A value as given, by the last file that gives it.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    pub file: PathBuf,
    pub written: String,
    /// The value in the unit of the key's main name.
    pub given: Given,
    /// The value as written, for messages.
    pub text: String,
}

impl Sources {
    /// The named file alone, or those that exist of the usual ones.
    pub fn new(file: Option<&Path>) -> Self {
        match file {
            Some(file) => Self::of(vec![file.to_owned()], true),
            None => Self::of(SEARCHED.iter().map(PathBuf::from).collect(), false),
        }
    }

    /// These files, of which any may be missing; later values win.
    pub fn searched(files: Vec<PathBuf>) -> Self {
        Self::of(files, false)
    }

    /// The same, and then another file.
    #[must_use]
    pub fn and(mut self, file: &Path) -> Self {
        self.files.push(file.to_owned());
        self
    }

    /// The same with another environment than that of the process.
    #[must_use]
    pub fn with_environment(
        mut self,
        lookup: impl Fn(&str) -> Option<String> + Send + Sync + 'static,
    ) -> Self {
        self.environment = Environment(Arc::new(lookup));
        self
    }

    /// The files, whether or not they exist.
    pub fn files(&self) -> &[PathBuf] {
        &self.files
    }

    fn of(files: Vec<PathBuf>, required: bool) -> Self {
        let environment = Environment(Arc::new(|name| std::env::var(name).ok()));
        Self { files, required, environment }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File { file, written } => write!(f, "{} ({written})", file.display()),
            Self::Environment { variable } => write!(f, "environment variable {variable}"),
            Self::Credentials { file } => write!(f, "{}", file.display()),
        }
    }
}

impl Config {
    /// Reads and checks a configuration.
    ///
    /// # Errors
    /// All that is wrong with it, at once.
    pub fn load(sources: &Sources) -> Result<(Self, Vec<Notice>), Problems> {
        let mut draft = Draft {
            config: Self::default(),
            given: BTreeMap::new(),
            found: Problems::default(),
            environment: sources.environment.clone(),
        };
        for file in &sources.files {
            match std::fs::read(file) {
                Ok(bytes) => draft.take(file, &bytes),
                Err(error) if error.kind() == io::ErrorKind::NotFound && !sources.required => {}
                Err(error) => {
                    draft.found.problems.push(in_file(file, format!("cannot be read: {error}")));
                }
            }
        }
        draft.apply();
        rules::check(&mut draft);
        let Draft { config, found, .. } = draft;
        if found.problems.is_empty() { Ok((config, found.notices)) } else { Err(found) }
    }

    /// Reads the configuration again, from nothing: a key that is gone from the files returns to its default.
    /// Keys that only count when the service starts keep the value in force, and a notice says so.
    ///
    /// # Errors
    /// All that is wrong with the new one; the old one is as it was.
    pub fn reload(&self, sources: &Sources) -> Result<(Self, Vec<Notice>), Problems> {
        let (mut config, mut notices) = Self::load(sources)?;
        let changed = settings().filter(|setting| setting.effect == Effect::AtStart);
        let changed: Vec<_> = changed.filter(|setting| !setting.same(self, &config)).collect();
        for setting in changed {
            if let Some(Access { copy, .. }) = setting.access {
                copy(&mut config, self);
            }
            match self.origins.get(setting.name) {
                Some(origin) => config.origins.insert(setting.name, origin.clone()),
                None => config.origins.remove(setting.name),
            };
            notices.push(Notice {
                kind: NoticeKind::NeedsRestart,
                file: None,
                key: Some(setting.name.to_owned()),
                text: "the changed value takes effect when the service is started again".to_owned(),
            });
        }
        if let Some(problem) = doors_opened(self, &config) {
            return Err(Problems { problems: vec![problem], notices });
        }
        Ok((config, notices))
    }
}

impl Draft {
    /// Takes in the text of one file. Values of earlier files give way.
    fn take(&mut self, file: &Path, bytes: &[u8]) {
        let members = match file::read(bytes) {
            Ok(members) => members,
            Err(error) => {
                let place = format!("{}:{}:{}", file.display(), error.line, error.column);
                return self.found.problems.push(in_file(Path::new(&place), error.reason));
            }
        };
        let mut here: BTreeMap<&'static str, Entry> = BTreeMap::new();
        let mut seen: HashMap<String, String> = HashMap::new();
        for (written, given) in members {
            if written.starts_with('#') || written.starts_with("//") || written.is_empty() {
                continue;
            }
            if let Some(first) = seen.insert(written.to_lowercase(), written.clone()) {
                self.found.problems.push(Problem {
                    key: Some(written),
                    ..in_file(
                        file,
                        format!("is given twice in this file, the first time as {first}"),
                    )
                });
                continue;
            }
            let Some((setting, scale)) = table::find(&written) else {
                self.unknown(file, written);
                continue;
            };
            if given.is_null() {
                continue;
            }
            let text = if setting.secret { HIDDEN.to_owned() } else { short(given.to_text()) };
            let entry = Entry { file: file.to_owned(), written, given: given.scaled(scale), text };
            match here.remove(setting.name) {
                None => here.insert(setting.name, entry),
                Some(first) => here.insert(setting.name, self.reconcile(first, entry)),
            };
        }
        for (name, entry) in here {
            let entry = match self.given.remove(name) {
                Some(earlier) => over(earlier, entry),
                None => entry,
            };
            self.given.insert(name, entry);
        }
    }

    fn unknown(&mut self, file: &Path, written: String) {
        let text = match suggest::nearest(&written) {
            Some(name) => format!("is no known key; did you mean {name}?"),
            None => "is no known key".to_owned(),
        };
        self.found.notices.push(Notice {
            kind: NoticeKind::UnknownKey,
            file: Some(file.to_owned()),
            key: Some(short(written)),
            text,
        });
    }

    /// Chooses between two names of the same key. As with the ancestors, an empty text or a zero gives way.
    fn reconcile(&mut self, first: Entry, second: Entry) -> Entry {
        if first.given == second.given {
            return first;
        }
        let gives_way =
            |given: &Given| given.is_blank() && !given.value().is_some_and(Value::is_boolean);
        let (kept, other) = if gives_way(&first.given) { (second, first) } else { (first, second) };
        if gives_way(&other.given) {
            let text =
                format!("counts, and not {} = {}, which means the same", other.written, other.text);
            self.found.notices.push(kept.notice(NoticeKind::Doubtful, text));
        } else {
            self.found.problems.push(Problem {
                allowed: Some("one of the two, or the same value".to_owned()),
                ..other.problem(format!(
                    "contradicts {} = {}, which means the same",
                    kept.written, kept.text
                ))
            });
        }
        kept
    }

    /// Reads the given values into their fields and says which of them do not act.
    fn apply(&mut self) {
        let untouched = Config::default();
        for setting in settings() {
            let Some(entry) = self.given.get(setting.name) else { continue };
            let Some(access) = &setting.access else {
                self.found.notices.extend(without_effect(setting, entry, !entry.given.is_blank()));
                continue;
            };
            if let Err(mismatch) = (access.read)(&mut self.config, &entry.given) {
                self.found.problems.push(entry.mismatch(setting, mismatch));
                continue;
            }
            let origin = Origin::File { file: entry.file.clone(), written: entry.written.clone() };
            self.config.origins.insert(setting.name, origin);
            let changed = !setting.same(&self.config, &untouched);
            if let (Status::Unavailable(why), true) = (setting.status, changed) {
                self.found.problems.push(entry.problem(why.to_owned()));
            }
            self.found.notices.extend(without_effect(setting, entry, changed));
        }
    }

    /// The key is given in a file.
    pub fn is_given(&self, name: &str) -> bool {
        self.given.contains_key(name)
    }

    /// Adds a problem with a key, whether or not it is given.
    pub fn problem(&mut self, name: &str, reason: impl Into<String>) {
        let problem = match self.given.get(name) {
            Some(entry) => entry.problem(reason.into()),
            None => Problem {
                file: None,
                key: Some(name.to_owned()),
                value: None,
                reason: reason.into(),
                allowed: None,
            },
        };
        self.found.problems.push(problem);
    }

    /// Adds a doubt about a key, whether or not it is given.
    pub fn doubt(&mut self, name: &str, text: impl Into<String>) {
        let notice = match self.given.get(name) {
            Some(entry) => entry.notice(NoticeKind::Doubtful, text.into()),
            None => Notice {
                kind: NoticeKind::Doubtful,
                file: None,
                key: Some(name.to_owned()),
                text: text.into(),
            },
        };
        self.found.notices.push(notice);
    }

    /// Notes that a value does not come from where its key was found.
    pub fn set_origin(&mut self, name: &'static str, origin: Origin) {
        self.config.origins.insert(name, origin);
    }
}

impl Entry {
    fn problem(&self, reason: String) -> Problem {
        Problem {
            key: Some(self.written.clone()),
            value: Some(self.text.clone()),
            ..in_file(&self.file, reason)
        }
    }

    fn mismatch(&self, setting: &Setting, mismatch: Mismatch) -> Problem {
        let reason = match mismatch {
            Mismatch::NotAllowed => "is not allowed".to_owned(),
            Mismatch::Because(reason) => reason,
        };
        let mut allowed = setting.allowed();
        if let Some((_, scale)) = table::find(&self.written).filter(|(_, scale)| *scale != 1) {
            allowed = format!("{allowed}, divided by {scale}");
        }
        Problem { allowed: Some(allowed), ..self.problem(reason) }
    }

    fn notice(&self, kind: NoticeKind, text: String) -> Notice {
        Notice { kind, file: Some(self.file.clone()), key: Some(self.written.clone()), text }
    }
}

fn without_effect(setting: &Setting, entry: &Entry, changed: bool) -> Option<Notice> {
    let text = match setting.status {
        Status::Retired => "is no longer needed; it has no effect and can be taken out".to_owned(),
        Status::NotYet if changed => {
            "is accepted, but this version does not act on it yet".to_owned()
        }
        Status::Ignored(why) if changed => format!("has no effect: {why}"),
        Status::Acted | Status::Unavailable(_) | Status::NotYet | Status::Ignored(_) => {
            return None;
        }
    };
    Some(entry.notice(NoticeKind::NoEffect, text))
}

/// Puts a value over that of an earlier file; the members of objects are merged.
fn over(earlier: Entry, mut later: Entry) -> Entry {
    if let (Given::Object(Pairs(old)), Given::Object(Pairs(new))) =
        (earlier.given, &mut later.given)
    {
        let mut merged: Vec<_> =
            old.into_iter().filter(|(key, _)| new.iter().all(|(name, _)| name != key)).collect();
        merged.append(new);
        *new = merged;
    }
    later
}

fn in_file(file: &Path, reason: String) -> Problem {
    Problem { file: Some(file.to_owned()), key: None, value: None, reason, allowed: None }
}

/// Enough of a text to recognise it.
fn short(text: String) -> String {
    const ENOUGH: usize = 100;
    match text.char_indices().nth(ENOUGH) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

/// Whoever reaches an address that was meant for users with a password must not be let in without one.
fn doors_opened(old: &Config, new: &Config) -> Option<Problem> {
    let open = |config: &Config| config.http.authentication == AuthMethod::None;
    let reachable = new.http.socket.is_none() && !new.http.listen.is_loopback();
    (open(new) && !open(old) && reachable).then(|| Problem {
        file: None,
        key: Some("AuthenticationMethod".to_owned()),
        value: None,
        reason: format!(
            "cannot be taken away while the service listens on {}: start it again, which makes it reachable \
             from this machine only unless ListenAddress says otherwise",
            new.http.listen
        ),
        allowed: None,
    })
}
