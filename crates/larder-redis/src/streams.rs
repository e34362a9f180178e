//! Streams: typed messages that are worked on, each at least once by each group.
//!
//! ```no_run
//! use std::time::Duration;
//!
//! use larder_redis::{
//!     RedisStore,
//!     streams::{StreamOptions, Work},
//! };
//! use serde::{Deserialize, Serialize};
//!
//! #[derive(Debug, Serialize, Deserialize)]
//! struct SendMail {
//!     to: String,
//! }
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let store = RedisStore::connect("redis://localhost")?;
//! let mails = store.stream::<SendMail>("mails", StreamOptions::default());
//! mails.send(&SendMail { to: "ada@example.org".to_owned() })?;
//!
//! let mut consumer = mails.consumer("mailers", "host-1");
//! while let Some(work) = consumer.next(Duration::from_secs(1))? {
//!     match work {
//!         Work::Delivery(delivery) => {
//!             println!("{}: {:?}", delivery.number, delivery.message);
//!             delivery.ack()?;
//!         }
//!         Work::Lost { n_messages } => eprintln!("{n_messages} have gone unread"),
//!         Work::Unreadable { number, reason, .. } => eprintln!("{number} is of another release: {reason}"),
//!     }
//! }
//! # Ok(())
//! # }
//! ```

mod answer;
mod consumer;
mod keys;
mod options;
mod work;

use std::{fmt, marker::PhantomData, sync::Arc};

use larder::store::StoreError;
use redis::Value;
use serde::{Serialize, de::DeserializeOwned};

use self::keys::Keys;
pub use self::{
    consumer::Consumer,
    options::{Begin, StreamOptions},
    work::{Delivery, Work},
};
use crate::{
    RedisStore,
    call::Call,
    error::from_server,
    keeps::Keeps,
    pack::{Reason, pack, unpack},
    pool::{Manager, Pool},
    request::{Request, milliseconds},
    scripts::streams as scripts,
};
pub use crate::{stop::Stop, topics::SendError};

/// Messages of type `T` under a name. [`RedisStore::stream`] makes one.
///
/// Streams of one name, namespace and server are one. A message is given to one consumer of each group, and to another one if it is not acknowledged in time; so each group
/// has it at least once. New ones are given out in their order. What is acknowledged stays until it is too old or one too many.
///
/// It is as durable as the server is, as [`RedisBuffer`](crate::RedisBuffer) has it, and the server **must not evict it**: with `maxmemory`, its policy must be
/// `noeviction` or one of `volatile-*`. Messages are refused otherwise. Four keys, which do not expire, have one hash tag.
///
/// # Costs
///
/// Sending is one round trip for any number of messages, and once a second one more, of `INFO`; taking one for each [batch](StreamOptions::batch), acknowledging one for each message.
/// A consumer that waits has a connection of its own; each that waits is woken by a message, and sent it, and one of them gets it. A user of the server must be
/// allowed `~shop:* +evalsha +script|load +incrby +get +hset +hmget +time +exists +xadd +xtrim +xlen +xrange +xread +xreadgroup +xgroup|create +xpending
/// +xclaim +xack +xdel +xinfo|groups` beside what [connecting](RedisStore) takes, for the namespace `shop:`.
pub struct Stream<T> {
    shared: Arc<Shared>,
    message: PhantomData<fn(T) -> T>,
}

/// What a stream, its consumers and what they deliver have in common.
struct Shared {
    pool: Arc<Pool>,
    lines: Arc<Manager>,
    keys: Keys,
    options: StreamOptions,
    keeps: Keeps,
}

/// How a group stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct StreamBacklog {
    /// How many messages the group has not been given yet.
    pub n_new: u64,
    /// How many it was given and has not acknowledged.
    pub n_pending: u64,
    /// How many it has lost, ever.
    pub n_lost: u64,
    /// How many dead letters the stream has, of all groups.
    pub n_dead: u64,
}

/// A message that was put aside after it was delivered too often.
#[derive(Debug)]
#[non_exhaustive]
pub struct DeadLetter<T> {
    /// What to [discard](Stream::discard) it by.
    pub id: DeadLetterId,
    /// The group that has not acknowledged it. Others are not concerned.
    pub group: String,
    /// Its number in the stream.
    pub number: u64,
    /// How often it was delivered.
    pub n_deliveries: u32,
    /// What was sent, or why it can't be read.
    pub message: Result<T, Reason>,
}

/// Where a dead letter lies.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct DeadLetterId(Vec<u8>);

impl RedisStore {
    /// A stream on the same server, in the same namespace and on the same connections.
    #[must_use]
    pub fn stream<T>(&self, name: &str, options: StreamOptions) -> Stream<T> {
        let (pool, lines) = (Arc::clone(self.pool()), Arc::clone(self.lines()));
        let keys = Keys::new(&self.names().stream(name));
        Stream {
            shared: Arc::new(Shared { pool, lines, keys, options, keeps: Keeps::default() }),
            message: PhantomData,
        }
    }
}

