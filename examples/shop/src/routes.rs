//! Who answers what.

mod health;
mod orders;
mod session;
mod stats;
mod users;

use std::any::Any;

use axum::{
    Router,
    extract::DefaultBodyLimit,
    http::StatusCode,
    middleware,
    response::{IntoResponse as _, Response},
    routing::{get, post},
};
use tower_http::{catch_panic::CatchPanicLayer, trace::TraceLayer};

use crate::{app::App, limits, problem::Problem, request};

/// The most bytes of a request's body.
const MOST_BYTES: usize = 64 << 10;

/// The service.
pub fn router(app: App) -> Router {
    Router::new()
        .route("/users", post(users::create).get(users::find))
        .route("/users/{id}", get(users::show).patch(users::change).delete(users::remove))
        .route("/users/{id}/orders", get(orders::of_user))
        .route("/orders", post(orders::create))
        .route("/orders/{id}", get(orders::show).patch(orders::change))
        .route("/session", post(session::create).delete(session::remove))
        .route("/me", get(session::me))
        .route("/stats/users/{id}", get(stats::of_user))
        .route("/stats/top", get(stats::top))
        .route("/healthz", get(health::lives))
        .route("/readyz", get(health::is_ready))
        .route("/metrics", get(health::metrics))
        .fallback(async || Problem::new(StatusCode::NOT_FOUND))
        .method_not_allowed_fallback(async || Problem::new(StatusCode::METHOD_NOT_ALLOWED))
        .layer(middleware::from_fn_with_state(app.clone(), request::follow))
        .layer(limits::layer(&app.limits))
        .layer(middleware::from_fn_with_state(app.clone(), limits::identify))
        .layer(DefaultBodyLimit::max(MOST_BYTES))
        .layer(CatchPanicLayer::custom(panicked))
        .layer(TraceLayer::new_for_http())
        .with_state(app)
}

fn panicked(_: Box<dyn Any + Send>) -> Response {
    Problem::new(StatusCode::INTERNAL_SERVER_ERROR).into_response()
}
