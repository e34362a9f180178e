//! What those who run the service ask.

use axum::{
    extract::State,
    http::{HeaderName, StatusCode, header},
};
use diesel::{dsl::sql, prelude::*, sql_types::Integer};

use crate::{app::App, problem::Problem};

/// The process answers.
pub(super) async fn lives() -> &'static str {
    "ok\n"
}

/// The database answers. The store need not: without it the service is slower.
pub(super) async fn is_ready(State(app): State<App>) -> Result<&'static str, Problem> {
    let asked = app.larder.run(|larder| {
        larder.transaction(|tx| tx.run(|connection| diesel::select(sql::<Integer>("1")).get_result::<i32>(connection)))
    });
    match asked.await {
        Ok(_) => Ok("ready\n"),
        Err(larder::Error::Busy { .. }) => Err(Problem::new(StatusCode::SERVICE_UNAVAILABLE)),
        Err(error) => Err(error.into()),
    }
}

/// Figures, in the form of Prometheus.
pub(super) async fn metrics(State(app): State<App>) -> ([(HeaderName, &'static str); 1], String) {
    app.larder.session().publish_metrics();
    app.metrics.run_upkeep();
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], app.metrics.render())
}
