//! How often users are looked at: counted in memory, sent to the buffer a few times a second, and written behind.
//!
//! A page that is near is served in microseconds, and counting it must not cost a round trip. So a process that is killed loses what it has counted
//! since it last sent: a fifth of a second. What it has sent is written once, whoever is killed.

mod counted;

use std::{
    error::Error,
    sync::{
        Arc, Mutex, PoisonError,
        mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel},
    },
    thread,
    time::{Duration, Instant},
};

use axum::{
    extract::{MatchedPath, Request, State},
    http::{Method, StatusCode},
    middleware::Next,
    response::Response,
};
use diesel::pg::Pg;
use larder::{
    Larder,
    behind::{self, Flusher, Options, WhenAway},
    store::CellKey,
};
use larder_redis::RedisStore;
use shop_core::{UserVisits, schema::user_visits};
use uuid::Uuid;

use self::counted::Counted;
use crate::app::App;

/// How often what was counted is sent to the buffer.
const SEND_EVERY: Duration = Duration::from_millis(200);

/// How often the buffer is written to the database.
const FLUSH_EVERY: Duration = Duration::from_millis(500);

/// Where the counts wait: on the store's server, which should not lose them and must not evict them.
pub(crate) fn buffer(store: &RedisStore) -> Options {
    Options::on(store.buffer("visits")).counter::<UserVisits>(user_visits::n).when_away(WhenAway::WriteThrough)
}

/// Whether a cell holds counts.
pub(crate) fn is_count(cell: &CellKey) -> bool {
    cell.as_bytes().starts_with(b"user_visits:")
}

/// The visits that this process counts.
pub(crate) struct Visits {
    counted: Arc<Counted>,
    running: Mutex<Option<Running>>,
}

struct Running {
    /// The thread that sends ends with it.
    stop: SyncSender<()>,
    /// Ends when that has ended.
    ended: Receiver<()>,
    flusher: Flusher,
}

impl Visits {
    /// Begins to send and to flush, each on a thread. That Redis or the database is away is no error.
    ///
    /// # Errors
    /// The operating system has no thread to give.
    pub(crate) fn start(larder: &Larder<Pg>) -> Result<Self, Box<dyn Error + Send + Sync>> {
        let counted = Arc::new(Counted::default());
        let (stop, is_stopped) = sync_channel(0);
        let (alive, ended) = sync_channel::<()>(0);
        let flusher = Flusher::start(larder, FLUSH_EVERY)?;
        let run = {
            let (larder, counted) = (larder.clone(), Arc::clone(&counted));
            move || {
                let _alive = alive;
                send_until(&larder, &counted, &is_stopped);
            }
        };
        thread::Builder::new().name("shop-visits".to_owned()).spawn(run)?;
        Ok(Self { counted, running: Mutex::new(Some(Running { stop, ended, flusher })) })
    }

    /// Sends what was counted, has it written, and ends: whether all of it was, until then.
    pub(crate) fn close(&self, until: Instant) -> bool {
        let Some(running) = self.running.lock().unwrap_or_else(PoisonError::into_inner).take() else { return true };
        let left = || until.saturating_duration_since(Instant::now());
        drop(running.stop);
        let has_ended = running.ended.recv_timeout(left()) == Err(RecvTimeoutError::Disconnected);
        let is_drained = running.flusher.drain(left()).unwrap_or_else(|error| {
            tracing::warn!(error = &error as &dyn Error, "visits are left in the buffer");
            false
        });
        let _ = running.flusher.stop();
        has_ended && is_drained && self.counted.is_empty()
    }
}

/// Counts a user's page that was seen, be it that the client had it already.
pub(crate) async fn count(State(app): State<App>, request: Request, next: Next) -> Response {
    let is_page = request.method() == Method::GET
        && request.extensions().get().is_some_and(|path: &MatchedPath| path.as_str() == "/users/{id}");
    let user = is_page.then(|| request.uri().path().rsplit('/').next()?.parse::<Uuid>().ok()).flatten();
    let response = next.run(request).await;
    if let Some(user) = user
        && [StatusCode::OK, StatusCode::NOT_MODIFIED].contains(&response.status())
    {
        app.visits.counted.add(user);
    }
    response
}

/// Sends again and again, and once more at the end.
fn send_until(larder: &Larder<Pg>, counted: &Counted, stopped: &Receiver<()>) {
    let mut is_last = false;
    while !is_last {
        is_last = stopped.recv_timeout(SEND_EVERY) == Err(RecvTimeoutError::Disconnected);
        send(larder, counted);
    }
}

fn send(larder: &Larder<Pg>, counted: &Counted) {
    let visits = counted.take();
    let visitors = UserVisits::repository(larder);
    let mut batch = visitors.behind().batch();
    let filled = visits.iter().try_for_each(|(user, n)| batch.increment(*user, user_visits::n, *n).map(drop));
    match filled.and_then(|()| batch.send()) {
        Ok(()) => {}
        // Sent once more, they might be counted twice.
        Err(behind::Error::Unknown(reason)) => {
            tracing::warn!(n_users = visits.len(), %reason, "it is not known whether visits were counted");
        }
        Err(error) => {
            tracing::debug!(error = &error as &dyn Error, "visits are sent later");
            counted.put_back(visits);
        }
    }
}
