use std::{
    marker::PhantomData,
    sync::Arc,
    time::{Duration, Instant},
};

use larder::store::StoreError;
use redis::{PushKind, Value};
use serde::de::DeserializeOwned;

use super::{Event, Stop};
use crate::{
    error::{from_server, senseless},
    pack::unpack,
    pool::Manager,
    reign::Reign,
    request::Request,
    wire::{Wire, moment_in},
};

/// How long nothing may come before the server is asked whether it is still there.
const QUIET: Duration = Duration::from_secs(1);

/// How long its answer is waited for.
const PATIENCE: Duration = Duration::from_secs(1);

/// As long as it takes at most to read what is there.
const MOMENT: Duration = Duration::from_millis(1);

/// The pause after a connection was lost, and the longest one after attempts that failed.
const PAUSES: (Duration, Duration) = (Duration::from_millis(10), Duration::from_millis(500));

/// Who is told what is published on a topic. [`Topic::subscribe`](super::Topic::subscribe) makes one.
///
/// It has a connection of its own and no thread: it is told while somebody waits in [`next`](Self::next). What is published meanwhile waits
/// in the server, until that has had enough of it (`client-output-buffer-limit pubsub`) and ends the connection, which is a
/// [`Gap`](Event::Gap).
pub struct Subscriber<T> {
    lines: Arc<Manager>,
    channel: Arc<[u8]>,
    stop: Stop,
    session: Option<Session>,
    /// When to connect again, after which pause, and whether it was said that there is no connection.
    connect_at: Instant,
    pause: Duration,
    is_known: bool,
    message: PhantomData<fn() -> T>,
}

/// One connection that is subscribed.
struct Session {
    wire: Wire,
    reign: Reign,
    is_asked: bool,
    /// How long nothing has come, of the time in which somebody waited for it.
    quiet_for: Duration,
}

impl<T: DeserializeOwned> Subscriber<T> {
    pub(super) fn new(lines: Arc<Manager>, channel: Arc<[u8]>) -> Self {
        Self {
            lines,
            channel,
            stop: Stop::default(),
            session: None,
            connect_at: Instant::now(),
            pause: PAUSES.0,
            is_known: false,
            message: PhantomData,
        }
    }

    /// What ends [`next`](Self::next) from another thread.
    #[must_use]
    pub fn stop(&self) -> Stop {
        self.stop.clone()
    }

    /// Waits for the next event: `None` if there is none within that time, which is a millisecond at least, or it was [stopped](Self::stop).
    ///
    /// Where there is no connection it makes one, as often as it has to, and does not say so but by a [`Gap`](Event::Gap); making one may
    /// take longer than `within`, by the [`connect_timeout`](crate::RedisStoreBuilder::connect_timeout). A server that says nothing is
    /// given up two seconds after it was heard last.
    pub fn next(&mut self, within: Duration) -> Option<Event<T>> {
        let until = moment_in(within);
        while !self.stop.is_stopped() {
            match self.step(until) {
                Ok(Some(event)) => return Some(event),
                Ok(None) if Instant::now() >= until => return None,
                Ok(None) => {}
                Err(error) => self.lost(&error),
            }
        }
        None
    }

    /// Connects, or waits for one thing to come.
    fn step(&mut self, until: Instant) -> Result<Option<Event<T>>, StoreError> {
        let Some(session) = &mut self.session else {
            if self.connect_at > Instant::now() {
                self.stop.wait_until(until.min(self.connect_at));
                return Ok(None);
            }
            return self.connect();
        };
        let Some(value) = session.receive(until)? else { return Ok(None) };
        // It was up for a while.
        (self.pause, self.is_known) = (PAUSES.0, false);
        match value {
            Value::Push { kind: PushKind::Message, data } => match <[Value; 2]>::try_from(data) {
                Ok([Value::BulkString(channel), Value::BulkString(bytes)]) if *channel == *self.channel => {
                    Ok(Some(unpack(&bytes).map_or_else(|reason| Event::Unreadable { reason }, Event::Message)))
                }
                _ => Err(senseless("a message has a channel and a text")),
            },
            answer => session.answered(&answer).map(|()| None),
        }
    }

    fn connect(&mut self) -> Result<Option<Event<T>>, StoreError> {
        let (mut wire, reign) = self.lines.wire()?;
        if !self.stop.connected(Some(wire.hangup()?)) {
            return Ok(None);
        }
        let until = moment_in(self.lines.connect_timeout);
        let mut request = Request::default();
        request.command(2).arg(&[b"SUBSCRIBE"]).arg(&[&self.channel]);
        wire.send(&request, until)?;
        match wire.receive(until)? {
            Some(Value::Push { kind: PushKind::Subscribe, .. }) => {}
            Some(Value::ServerError(error)) => return Err(from_server(&error)),
            Some(_) => return Err(senseless("a subscription is confirmed")),
            None => return Err(StoreError::timed_out("the server did not subscribe in time")),
        }
        self.session = Some(Session { wire, reign, is_asked: false, quiet_for: Duration::ZERO });
        Ok(Some(Event::Gap))
    }

    fn lost(&mut self, error: &StoreError) {
        self.session = None;
        self.stop.connected(None);
        if self.stop.is_stopped() {
            return;
        }
        if !self.is_known {
            // Attempts follow each other, and the first one has said it.
            let reason = std::error::Error::source(error).map_or_else(|| error.to_string(), ToString::to_string);
            tracing::warn!(error = %reason, channel = %self.channel.escape_ascii(), "not told of a topic by redis");
            self.is_known = true;
        }
        self.connect_at = Instant::now() + self.pause;
        self.pause = (2 * self.pause).min(PAUSES.1);
    }
}

impl Session {
    /// Waits for something to come, and asks the server whether it is there when nothing has for long.
    fn receive(&mut self, until: Instant) -> Result<Option<Value>, StoreError> {
        let patience = if self.is_asked { PATIENCE } else { QUIET };
        let start = Instant::now();
        let left = patience.saturating_sub(self.quiet_for);
        // What has come while nobody waited is there to be read, for whoever does not wait at all, too.
        let received = self.wire.receive(until.min(start + left).max(start + MOMENT))?;
        if received.is_some() {
            self.quiet_for = Duration::ZERO;
            return Ok(received);
        }
        self.quiet_for += start.elapsed();
        if self.quiet_for >= patience && self.is_asked {
            return Err(StoreError::timed_out("the server did not answer in time"));
        }
        if self.quiet_for >= patience {
            let mut request = Request::default();
            request.command(2).arg(&[b"INFO"]).arg(&[b"replication"]);
            self.wire.send(&request, Instant::now() + PATIENCE)?;
            (self.is_asked, self.quiet_for) = (true, Duration::ZERO);
        }
        Ok(None)
    }

    /// A server that was made a replica goes on to pass on what is published on its master, late, and perhaps not all of it.
    fn answered(&mut self, answer: &Value) -> Result<(), StoreError> {
        if !std::mem::take(&mut self.is_asked) {
            return Err(senseless("nothing but messages comes unasked"));
        }
        match self.reign.lasts(answer)? {
            true => Ok(()),
            false => Err(StoreError::refused("the server is not in the reign in which it was met any more")),
        }
    }
}

impl<T> std::fmt::Debug for Subscriber<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Subscriber").field("is_connected", &self.session.is_some()).finish_non_exhaustive()
    }
}
