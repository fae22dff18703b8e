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

/// 200 if every door is open and the log takes writes.
pub async fn readyz(State(state): State<HttpState>) -> (StatusCode, String) {
    if !state.ready.load(Ordering::Acquire) {
        return (StatusCode::SERVICE_UNAVAILABLE, "starting or stopping\n".into());
    }
    match state.log.stop_reason() {
        Some(reason) => (StatusCode::SERVICE_UNAVAILABLE, format!("the log stopped: {reason}\n")),
        None => (StatusCode::OK, "ok\n".into()),
    }
}

/// What clients of InfluxDB ask before they write.
pub async fn influx() -> Json<Value> {
    Json(json!({ "name": "parx", "status": "pass", "version": env!("CARGO_PKG_VERSION") }))
}

/// What older clients of InfluxDB ask before they write.
pub async fn ping() -> StatusCode {
    StatusCode::NO_CONTENT
}
