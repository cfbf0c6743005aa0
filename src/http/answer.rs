//! Answers, and what can go wrong with a request. The only place that knows status codes.

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, http::header};
use ham4db_actors::gateway::GatewayError;
use ham4db_api::envelope::ApiResponse;
use ham4db_domain::key::{InstanceKey, KeyError};
use serde::Serialize;
use serde_json::Value;

/// A finished answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// HTTP status.
    pub status: StatusCode,
    /// Media type.
    pub content_type: &'static str,
    /// What is sent.
    pub body: Vec<u8>,
}

/// Media type of JSON answers.
const JSON: &str = "application/json; charset=UTF-8";
/// Media type of plain text.
const TEXT: &str = "text/plain; charset=utf-8";

impl Answer {
    /// A bare JSON value.
    pub fn json(value: &impl Serialize) -> Result<Self, ApiError> {
        let body = serde_json::to_vec(value).map_err(ApiError::internal)?;
        Ok(Self { status: StatusCode::OK, content_type: JSON, body })
    }

    /// The envelope of a success.
    pub fn ok(message: impl Into<String>, details: &impl Serialize) -> Result<Self, ApiError> {
        let details = serde_json::to_value(details).map_err(ApiError::internal)?;
        Self::json(&ApiResponse::ok(message, details))
    }

    /// The envelope of a success without a result.
    pub fn done(message: impl Into<String>) -> Result<Self, ApiError> {
        Self::ok(message, &Value::Null)
    }

    /// Plain text.
    pub fn text(status: StatusCode, body: impl Into<String>) -> Self {
        Self { status, content_type: TEXT, body: body.into().into_bytes() }
    }

    /// No such path.
    pub fn not_found() -> Self {
        Self::text(StatusCode::NOT_FOUND, "404 page not found\n")
    }

    /// The same with another status.
    #[must_use]
    pub fn with_status(self, status: StatusCode) -> Self {
        Self { status, ..self }
    }
}

impl From<Answer> for HttpResponse {
    fn from(answer: Answer) -> Self {
        Self::build(answer.status)
            .insert_header((header::CONTENT_TYPE, answer.content_type))
            .body(answer.body)
    }
}

/// What can go wrong with a request, in the caller's terms.
#[derive(Debug, thiserror::Error)]
pub enum ApiError {
    /// The port is no port.
    #[error("Invalid port: {0}")]
    BadPort(String),
    /// The host is no host.
    #[error("Invalid instance {text:?}: {source}")]
    BadInstance {
        /// What was given.
        text: String,
        /// What is wrong with it.
        source: KeyError,
    },
    /// Another parameter makes no sense.
    #[error("{0}")]
    BadParameter(String),
    /// No such server is known.
    #[error("Cannot read instance: {0}; it is not known")]
    UnknownInstance(InstanceKey),
    /// No such cluster is known.
    #[error("Unable to determine cluster name. clusterHint={0}")]
    UnknownCluster(String),
    /// The request is understood and the answer is no.
    #[error("{message}")]
    Declined {
        /// Why.
        message: String,
        /// What comes with it.
        details: Value,
    },
    /// The caller may not do this.
    #[error("Unauthorized")]
    Unauthorized,
    /// A page of another site made the browser ask.
    #[error("Unauthorized: requests that change something are not taken from pages of other sites")]
    CrossSite,
    /// Reading is done with GET, changing with GET or POST.
    #[error("method {0} is not allowed here")]
    Method(String),
    /// A path of the ancestors that this version does not serve.
    #[error("{0} is not available in this version")]
    NotAvailable(String),
    /// The leader could not, or may not, do it.
    #[error("{0}")]
    Gateway(#[from] GatewayError),
    /// This node is short of something.
    #[error("{0}")]
    Busy(&'static str),
    /// Nothing the caller can do about.
    #[error("internal error")]
    Internal(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl ApiError {
    /// An error that only the log shows.
    pub fn internal(cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::Internal(cause.into())
    }

    /// An answer of no, with what comes with it.
    pub fn declined(message: impl Into<String>, details: &impl Serialize) -> Self {
        match serde_json::to_value(details) {
            Ok(details) => Self::Declined { message: message.into(), details },
            Err(error) => Self::internal(error),
        }
    }

    /// The envelope that says so. Compatible paths know 200 and 500 alone.
    pub fn answer(self) -> Answer {
        let status = match &self {
            Self::CrossSite => StatusCode::FORBIDDEN,
            Self::Method(_) => StatusCode::METHOD_NOT_ALLOWED,
            Self::NotAvailable(_) => StatusCode::NOT_IMPLEMENTED,
            Self::Internal(cause) => {
                log::error!("error":% = cause; "request failed: {cause}");
                StatusCode::INTERNAL_SERVER_ERROR
            }
            Self::BadPort(_)
            | Self::BadInstance { .. }
            | Self::BadParameter(_)
            | Self::UnknownInstance(_)
            | Self::UnknownCluster(_)
            | Self::Declined { .. }
            | Self::Unauthorized
            | Self::Gateway(_)
            | Self::Busy(_) => StatusCode::INTERNAL_SERVER_ERROR,
        };
        let message = self.to_string();
        let details = match self {
            Self::Declined { details, .. } => details,
            _ => Value::Null,
        };
        // An envelope of text and a JSON value always has a JSON form.
        Answer::json(&ApiResponse::error(message, details)).map_or_else(
            |_| Answer::text(status, "500 Internal Server Error\n"),
            |answer| answer.with_status(status),
        )
    }
}
