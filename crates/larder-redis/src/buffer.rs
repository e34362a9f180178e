//! A buffer of writes as a stream.

use std::{fmt, sync::Arc, time::Duration};

use larder::{
    buffer::{AppendError, Appended, Backlog, Buffer, Bytes, ENTRY_BYTES, Entry, EntryId, Size},
    store::{Fence, StoreError},
};
use redis::Value;

use crate::{error::from_server, keeps::Keeps, link::Link, pool::Pool, request::Request, scripts};

/// Writes that wait to be written to the database, on Redis 6.2 or later: one stream.
///
/// What was [appended](Buffer::append) is as durable as the server makes it, and is told so when the server has answered:
///
/// | the server | what a crash of it loses |
/// | --- | --- |
/// | `appendonly yes`, `appendfsync always` | nothing that was acknowledged |
/// | `appendonly yes`, `appendfsync everysec`, the default | up to a second of acknowledged writes, two on a busy disk |
/// | without `appendonly` | everything since the last snapshot |
/// | a replica takes over | what it had not been sent |
///
/// **The server must not evict the stream**: with `maxmemory`, its policy must be `noeviction` or one of `volatile-*`. Entries are refused
/// otherwise, as long as the server tells; it is asked once a second, and when it is another one. A cache with `allkeys-lru` wants a
/// server of its own beside it.
///
/// Each method is one round trip, of `EVALSHA`, `XRANGE` and `TIME`, or `XLEN`, `GET`, `XRANGE`, `XREVRANGE` and `TIME`; and once a second
/// an append is one more, of `INFO`. How many bytes wait stands under a key of its own, which scripts keep. Beside the cells' commands a
/// user of the server must be allowed `+xadd +xlen +xrange +xrevrange +xdel +time`.
pub struct RedisBuffer {
    name: String,
    key: Box<[u8]>,
    /// Under it stands how many bytes wait.
    bytes_key: Box<[u8]>,
    pool: Arc<Pool>,
    keeps: Keeps,
}

/// How many entries a script takes out: some half a millisecond, in which the server does nothing else.
const REMOVED: usize = 128;

impl RedisBuffer {
    pub(crate) fn new(name: String, [key, bytes_key]: [Box<[u8]>; 2], pool: Arc<Pool>) -> Self {
        Self { name, key, bytes_key, pool, keeps: Keeps::default() }
    }

    fn with_link<T>(&self, work: impl FnOnce(&mut Link) -> Result<T, StoreError>) -> Result<T, StoreError> {
        self.pool.with_link(work)
    }
}

impl fmt::Debug for RedisBuffer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisBuffer").field("name", &self.name).finish_non_exhaustive()
    }
}

impl Buffer for RedisBuffer {
    fn name(&self) -> &str {
        &self.name
    }

    fn append(&self, entries: &[Bytes], at_most: Size) -> Result<Appended, AppendError> {
        let script = &*scripts::APPEND;
        let n_bytes = entries.iter().map(|entry| entry.len() + 16).sum::<usize>();
        let mut request = Request::with_capacity(128 + n_bytes);
        request.command(8 + entries.len()).arg(&[b"EVALSHA"]).arg(&[script.hash.as_bytes()]).number(2);
        request
            .arg(&[&self.key])
            .arg(&[&self.bytes_key])
            .number(at_most.n_entries)
            .number(at_most.n_bytes)
            .number(ENTRY_BYTES);
        for entry in entries {
            request.arg(&[entry]);
        }
        // Until something is sent, nothing can have happened.
        let mut is_sent = false;
        let appended = self.with_link(|link| {
            self.keeps.check(link)?;
            is_sent = true;
            let answer = link.run(script, &request)?.into_iter().next();
            Ok(answer.map(|answer| appended(link, answer)))
        });
        match appended {
            Ok(Some(answered)) => answered,
            Ok(None) => Err(AppendError::Unknown(StoreError::refused("the server did not answer"))),
            Err(error) if is_sent => Err(AppendError::Unknown(error)),
            Err(error) => Err(AppendError::NotAppended(error)),
        }
    }

    fn read(&self, n: usize, after: Option<EntryId>) -> Result<Vec<Entry>, StoreError> {
        let mut request = Request::with_capacity(128);
        request.command(1).arg(&[b"TIME"]);
        let from = after.map_or_else(|| "-".to_owned(), |id| format!("({}-{}", id.place.0, id.place.1));
        request.command(6).arg(&[b"XRANGE"]).arg(&[&self.key]).arg(&[from.as_bytes()]).arg(&[b"+"]);
        request.arg(&[b"COUNT"]).number(n as u64);
        self.with_link(|link| {
            if after.is_some_and(|id| id.life != link.fence()) {
                return Err(StoreError::refused("the server was replaced between two pages"));
            }
            let mut answers = link.call(&request)?.into_iter();
            let (Some(now), Some(page), None) = (answers.next(), answers.next(), answers.next()) else {
                return Err(link.refuse("each command is answered"));
            };
            let now = time(link, now)?;
            entries(link, page, now)
        })
    }

