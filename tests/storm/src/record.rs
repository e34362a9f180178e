//! What a worker tells of its operations, and how that is written down.

use serde::{Deserialize, Serialize};

use crate::clock::Moment;

/// A row under load, by its number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub(crate) enum Key {
    User(u16),
    Order(u16),
}

/// Where a row is to be found besides under its primary key: an order in the list of a user, a user under one of its addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Place {
    At(u16),
    /// The row is deleted.
    Gone,
}

/// A state of a row that the database has numbered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Version {
    pub(crate) key: Key,
    /// Grows with every committed write of the row, also over deletion and insertion.
    pub(crate) number: u64,
    /// Which attempt to write it was; 0 for a deletion.
    pub(crate) stamp: u32,
    pub(crate) place: Place,
}

/// What a worker is about to write.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Attempt {
    pub(crate) key: Key,
    pub(crate) stamp: u32,
    /// Known once the statement has returned, which is before COMMIT.
    pub(crate) number: Option<u64>,
    /// `None`: where it was before.
    pub(crate) place: Option<Place>,
}

/// What a reader asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Asked {
    Rows(Vec<Key>),
    /// The orders of a user.
    List(u16),
    /// The user with an address: whose it is, and which of the user's.
    Address(u16, u16),
}

/// Where rows come from; each may be as fresh as the ones before it, or fresher.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) enum Layer {
    /// The memory of the process.
    Near,
    Shared,
    Database,
}

/// How a write has ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Outcome {
    /// Committed, and these are the versions: none if there was nothing to change.
    Done(Vec<Version>),
    /// Not done, for certain.
    Failed,
    /// The answer to COMMIT was lost.
    Unknown,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Event {
    /// From here on these versions may come into being.
    Announced(Vec<Attempt>),
    /// A write has ended, and with it what was announced.
    Wrote { began: Moment, outcome: Outcome },
    /// A read has ended; rows that were asked for and are not there were not found.
    /// It was allowed to look no nearer than `from`, and had to go as far as `to`.
    Read { began: Moment, asked: Asked, found: Vec<Version>, from: Layer, to: Layer },
    /// A read got no answer, for that reason.
    ReadFailed { began: Moment, from: Layer, why: String },
    /// By now nobody writes any more; what comes are reads.
    Quiet,
    /// The thread is no more. Not written by workers: it is what the end of a stream means.
    Ended,
}

/// An event of one thread of a worker, and when it was over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Record {
    pub(crate) thread: u8,
    pub(crate) at: Moment,
    pub(crate) event: Event,
}

/// The bytes before each record: its length.
const HEADER: usize = 2;

/// Appends a record to what is to be sent.
pub(crate) fn write(record: &Record, to: &mut Vec<u8>) {
    let start = to.len();
    to.extend([0; HEADER]);
    let written = std::mem::take(to);
    *to = postcard::to_extend(record, written).expect("a record is made of nothing that can't be written");
    let length = u16::try_from(to.len() - start - HEADER).expect("a record is short: a read asks for few rows");
    to[start..start + HEADER].copy_from_slice(&length.to_le_bytes());
}

/// Makes records of the bytes of a worker, which may be cut anywhere.
#[derive(Debug, Default)]
pub(crate) struct Reader {
    bytes: Vec<u8>,
    start: usize,
}

impl Reader {
    pub(crate) fn push(&mut self, bytes: &[u8]) {
        self.bytes.drain(..self.start);
        self.start = 0;
        self.bytes.extend_from_slice(bytes);
    }

    /// The next record: `None` until all of its bytes are there.
    ///
    /// # Errors
    /// The bytes are no record, which is a mistake of the worker.
    pub(crate) fn next(&mut self) -> Result<Option<Record>, postcard::Error> {
        let rest = &self.bytes[self.start..];
        let Some((header, rest)) = rest.split_first_chunk::<HEADER>() else { return Ok(None) };
        let length = usize::from(u16::from_le_bytes(*header));
        let Some(body) = rest.get(..length) else { return Ok(None) };
        let record = postcard::from_bytes(body)?;
        self.start += HEADER + length;
        Ok(Some(record))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn records() -> Vec<Record> {
        let version = Version { key: Key::Order(7), number: 1 << 40, stamp: 999_999, place: Place::At(3) };
        let attempt = Attempt { key: Key::User(1), stamp: 5, number: None, place: Some(Place::Gone) };
        let events = [
            Event::Announced(vec![attempt]),
            Event::Wrote { began: 1, outcome: Outcome::Done(vec![version]) },
            Event::Read {
                began: 2,
                asked: Asked::Address(1, 1),
                found: vec![version; 300],
                from: Layer::Near,
                to: Layer::Shared,
            },
            Event::ReadFailed { began: u64::MAX, from: Layer::Shared, why: "no connection".to_owned() },
            Event::Quiet,
        ];
        events.into_iter().map(|event| Record { thread: 1, at: 9, event }).collect()
    }

    #[test]
    fn a_stream_that_is_cut_anywhere_gives_what_was_whole() {
        let mut bytes = Vec::new();
        let ends: Vec<usize> = records()
            .iter()
            .map(|record| {
                write(record, &mut bytes);
                bytes.len()
            })
            .collect();
        for cut in 0..=bytes.len() {
            let (mut reader, mut read) = (Reader::default(), Vec::new());
            for piece in bytes[..cut].chunks(7) {
                reader.push(piece);
                while let Some(record) = reader.next().unwrap() {
                    read.push(record);
                }
            }
            let n_whole = ends.iter().filter(|end| **end <= cut).count();
            assert_eq!(read, records()[..n_whole], "cut after {cut} bytes");
        }
    }

    #[test]
    fn bytes_that_are_no_record_are_an_error() {
        let mut reader = Reader::default();
        reader.push(&[1, 0, 0xff]);
        assert!(reader.next().is_err());
    }
}
