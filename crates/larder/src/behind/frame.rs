//! Changes as the bytes of one entry of the buffer.

use std::collections::BTreeMap;

use bigdecimal::BigDecimal;
use bytes::Bytes;

use super::change::{Amount, Assignment, Change, MOST_CALLS, SqlType, Value};
use crate::{
    codec::{Codec, Corrupt, Input, put_bytes, put_varint},
    store::Nonce,
};

/// The first byte of a frame. One of another form is for another version to read.
const FORM: u8 = 1;

/// Changes that were acknowledged together. The producer counts its frames, so that each is applied once.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Frame {
    /// Who has sent it: one life of one handle.
    pub(super) producer: Nonce,
    /// Its number among those of the producer, from 1. Later frames have greater ones; some may be missing.
    pub(super) number: u64,
    pub(super) changes: Vec<Change>,
}

impl Frame {
    pub(super) fn encode(producer: Nonce, number: u64, changes: &[Change]) -> Bytes {
        let mut out = Vec::with_capacity(64 + 96 * changes.len());
        out.push(FORM);
        out.extend_from_slice(producer.as_bytes());
        put_varint(number, &mut out);
        put_varint(changes.len() as u64, &mut out);
        changes.iter().for_each(|change| put_change(change, &mut out));
        Bytes::from(out)
    }

    /// The frame that these bytes are. Whatever they say else is no frame: nothing that comes out of here is more than the database or
    /// a number of ours can hold.
    pub(super) fn decode(bytes: &[u8]) -> Result<Self, Corrupt> {
        let mut input = Input::new(bytes);
        if input.byte()? != FORM {
            return Err(Corrupt);
        }
        let producer: [u8; 16] = input.take(16)?.try_into().map_err(|_| Corrupt)?;
        let is_printed = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_".contains(byte);
        let number = input.varint()?;
        // The table that says what is applied has text, numbers of 63 bits, and 0 for nothing.
        if !producer.iter().all(is_printed) || number == 0 || i64::try_from(number).is_err() {
            return Err(Corrupt);
        }
        let changes = list(&mut input, change)?;
        input.end()?;
        Ok(Self { producer: Nonce::from_bytes(producer), number, changes })
    }
}

/// One change by itself, as it is kept when the database has rejected it.
pub(super) fn encode_change(change: &Change) -> Vec<u8> {
    let mut out = Vec::with_capacity(96);
    put_change(change, &mut out);
    out
}

pub(super) fn decode_change(bytes: &[u8]) -> Result<Change, Corrupt> {
    let mut input = Input::new(bytes);
    let change = change(&mut input)?;
    input.end()?;
    Ok(change)
}

fn put_change(change: &Change, out: &mut Vec<u8>) {
    put_bytes(change.model.as_bytes(), out);
    put_bytes(&change.cell, out);
    put_varint(change.key.len() as u64, out);
    change.key.iter().for_each(|part| put_value(part, out));
    put_varint(change.columns.len() as u64, out);
    for (column, assignment) in &change.columns {
        put_bytes(column.as_bytes(), out);
        put_option(assignment.value.as_ref(), out, put_value);
        put_option(assignment.plus.as_ref(), out, put_amount);
    }
    put_varint(change.n_calls, out);
}

fn change(input: &mut Input<'_>) -> Result<Change, Corrupt> {
    let (model, cell) = (name(input)?, bytes(input)?);
    let key = list(input, value)?;
    let columns: BTreeMap<String, Assignment> = list(input, |input| {
        let column = name(input)?;
        Ok((column, Assignment { value: option(input, value)?, plus: option(input, amount)? }))
    })?
    .into_iter()
    .collect();
    let n_calls = input.varint()?;
    if columns.is_empty() || n_calls > MOST_CALLS {
        return Err(Corrupt);
    }
    Ok(Change { model, cell, key, columns, n_calls })
}

fn put_value(value: &Value, out: &mut Vec<u8>) {
    match &value.sql_type {
        SqlType::BuiltIn(oid) => {
            out.push(0);
            put_varint(u64::from(*oid), out);
        }
        SqlType::Named { schema, name } => {
            out.push(1);
            put_option(schema.as_ref(), out, |schema, out| put_bytes(schema.as_bytes(), out));
            put_bytes(name.as_bytes(), out);
        }
    }
    put_option(value.bytes.as_ref(), out, |bytes, out| put_bytes(bytes, out));
}

fn value(input: &mut Input<'_>) -> Result<Value, Corrupt> {
    let sql_type = match input.byte()? {
        0 => SqlType::BuiltIn(u32::decode(input)?),
        1 => SqlType::Named { schema: option(input, name)?, name: name(input)? },
        _ => return Err(Corrupt),
    };
    Ok(Value { sql_type, bytes: option(input, bytes)? })
}

fn put_amount(amount: &Amount, out: &mut Vec<u8>) {
    match amount {
        Amount::Whole(n) => {
            out.push(0);
            n.encode(out);
        }
        Amount::Decimal(n) => {
            out.push(1);
            n.encode(out);
        }
    }
}

fn amount(input: &mut Input<'_>) -> Result<Amount, Corrupt> {
    match input.byte()? {
        0 => i64::decode(input).map(Amount::Whole),
        1 => Amount::of_calls(BigDecimal::decode(input)?).ok_or(Corrupt),
        _ => Err(Corrupt),
    }
}

