//! What those who run the service ask.

use std::time::Duration;

use axum::{
    extract::State,
    http::{HeaderName, header},
};
use diesel::{dsl::sql, prelude::*, sql_types::Integer};

use crate::{app::App, problem::Problem};

/// How long the database may take to show that it is there.
const SOON: Duration = Duration::from_secs(2);

/// The process answers.
pub(super) async fn lives() -> &'static str {
    "ok\n"
}

/// The database answers, and the service is not about to end. The store need not: without it the service is slower.
pub(super) async fn is_ready(State(app): State<App>) -> Result<&'static str, Problem> {
    if app.ending.is_begun() {
        return Err(Problem::unavailable("it is about to end"));
    }
    let asked = app.larder.run(|larder| {
        larder.transaction(|tx| tx.run(|connection| diesel::select(sql::<Integer>("1")).get_result::<i32>(connection)))
    });
    // Whoever asks wants to know it soon, and not what is wrong.
    match tokio::time::timeout(SOON, asked).await {
        Ok(Ok(_)) => Ok("ready\n"),
        Ok(Err(_)) | Err(_) => Err(Problem::unavailable("the database does not answer")),
    }
}

/// Figures, in the form of Prometheus.
pub(super) async fn metrics(State(app): State<App>) -> ([(HeaderName, &'static str); 1], String) {
    app.larder.session().publish_metrics();
    app.metrics.run_upkeep();
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], app.metrics.render())
}
