//! Who answers what.

mod document;
mod events;
mod health;
mod orders;
mod session;
mod stats;
mod users;
mod visits;

use std::any::Any;

use axum::{
    Router,
    extract::DefaultBodyLimit,
    http::StatusCode,
    middleware,
    response::{IntoResponse as _, Response},
    routing::{get, post},
};
use tower::ServiceBuilder;
use tower_http::catch_panic::CatchPanicLayer;

use larder_http::{CacheControl, CacheControlLayer};

use crate::{access, app::App, body, demo, edge, kept, limits, live, page, problem::Problem, request, visits::count};

/// The service.
pub fn router(app: App) -> Router {
    let user = get(users::show).patch(users::change).delete(users::remove);
    let order = get(orders::show).patch(orders::change);
    let of_address = edge::private(&app, edge::of_address, get(users::find));
    // Outside of what is followed and limited: to watch is not to be watched.
    let watch = page::router()
        .route("/live", get(live::moment))
        .merge(if app.demo.is_some() { demo::router() } else { Router::new() })
        .method_not_allowed_fallback(not_allowed);
    // The outermost first. Together, since each request clones what it passes through.
    let followed = ServiceBuilder::new()
        .layer(middleware::from_fn_with_state(app.clone(), limits::identify))
        .layer(limits::layer(&app.limits))
        .layer(middleware::from_fn_with_state(app.clone(), request::follow))
        .layer(CacheControlLayer::new(CacheControl::no_store()));
    let all = ServiceBuilder::new()
        .layer(middleware::from_fn(access::log))
        .layer(CatchPanicLayer::custom(panicked))
        .layer(DefaultBodyLimit::max(body::MOST_BYTES))
        .layer(middleware::from_fn(body::unread::close))
        .layer(middleware::from_fn_with_state(app.clone(), count));
    Router::new()
        .route("/users", post(users::create).merge(of_address))
        .route("/users/{id}", edge::shared(&app, edge::of_user, user))
        .route("/users/{id}/orders", edge::shared(&app, edge::of_orders, get(orders::of_user)))
        .route("/orders", post(orders::create))
        .route("/orders/{id}", edge::shared(&app, edge::of_order, order))
        .route("/stats/users/{id}", edge::shared(&app, edge::of_stats, get(stats::of_user)))
        .route("/session", post(session::create).delete(session::remove))
        .route("/me", get(session::me))
        .route("/me/orders", kept::mine(&app, get(orders::mine)))
        .route("/stats/top", kept::top(&app, get(stats::top)))
        .route("/users/{id}/visits", get(visits::of_user))
        .route("/events", get(events::follow))
        .route("/healthz", get(health::lives))
        .route("/readyz", get(health::is_ready))
        .route("/metrics", get(health::metrics))
        .route("/openapi.json", get(document::show))
        .fallback(async || Problem::new(StatusCode::NOT_FOUND))
        .method_not_allowed_fallback(not_allowed)
        .layer(followed)
        .merge(watch)
        .layer(all)
        .with_state(app)
}

async fn not_allowed() -> Problem {
    Problem::new(StatusCode::METHOD_NOT_ALLOWED)
}

fn panicked(_: Box<dyn Any + Send>) -> Response {
    Problem::new(StatusCode::INTERNAL_SERVER_ERROR).into_response()
}