/// What SQL can call something.
fn name(input: &mut Input<'_>) -> Result<String, Corrupt> {
    let name = String::decode(input)?;
    if name.is_empty() || name.contains('\0') { Err(Corrupt) } else { Ok(name) }
}

fn bytes(input: &mut Input<'_>) -> Result<Vec<u8>, Corrupt> {
    let length = input.length()?;
    input.take(length).map(<[u8]>::to_vec)
}

fn put_option<T>(value: Option<&T>, out: &mut Vec<u8>, put: impl FnOnce(&T, &mut Vec<u8>)) {
    out.push(u8::from(value.is_some()));
    if let Some(value) = value {
        put(value, out);
    }
}

fn option<T>(
    input: &mut Input<'_>,
    take: impl FnOnce(&mut Input<'_>) -> Result<T, Corrupt>,
) -> Result<Option<T>, Corrupt> {
    match input.byte()? {
        0 => Ok(None),
        1 => take(input).map(Some),
        _ => Err(Corrupt),
    }
}

fn list<T>(
    input: &mut Input<'_>,
    mut take: impl FnMut(&mut Input<'_>) -> Result<T, Corrupt>,
) -> Result<Vec<T>, Corrupt> {
    // Each item takes a byte at least, so that no length asks for more memory than there are bytes.
    let n = input.length()?;
    let mut items = Vec::with_capacity(n.min(1_024));
    for _ in 0..n {
        items.push(take(input)?);
    }
    Ok(items)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame() -> Frame {
        let named = SqlType::Named { schema: Some("shop".to_owned()), name: "mood".to_owned() };
        let columns = [
            ("n", Assignment { value: None, plus: Some(Amount::Whole(-3)) }),
            ("m", Assignment { value: Some(Value { sql_type: named, bytes: None }), plus: None }),
            ("d", Assignment { value: None, plus: Some(Amount::Decimal("1.50".parse().unwrap())) }),
        ];
        let change = Change {
            model: "orders".to_owned(),
            cell: b"orders:id:7".to_vec(),
            key: vec![Value { sql_type: SqlType::BuiltIn(20), bytes: Some(vec![0; 8]) }],
            columns: columns.into_iter().map(|(name, assignment)| (name.to_owned(), assignment)).collect(),
            n_calls: 300,
        };
        Frame { producer: Nonce::fresh(), number: 70_000, changes: vec![change.clone(), change] }
    }

    #[test]
    fn a_frame_comes_back_and_no_part_of_it_is_one() {
        let frame = frame();
        let bytes = Frame::encode(frame.producer, frame.number, &frame.changes);
        assert_eq!(Frame::decode(&bytes).as_ref(), Ok(&frame));
        for end in 0..bytes.len() {
            assert_eq!(Frame::decode(&bytes[..end]), Err(Corrupt), "cut to {end}");
        }
        assert_eq!(Frame::decode(&[&bytes[..], b"x"].concat()), Err(Corrupt));
        assert_eq!(Frame::decode(&[b"\x02", &bytes[1..]].concat()), Err(Corrupt), "of another form");
        let change = &frame.changes[0];
        assert_eq!(decode_change(&encode_change(change)).as_ref(), Ok(change));
    }

    #[test]
    fn what_no_producer_can_have_sent_is_no_frame() {
        let broken = |spoil: &dyn Fn(&mut Frame)| {
            let mut frame = frame();
            spoil(&mut frame);
            Frame::decode(&Frame::encode(frame.producer, frame.number, &frame.changes)) == Err(Corrupt)
        };
        let column = |name: &str, plus: Amount| (name.to_owned(), Assignment { value: None, plus: Some(plus) });
        let decimal = |text: &str| Amount::Decimal(text.parse().unwrap());
        assert!(!broken(&|_| ()));
        assert!(!broken(&|frame| frame.number = i64::MAX.unsigned_abs()));
        assert!(broken(&|frame| frame.number = i64::MAX.unsigned_abs() + 1));
        assert!(broken(&|frame| frame.number = 0));
        assert!(broken(&|frame| frame.producer = Nonce::from_bytes([0; 16])));
        assert!(broken(&|frame| frame.producer = Nonce::from_bytes([0xff; 16])));
        assert!(broken(&|frame| frame.changes[1].model = "a\0b".to_owned()));
        assert!(broken(&|frame| frame.changes[1].columns.clear()));
        assert!(broken(&|frame| frame.changes[1].columns.extend([column("a\0", Amount::Whole(1))])));
        assert!(broken(&|frame| frame.changes[1].columns.extend([column("", Amount::Whole(1))])));
        assert!(broken(&|frame| frame.changes[1].columns.extend([column("d", decimal("1e100000000"))])));
        assert!(broken(&|frame| frame.changes[1].columns.extend([column("d", decimal("1e-100000000"))])));
        assert!(broken(&|frame| frame.changes[1].n_calls = u64::MAX));
        let unnamed = SqlType::Named { schema: None, name: "a\0".to_owned() };
        assert!(broken(&|frame| frame.changes[1].key[0].sql_type = unnamed.clone()));
    }

    #[test]
    fn bytes_that_are_no_frame_ask_for_no_memory() {
        let mut bytes = vec![FORM];
        bytes.extend_from_slice(&[b'A'; 16]);
        bytes.extend_from_slice(&[1, 0xff, 0xff, 0xff, 0xff, 0x0f]);
        assert_eq!(Frame::decode(&bytes), Err(Corrupt));
    }
}
