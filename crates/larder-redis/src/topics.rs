//! Topics: typed messages to whoever listens just then, each at most once.
//!
//! A message that nobody listens to is gone, and so is one that is published while a listener's connection is being made again. Every
//! listener is told of such a gap, and reads then what it would have been told. Where each message has to be worked on, use a
//! stream.
//!
//! ```no_run
//! use std::time::Duration;
//!
//! use larder_redis::{RedisStore, topics::Event};
//! use serde::{Deserialize, Serialize};
//!
//! #[derive(Debug, Serialize, Deserialize)]
//! struct OrderPaid {
//!     id: u64,
//! }
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let store = RedisStore::connect("redis://localhost")?;
//! let paid = store.topic::<OrderPaid>("orders.paid");
//!
//! let listening = paid.listen(|event| match event {
//!     Event::Gap => println!("read the orders anew"),
//!     Event::Message(order) => println!("{order:?}"),
//!     Event::Unreadable { reason } => println!("of another release: {reason}"),
//! })?;
//! paid.publish(&OrderPaid { id: 7 })?;
//! # drop(listening);
//! # Ok(())
//! # }
//! ```

mod error;
mod listening;
mod subscriber;

use std::{fmt, io, marker::PhantomData, sync::Arc};

use redis::Value;
use serde::{Serialize, de::DeserializeOwned};

pub use self::{error::SendError, listening::Listening, subscriber::Subscriber};
pub use crate::stop::Stop;
use crate::{
    RedisStore,
    error::from_server,
    pack::{Reason, pack},
    pool::{Manager, Pool},
    request::Request,
};

/// Messages of type `T` under a name. [`RedisStore::topic`] makes one.
///
/// Topics of one name, namespace, server and database are one. Messages are MessagePack, with the names of fields.
///
/// # Costs
///
/// Publishing is one round trip, of one `PUBLISH`, and the server sends the message to each listener. A listener has a connection of its own, and
/// asks on it whether the server is there once nothing has come for a second. A user of the server must be allowed `&shop:#* +publish +subscribe` beside
/// what [connecting](RedisStore) takes, for the namespace `shop:`.
pub struct Topic<T> {
    pool: Arc<Pool>,
    lines: Arc<Manager>,
    channel: Arc<[u8]>,
    message: PhantomData<fn(T) -> T>,
}

/// What a listener is told.
#[derive(Debug)]
pub enum Event<T> {
    /// What is published from now on is told. What was published before may have been missed: since the message before, or, as this is the first event of
    /// all, ever.
    Gap,
    /// A message, in the order in which they were published. None is told twice.
    Message(T),
    /// A message that is no `T`: another release has published it.
    Unreadable {
        /// What is wrong with it.
        reason: Reason,
    },
}

impl RedisStore {
    /// A topic on the same server, in the same namespace; what is published goes over the same connections.
    #[must_use]
    pub fn topic<T>(&self, name: &str) -> Topic<T> {
        let (pool, lines) = (Arc::clone(self.pool()), Arc::clone(self.lines()));
        Topic { pool, lines, channel: self.names().topic(name).into(), message: PhantomData }
    }
}

impl<T> Topic<T> {
    /// Publishes a message to all who listen at this moment: how many they are.
    ///
    /// It says nothing of whether they got it. Nobody listening is no error.
    ///
    /// # Errors
    /// [`SendError`]. After [`SendError::Store`] the message may have been published, and publishing it again may be a repetition.
    pub fn publish(&self, message: &T) -> Result<u64, SendError>
    where
        T: Serialize,
    {
        let bytes = pack(message).map_err(|source| SendError::Unwritable { source })?;
        let mut request = Request::with_capacity(64 + self.channel.len() + bytes.len());
        request.command(3).arg(&[b"PUBLISH"]).arg(&[&self.channel]).arg(&[&bytes]);
        let n_listeners = self.pool.with_link(|link| match link.call(&request)?.pop() {
            Some(Value::Int(n)) => Ok(u64::try_from(n).unwrap_or(0)),
            Some(Value::ServerError(error)) => Err(from_server(&error)),
            _ => Err(link.refuse("PUBLISH answers with a number")),
        })?;
        Ok(n_listeners)
    }

    /// Somebody who is told when they ask. Nothing is asked of the server before that.
    #[must_use]
    pub fn subscribe(&self) -> Subscriber<T>
    where
        T: DeserializeOwned,
    {
        Subscriber::new(Arc::clone(&self.lines), Arc::clone(&self.channel))
    }

    /// Tells what is published, on a thread of its own, until what this returns is dropped.
    ///
    /// While `tell` runs nothing else is told. If it panics, nothing more is.
    ///
    /// # Errors
    /// If the operating system has no thread to give. That the server is away is no error.
    pub fn listen(&self, tell: impl FnMut(Event<T>) + Send + 'static) -> io::Result<Listening>
    where
        T: DeserializeOwned + 'static,
    {
        Listening::start(self.subscribe(), tell)
    }
}

impl<T> Clone for Topic<T> {
    fn clone(&self) -> Self {
        let (pool, lines) = (Arc::clone(&self.pool), Arc::clone(&self.lines));
        Self { pool, lines, channel: Arc::clone(&self.channel), message: PhantomData }
    }
}

impl<T> fmt::Debug for Topic<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Topic").field("channel", &self.channel.escape_ascii().to_string()).finish_non_exhaustive()
    }
}
