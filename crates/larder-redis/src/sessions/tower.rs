//! A store for the sessions of [tower-sessions](https://docs.rs/tower-sessions).

use std::{
    fmt,
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use async_trait::async_trait;
use larder::{Async, Error, asynchronous::Options, store::StoreError};
use redis::Value;
use tower_sessions_core::{
    SessionStore,
    session::{Id, Record},
    session_store::{Error as SessionStoreError, Result},
};

use crate::{
    RedisStore,
    digest::digest,
    error::from_server,
    link::Link,
    pool::Pool,
    request::{Request, milliseconds},
};

/// How many ids are tried: of 128 random bits the second one is free, or it is not the server that answers.
const TRIES: u32 = 8;

/// A store for the sessions of `tower-sessions`, from its version 0.15 on. [`RedisStore::tower_sessions`] makes one. Cheap to clone.
///
/// Stores of one name, namespace and server have the same sessions. Each is one string in Redis, JSON under the digest of its id, so that nobody who reads
/// what lies there has an id. It expires when its record does.
///
/// What each call does:
///
/// | call | does | not |
/// | --- | --- | --- |
/// | `create` | puts a record where there is none; if there is one under its id, it draws another id | overwrite |
/// | `save` | replaces the record that is there | bring back one that was deleted or has expired: then it does nothing |
/// | `load` | gives the record | begin its time anew: that is what the layer's `save` is for |
/// | `delete` | ends the session, whether it was there or not | |
///
/// **The last one to save wins**: two requests of one session that change it at once lose what the first of them has changed, as with every store of
/// `tower-sessions`, whose interface knows no versions. [`Sessions`](super::Sessions) lose nothing, and end all sessions of a user at once.
///
/// Each call waits for Redis on a thread that is made for waiting, and never on one that drives tasks. Where there is none to be had, it fails.
///
/// # Costs
///
/// Each call is one round trip. A user of the server must be allowed `~shop:* +set +get +unlink` beside what [connecting](RedisStore) takes, for the
/// namespace `shop:`.
#[derive(Clone)]
pub struct TowerSessions {
    records: Async<Records>,
}

/// The same for code that may wait.
#[derive(Clone)]
struct Records {
    pool: Arc<Pool>,
    prefix: Arc<[u8]>,
}

/// Whether a record may be put where one is.
#[derive(Clone, Copy)]
enum Where {
    Nothing,
    Something,
}

impl RedisStore {
    /// A store for the sessions of `tower-sessions`, on the same server, in the same namespace and on the same connections.
    ///
    /// As many calls are under way at once as the store has connections, unless the options say otherwise.
    #[must_use]
    pub fn tower_sessions(&self, name: &str, options: Options) -> TowerSessions {
        let prefix = [&self.names().sessions(name), &b"t:"[..]].concat().into();
        let records = Records { pool: Arc::clone(self.pool()), prefix };
        TowerSessions { records: Async::of(records, self.pool().size(), options) }
    }
}

#[async_trait]
impl SessionStore for TowerSessions {
    async fn create(&self, record: &mut Record) -> Result<()> {
        let mut tries = Tries::default();
        while !self.put(record, Where::Nothing).await? {
            record.id = tries.another()?;
        }
        Ok(())
    }

    async fn save(&self, record: &Record) -> Result<()> {
        if !self.put(record, Where::Something).await? {
            tracing::debug!("a session was saved that is over; it stays so");
        }
        Ok(())
    }

    async fn load(&self, id: &Id) -> Result<Option<Record>> {
        let id = *id;
        let Some(bytes) = self.run(move |records| records.get(&id)).await? else { return Ok(None) };
        let record: Record = serde_json::from_slice(&bytes).map_err(|e| SessionStoreError::Decode(e.to_string()))?;
        Ok((!time_left(&record).is_zero()).then_some(Record { id, ..record }))
    }

    async fn delete(&self, id: &Id) -> Result<()> {
        let id = *id;
        self.run(move |records| records.unlink(&id)).await
    }
}

impl TowerSessions {
    /// Whether the record was put. One that has expired is as good as put, and is nothing.
    async fn put(&self, record: &Record, place: Where) -> Result<bool> {
        let (id, time_left) = (record.id, time_left(record));
        match place {
            _ if !time_left.is_zero() => {}
            Where::Nothing => return Ok(true),
            Where::Something => return self.delete(&id).await.map(|()| true),
        }
        // Whoever reads what lies in Redis is not to have the id.
        let nameless = Record { id: Id(0), data: record.data.clone(), expiry_date: record.expiry_date };
        let bytes = serde_json::to_vec(&nameless).map_err(|e| SessionStoreError::Encode(e.to_string()))?;
        self.run(move |records| records.set(&id, &bytes, time_left, place)).await
    }

    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Records) -> std::result::Result<T, StoreError> + Send + 'static,
    ) -> Result<T> {
        let done = self.records.run(move |records| Ok::<_, Error>(work(records))).await;
        let done = done.unwrap_or_else(|busy| Err(StoreError::unavailable(busy)));
        done.map_err(|error| SessionStoreError::Backend(told(&error)))
    }
}

