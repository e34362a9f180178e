//! What one request has of the service, and what its response says of where it came from.

use std::{convert::Infallible, fmt::Write as _, time::Instant};

use axum::{
    extract::{FromRequestParts, Request, State},
    http::{HeaderName, HeaderValue, Method, request::Parts},
    middleware::Next,
    response::{IntoResponse as _, Response},
};
use diesel::pg::Pg;
use larder::{Async, Scope, Source, Trail};

use crate::{app::App, problem::Problem};

const X_CACHE: HeaderName = HeaderName::from_static("x-cache");
const SERVER_TIMING: HeaderName = HeaderName::from_static("server-timing");

/// The caches, as one request reads them.
#[derive(Clone)]
pub(crate) struct Client(pub(crate) Async<Scope<Pg>>);

impl FromRequestParts<App> for Client {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Infallible> {
        Ok(parts.extensions.get().cloned().unwrap_or_else(|| Self::of(app)))
    }
}

impl Client {
    fn of(app: &App) -> Self {
        Self(app.larder.with(app.larder.session().scope().followed()))
    }
}

/// Gives a request its scope and its time, and its response the headers that say what was read.
pub(crate) async fn follow(State(app): State<App>, mut request: Request, next: Next) -> Response {
    let (begun, client, writes) = (Instant::now(), Client::of(&app), !is_safe(request.method()));
    request.extensions_mut().insert(client.clone());
    let mut response = match tokio::time::timeout(app.time_out, next.run(request)).await {
        Ok(response) => response,
        Err(_) => Problem::timed_out().into_response(),
    };
    let trail = client.0.session().trail();
    let source = if writes { Source::Database } else { trail.source() };
    if source != Source::Nowhere {
        response.headers_mut().insert(X_CACHE, value(&source.to_string()));
    }
    response.headers_mut().insert(SERVER_TIMING, value(&timing(&trail, begun)));
    response
}

fn is_safe(method: &Method) -> bool {
    [Method::GET, Method::HEAD, Method::OPTIONS].contains(method)
}

fn timing(trail: &Trail, begun: Instant) -> String {
    let mut text = format!("total;dur={:.3}", begun.elapsed().as_secs_f64() * 1e3);
    for (name, time, n) in [("sql", trail.sql, trail.statements), ("redis", trail.store, trail.round_trips)] {
        // Writing to a string can't fail.
        let _ = write!(text, ", {name};dur={:.3};desc=\"{n}\"", time.as_secs_f64() * 1e3);
    }
    text
}

fn value(text: &str) -> HeaderValue {
    HeaderValue::from_str(text).unwrap_or_else(|_| HeaderValue::from_static(""))
}
