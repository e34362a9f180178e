//! What the scripts of streams answer.

use larder::store::StoreError;
use redis::Value;

use crate::{error::from_server, link::Link};

/// One message, as it lies there.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) id: Vec<u8>,
    pub(super) n_deliveries: u32,
    pub(super) number: u64,
    pub(super) bytes: Vec<u8>,
}

/// What a consumer was given.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Taken {
    /// How many messages the group has lost in all.
    pub(super) n_lost: u64,
    /// Of how many of those somebody had been told before.
    pub(super) n_told: u64,
    /// The id behind which new ones come, if there are none now.
    pub(super) behind: Vec<u8>,
    pub(super) entries: Vec<Entry>,
}

/// A message that was put aside, as it lies there.
pub(super) struct Dead {
    pub(super) id: Vec<u8>,
    pub(super) group: String,
    pub(super) entry: Entry,
}

/// Reads an answer, or says what was expected.
pub(super) fn read<T>(
    link: &mut Link,
    answer: Option<Value>,
    expected: &'static str,
    parse: impl FnOnce(Value) -> Option<T>,
) -> Result<T, StoreError> {
    match answer {
        Some(Value::ServerError(error)) => Err(from_server(&error)),
        Some(value) => parse(value).ok_or_else(|| link.refuse(expected)),
        None => Err(link.refuse(expected)),
    }
}

pub(super) fn number(value: Value) -> Option<u64> {
    str::from_utf8(&bytes(value)?).ok()?.parse().ok()
}

pub(super) fn numbers<const N: usize>(value: Value) -> Option<[u64; N]> {
    list(value)?.into_iter().map(number).collect::<Option<Vec<_>>>()?.try_into().ok()
}

pub(super) fn taken(value: Value) -> Option<Taken> {
    let [n_lost, n_told, behind, entries] = list(value)?.try_into().ok()?;
    let entries = list(entries)?.into_iter().map(entry).collect::<Option<_>>()?;
    Some(Taken { n_lost: number(n_lost)?, n_told: number(n_told)?, behind: bytes(behind)?, entries })
}

fn entry(value: Value) -> Option<Entry> {
    let [id, n_deliveries, n, message] = list(value)?.try_into().ok()?;
    // One that somebody else has added has no number.
    let n_deliveries = u32::try_from(number(n_deliveries)?).ok()?;
    Some(Entry { id: bytes(id)?, n_deliveries, number: number(n).unwrap_or(0), bytes: bytes(message)? })
}

/// Reads what `XRANGE` answers of dead letters; what is none is left out.
pub(super) fn dead(value: Value) -> Option<Vec<Dead>> {
    let entries = list(value)?.into_iter().map(|entry| {
        let [id, fields] = list(entry)?.try_into().ok()?;
        Some((bytes(id)?, list(fields)?.into_iter().map(bytes).collect::<Option<Vec<_>>>()?))
    });
    let entries = entries.collect::<Option<Vec<_>>>()?;
    Some(entries.into_iter().filter_map(|(id, fields)| dead_letter(id, &fields)).collect())
}

fn dead_letter(id: Vec<u8>, fields: &[Vec<u8>]) -> Option<Dead> {
    let field = |name: &[u8]| fields.chunks_exact(2).find(|pair| pair[0] == name).map(|pair| pair[1].clone());
    let number = |name| str::from_utf8(&field(name)?).ok()?.parse::<u64>().ok();
    let n_deliveries = u32::try_from(number(b"d")?).ok()?;
    let entry = Entry { id: id.clone(), n_deliveries, number: number(b"n").unwrap_or(0), bytes: field(b"e")? };
    Some(Dead { id, group: String::from_utf8(field(b"g")?).ok()?, entry })
}

fn list(value: Value) -> Option<Vec<Value>> {
    if let Value::Array(values) = value { Some(values) } else { None }
}

fn bytes(value: Value) -> Option<Vec<u8>> {
    if let Value::BulkString(bytes) = value { Some(bytes) } else { None }
}
