//! One line of the log for each request, and a name by which its lines are found.

use std::{
    sync::{
        LazyLock,
        atomic::{AtomicU64, Ordering},
    },
    time::Instant,
};

use axum::{
    extract::{MatchedPath, Request},
    http::{HeaderName, HeaderValue},
    middleware::Next,
    response::Response,
};
use larder::Trail;
use tracing::Instrument as _;
use uuid::Uuid;

const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The longest name of a request that is taken from whoever sends it.
const LONGEST_ID: usize = 128;

/// What was read for a response, as a part of it until it is logged.
#[derive(Debug, Clone)]
pub(crate) struct Read(pub(crate) Trail);

/// Names the request, gives its response the name, and logs what was answered: route, status, time, and what that has asked of the servers.
///
/// Neither path nor query is logged, which have ids and addresses, and no header but the name.
pub(crate) async fn log(request: Request, next: Next) -> Response {
    let begun = Instant::now();
    let id = request.headers().get(X_REQUEST_ID).filter(|id| is_sane(id)).cloned().unwrap_or_else(new);
    let name = id.to_str().unwrap_or_default();
    let route = request.extensions().get::<MatchedPath>().map_or("none", MatchedPath::as_str);
    let span = tracing::info_span!("request", id = name, method = %request.method(), route);
    let mut response = next.run(request).instrument(span.clone()).await;
    let (status, millis) = (response.status().as_u16(), begun.elapsed().as_secs_f64() * 1e3);
    let (from, sql, redis) = match response.extensions_mut().remove::<Read>() {
        Some(Read(trail)) => (trail.source().to_string(), trail.statements, trail.round_trips),
        None => (String::new(), 0, 0),
    };
    span.in_scope(|| tracing::info!(target: "shop::access", status, millis, from, sql, redis, "answered"));
    response.headers_mut().insert(X_REQUEST_ID, id);
    response
}

/// Nothing that would be anything else than a name in a log or a header.
fn is_sane(id: &HeaderValue) -> bool {
    let is_plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.:".contains(byte);
    (1..=LONGEST_ID).contains(&id.len()) && id.as_bytes().iter().all(is_plain)
}

/// The process's own random half, and a number: to ask the system for a random one each time would cost more than the rest of this.
fn new() -> HeaderValue {
    static PROCESS: LazyLock<u64> = LazyLock::new(|| Uuid::new_v4().as_u64_pair().0);
    static N: AtomicU64 = AtomicU64::new(0);
    let name = format!("{:016x}-{:x}", *PROCESS, N.fetch_add(1, Ordering::Relaxed));
    HeaderValue::from_str(&name).unwrap_or_else(|_| HeaderValue::from_static("none"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_letters_digits_and_little_else() {
        let longest = "a".repeat(LONGEST_ID);
        for (id, is_good) in [
            ("a-1_b.c:d", true),
            (longest.as_str(), true),
            (&format!("{longest}a"), false),
            ("", false),
            ("a b", false),
            ("a\"b", false),
            ("a;b", false),
            ("{}", false),
        ] {
            assert_eq!(is_sane(&HeaderValue::from_str(id).unwrap()), is_good, "{id:?}");
        }
        assert!(!is_sane(&HeaderValue::from_bytes(b"\xff").unwrap()));
        assert!(is_sane(&new()));
    }
}
