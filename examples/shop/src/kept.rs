//! Answers that the service keeps itself.

use std::{convert::Infallible, time::Duration};

use axum::{
    http::{StatusCode, header, request::Parts},
    middleware,
    response::{IntoResponse as _, Response},
    routing::MethodRouter,
};
use diesel::pg::Pg;
use larder::{Dependencies, Scope};
use larder_http::{BuiltFrom, LarderResponses, ResponseCacheLayer};
use shop_core::UserStats;

use crate::{app::App, problem::Problem};

const MINUTES_5: Duration = Duration::from_secs(300);

/// `/stats/top` is kept for everybody, until its view is refreshed and has changed.
pub(crate) fn top(app: &App, route: MethodRouter<App>) -> MethodRouter<App> {
    let responses = LarderResponses::new(app.larder.clone(), "top").depends_on(of_stats);
    route
        .layer::<_, Infallible>(ResponseCacheLayer::public(responses, MINUTES_5).query(["limit"]))
        .layer(middleware::map_response(explain))
}

fn of_stats(_: &Parts) -> Option<Dependencies<Pg>> {
    Some(Dependencies::new().table::<UserStats>())
}

/// What a handler has read, by which its route is held to its word.
pub(crate) fn built_from(scope: &Scope<Pg>) -> BuiltFrom {
    BuiltFrom::from(&scope.trail())
}

/// Says what was wrong where only the status does: somebody wanted what is kept, and nothing is.
async fn explain(response: Response) -> Response {
    let is_bare = !response.headers().contains_key(header::CONTENT_TYPE);
    match response.status() {
        StatusCode::GATEWAY_TIMEOUT if is_bare => Problem::new(StatusCode::GATEWAY_TIMEOUT).into_response(),
        _ => response,
    }
}
