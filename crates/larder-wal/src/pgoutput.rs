//! What `pgoutput` says, protocol version 1: tables, and changes of their rows.

use bytes::{Buf, Bytes};

use crate::Error;

/// One message of the stream.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Message {
    Relation(Relation),
    Insert {
        table: u32,
        new: Tuple,
    },
    Update {
        table: u32,
        old: Old,
        new: Tuple,
    },
    Delete {
        table: u32,
        old: Old,
    },
    Truncate {
        tables: Vec<u32>,
    },
    /// A type, an origin, and whatever else is no change.
    Other,
}

/// A table as it was when the changes that follow were made.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Relation {
    pub(crate) table: u32,
    pub(crate) columns: Vec<Column>,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Column {
    pub(crate) name: String,
    /// Whether the log always has its old value.
    pub(crate) is_identity: bool,
}

/// What the log has of a row as it was.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Old {
    /// Nothing: the columns of the identity have not changed.
    Unchanged,
    /// The columns of the identity; the others are NULL here, whatever they were.
    Identity(Tuple),
    Whole(Tuple),
}

/// The values of a row, in the order of its relation's columns.
pub(crate) type Tuple = Vec<Value>;

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Value {
    Null,
    /// A large value that an UPDATE did not touch: it is not in the log.
    Untouched,
    Text(Bytes),
}

/// The table of which a message tells a changed row, without a look at the row.
pub(crate) fn table_of_row(data: &[u8]) -> Option<u32> {
    match data {
        [b'I' | b'U' | b'D', a, b, c, d, ..] => Some(u32::from_be_bytes([*a, *b, *c, *d])),
        _ => None,
    }
}

impl Message {
    pub(crate) fn parse(data: Bytes) -> Result<Self, Error> {
        let mut reader = Reader { data };
        Ok(match reader.byte()? {
            b'R' => Self::Relation(reader.relation()?),
            b'I' => {
                let table = reader.number()?;
                reader.expect(b'N')?;
                Self::Insert { table, new: reader.tuple()? }
            }
            b'U' => {
                let table = reader.number()?;
                let (old, next) = match reader.byte()? {
                    b'N' => (Old::Unchanged, b'N'),
                    kind => (reader.old(kind)?, reader.byte()?),
                };
                if next != b'N' {
                    return Err(Error::Garbled("an update without a new row"));
                }
                Self::Update { table, old, new: reader.tuple()? }
            }
            b'D' => {
                let table = reader.number()?;
                let kind = reader.byte()?;
                Self::Delete { table, old: reader.old(kind)? }
            }
            b'T' => {
                let n_tables = reader.number()?;
                let _options = reader.byte()?;
                Self::Truncate { tables: (0..n_tables).map(|_| reader.number()).collect::<Result<_, _>>()? }
            }
            _ => Self::Other,
        })
    }
}

struct Reader {
    data: Bytes,
}

impl Reader {
    fn need(&self, n_bytes: usize) -> Result<(), Error> {
        if self.data.len() < n_bytes { Err(Error::Garbled("a message that ends too early")) } else { Ok(()) }
    }

    fn byte(&mut self) -> Result<u8, Error> {
        self.need(1)?;
        Ok(self.data.get_u8())
    }

    fn expect(&mut self, byte: u8) -> Result<(), Error> {
        if self.byte()? == byte { Ok(()) } else { Err(Error::Garbled("a row of another kind")) }
    }

    fn short(&mut self) -> Result<usize, Error> {
        self.need(2)?;
        Ok(usize::from(self.data.get_u16()))
    }

    fn number(&mut self) -> Result<u32, Error> {
        self.need(4)?;
        Ok(self.data.get_u32())
    }

    fn bytes(&mut self, n_bytes: usize) -> Result<Bytes, Error> {
        self.need(n_bytes)?;
        Ok(self.data.split_to(n_bytes))
    }

    /// A text that ends with a zero.
    fn word(&mut self) -> Result<String, Error> {
        let end = self.data.iter().position(|byte| *byte == 0).ok_or(Error::Garbled("a name without an end"))?;
        let word = self.bytes(end)?;
        self.byte()?;
        String::from_utf8(word.to_vec()).map_err(|_| Error::Garbled("a name that is not UTF-8"))
    }

    fn relation(&mut self) -> Result<Relation, Error> {
        let table = self.number()?;
        let (_schema, _name, _identity) = (self.word()?, self.word()?, self.byte()?);
        let n_columns = self.short()?;
        let columns = (0..n_columns).map(|_| {
            let (flags, name) = (self.byte()?, self.word()?);
            let (_type, _modifier) = (self.number()?, self.number()?);
            Ok(Column { name, is_identity: flags & 1 == 1 })
        });
        Ok(Relation { table, columns: columns.collect::<Result<_, Error>>()? })
    }

    fn old(&mut self, kind: u8) -> Result<Old, Error> {
        match kind {
            b'K' => Ok(Old::Identity(self.tuple()?)),
            b'O' => Ok(Old::Whole(self.tuple()?)),
            _ => Err(Error::Garbled("an old row of another kind")),
        }
    }

    fn tuple(&mut self) -> Result<Tuple, Error> {
        let n_values = self.short()?;
        (0..n_values).map(|_| self.value()).collect()
    }

    fn value(&mut self) -> Result<Value, Error> {
        Ok(match self.byte()? {
            b'n' => Value::Null,
            b'u' => Value::Untouched,
            b't' => {
                let n_bytes = self.number()?;
                Value::Text(
                    self.bytes(usize::try_from(n_bytes).map_err(|_| Error::Garbled("a value without an end"))?)?,
                )
            }
            _ => return Err(Error::Garbled("a value of another kind")),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `UPDATE` of table 7 with the old identity `1`, and the new row `1`, untouched, NULL.
    const UPDATE: &[u8] = b"U\0\0\0\x07K\0\x03t\0\0\0\x011nnN\0\x03t\0\0\0\x011un";

    #[test]
    fn an_update_has_an_old_row_and_a_new_one() {
        let one = Value::Text(Bytes::from_static(b"1"));
        let expected = Message::Update {
            table: 7,
            old: Old::Identity(vec![one.clone(), Value::Null, Value::Null]),
            new: vec![one, Value::Untouched, Value::Null],
        };
        assert_eq!(Message::parse(Bytes::from_static(UPDATE)).unwrap(), expected);
        assert_eq!(table_of_row(UPDATE), Some(7));
        assert_eq!(table_of_row(b"T\0\0\0\x01\0\0\0\0\x07"), None);
    }

    #[test]
    fn a_message_that_ends_too_early_is_an_error_and_no_panic() {
        for end in 0..UPDATE.len() {
            assert!(matches!(Message::parse(Bytes::from_static(&UPDATE[..end])), Err(Error::Garbled(_))), "{end}");
        }
        for odd in [&b"I\0\0\0\x07K"[..], b"D\0\0\0\x07N", b"R\0\0\0\x07name", b"U\0\0\0\x07K\0\0X"] {
            assert!(Message::parse(Bytes::from_static(odd)).is_err(), "{odd:?}");
        }
        assert_eq!(Message::parse(Bytes::from_static(b"Y....")).unwrap(), Message::Other);
    }
}
