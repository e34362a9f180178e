//! What the server answers, as a store gives it.

use std::time::Duration;

use larder::store::{Cell, CellKey, Inspected, Nonce, StoreError, Vacancy};
use redis::Value;

use crate::{
    cell::{Parsed, parse, stamp, stamp_of_life},
    error::from_server,
    link::Link,
};

/// Reads what `MGET` has found under a key.
pub(crate) fn cell(link: &mut Link, key: &CellKey, value: Value) -> Result<Cell, StoreError> {
    match value {
        Value::Nil => Ok(Cell::Vacant(Vacancy::Nothing)),
        Value::BulkString(bytes) => Ok(match parse(bytes, link.fence(), key.layout()) {
            Parsed::Cell(cell) => cell,
            Parsed::Garbage => {
                tracing::warn!(%key, "something that is no cell lies under a key");
                Cell::Vacant(Vacancy::Foreign)
            }
        }),
        _ => Err(link.refuse("MGET answers with strings")),
    }
}

/// Reads the stamp in the first bytes under a key: `None` where no value of this reign of the server begins so.
pub(crate) fn stamp_in(link: &mut Link, answer: Value) -> Result<Option<Nonce>, StoreError> {
    match answer {
        Value::BulkString(bytes) => Ok(stamp_of_life(&bytes, link.fence())),
        // Something of another type, which `GETRANGE` does not read.
        Value::ServerError(error) if error.code() == "WRONGTYPE" => Ok(None),
        Value::ServerError(error) => Err(from_server(&error)),
        _ => Err(link.refuse("GETRANGE answers with a string")),
    }
}

/// Reads what `stamp.lua` answers of so many keys, of which it put `own` where there was nothing.
pub(crate) fn stamps_in(
    link: &mut Link,
    answer: Value,
    n: usize,
    own: Nonce,
) -> Result<Vec<Option<Nonce>>, StoreError> {
    let Value::BulkString(bytes) = answer else {
        return Err(match answer {
            Value::ServerError(error) => from_server(&error),
            _ => link.refuse("a script answers with a string"),
        });
    };
    let mut stamps = Vec::with_capacity(n);
    let (digits, mut rest) = bytes.split_at_checked(n).unwrap_or_default();
    for digit in digits {
        stamps.push(match (digit, rest.split_first_chunk::<16>()) {
            (b'0', _) => None,
            (b'1', _) => Some(own),
            (b'2', Some((stamp, behind))) => {
                rest = behind;
                Some(Nonce::from_bytes(*stamp))
            }
            _ => return Err(link.refuse("each key has a digit, and each value a stamp")),
        });
    }
    if stamps.len() == n && rest.is_empty() {
        Ok(stamps)
    } else {
        Err(link.refuse("each key has a digit, and each value a stamp"))
    }
}

/// Reads what `MGET` and `PTTL` have found under a key.
pub(crate) fn inspected(link: &mut Link, key: &CellKey, value: Value, left: &Value) -> Result<Inspected, StoreError> {
    let stamp = if let Value::BulkString(bytes) = &value { stamp(bytes) } else { None };
    let cell = cell(link, key, value)?;
    let stamp = stamp.filter(|_| matches!(cell, Cell::Value(_)));
    // The key may have gone, or come, between the two commands.
    let expires_in = time_left(link, left)?.filter(|_| cell != Cell::Vacant(Vacancy::Nothing));
    Ok(Inspected { cell, stamp, expires_in })
}

/// Reads the answer of `PTTL`: `None` where there is nothing, or something that stays for good.
fn time_left(link: &mut Link, answer: &Value) -> Result<Option<Duration>, StoreError> {
    match answer {
        Value::Int(milliseconds) => Ok(u64::try_from(*milliseconds).ok().map(Duration::from_millis)),
        Value::ServerError(error) => Err(from_server(error)),
        _ => Err(link.refuse("PTTL answers with a number")),
    }
}

/// Reads the answer of `SCAN`: where to go on, and keys.
pub(crate) fn page(link: &mut Link, answer: Value) -> Result<(u64, Vec<Vec<u8>>), StoreError> {
    let page = match answer {
        Value::Array(page) => <[Value; 2]>::try_from(page).ok(),
        Value::ServerError(error) => return Err(from_server(&error)),
        _ => None,
    };
    let read = page.and_then(|[next, keys]| {
        let (Value::BulkString(next), Value::Array(keys)) = (next, keys) else {
            return None;
        };
        let next = str::from_utf8(&next).ok()?.parse().ok()?;
        let key = |key| if let Value::BulkString(key) = key { Some(key) } else { None };
        Some((next, keys.into_iter().map(key).collect::<Option<_>>()?))
    });
    read.ok_or_else(|| link.refuse("SCAN answers with a cursor and keys"))
}
