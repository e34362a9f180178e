//! Values by which rows are found: parts, keys made of parts, and the fields that hold them.

use std::hash::Hash;

use sha2::{Digest, Sha256};

/// The longest part that stands in a cell's key as it is; longer ones are hashed.
const LONGEST_PART: usize = 64;

/// A value that one column of a key can have.
///
/// What Rust calls equal must be what the database calls equal: a case-insensitive collation on a key column would let two
/// spellings name one row, and only one of them would be invalidated.
#[diagnostic::on_unimplemented(
    message = "`{Self}` can't be part of a key",
    label = "rows can't be found by this type",
    note = "add `#[derive(larder::KeyPart)]` to `{Self}` if it is an enum without fields, or implement `larder::KeyPart`",
    note = "an `Option` can't be part of a primary key, whose columns are never NULL"
)]
pub trait KeyPart: Clone + Eq + Hash + Send + Sync + 'static {
    /// Appends a text that no other value of the type has. Any bytes will do; the caller escapes and bounds them.
    fn write_part(&self, out: &mut Vec<u8>);

    /// The one of several equal values that the database would give back, where it keeps less than Rust does: of instants, some
    /// keep nanoseconds and some microseconds.
    #[must_use]
    fn canonical(self, keeps_nanoseconds: bool) -> Self {
        let _ = keeps_nanoseconds;
        self
    }
}

macro_rules! displayed {
    ($($type:ty),*) => {$(
        impl KeyPart for $type {
            fn write_part(&self, out: &mut Vec<u8>) {
                out.extend_from_slice(self.to_string().as_bytes());
            }
        }
    )*};
}

displayed!(i8, i16, i32, i64, u8, u16, u32, u64, bool);

impl KeyPart for String {
    fn write_part(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.as_bytes());
    }
}

impl KeyPart for Vec<u8> {
    fn write_part(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self);
    }
}

/// Appends a part to a cell's key: escaped, and hashed (SHA-256, 144 bits of it) if it is long.
fn put_part(part: &impl KeyPart, out: &mut Vec<u8>) {
    let start = out.len();
    part.write_part(out);
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"@._-+".contains(byte);
    let text = &out[start..];
    if text.len() <= LONGEST_PART && text.iter().all(plain) {
        return;
    }
    let text = text.to_vec();
    out.truncate(start);
    if text.len() > LONGEST_PART {
        out.push(b'~');
        for byte in &Sha256::digest(&text)[..18] {
            out.extend_from_slice(format!("{byte:02x}").as_bytes());
        }
        return;
    }
    for byte in text {
        if plain(&byte) {
            out.push(byte);
        } else {
            out.extend_from_slice(format!("%{byte:02X}").as_bytes());
        }
    }
}

/// What a row is found by: a part, or a tuple of up to four.
#[diagnostic::on_unimplemented(message = "`{Self}` is no key", note = "a key is a value or a tuple of two to four")]
pub trait Key: Clone + Eq + Hash + Send + Sync + 'static {
    /// Appends the parts, with a comma between them.
    fn write_key(&self, out: &mut Vec<u8>);

    /// The key as the database would give it back.
    #[must_use]
    fn canonical(self, keeps_nanoseconds: bool) -> Self;
}

impl<T: KeyPart> Key for T {
    fn write_key(&self, out: &mut Vec<u8>) {
        put_part(self, out);
    }

    fn canonical(self, keeps_nanoseconds: bool) -> Self {
        KeyPart::canonical(self, keeps_nanoseconds)
    }
}

macro_rules! tuple {
    ($($name:ident $at:tt),*) => {
        impl<$($name: KeyPart),*> Key for ($($name,)*) {
            fn write_key(&self, out: &mut Vec<u8>) {
                $(
                    if $at > 0 {
                        out.push(b',');
                    }
                    put_part(&self.$at, out);
                )*
            }

            fn canonical(self, keeps_nanoseconds: bool) -> Self {
                ($(KeyPart::canonical(self.$at, keeps_nanoseconds),)*)
            }
        }
    };
}

tuple!(A 0, B 1);
tuple!(A 0, B 1, C 2);
tuple!(A 0, B 1, C 2, D 3);

/// A field that holds a part of a key: the part itself, or an `Option` of it.
#[diagnostic::on_unimplemented(
    message = "rows can't be found by a field of type `{Self}`",
    note = "key fields are integers, `bool`, text, bytes, uuids, dates, decimals, enums with `#[derive(larder::KeyPart)]`, or `Option`s of those"
)]
pub trait KeyField {
    /// The part.
    type Part: KeyPart;
    /// How many rows stand behind a reference in this field: exactly one, or one or none.
    type Arity;

    /// The part, unless the field is empty: an empty field refers to nothing and is in no list.
    fn part(&self) -> Option<Self::Part>;
}

impl<T: KeyPart> KeyField for T {
    type Part = T;
    type Arity = crate::relation::One;

    fn part(&self) -> Option<T> {
        Some(self.clone())
    }
}

impl<T: KeyPart> KeyField for Option<T> {
    type Part = T;
    type Arity = crate::relation::Maybe;

    fn part(&self) -> Option<T> {
        self.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(key: impl Key) -> String {
        let mut out = Vec::new();
        key.write_key(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn plain_parts_stand_as_they_are() {
        assert_eq!(written(42_i64), "42");
        assert_eq!(written("ada@example.com".to_owned()), "ada@example.com");
        assert_eq!(written((7, "paid".to_owned())), "7,paid");
    }

    #[test]
    fn a_part_can_not_look_like_two() {
        assert_eq!(written(("a,b".to_owned(), "c".to_owned())), "a%2Cb,c");
        assert_ne!(written(("a,b".to_owned(), "c".to_owned())), written(("a".to_owned(), "b,c".to_owned())));
        assert_ne!(written(String::new()), written("%".to_owned()));
        assert_eq!(written("~x:y\n%".to_owned()), "%7Ex%3Ay%0A%25");
    }

    #[test]
    fn long_parts_are_hashed_and_stay_apart() {
        let long = "x".repeat(LONGEST_PART + 1);
        let hashed = written(long.clone());
        assert_eq!(hashed.len(), 1 + 36);
        assert!(hashed.starts_with('~'));
        assert_ne!(hashed, written(long + "x"));
        assert!(written("ü".repeat(64)).starts_with('~'));
    }

    #[test]
    fn what_the_database_calls_equal_is_one_key() {
        let [short, long] = ["1.5", "1.500"].map(|text| text.parse::<bigdecimal::BigDecimal>().unwrap());
        assert_eq!(written(short), written(long));
        let instant = chrono::DateTime::from_timestamp_nanos(1_234_567_891);
        assert_eq!(Key::canonical(instant, true), instant);
        assert_eq!(Key::canonical(instant, false).timestamp_subsec_nanos(), 234_567_000);
    }
}
