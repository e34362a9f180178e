//! Writes that are done once, however often they are asked for.
//!
//! A client that has had no answer asks again, and so does a queue; and of a COMMIT whose answer was lost
//! ([`Error::CommitUnknown`]) nobody knows whether it has happened. [`Larder::once`] keeps a key and the result in the table
//! `larder_idempotency`, in the transaction of the write itself: both are there or neither is. Who comes second gets the first one's result.
//!
//! [`up`] makes the table, as a migration of the application's own: `diesel migration generate create_larder_idempotency`, or `larder migration
//! idempotency`. The application's role needs SELECT, INSERT, UPDATE and DELETE on it.

mod databases;

use std::time::Duration;

use sha2::{Digest as _, Sha256};

pub use self::databases::{Remember, down, up};
pub use crate::backend::Database;
use crate::{
    codec::{Codec, Input},
    error::{Error, Result},
    handle::Larder,
    transaction::Tx,
};

/// For how long a key is kept unless it says otherwise: a day.
pub const KEPT_FOR: Duration = Duration::from_secs(24 * 60 * 60);

/// How often a key is asked for that is forgotten by others at that very moment.
const TRIES: usize = 8;

/// What tells a write from all others: a name, which a client gives or a message has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    name: String,
    request: [u8; 32],
    keep: Duration,
}

impl Key {
    /// A key by that name, unique among all that share the table: `"payment:1f3c.."`. What a tenant asks for has the tenant in it where it goes
    /// through [`Tenanted::once`](crate::tenant::Tenanted::once), whose names begin with `tenant:`. Of 255 bytes at most on MySQL, which
    /// refuses longer ones.
    pub fn new(name: impl Into<String>) -> Self {
        Self { name: name.into(), request: [0; 32], keep: KEPT_FOR }
    }

    /// The same key, of one tenant: another's of this name is another one.
    pub(crate) fn of_tenant(mut self, tenant: &str) -> Self {
        // With its length, so that no two tenants and names read the same.
        self.name = format!("tenant:{}:{tenant}:{}", tenant.len(), self.name);
        self
    }

    /// What is asked for under the key: the bytes of the request. Another request under the same key is an error
    /// ([`Error::AnotherRequest`]). Of the bytes a SHA-256 digest is kept.
    #[must_use]
    pub fn of_request(mut self, request: impl AsRef<[u8]>) -> Self {
        self.request = Sha256::digest(request).into();
        self
    }

    /// How long the key is kept, by the database's clock and in whole seconds, rounded up: then it is as if it had never been
    /// used. Defaults to [`KEPT_FOR`]. It has to be longer than anybody tries again.
    #[must_use]
    pub fn kept_for(mut self, time: Duration) -> Self {
        self.keep = time;
        self
    }
}

impl<T: Into<String>> From<T> for Key {
    fn from(name: T) -> Self {
        Self::new(name)
    }
}

/// What was done once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Once<T> {
    /// It was done by this call.
    Now(T),
    /// It was done before, with this result.
    Before(T),
}

impl<T> Once<T> {
    /// The result, whoever has done it.
    pub fn into_inner(self) -> T {
        match self {
            Self::Now(value) | Self::Before(value) => value,
        }
    }

    /// Whether it was done before.
    #[must_use]
    pub fn was_before(&self) -> bool {
        matches!(self, Self::Before(_))
    }
}

impl<DB: Remember> Larder<DB> {
    /// Runs `work` in a transaction, unless that was done before under this key: then gives the result that it had.
    ///
    /// Who asks for a key that others are at work under waits for them, and gets their result; if they fail, which leaves nothing of the key,
    /// it is this one's turn. Two statements beside those of `work`, and two in all if it was done before; on MySQL three. What `work` does past
    /// the database is its own affair: it may be done again.
    ///
    /// After [`Error::CommitUnknown`], and after any error of a connection, call it again: what has happened is not done twice.
    ///
    /// # Errors
    /// Those of `work`, after which nothing was done; [`Error::AnotherRequest`] and [`Error::UnreadableResult`], and those of
    /// [`Larder::transaction`]: [`Error::Database`] if there is no such table. On MySQL those who wait for one that fails may wait for each
    /// other, of whom one gets an error that is [retryable](Error::is_retryable). Under its own key `work` must not ask: it would wait for
    /// itself.
    pub fn once<T: Codec>(&self, key: impl Into<Key>, work: impl FnOnce(&Tx<DB>) -> Result<T>) -> Result<Once<T>> {
        let Key { name, request, keep } = key.into();
        let seconds = keep.as_secs().saturating_add(u64::from(keep.subsec_nanos() > 0));
        let seconds = i64::try_from(seconds).unwrap_or(i64::MAX).min(MOST_SECONDS);
        self.transaction(|tx| {
            for _ in 0..TRIES {
                if tx.run(|connection| DB::claim(connection, &name, &request, seconds))? {
                    let value = work(tx)?;
                    let mut result = T::FINGERPRINT.bits().to_le_bytes().to_vec();
                    value.encode(&mut result);
                    tx.run(|connection| DB::keep(connection, &name, &result))?;
                    return Ok(Once::Now(value));
                }
                if let Some((of, result)) = tx.run(|connection| DB::recall(connection, &name))? {
                    if of != request {
                        return Err(Error::AnotherRequest);
                    }
                    return read(&result).map(Once::Before).ok_or(Error::UnreadableResult);
                }
            }
            Err(Error::Database(diesel::result::Error::NotFound))
        })
    }

    /// Forgets keys whose time is over, `n` of them at most: how many there were. Called now and then, it keeps the table small; no key is
    /// kept longer for want of it. One statement.
    ///
    /// # Errors
    /// Those of [`Larder::transaction`].
    pub fn forget_expired_keys(&self, n: usize) -> Result<usize> {
        let n = i64::try_from(n).unwrap_or(i64::MAX);
        self.transaction(|tx| tx.run(|connection| DB::forget(connection, n)))
    }
}

/// A hundred years: what is added to a time has to be one.
const MOST_SECONDS: i64 = 100 * 366 * 24 * 60 * 60;

fn read<T: Codec>(result: &[u8]) -> Option<T> {
    let (fingerprint, value) = result.split_first_chunk::<8>()?;
    if u64::from_le_bytes(*fingerprint) != T::FINGERPRINT.bits() {
        return None;
    }
    let mut input = Input::new(value);
    let value = T::decode(&mut input).ok()?;
    input.end().ok().map(|()| value)
}
