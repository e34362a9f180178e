//! Cursors: places in lists, as texts that only the handle's key can make.

use std::{fmt, str::FromStr, sync::OnceLock};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use hmac::{Hmac, Mac as _};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use sha2::Sha256;

/// How many bytes of the code stand behind a place: as many as nobody can guess.
const CODE: usize = 16;

/// What every code is of, before all else: an application may use its secret for something else too.
const PURPOSE: &[u8] = b"larder cursor 1";

/// Where the next page of a list begins: behind the last row of a page.
///
/// [`List::page`](crate::List::page) gives it, [`List::after`](crate::List::after) takes it. In between it is a text of letters, digits, `-`
/// and `_` that a URL, a header or JSON can carry, some 30 characters longer than what it has of the row.
///
/// It is authenticated and not encrypted: whoever has a cursor can't change it, or use it with another list, but can read the values of the
/// row's primary key and of the columns by which the list is ordered. It says nothing of who may read the list, which is for the application
/// to know.
///
/// It is good for one list: a key of an access pattern, in the order that the model declares, on handles with the same
/// [`cursor_key`](crate::Builder::cursor_key). It does not expire, and outlives a change of the model, unless that changes the order or one of the
/// columns that it has. Any other is refused by [`Error::Cursor`](crate::Error::Cursor), whatever is wrong with it.
///
/// ```
/// use larder::Cursor;
///
/// // What is no text of one is refused here, what is one of another list where it is used.
/// assert!("<script>".parse::<Cursor>().is_err());
/// ```
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Cursor {
    /// A place, and behind it the code.
    bytes: Vec<u8>,
}

/// No cursor of this list. It is not said what is wrong with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("this is no cursor of the list")]
pub struct InvalidCursor;

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&URL_SAFE_NO_PAD.encode(&self.bytes))
    }
}

/// Its length: the values in it are nothing for a log.
impl fmt::Debug for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cursor").field("n_bytes", &self.bytes.len()).finish()
    }
}

impl FromStr for Cursor {
    type Err = InvalidCursor;

    /// Reads a text that [`Display`](fmt::Display) may have written. Whether it did, is known where the cursor is used.
    fn from_str(text: &str) -> Result<Self, InvalidCursor> {
        let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| InvalidCursor)?;
        if bytes.len() > CODE { Ok(Self { bytes }) } else { Err(InvalidCursor) }
    }
}

impl Serialize for Cursor {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Cursor {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(de::Error::custom)
    }
}

/// What makes a handle's cursors, and knows them again.
pub(crate) struct CursorKey(OnceLock<[u8; 32]>);

impl CursorKey {
    /// With a key of the application's, or else one that is drawn when it is first needed.
    pub(crate) fn new(key: Option<[u8; 32]>) -> Self {
        Self(key.map_or_else(OnceLock::new, OnceLock::from))
    }

    /// The cursor of a place in the list that `list` stands for.
    pub(crate) fn seal(&self, list: &[u8], place: Vec<u8>) -> Cursor {
        let code = self.code(list, &place).finalize().into_bytes();
        let mut bytes = place;
        bytes.extend_from_slice(&code[..CODE]);
        Cursor { bytes }
    }

    /// The place, if the cursor was sealed with this key for this list. Takes as long wherever its code is wrong.
    pub(crate) fn open<'c>(&self, list: &[u8], cursor: &'c Cursor) -> Result<&'c [u8], InvalidCursor> {
        let (place, code) = cursor.bytes.split_last_chunk::<CODE>().ok_or(InvalidCursor)?;
        self.code(list, place).verify_truncated_left(code).map_err(|_| InvalidCursor)?;
        Ok(place)
    }

    fn code(&self, list: &[u8], place: &[u8]) -> Hmac<Sha256> {
        let key = self.0.get_or_init(|| {
            let mut random = [0; 32];
            getrandom::fill(&mut random).expect("the operating system gives random bytes");
            random
        });
        let mut code = Hmac::<Sha256>::new_from_slice(key).expect("a key may have any length");
        code.update(PURPOSE);
        // The lengths keep what belongs to the list and to the place apart.
        for part in [list, place] {
            code.update(&(part.len() as u64).to_le_bytes());
            code.update(part);
        }
        code
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: [u8; 32] = [7; 32];
    const LIST: &[u8] = b"orders:user_id:7";

    fn key() -> CursorKey {
        CursorKey::new(Some(KEY))
    }

    fn sealed() -> Cursor {
        key().seal(LIST, b"place".to_vec())
    }

    #[test]
    fn a_cursor_is_read_again_as_it_was_written() {
        let cursor: Cursor = sealed().to_string().parse().unwrap();
        assert_eq!(cursor, sealed());
        assert_eq!(key().open(LIST, &cursor), Ok(&b"place"[..]));
    }

    #[test]
    fn a_text_that_is_none_is_refused() {
        let text = sealed().to_string();
        let (cut, padded) = (&text[..text.len() - 1], format!("{text}=="));
        let lone_code = URL_SAFE_NO_PAD.encode([0; CODE]);
        for none in ["", "!", "\u{e9}", &padded, &lone_code] {
            assert_eq!(none.parse::<Cursor>(), Err(InvalidCursor), "{none:?}");
        }
        // One that is cut may still be a text of bytes, of which the code is wrong.
        let opened = cut.parse::<Cursor>().and_then(|cursor| key().open(LIST, &cursor).map(<[u8]>::to_vec));
        assert_eq!(opened, Err(InvalidCursor));
    }

    #[test]
    fn a_cursor_of_another_list_or_key_is_refused() {
        assert_eq!(key().open(b"orders:user_id:8", &sealed()), Err(InvalidCursor));
        assert_eq!(CursorKey::new(Some([8; 32])).open(LIST, &sealed()), Err(InvalidCursor));
        let (one, other) = (CursorKey::new(None), CursorKey::new(None));
        let cursor = one.seal(LIST, b"place".to_vec());
        assert_eq!(one.open(LIST, &cursor), Ok(&b"place"[..]));
        assert_eq!(other.open(LIST, &cursor), Err(InvalidCursor));
        // What belongs to the list can't be taken for a part of the place.
        let moved = key().seal(b"orders:user_id:", b"7place".to_vec());
        assert_ne!(moved.bytes[6..], sealed().bytes[5..]);
    }

    #[test]
    fn every_changed_bit_is_refused() {
        let text = sealed().to_string();
        assert!(text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte)));
        let mut n_changed = 0;
        for at in 0..sealed().bytes.len() {
            for bit in 0..8 {
                let mut changed = sealed();
                changed.bytes[at] ^= 1 << bit;
                assert_eq!(key().open(LIST, &changed), Err(InvalidCursor), "bit {bit} of byte {at}");
                n_changed += 1;
            }
        }
        assert_eq!(n_changed, 8 * (5 + CODE));
    }
}
