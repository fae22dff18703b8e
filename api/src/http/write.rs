//! `POST /api/v1/write` and `/api/v2/write`: line protocol in, 204 once it is durable.
//!
//! A request is stored whole or not at all. With the headers `ParX-Producer`, `ParX-Epoch` and
//! `ParX-Sequence` it is a numbered batch, which is stored once however often it is sent (I3).

use std::collections::HashMap;
use std::io::Read;

use axum::body::Bytes;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use parx_ingest::{IntakeError, WRITE_POINTS_MAX};
use parx_log::BatchId;

use crate::http::HttpState;
use crate::http::errors::HttpError;
use crate::http::line::{self, Lines, Precision};
use crate::http::session::identify;
use crate::writes::client_batch;

/// Largest body of a write as it is sent, in bytes.
pub const WRITE_BYTES_MAX: usize = 16 << 20;
/// Largest body of a write once it is unpacked, in bytes.
pub const WRITE_UNPACKED_BYTES_MAX: u64 = 64 << 20;

/// Bytes of a body up to which it is read where it came in: a quarter of a millisecond's work.
const BYTES_AT_ONCE_MAX: usize = 64 << 10;

/// Stores what the body says.
pub async fn write(
    State(state): State<HttpState>,
    Query(query): Query<HashMap<String, String>>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, HttpError> {
    let identity = identify(&state, &headers).await?;
    let word = query.get("precision").map_or("ns", String::as_str);
    let precision = Precision::parse(word).ok_or_else(|| {
        bad(format!("'{word}' is not a precision"), "write precision=ns, us, ms or s")
    })?;
    let batch = batch(&headers)?;
    let turn = state.writes.acquire().await;
    let _turn = turn.map_err(|_| HttpError::busy("the server is stopping"))?;
    let gzip = encoding(&headers)?;
    let now = state.log.now();
    let (body, known) = (unpacked(gzip, body).await?, state.known.clone());
    let text = body.clone();
    let parsed = aside(text.len(), move || {
        let text = str::from_utf8(&text).map_err(|error| {
            let at = error.valid_up_to();
            bad(format!("the body is not UTF-8 from byte {at} on"), "send UTF-8")
        })?;
        line::parse(text, precision, now, &known).map_err(HttpError::from)
    });
    let Lines { points, count } = parsed.await?;
    if count == 0 {
        return Ok(StatusCode::NO_CONTENT.into_response());
    }
    let written = match count {
        ..=WRITE_POINTS_MAX => state.intake.write_points(identity.name, batch, points).await,
        points => Err(IntakeError::TooManyPoints { points, max: WRITE_POINTS_MAX }),
    };
    let sequence = written.map_err(|error| match error {
        IntakeError::Type { index, .. } => {
            let line = line::line_of(str::from_utf8(&body).unwrap_or_default(), index);
            HttpError::from(line::LineError { line, column: 1, problem: error.to_string() })
        }
        error => error.into(),
    })?;
    let header = [("parx-sequence", sequence.to_string())];
    Ok((StatusCode::NO_CONTENT, header).into_response())
}

/// Does what takes longer with a large body on a thread where that disturbs nobody.
async fn aside<T: Send + 'static>(
    bytes: usize,
    work: impl FnOnce() -> Result<T, HttpError> + Send + 'static,
) -> Result<T, HttpError> {
    if bytes <= BYTES_AT_ONCE_MAX {
        return work();
    }
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or_else(|error| Err(bad(error.to_string(), "")))
}

async fn unpacked(gzip: bool, body: Bytes) -> Result<Bytes, HttpError> {
    match gzip {
        true => aside(usize::MAX, move || unpack(&body).map(Bytes::from)).await,
        false => Ok(body),
    }
}

fn bad(message: impl Into<String>, hint: &str) -> HttpError {
    HttpError::new(StatusCode::BAD_REQUEST, message, hint)
}

/// True for gzip, false for none.
fn encoding(headers: &HeaderMap) -> Result<bool, HttpError> {
    match headers.get(header::CONTENT_ENCODING).map(|value| value.as_bytes()) {
        None | Some(b"identity") => Ok(false),
        Some(b"gzip") => Ok(true),
        Some(_) => Err(HttpError::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "the body's encoding is not known",
            "send gzip or none",
        )),
    }
}

fn unpack(body: &[u8]) -> Result<Vec<u8>, HttpError> {
    let mut text = Vec::new();
    let mut reader = flate2::read::MultiGzDecoder::new(body).take(WRITE_UNPACKED_BYTES_MAX + 1);
    let read = reader.read_to_end(&mut text);
    read.map_err(|error| bad(format!("the gzip body is damaged or cut off: {error}"), ""))?;
    if text.len() as u64 > WRITE_UNPACKED_BYTES_MAX {
        return Err(HttpError::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            format!("the unpacked body is larger than {WRITE_UNPACKED_BYTES_MAX} bytes"),
            "send several writes",
        ));
    }
    Ok(text)
}

/// The batch's number, if the headers give one.
fn batch(headers: &HeaderMap) -> Result<Option<BatchId>, HttpError> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let Some(producer) = text("parx-producer") else { return Ok(None) };
    let number = |name: &str| {
        let value = text(name).and_then(|value| value.parse::<u64>().ok());
        value.ok_or_else(|| {
            bad(format!("ParX-Producer is there, but {name} is not a whole number"), "send both")
        })
    };
    let (epoch, sequence) = (number("parx-epoch")?, number("parx-sequence")?);
    Ok(Some(client_batch(producer, epoch, sequence)))
}