    fn remove(&self, entries: &[EntryId]) -> Result<(), StoreError> {
        self.with_link(|link| {
            let own: Vec<EntryId> = entries.iter().filter(|id| id.life == link.fence()).copied().collect();
            let script = &*scripts::REMOVE;
            let mut request = Request::with_capacity(128 + 32 * own.len());
            for some in own.chunks(REMOVED) {
                request.command(6 + some.len()).arg(&[b"EVALSHA"]).arg(&[script.hash.as_bytes()]).number(2);
                request.arg(&[&self.key]).arg(&[&self.bytes_key]).number(ENTRY_BYTES);
                for EntryId { place: (time, number), .. } in some {
                    request.arg(&[format!("{time}-{number}").as_bytes()]);
                }
            }
            if own.is_empty() {
                return Ok(());
            }
            for answer in link.run(script, &request)? {
                match answer {
                    Value::Int(_) => {}
                    Value::ServerError(error) => return Err(from_server(&error)),
                    _ => return Err(link.refuse("the script answers with a number")),
                }
            }
            Ok(())
        })
    }

    fn backlog(&self) -> Result<Backlog, StoreError> {
        let mut request = Request::with_capacity(256);
        request.command(1).arg(&[b"TIME"]);
        request.command(2).arg(&[b"XLEN"]).arg(&[&self.key]);
        request.command(2).arg(&[b"GET"]).arg(&[&self.bytes_key]);
        for (command, from, to) in [(&b"XRANGE"[..], b"-", b"+"), (b"XREVRANGE", b"+", b"-")] {
            request.command(6).arg(&[command]).arg(&[&self.key]).arg(&[from]).arg(&[to]).arg(&[b"COUNT"]).number(1);
        }
        self.with_link(|link| {
            let answers: Result<[Value; 5], _> = link.call(&request)?.try_into();
            let Ok([now, length, bytes, oldest, newest]) = answers else {
                return Err(link.refuse("each command is answered"));
            };
            let n_entries = match length {
                Value::Int(n) => u64::try_from(n).unwrap_or(0),
                Value::ServerError(error) => return Err(from_server(&error)),
                _ => return Err(link.refuse("XLEN answers with a number")),
            };
            let now = time(link, now)?;
            let (oldest, newest) = (entries(link, oldest, now)?, entries(link, newest, now)?);
            let n_bytes = match bytes {
                // What was left of a stream that is gone.
                _ if n_entries == 0 => 0,
                Value::BulkString(digits) => str::from_utf8(&digits).ok().and_then(|n| n.parse().ok()).unwrap_or(0),
                Value::ServerError(error) => return Err(from_server(&error)),
                _ => 0,
            };
            Ok(Backlog {
                size: Size { n_entries, n_bytes },
                oldest: oldest.first().map(|entry| entry.waited),
                newest: newest.first().map(|entry| entry.id),
            })
        })
    }
}

/// Reads what the script has answered.
fn appended(link: &mut Link, answer: Value) -> Result<Appended, AppendError> {
    let bytes = match answer {
        Value::BulkString(bytes) => bytes,
        // It looks before it writes, and is refused before it looks.
        Value::ServerError(error) => return Err(AppendError::NotAppended(from_server(&error))),
        _ => Vec::new(),
    };
    let text = str::from_utf8(&bytes).unwrap_or_default();
    let mut words = text.split(' ');
    let digit = words.next();
    let mut number = || words.next()?.parse().ok();
    let size = number().zip(number()).map(|(n_entries, n_bytes)| Size { n_entries, n_bytes });
    match (digit, size) {
        (Some("1"), Some(size)) => Ok(Appended::All(size)),
        (Some("0"), Some(size)) => Ok(Appended::Full(size)),
        _ => Err(AppendError::Unknown(link.refuse("the script answers with a digit and two numbers"))),
    }
}

/// Reads the answer of `TIME`, in milliseconds.
fn time(link: &mut Link, answer: Value) -> Result<u64, StoreError> {
    let parts = match answer {
        Value::Array(parts) => parts,
        Value::ServerError(error) => return Err(from_server(&error)),
        _ => Vec::new(),
    };
    let number = |value: &Value| match value {
        Value::BulkString(digits) => str::from_utf8(digits).ok()?.parse::<u64>().ok(),
        _ => None,
    };
    match &parts[..] {
        [seconds, micros] => {
            number(seconds).zip(number(micros)).map(|(seconds, micros)| seconds * 1_000 + micros / 1_000)
        }
        _ => None,
    }
    .ok_or_else(|| link.refuse("TIME answers with seconds and microseconds"))
}

/// Reads a list of entries, at that time.
fn entries(link: &mut Link, answer: Value, now: u64) -> Result<Vec<Entry>, StoreError> {
    let fence = link.fence();
    let entries = match answer {
        Value::Array(entries) => entries.into_iter().map(|entry| parse(entry, fence, now)).collect(),
        Value::ServerError(error) => return Err(from_server(&error)),
        _ => None,
    };
    entries.ok_or_else(|| link.refuse("XRANGE answers with entries"))
}

/// Reads one entry. One that somebody else has added has other fields, and is given as no bytes, which say nothing.
fn parse(entry: Value, life: Fence, now: u64) -> Option<Entry> {
    let Value::Array(parts) = entry else { return None };
    let [Value::BulkString(id), Value::Array(fields)] = <[Value; 2]>::try_from(parts).ok()? else { return None };
    let (time, number) = str::from_utf8(&id).ok()?.split_once('-')?;
    let place = (time.parse().ok()?, number.parse().ok()?);
    let bytes = match <[Value; 2]>::try_from(fields) {
        Ok([Value::BulkString(field), Value::BulkString(bytes)]) if field == b"e" => Bytes::from(bytes),
        _ => Bytes::new(),
    };
    let waited = Duration::from_millis(now.saturating_sub(place.0));
    Some(Entry { id: EntryId { place, life }, bytes, waited })
}
