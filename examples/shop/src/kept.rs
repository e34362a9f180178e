//! Answers that the service keeps itself.

use std::{convert::Infallible, time::Duration};

use axum::{
    extract::{Request, State},
    http::{StatusCode, header, request::Parts},
    middleware::{self, Next},
    response::{IntoResponse as _, Response},
    routing::MethodRouter,
};
use diesel::pg::Pg;
use larder::{Dependencies, Scope};
use larder_http::{BuiltFrom, LarderResponses, ResponseCacheLayer};
use shop_core::{Order, UserStats};

use crate::{accounts::Signed, app::App, problem::Problem};

const MINUTES_5: Duration = Duration::from_secs(300);

/// `/stats/top` is kept for everybody, until its view is refreshed and has changed.
pub(crate) fn top(app: &App, route: MethodRouter<App>) -> MethodRouter<App> {
    let responses = LarderResponses::new(app.larder.clone(), "top").depends_on(of_stats);
    route
        .layer::<_, Infallible>(ResponseCacheLayer::public(responses, MINUTES_5).query(["limit"]))
        .layer(middleware::map_response(explain))
}

/// `/me/orders` is kept for each user who is signed in, until an order of theirs is written.
pub(crate) fn mine(app: &App, route: MethodRouter<App>) -> MethodRouter<App> {
    let responses = LarderResponses::new(app.larder.clone(), "mine").depends_on(of_orders);
    let of_user = |request: &Parts| Some(Signed::known(request)?.user.into_bytes());
    route
        .layer::<_, Infallible>(ResponseCacheLayer::scoped(responses, MINUTES_5, of_user).query(["limit", "after"]))
        .layer::<_, Infallible>(middleware::map_response(explain))
        .layer(middleware::from_fn_with_state(app.clone(), find))
}

/// Finds out who is signed in, before anything is asked for in their name.
async fn find(State(app): State<App>, request: Request, next: Next) -> Result<Response, Problem> {
    let (mut parts, body) = request.into_parts();
    Signed::find(&mut parts, &app).await?;
    Ok(next.run(Request::from_parts(parts, body)).await)
}

fn of_orders(request: &Parts) -> Option<Dependencies<Pg>> {
    Some(Dependencies::new().key(Order::key_by_user_id(Signed::known(request)?.user)))
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
