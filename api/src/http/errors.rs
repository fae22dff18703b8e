//! Errors as HTTP shows them: a status and JSON with fact, detail and hint.

use axum::Json;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use parx_ingest::IntakeError;
use parx_log::{AppendError, SubmitError};
use serde_json::json;

use crate::http::line::LineError;

/// A refusal with its status.
#[derive(Debug)]
pub struct HttpError {
    status: StatusCode,
    message: String,
    hint: String,
    line: Option<usize>,
}

impl HttpError {
    /// A refusal that says what and what to do.
    pub fn new(status: StatusCode, message: impl Into<String>, hint: impl Into<String>) -> Self {
        HttpError { status, message: message.into(), hint: hint.into(), line: None }
    }

    /// Nobody is logged in.
    pub fn unauthorized() -> HttpError {
        HttpError::new(
            StatusCode::UNAUTHORIZED,
            "this needs a login",
            "send Authorization: Basic or Bearer, or log in at /login",
        )
    }

    /// The server has as much to do as it may.
    pub fn busy(what: &str) -> HttpError {
        HttpError::new(StatusCode::SERVICE_UNAVAILABLE, what, "try again in a moment")
    }
}

impl From<LineError> for HttpError {
    fn from(error: LineError) -> HttpError {
        HttpError {
            status: StatusCode::BAD_REQUEST,
            message: error.to_string(),
            hint: "correct the line; nothing of this request was stored".into(),
            line: Some(error.line),
        }
    }
}

impl From<IntakeError> for HttpError {
    fn from(error: IntakeError) -> HttpError {
        let (status, hint) = match &error {
            IntakeError::Empty | IntakeError::Type { .. } | IntakeError::TextTooLong { .. } => {
                (StatusCode::BAD_REQUEST, "")
            }
            IntakeError::TooManyPoints { .. } | IntakeError::TooManySignals { .. } => {
                (StatusCode::PAYLOAD_TOO_LARGE, "")
            }
            IntakeError::Vanished { .. } => (StatusCode::CONFLICT, ""),
            IntakeError::Append(AppendError::DiskFull { .. })
            | IntakeError::Define(SubmitError::DiskFull { .. }) => {
                (StatusCode::INSUFFICIENT_STORAGE, "make room on the disk of the data folder")
            }
            IntakeError::Append(_) => (StatusCode::SERVICE_UNAVAILABLE, "send it again later"),
            IntakeError::Define(_) => (StatusCode::BAD_REQUEST, "correct the names"),
        };
        HttpError::new(status, format!("{error}; nothing of this request was stored"), hint)
    }
}

impl IntoResponse for HttpError {
    /// `code`, `message` and `line` stand at the top too, where clients of InfluxDB look for them.
    fn into_response(self) -> Response {
        let code = match self.status {
            StatusCode::UNAUTHORIZED => "unauthorized",
            StatusCode::PAYLOAD_TOO_LARGE => "request too large",
            StatusCode::SERVICE_UNAVAILABLE | StatusCode::INSUFFICIENT_STORAGE => "unavailable",
            StatusCode::NOT_FOUND => "not found",
            _ => "invalid",
        };
        let mut body = json!({
            "code": code,
            "message": self.message,
            "error": { "message": self.message, "hint": self.hint },
        });
        if let (Some(line), Some(object)) = (self.line, body.as_object_mut()) {
            object.insert("line".into(), line.into());
        }
        let mut response = (self.status, Json(body)).into_response();
        if self.status == StatusCode::UNAUTHORIZED {
            // No `Basic` challenge for browsers: they have the login page.
            let challenge = header::HeaderValue::from_static("Bearer realm=\"ParX\"");
            response.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
        }
        response
    }
}