impl<T> Stream<T> {
    /// Adds a message: its number. It is as safe as the server keeps it once this has returned.
    ///
    /// # Errors
    /// As [`send_all`](Self::send_all).
    pub fn send(&self, message: &T) -> Result<u64, SendError>
    where
        T: Serialize,
    {
        self.send_all(std::slice::from_ref(message))
    }

    /// Adds messages, all of them or none, in their order: the number of the last one. They have successive numbers. Of no messages it is the
    /// number of the last one that was sent by anybody.
    ///
    /// # Errors
    /// [`SendError`]. After [`SendError::Store`] the messages may have been added, and sending them again may add them twice.
    pub fn send_all(&self, messages: &[T]) -> Result<u64, SendError>
    where
        T: Serialize,
    {
        let Shared { pool, keys, options, keeps, .. } = &*self.shared;
        let mut call = Call::new(&scripts::SEND, vec![keys.entries.clone(), keys.counter.clone()]);
        call = call.number(options.max_entries).number(options.max_age.map_or(0, milliseconds));
        for message in messages {
            call = call.arg(&pack(message).map_err(|source| SendError::Unwritable { source })?);
        }
        let (script, request) = call.finish();
        let number = pool.with_link(|link| {
            keeps.check(link)?;
            let answer = link.run(script, &request)?.pop();
            answer::read(link, answer, "a message has a number", answer::number)
        })?;
        Ok(number)
    }

    /// One that works on what is sent, as one of a group. Nothing is asked of the server before it is asked.
    ///
    /// A consumer is known to the server by its name, which it does not forget: take one that comes back, as that of a host. Two of one name are one that is
    /// quicker.
    #[must_use]
    pub fn consumer(&self, group: &str, name: &str) -> Consumer<T>
    where
        T: DeserializeOwned,
    {
        Consumer::new(Arc::clone(&self.shared), group, name)
    }

    /// How a group stands. Watch `n_new` grow, and `n_lost` and `n_dead` change.
    ///
    /// # Errors
    /// If Redis can't be reached, did not answer in time, or refused.
    pub fn backlog(&self, group: &str) -> Result<StreamBacklog, StoreError> {
        let (script, request) = Call::new(&scripts::BACKLOG, self.shared.keys.all()).arg(group.as_bytes()).finish();
        let [n_new, n_pending, n_lost, n_dead] = self.shared.pool.with_link(|link| {
            let answer = link.run(script, &request)?.pop();
            answer::read(link, answer, "a backlog is four numbers", answer::numbers)
        })?;
        Ok(StreamBacklog { n_new, n_pending, n_lost, n_dead })
    }

    /// The oldest dead letters, `n` at most.
    ///
    /// # Errors
    /// If Redis can't be reached, did not answer in time, or refused.
    pub fn dead_letters(&self, n: u64) -> Result<Vec<DeadLetter<T>>, StoreError>
    where
        T: DeserializeOwned,
    {
        let mut request = Request::default();
        request.command(6).arg(&[b"XRANGE"]).arg(&[&self.shared.keys.dead]).arg(&[b"-"]).arg(&[b"+"]);
        request.arg(&[b"COUNT"]).number(n);
        let dead = self.shared.pool.with_link(|link| {
            let answer = link.call(&request)?.pop();
            answer::read(link, answer, "XRANGE answers with entries", answer::dead)
        })?;
        let letters = dead.into_iter().map(|answer::Dead { id, group, entry }| DeadLetter {
            id: DeadLetterId(id),
            group,
            number: entry.number,
            n_deliveries: entry.n_deliveries,
            message: unpack(&entry.bytes),
        });
        Ok(letters.collect())
    }

    /// Forgets a dead letter: whether it was there. To have it worked on after all, send it again before.
    ///
    /// # Errors
    /// If Redis can't be reached, did not answer in time, or refused.
    pub fn discard(&self, letter: &DeadLetterId) -> Result<bool, StoreError> {
        let mut request = Request::default();
        request.command(3).arg(&[b"XDEL"]).arg(&[&self.shared.keys.dead]).arg(&[&letter.0]);
        self.shared.pool.with_link(|link| match link.call(&request)?.pop() {
            Some(Value::Int(n)) => Ok(n > 0),
            Some(Value::ServerError(error)) => Err(from_server(&error)),
            _ => Err(link.refuse("XDEL answers with a number")),
        })
    }
}

impl<T> Clone for Stream<T> {
    fn clone(&self) -> Self {
        Self { shared: Arc::clone(&self.shared), message: PhantomData }
    }
}

impl<T> fmt::Debug for Stream<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stream").field("options", &self.shared.options).finish_non_exhaustive()
    }
}