impl Records {
    fn key(&self, id: &Id) -> Vec<u8> {
        [&self.prefix[..], &digest(&[&id.0.to_le_bytes()])].concat()
    }

    fn set(&self, id: &Id, bytes: &[u8], time_left: Duration, place: Where) -> std::result::Result<bool, StoreError> {
        let condition: &[u8] = match place {
            Where::Nothing => b"NX",
            Where::Something => b"XX",
        };
        let mut request = Request::with_capacity(128 + bytes.len());
        request.command(6).arg(&[b"SET"]).arg(&[&self.key(id)]).arg(&[bytes]);
        request.arg(&[condition]).arg(&[b"PX"]).number(milliseconds(time_left));
        self.ask(&request, |_, answer| match answer {
            Value::Okay => Some(true),
            Value::Nil => Some(false),
            _ => None,
        })
    }

    fn get(&self, id: &Id) -> std::result::Result<Option<Vec<u8>>, StoreError> {
        let mut request = Request::default();
        request.command(2).arg(&[b"GET"]).arg(&[&self.key(id)]);
        self.ask(&request, |_, answer| match answer {
            Value::BulkString(bytes) => Some(Some(bytes)),
            Value::Nil => Some(None),
            _ => None,
        })
    }

    fn unlink(&self, id: &Id) -> std::result::Result<(), StoreError> {
        let mut request = Request::default();
        request.command(2).arg(&[b"UNLINK"]).arg(&[&self.key(id)]);
        self.ask(&request, |_, answer| matches!(answer, Value::Int(_)).then_some(()))
    }

    /// Sends one command, whose answer is read by `read`: `None` if it makes no sense.
    fn ask<T>(
        &self,
        request: &Request,
        read: impl FnOnce(&mut Link, Value) -> Option<T>,
    ) -> std::result::Result<T, StoreError> {
        self.pool.with_link(|link| match link.call(request)?.pop() {
            Some(Value::ServerError(error)) => Err(from_server(&error)),
            Some(answer) => {
                let read = read(link, answer);
                read.ok_or_else(|| link.refuse("a command on a session answers with what it is said to"))
            }
            None => Err(link.refuse("a command is answered")),
        })
    }
}

impl fmt::Debug for TowerSessions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TowerSessions").finish_non_exhaustive()
    }
}

/// The ids that were tried for one record.
#[derive(Default)]
struct Tries(u32);

impl Tries {
    /// Another id, since the last one is taken.
    fn another(&mut self) -> Result<Id> {
        self.0 += 1;
        if self.0 < TRIES {
            Ok(Id::default())
        } else {
            Err(SessionStoreError::Backend("every id is taken, which can't be".to_owned()))
        }
    }
}

/// How long a record is good for, by the clock that its end was told by: the server's may show another time.
fn time_left(record: &Record) -> Duration {
    let end = record.expiry_date.unix_timestamp_nanos().max(0);
    let end = Duration::from_nanos(u64::try_from(end).unwrap_or(u64::MAX));
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    end.saturating_sub(now)
}

/// An error with what is behind it, since the interface has room for a text only.
fn told(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text = format!("{text}: {error}");
        source = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_that_has_every_id_is_not_asked_for_ever() {
        let mut tries = Tries::default();
        let ids: Vec<Id> = (1..TRIES).map(|_| tries.another().unwrap()).collect();
        assert!(ids.iter().enumerate().all(|(n, id)| !ids[..n].contains(id)));
        assert!(tries.another().is_err());
    }
}
