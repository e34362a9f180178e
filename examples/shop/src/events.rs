//! What happens to orders, told to all who listen: over Redis to every process of the service, and by each to its own listeners.
//!
//! Each change at most once, after its COMMIT. Where something may have been missed a gap is told, and whoever is told of one reads what they need.

mod publisher;

use std::{
    io,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use larder_redis::{
    RedisStore,
    topics::{Event, Listening, Topic},
};
use serde::{Deserialize, Serialize};
use shop_core::{Order, Status};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, broadcast};
use uuid::Uuid;

use self::publisher::Publisher;

/// So many are kept for a listener that is slower than they come; of more it is told that it has missed some.
const MOST_KEPT: usize = 1_024;

/// How listeners are treated.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct EventsOptions {
    /// How many there may be in this process.
    pub listeners: usize,
    /// How long nothing is said at most.
    pub heartbeat: Duration,
}

impl Default for EventsOptions {
    fn default() -> Self {
        Self { listeners: 1_000, heartbeat: Duration::from_secs(15) }
    }
}

/// An order that was placed, or has taken a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Change {
    pub(crate) id: Uuid,
    pub(crate) user_id: Uuid,
    pub(crate) status: Status,
}

impl From<&Order> for Change {
    fn from(order: &Order) -> Self {
        Self { id: order.id, user_id: order.user_id, status: order.status }
    }
}

/// What is sent to all processes.
#[derive(Debug, Serialize, Deserialize)]
enum Told {
    Changed(Change),
    /// What should have been sent before this could not be.
    Lost,
}

/// What a listener is told.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Heard {
    Changed(Change),
    Gap,
}

/// The changes of orders. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Events {
    publisher: Arc<Publisher>,
    heard: broadcast::Sender<Heard>,
    listening: Arc<Mutex<Option<Listening>>>,
    seats: Arc<Semaphore>,
    pub(crate) heartbeat: Duration,
}

/// A place among the listeners, as long as it is kept.
pub(crate) struct Seat {
    pub(crate) changes: broadcast::Receiver<Heard>,
    _permit: OwnedSemaphorePermit,
}

impl Events {
    /// Begins to listen and to publish, each on a thread. That Redis is away is no error.
    ///
    /// # Errors
    /// The operating system has no thread to give.
    pub(crate) fn start(store: &RedisStore, options: EventsOptions) -> io::Result<Self> {
        let topic: Topic<Told> = store.topic("orders");
        let heard = broadcast::Sender::new(MOST_KEPT);
        let tell = heard.clone();
        let listening = topic.listen(move |event| {
            let heard = match event {
                Event::Message(Told::Changed(change)) => Heard::Changed(change),
                Event::Message(Told::Lost) | Event::Gap => Heard::Gap,
                Event::Unreadable { reason } => {
                    tracing::warn!(%reason, "another release tells of orders in another form");
                    Heard::Gap
                }
            };
            // Nobody may be listening.
            let _ = tell.send(heard);
        })?;
        Ok(Self {
            publisher: Arc::new(Publisher::start(topic)?),
            heard,
            listening: Arc::new(Mutex::new(Some(listening))),
            seats: Arc::new(Semaphore::new(options.listeners)),
            heartbeat: options.heartbeat,
        })
    }

    /// Tells of an order as it was committed, to be called after that. Waits for nothing: it is published by a thread, and a gap is told if it can't be.
    pub(crate) fn announce(&self, order: &Order) {
        self.publisher.push(order.into());
    }

    /// A place to listen from: `None` if all are taken.
    pub(crate) fn seat(&self) -> Option<Seat> {
        let permit = Arc::clone(&self.seats).try_acquire_owned().ok()?;
        Some(Seat { changes: self.heard.subscribe(), _permit: permit })
    }

    /// Publishes what waits, and ends: whether all of it was published until then.
    pub(crate) fn close(&self, until: Instant) -> bool {
        let is_published = self.publisher.close(until);
        drop(self.listening.lock().unwrap_or_else(PoisonError::into_inner).take());
        is_published
    }
}
