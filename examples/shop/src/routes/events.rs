//! What happens to orders, as it happens.

use std::convert::Infallible;

use axum::{
    extract::State,
    http::{HeaderName, HeaderValue, Method, header},
    response::{
        IntoResponse, Response, Sse,
        sse::{Event, KeepAlive},
    },
};
use futures_util::{Stream, stream};
use serde::Deserialize;
use shop_core::Status;
use tokio::sync::broadcast::error::RecvError;
use uuid::Uuid;

use crate::{
    app::App,
    body::Asked,
    ending::Ending,
    events::{Change, Heard, Seat},
    problem::Problem,
};

/// How long a client waits before it comes again, in milliseconds.
const RETRY: u64 = 2_000;

const CONTENT_TYPE: HeaderValue = HeaderValue::from_static("text/event-stream");
const HEADERS: [(HeaderName, HeaderValue); 2] = [
    (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
    // A proxy that collects an answer before it sends it on would collect this one for good.
    (HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no")),
];

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Wanted {
    /// Whose orders; everybody's without it.
    user: Option<Uuid>,
}

pub(super) async fn follow(
    State(app): State<App>,
    method: Method,
    Asked(Wanted { user }): Asked<Wanted>,
) -> Result<Response, Problem> {
    if method == Method::HEAD {
        return Ok((HEADERS, [(header::CONTENT_TYPE, CONTENT_TYPE)]).into_response());
    }
    let seat = app.events.seat().ok_or_else(|| Problem::unavailable("too many listen"))?;
    let alive = KeepAlive::new().interval(app.events.heartbeat);
    let changes = changes(Listener { seat, user, ending: app.ending.clone(), is_begun: false });
    Ok((HEADERS, Sse::new(changes).keep_alive(alive)).into_response())
}

struct Listener {
    seat: Seat,
    user: Option<Uuid>,
    ending: Ending,
    is_begun: bool,
}

fn changes(listener: Listener) -> impl Stream<Item = Result<Event, Infallible>> {
    stream::unfold(listener, async |mut listener| {
        let event = listener.next().await?;
        Some((Ok(event), listener))
    })
}

impl Listener {
    /// What is to be said next: `None` when the service ends.
    async fn next(&mut self) -> Option<Event> {
        if !std::mem::replace(&mut self.is_begun, true) {
            // What was before is not known here, also of a client that comes again: it reads what it needs, and then follows.
            return Some(gap().retry(std::time::Duration::from_millis(RETRY)));
        }
        loop {
            let heard = tokio::select! {
                () = self.ending.closed() => return None,
                heard = self.seat.changes.recv() => heard,
            };
            match heard {
                Ok(Heard::Changed(change)) if self.user.is_none_or(|user| user == change.user_id) => {
                    return Some(event(change));
                }
                Ok(Heard::Changed(_)) => {}
                Ok(Heard::Gap) | Err(RecvError::Lagged(_)) => return Some(gap()),
                Err(RecvError::Closed) => return None,
            }
        }
    }
}

fn event(change: Change) -> Event {
    let name = match change.status {
        Status::Pending => "created",
        Status::Paid => "paid",
        Status::Shipped => "shipped",
    };
    let data = serde_json::json!({ "id": change.id, "user_id": change.user_id, "status": change.status });
    // An order is in each status once, so this names the change whoever tells of it.
    Event::default().event(name).id(format!("{}:{name}", change.id)).data(data.to_string())
}

fn gap() -> Event {
    Event::default().event("gap").data("{}")
}
