//! The envelope around most answers.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// `{"Code":…,"Message":…,"Details":…}`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct ApiResponse {
    /// How it went.
    pub code: Code,
    /// What happened, in words.
    pub message: String,
    /// The result; always present, null when there is none.
    #[serde(default)]
    pub details: Value,
}

/// How a request went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Code {
    /// HTTP status 200.
    Ok,
    /// HTTP status 500.
    Error,
}

impl ApiResponse {
    /// Success.
    pub fn ok(message: impl Into<String>, details: Value) -> Self {
        Self { code: Code::Ok, message: message.into(), details }
    }

    /// Failure.
    pub fn error(message: impl Into<String>, details: Value) -> Self {
        Self { code: Code::Error, message: message.into(), details }
    }
}
