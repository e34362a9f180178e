//! Values in cells: structs and enums of every form.

use std::fmt::Debug;

use larder::{
    Codec,
    codec::{Fingerprint, Input},
};

#[derive(Debug, Clone, PartialEq, Codec)]
enum Event<T> {
    Nothing,
    Paid(T, #[larder(serde, version = 2)] u8),
    Sent { to: String, r#type: Option<T> },
}

#[derive(Debug, Clone, PartialEq, Codec)]
struct Pair<A, B>(A, B)
where
    A: Clone;

#[derive(Debug, Clone, PartialEq, Codec)]
struct Unit;

#[derive(Debug, Clone, PartialEq, Codec)]
enum Never {}

#[derive(Debug, Clone, PartialEq, Codec)]
struct Bytes<const N: usize> {
    #[larder(serde)]
    bytes: Vec<u8>,
}

fn bytes(value: &impl Codec) -> Vec<u8> {
    let mut bytes = Vec::new();
    value.encode(&mut bytes);
    bytes
}

#[track_caller]
fn comes_back<T: Codec + Debug + PartialEq>(value: T) {
    let bytes = bytes(&value);
    let mut input = Input::new(&bytes);
    assert_eq!(T::decode(&mut input).as_ref(), Ok(&value));
    assert_eq!(input.end(), Ok(()));
    for end in 0..bytes.len() {
        assert!(T::decode(&mut Input::new(&bytes[..end])).is_err(), "{value:?} from {end} bytes of {}", bytes.len());
    }
}

#[test]
fn values_are_read_back_as_they_were_written() {
    comes_back(Event::<i64>::Nothing);
    comes_back(Event::Paid(-7_i64, 1));
    comes_back(Event::Sent { to: "here".into(), r#type: Some(3_u8) });
    comes_back(Pair(Unit, vec![Pair(1_u16, "x".to_owned())]));
    comes_back(Bytes::<4> { bytes: vec![1, 2, 3] });
}

#[test]
fn bytes_of_an_unknown_variant_are_corrupt() {
    assert!(Event::<i64>::decode(&mut Input::new(&[3])).is_err());
    assert!(Never::decode(&mut Input::new(&[0])).is_err());
}

/// The fingerprint of a struct or enum in a module of its own.
macro_rules! fingerprint {
    ($($item:tt)*) => {{
        #[derive(Codec)]
        #[allow(dead_code, reason = "only its fingerprint is looked at")]
        $($item)*
        Value::FINGERPRINT
    }};
}

#[test]
fn every_change_of_form_changes_the_fingerprint() {
    let mut seen: Vec<Fingerprint> = Vec::new();
    #[rustfmt::skip]
    let forms = [
        fingerprint!(struct Value { a: i32, b: i32 }),
        fingerprint!(struct Value { b: i32, a: i32 }),
        fingerprint!(struct Value { a: i32, b: i64 }),
        fingerprint!(struct Value { a: i32, b: Option<i32> }),
        fingerprint!(struct Value { a: i32, #[larder(serde)] b: i32 }),
        fingerprint!(struct Value { a: i32, #[larder(serde, version = 2)] b: i32 }),
        fingerprint!(struct Value(i32, i32);),
        fingerprint!(struct Value(Pair<i32, i32>);),
        fingerprint!(enum Value { A, B }),
        fingerprint!(enum Value { B, A }),
        fingerprint!(enum Value { A, B, C }),
        fingerprint!(enum Value { A(i32), B }),
        fingerprint!(enum Value { A, B(i32) }),
        fingerprint!(enum Value { A { a: i32 }, B }),
    ];
    for fingerprint in forms {
        assert!(!seen.contains(&fingerprint), "form {}", seen.len());
        seen.push(fingerprint);
    }
}
