use axum::{
    extract::{Request, State},
    http::{HeaderMap, StatusCode, header, request::Parts},
    middleware::Next,
    response::{IntoResponse as _, Response},
};
use larder_http::RateLimitLayer;
use larder_redis::rate::{Charge, HttpLimiter};
use uuid::Uuid;

use super::{ClientAddress, Limits, refuse};
use crate::{accounts::Signed, app::App, problem::Problem};

/// The most bytes of a request's cookies. No browser sends a site more than some kilobytes.
const MOST_BYTES: usize = 8 << 10;

/// Who has sent a request, if they are signed in.
#[derive(Clone, Copy)]
struct Sender(Option<Uuid>);

/// Finds out who has sent a request, for the limits to go by. Of users it only asks where they have a limit.
pub(crate) async fn identify(State(app): State<App>, request: Request, next: Next) -> Response {
    let (mut parts, body) = request.into_parts();
    if n_bytes(&parts.headers) > MOST_BYTES {
        return Problem::new(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE).into_response();
    }
    let address = ClientAddress::of(&parts, &app.limits.options);
    let user = if app.limits.of_user.is_some() {
        // While sessions can't be reached, who needs one is told; nobody else has to.
        Signed::find(&mut parts, &app).await.ok().flatten().map(|signed| signed.user)
    } else {
        None
    };
    parts.extensions.insert(address);
    parts.extensions.insert(Sender(user));
    next.run(Request::from_parts(parts, body)).await
}

fn n_bytes(headers: &HeaderMap) -> usize {
    headers.get_all(header::COOKIE).iter().map(|line| line.len()).sum()
}

/// The layer that counts requests, inside of [`identify`].
pub(crate) fn layer(limits: &Limits) -> RateLimitLayer<HttpLimiter> {
    let (limiter, limits) = (limits.requests.clone(), limits.clone());
    let charges = move |request: &Parts| -> Vec<Charge> {
        // Whoever asks whether the process lives must not be told that they ask too often.
        let is_exempt = ["/healthz", "/readyz"].contains(&request.uri.path());
        let address = request.extensions.get::<ClientAddress>().filter(|_| !is_exempt);
        let user = request.extensions.get::<Sender>().and_then(|sender| sender.0);
        address.map_or_else(Vec::new, |address| limits.of_request(address.0, user))
    };
    RateLimitLayer::new(limiter, charges).refuse_with(refuse).three_fields(true)
}
