//! How the service stands at this moment, for whoever watches: larder's figures and counts of requests, as JSON.

mod figures;

use std::{
    process,
    sync::atomic::{AtomicU64, Ordering},
    time::Instant,
};

use axum::{
    Json,
    extract::State,
    http::{StatusCode, header},
    response::IntoResponse,
};
use larder::{Source, Trail};
use serde::Serialize;
use uuid::Uuid;

use self::figures::Figures;
use crate::app::App;

/// What the process counts of its requests. Each reader of `/live` compares two moments for itself, so that nothing is kept for it.
pub(crate) struct Live {
    id: Uuid,
    begun: Instant,
    counted: Counters,
}

#[derive(Default)]
struct Counters {
    near: AtomicU64,
    shared: AtomicU64,
    database: AtomicU64,
    unchanged: AtomicU64,
    writes: AtomicU64,
    failed: AtomicU64,
}

impl Live {
    pub(crate) fn new() -> Self {
        Self { id: Uuid::new_v4(), begun: Instant::now(), counted: Counters::default() }
    }

    /// A request was answered. One that was refused before anything was read counts as nothing.
    pub(crate) fn answered(&self, writes: bool, trail: &Trail, status: StatusCode) {
        let counted = &self.counted;
        let counter = match trail.source() {
            _ if status.is_server_error() => &counted.failed,
            _ if writes && status.is_success() => &counted.writes,
            _ if writes => return,
            Source::Nowhere if status == StatusCode::NOT_MODIFIED => &counted.unchanged,
            Source::Nowhere => return,
            Source::Near => &counted.near,
            Source::Shared => &counted.shared,
            Source::Database => &counted.database,
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }

    fn requests(&self) -> Requests {
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let Counters { near, shared, database, unchanged, writes, failed } = &self.counted;
        Requests {
            near: count(near),
            shared: count(shared),
            database: count(database),
            unchanged: count(unchanged),
            writes: count(writes),
            failed: count(failed),
        }
    }
}

/// All of it. Counters begin at zero with the process, and only grow.
#[derive(Serialize)]
struct Moment {
    process: Process,
    requests: Requests,
    #[serde(flatten)]
    figures: Figures,
    /// Whether there are routes to try things with.
    demo: bool,
}

#[derive(Serialize)]
struct Process {
    /// Never the same for two of them.
    id: Uuid,
    pid: u32,
    up_ms: f64,
}

#[derive(Serialize)]
struct Requests {
    /// Reads, by the farthest source that they needed.
    near: u64,
    shared: u64,
    database: u64,
    /// Reads that were answered with 304 before anything was looked up.
    unchanged: u64,
    /// Writes that were done.
    writes: u64,
    /// Answered with a 5xx.
    failed: u64,
}

/// Costs some microseconds, and once a second a statement, which is not waited for.
pub(crate) async fn moment(State(app): State<App>) -> impl IntoResponse {
    let live = &app.live;
    let process = Process { id: live.id, pid: process::id(), up_ms: live.begun.elapsed().as_secs_f64() * 1e3 };
    let figures = Figures::of(app.larder.session(), app.outside.as_ref());
    let moment = Moment { process, requests: live.requests(), figures, demo: app.demo.is_some() };
    ([(header::CACHE_CONTROL, "no-store")], Json(moment))
}
