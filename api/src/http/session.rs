//! Logging in and out, and GraphQL over POST.

use axum::Json;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use serde::Deserialize;
use serde_json::json;

use crate::auth::{Identity, TOKEN_LIFE};
use crate::http::errors::HttpError;
use crate::http::{HttpState, assets};

/// Name of the session's cookie.
const COOKIE: &str = "parx_session";

/// The account behind a request: by its header, or else by its cookie.
pub async fn identify(state: &HttpState, headers: &HeaderMap) -> Result<Identity, HttpError> {
    if let Some(value) = headers.get(header::AUTHORIZATION) {
        let value = value.to_str().map_err(|_| HttpError::unauthorized())?;
        return state.accounts.authorize(value).await.ok_or_else(HttpError::unauthorized);
    }
    let token = cookie(headers).ok_or_else(HttpError::unauthorized)?;
    state.accounts.token(token).ok_or_else(HttpError::unauthorized)
}

/// The session's token, if the request has its cookie.
fn cookie(headers: &HeaderMap) -> Option<&str> {
    let cookies = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    cookies
        .flat_map(|cookies| cookies.split(';'))
        .filter_map(|cookie| cookie.trim().split_once('='))
        .find_map(|(name, value)| (name == COOKIE).then_some(value))
}

/// True if a page of another origin sent this; a cookie then proves nothing.
pub fn foreign(headers: &HeaderMap) -> bool {
    let text = |name| headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok());
    match (text(header::ORIGIN), text(header::HOST)) {
        (Some(origin), Some(host)) => origin.split_once("://").is_none_or(|(_, at)| at != host),
        (Some(_), None) => true,
        (None, _) => false,
    }
}

fn set_cookie(token: &str, seconds: u64) -> [(header::HeaderName, String); 1] {
    let value = format!("{COOKIE}={token}; Path=/; HttpOnly; SameSite=Lax; Max-Age={seconds}");
    [(header::SET_COOKIE, value)]
}

/// What a login sends.
#[derive(Deserialize)]
pub struct Login {
    user: String,
    password: String,
}

async fn check(state: &HttpState, login: Login) -> Result<String, HttpError> {
    match state.accounts.login(&login.user, &login.password).await {
        Some(identity) => Ok(state.accounts.issue_token(&identity)),
        None => Err(HttpError::new(
            StatusCode::UNAUTHORIZED,
            "name or password is not right",
            "check both; the first password was shown when this server started first",
        )),
    }
}

/// `POST /api/v1/session`: a cookie for a name and a password.
pub async fn log_in(
    State(state): State<HttpState>,
    Json(login): Json<Login>,
) -> Result<Response, HttpError> {
    let token = check(&state, login).await?;
    let cookie = set_cookie(&token, TOKEN_LIFE.as_secs());
    Ok((StatusCode::NO_CONTENT, cookie).into_response())
}

/// `DELETE /api/v1/session`: ends the cookie's session.
pub async fn log_out(State(state): State<HttpState>, headers: HeaderMap) -> Response {
    if let Some(token) = cookie(&headers) {
        state.accounts.revoke(token);
    }
    (StatusCode::NO_CONTENT, set_cookie("", 0)).into_response()
}

/// `POST /api/v1/token`: a bearer token for programs.
pub async fn token(
    State(state): State<HttpState>,
    Json(login): Json<Login>,
) -> Result<Response, HttpError> {
    let token = check(&state, login).await?;
    Ok(Json(json!({ "token": token, "expiresIn": TOKEN_LIFE.as_secs() })).into_response())
}

/// What the login link carries.
#[derive(Deserialize)]
pub struct LoginLink {
    once: Option<String>,
}

/// `GET /login`: the login page, or with `?once=…` a login by the link of the first start.
pub async fn login_page(State(state): State<HttpState>, Query(link): Query<LoginLink>) -> Response {
    match link.once.and_then(|secret| state.accounts.redeem_once(&secret)) {
        Some(token) => {
            (set_cookie(&token, TOKEN_LIFE.as_secs()), Redirect::to("/")).into_response()
        }
        None => assets::page(),
    }
}

/// `POST /graphql`
pub async fn graphql(
    State(state): State<HttpState>,
    headers: HeaderMap,
    Json(request): Json<async_graphql::Request>,
) -> Result<Response, HttpError> {
    let identity = identify(&state, &headers).await?;
    if foreign(&headers) && !headers.contains_key(header::AUTHORIZATION) {
        return Err(HttpError::new(
            StatusCode::FORBIDDEN,
            "this request comes from a page of another origin",
            "send Authorization instead of a cookie",
        ));
    }
    let response = state.schema.execute(request.data(identity)).await;
    Ok(Json(response).into_response())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(header::HeaderName, &str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.clone(), value.parse().unwrap())).collect()
    }

    #[test]
    fn the_session_is_found_among_other_cookies() {
        let map = headers(&[(header::COOKIE, "a=b; parx_session=xyz; c=d")]);
        assert_eq!(cookie(&map), Some("xyz"));
        assert_eq!(cookie(&headers(&[(header::COOKIE, "parx_sessions=x")])), None);
    }

    #[test]
    fn a_page_of_another_origin_is_foreign() {
        let table = [
            (Some("http://127.0.0.1:8800"), false),
            (Some("http://evil.example"), true),
            (Some("null"), true),
            (None, false),
        ];
        for (origin, expected) in table {
            let mut map = headers(&[(header::HOST, "127.0.0.1:8800")]);
            if let Some(origin) = origin {
                map.insert(header::ORIGIN, origin.parse().unwrap());
            }
            assert_eq!(foreign(&map), expected, "{origin:?}");
        }
    }
}
