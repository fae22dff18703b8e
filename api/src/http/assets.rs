//! The web app, built into the binary.

use axum::http::{HeaderValue, StatusCode, Uri, header};
use axum::response::{Html, IntoResponse, Response};
use rust_embed::RustEmbed;

use crate::http::errors::HttpError;

#[derive(RustEmbed)]
#[folder = "../web/dist"]
#[allow_missing = true]
struct Files;

/// What a browser may load: this origin's own files, nothing else.
const POLICY: &str = "default-src 'self'; frame-ancestors 'none'; base-uri 'none'; \
                      form-action 'self'; object-src 'none'";

/// A file of the app, or the app's page for an address that only the app knows.
pub async fn serve(uri: Uri) -> Response {
    let path = uri.path().trim_start_matches('/');
    if let Some(file) = Files::get(path).filter(|_| !path.is_empty()) {
        let kind = file.metadata.mimetype().to_owned();
        // Vite names what it puts here by its content.
        let keep = if path.starts_with("assets/") {
            "public, max-age=31536000, immutable"
        } else {
            "no-cache"
        };
        let headers = [(header::CONTENT_TYPE, kind), (header::CACHE_CONTROL, keep.to_owned())];
        return (headers, file.data.into_owned()).into_response();
    }
    if path.starts_with("api/") || path.starts_with("assets/") {
        let message = format!("there is nothing at /{path}");
        return HttpError::new(StatusCode::NOT_FOUND, message, "").into_response();
    }
    page()
}

/// The app's page.
pub fn page() -> Response {
    match Files::get("index.html") {
        Some(file) => {
            let headers = [(header::CACHE_CONTROL, "no-cache")];
            (headers, Html(file.data.into_owned())).into_response()
        }
        None => Html(
            "<!doctype html><title>ParX</title><p>This ParX was built without its web app. \
             Build it with <code>make web</code> and then build ParX again.",
        )
        .into_response(),
    }
}

/// Adds the headers that keep a browser from doing more than it should.
pub async fn harden(mut response: Response) -> Response {
    let headers = response.headers_mut();
    let pairs = [
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::X_FRAME_OPTIONS, "DENY"),
    ];
    for (name, value) in pairs {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}
