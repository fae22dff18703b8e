//! Health for supervisors: alive, and ready. Open to everybody; they tell nothing else.

use std::sync::atomic::Ordering;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde_json::{Value, json};

use crate::http::HttpState;

/// 200 as long as the process can answer.
pub async fn livez() -> &'static str {
    "ok\n"
}

/// 200 if every door is open and the log runs; says so if it takes no samples for want of room.
pub async fn readyz(State(state): State<HttpState>) -> (StatusCode, String) {
    if !state.ready.load(Ordering::Acquire) {
        return (StatusCode::SERVICE_UNAVAILABLE, "starting or stopping\n".into());
    }
    match state.log.stop_reason() {
        Some(reason) => (StatusCode::SERVICE_UNAVAILABLE, format!("the log stopped: {reason}\n")),
        None => (StatusCode::OK, read_only(&state).map_or("ok\n".into(), |why| why + "\n")),
    }
}

/// Why samples are not taken, though everything can be read.
fn read_only(state: &HttpState) -> Option<String> {
    let (free, needed) = state.log.space().low()?;
    Some(format!(
        "read-only: the disk is nearly full, {free} bytes are free and {needed} have to be"
    ))
}

/// What clients of InfluxDB ask before they write.
pub async fn influx(State(state): State<HttpState>) -> (StatusCode, Json<Value>) {
    let read_only = read_only(&state);
    let message = match state.log.stop_reason() {
        Some(reason) => Some(format!("the log stopped: {reason}")),
        None => read_only,
    };
    let (code, status) = match message {
        None => (StatusCode::OK, "pass"),
        Some(_) => (StatusCode::SERVICE_UNAVAILABLE, "fail"),
    };
    let message = message.unwrap_or_else(|| "ready for queries and writes".into());
    let version = env!("CARGO_PKG_VERSION");
    let body = json!({ "name": "parx", "status": status, "message": message, "version": version });
    (code, Json(body))
}

/// What older clients of InfluxDB ask before they write.
pub async fn ping() -> StatusCode {
    StatusCode::NO_CONTENT
}
