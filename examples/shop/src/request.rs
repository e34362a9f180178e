//! What one request has of the service, and what its response says of where it came from.

use std::{convert::Infallible, fmt::Write as _, time::Instant};

use axum::{
    extract::{FromRequestParts, Request, State},
    http::{HeaderMap, HeaderName, HeaderValue, Method, header, request::Parts},
    middleware::Next,
    response::{IntoResponse as _, Response},
};
use diesel::pg::Pg;
use larder::{Async, Consistency, Scope, Source, Trail};
use larder_http::ToBeKept;

use crate::{access::Read, app::App, problem::Problem};

const X_CACHE: HeaderName = HeaderName::from_static("x-cache");
const SERVER_TIMING: HeaderName = HeaderName::from_static("server-timing");

/// The caches, as one request reads them.
#[derive(Clone)]
pub(crate) struct Client(pub(crate) Async<Scope<Pg>>);

impl FromRequestParts<App> for Client {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Infallible> {
        let Self(larder) = parts.extensions.get().cloned().map_or_else(|| Self::of(app, &parts.headers), Self);
        // A copy near may be older than what the answer is kept under.
        let is_to_be_kept = parts.extensions.get::<ToBeKept>().is_some();
        let shared = || larder.with(larder.session().clone().reading(Consistency::Shared));
        Ok(Self(if is_to_be_kept { shared() } else { larder }))
    }
}

impl Client {
    fn of(app: &App, headers: &HeaderMap) -> Self {
        let scope = app.larder.session().scope().followed();
        // Who does not want what is kept somewhere wants to see all that was written before.
        let scope = if wants_now(headers) { scope.reading(Consistency::Shared) } else { scope };
        Self(app.larder.with(scope))
    }
}

/// Gives a request its scope and its time, and its response the headers that say what was read.
pub(crate) async fn follow(State(app): State<App>, mut request: Request, next: Next) -> Response {
    let (begun, client, writes) = (Instant::now(), Client::of(&app, request.headers()), !is_safe(request.method()));
    // For handlers, and for whoever asks for versions.
    request.extensions_mut().insert(client.0.clone());
    let mut response = match tokio::time::timeout(app.time_out, next.run(request)).await {
        Ok(response) => response,
        // A transaction that is given up is rolled back, unless its COMMIT is already under way.
        Err(_) if writes => Problem::unknown("it took too long").into_response(),
        Err(_) => Problem::timed_out().into_response(),
    };
    let trail = client.0.session().trail();
    app.live.answered(writes, &trail, response.status());
    let source = if writes { Source::Database } else { trail.source() };
    if source != Source::Nowhere {
        response.headers_mut().insert(X_CACHE, value(&source.to_string()));
    }
    response.headers_mut().insert(SERVER_TIMING, value(&timing(&trail, begun)));
    response.extensions_mut().insert(Read(trail));
    response
}

fn wants_now(headers: &HeaderMap) -> bool {
    let lines = headers.get_all(header::CACHE_CONTROL).iter().filter_map(|line| line.to_str().ok());
    let mut directives = lines.flat_map(|line| line.split(',')).map(str::trim);
    directives.any(|directive| ["no-cache", "no-store"].iter().any(|name| directive.eq_ignore_ascii_case(name)))
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
