//! The derives of values and of parts of keys.

use larder::{Codec, KeyPart};

#[derive(Debug, Clone, PartialEq, Codec)]
enum Event<T> {
    Nothing,
    Paid(T, #[larder(serde, version = 2)] u8),
    Sent { to: String },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, KeyPart)]
enum Color {
    Red,
    r#Green,
}

#[test]
fn values_are_read_back_as_they_were_written() {
    let values = vec![Event::Nothing, Event::Paid(7_i64, 1), Event::Sent { to: "here".into() }];
    let mut bytes = Vec::new();
    values.encode(&mut bytes);
    let mut input = larder::codec::Input::new(&bytes);
    assert_eq!(Vec::<Event<i64>>::decode(&mut input), Ok(values));
    assert!(Event::<i64>::decode(&mut larder::codec::Input::new(&[3])).is_err());
}

#[test]
fn parts_of_keys_are_names() {
    let part = |color: Color| {
        let mut out = Vec::new();
        color.write_part(&mut out);
        out
    };
    assert_eq!((&*part(Color::Red), &*part(Color::Green)), (&b"Red"[..], &b"Green"[..]));
}
