//! What is wrong, or noteworthy, in a configuration.

use std::fmt;
use std::path::PathBuf;

/// One thing that keeps a configuration from being used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The file it stands in; `None` when it follows from what is missing.
    pub file: Option<PathBuf>,
    /// The key as written.
    pub key: Option<String>,
    /// The value as written, hidden when it is a secret.
    pub value: Option<String>,
    /// What is wrong.
    pub reason: String,
    /// What would be right.
    pub allowed: Option<String>,
}

/// One thing worth knowing about a configuration that is used nevertheless.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// What kind of thing.
    pub kind: NoticeKind,
    /// The file it stands in.
    pub file: Option<PathBuf>,
    /// The key as written.
    pub key: Option<String>,
    /// What about it.
    pub text: String,
}

/// Kinds of notices.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoticeKind {
    /// No key has this name.
    UnknownKey,
    /// The key has no effect in this version, or in any.
    NoEffect,
    /// The value is used, but may not do what its author wants.
    Doubtful,
    /// A changed value that takes effect only when the service is started again.
    NeedsRestart,
}

/// All that keeps a configuration from being used, and what else was noticed on the way.
#[derive(Debug, Clone, Default, PartialEq, Eq, thiserror::Error)]
pub struct Problems {
    /// The problems; never empty when this is an error.
    pub problems: Vec<Problem>,
    /// What else was noticed.
    pub notices: Vec<Notice>,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(file) = &self.file {
            write!(f, "{}: ", file.display())?;
        }
        match (&self.key, &self.value) {
            (Some(key), Some(value)) => write!(f, "{key} = {value}: ")?,
            (Some(key), None) => write!(f, "{key}: ")?,
            (None, _) => {}
        }
        f.write_str(&self.reason)?;
        if let Some(allowed) = &self.allowed {
            write!(f, "; allowed: {allowed}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(file) = &self.file {
            write!(f, "{}: ", file.display())?;
        }
        if let Some(key) = &self.key {
            write!(f, "{key}: ")?;
        }
        f.write_str(&self.text)
    }
}

/// One problem a line.
impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.problems.iter().enumerate() {
            write!(f, "{}{problem}", if index == 0 { "" } else { "\n" })?;
        }
        Ok(())
    }
}
