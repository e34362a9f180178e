mod header;

use std::fmt;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use sha2::{Digest as _, Sha256};

pub use self::header::{TagHeader, Tagged, Tags, TagsLayer};

/// A longer name is replaced by its hash.
const LONGEST: usize = 128;

/// What answers at an edge are purged by: the name of something that they were built from.
///
/// It consists of letters, digits, `-`, `_`, `:` and `%`, so nothing that a name has in it can end a tag, a header, or a
/// regular expression: all else is percent-encoded, byte by byte. Names that differ have tags that differ.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Tag(Box<str>);

impl Tag {
    /// The tag of a name. Edges may show it to clients: what a name must not tell, [`hashed`](Self::hashed) doesn't.
    #[must_use]
    pub fn new(name: impl AsRef<[u8]>) -> Self {
        let name = name.as_ref();
        let mut text = String::with_capacity(name.len());
        for &byte in name {
            if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b':') {
                text.push(char::from(byte));
            } else {
                text.push('%');
                text.extend([byte >> 4, byte & 15].map(|digit| char::from(b"0123456789ABCDEF"[usize::from(digit)])));
            }
        }
        match text.len() {
            // No name ends in a bare sign, so none is taken for this one.
            0 => Self("%".into()),
            1..=LONGEST => Self(text.into_boxed_str()),
            // No byte is encoded as `%-`.
            _ => Self(format!("%-{}", digest(name)).into_boxed_str()),
        }
    }

    /// The tag of the hash of a name: 22 characters that tell nothing to whoever can't guess the name.
    #[must_use]
    pub fn hashed(name: impl AsRef<[u8]>) -> Self {
        Self(digest(name.as_ref()).into_boxed_str())
    }

    /// The tag of this text, if it is one's.
    pub(crate) fn read(text: &str) -> Option<Self> {
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_:%".contains(&byte);
        let is_one = (1..=LONGEST).contains(&text.len()) && text.bytes().all(is_plain);
        is_one.then(|| Self(text.into()))
    }

    /// Its text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// 128 bits of SHA-256.
fn digest(name: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(&Sha256::digest(name)[..16])
}

impl fmt::Display for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_in_a_name_gets_out_of_its_tag() {
        for name in ["a\r\nSet-Cookie: b=1", "a b", "a,b", "a\"b", "a;b", "(a|b)", ".*", "a\0", "\u{e9}", "a\\", "^$"] {
            let tag = Tag::new(name);
            let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_:%".contains(&byte);
            assert!(tag.as_str().bytes().all(is_plain), "{tag:?}");
        }
        assert_eq!(Tag::new("orders:user_id:42").as_str(), "orders:user_id:42");
        assert_eq!(Tag::new("orders:*").as_str(), "orders:%2A");
    }

    #[test]
    fn names_that_differ_have_tags_that_differ() {
        let long = "a".repeat(LONGEST);
        let names = ["", "%", "%25", "a", "A", "a b", "ab", "a%20b", &long, &format!("{long}b"), &format!("{long}c")];
        let tags: std::collections::BTreeSet<Tag> = names.iter().map(Tag::new).collect();
        assert_eq!(tags.len(), names.len());
        // No shorter name has a tag like this.
        assert!(Tag::new(format!("{long}b")).as_str().starts_with("%-"));
        assert!(tags.iter().all(|tag| (1..=LONGEST).contains(&tag.as_str().len())));
        assert_ne!(Tag::hashed("ada@example.org"), Tag::hashed("eve@example.org"));
        assert_eq!(Tag::hashed("ada@example.org").as_str().len(), 22);
    }
}
