use std::fmt;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};

/// The validator of one representation: `"abc"`, or `W/"abc"` where it is weak (RFC 9110, section 8.8.3).
///
/// A strong tag changes with every byte of the representation. There is no `==` between tags on purpose: which comparison is
/// meant, [strong](Self::is_strongly) or [weak](Self::is_weakly), has to be said.
#[derive(Clone)]
pub struct EntityTag {
    is_weak: bool,
    opaque: Bytes,
}

impl EntityTag {
    /// A strong tag of what stands between the quotes.
    ///
    /// `None` if it has a character that a tag may not have: quotes, spaces and controls.
    #[must_use]
    pub fn strong(opaque: impl Into<Bytes>) -> Option<Self> {
        let opaque = opaque.into();
        opaque.iter().copied().all(is_of_tag).then_some(Self { is_weak: false, opaque })
    }

    /// A weak tag: two representations that have it may be used for each other, and need not have the same bytes.
    ///
    /// `None` as for [`strong`](Self::strong).
    #[must_use]
    pub fn weak(opaque: impl Into<Bytes>) -> Option<Self> {
        Self::strong(opaque).map(|tag| Self { is_weak: true, ..tag })
    }

    /// Reads one tag, with spaces around it. `None` for whatever else there is: no quotes, `w/` in lower case, more after the tag.
    #[must_use]
    pub fn parse(text: &[u8]) -> Option<Self> {
        let (tag, rest) = Self::split_off(text.trim_ascii())?;
        rest.is_empty().then_some(tag)
    }

    /// The tag that a header has, if there is exactly one line of it and that can be read.
    #[must_use]
    pub fn of(headers: &HeaderMap, name: HeaderName) -> Option<Self> {
        let mut lines = headers.get_all(name).iter();
        let first = lines.next()?;
        if lines.next().is_some() { None } else { Self::parse(first.as_bytes()) }
    }

    /// Whether it is weak.
    #[must_use]
    pub fn is_weak(&self) -> bool {
        self.is_weak
    }

    /// What stands between the quotes.
    #[must_use]
    pub fn opaque(&self) -> &[u8] {
        &self.opaque
    }

    /// The strong comparison: both are strong, and the same (RFC 9110, section 8.8.3.2).
    #[must_use]
    pub fn is_strongly(&self, other: &Self) -> bool {
        !self.is_weak && !other.is_weak && self.opaque == other.opaque
    }

    /// The weak comparison: the same, whether weak or not (RFC 9110, section 8.8.3.2).
    #[must_use]
    pub fn is_weakly(&self, other: &Self) -> bool {
        self.opaque == other.opaque
    }

    /// As the value of `ETag`.
    #[must_use]
    pub fn to_header_value(&self) -> HeaderValue {
        let prefix: &[u8] = if self.is_weak { b"W/\"" } else { b"\"" };
        let value = [prefix, &self.opaque, b"\""].concat();
        HeaderValue::from_bytes(&value).expect("a tag has only characters that a header may have")
    }

    /// The tag that the text begins with, and what comes after it.
    fn split_off(text: &[u8]) -> Option<(Self, &[u8])> {
        let (is_weak, quoted) = match text.strip_prefix(b"W/") {
            Some(quoted) => (true, quoted),
            None => (false, text),
        };
        let quoted = quoted.strip_prefix(b"\"")?;
        let end = quoted.iter().position(|byte| !is_of_tag(*byte))?;
        let rest = quoted[end..].strip_prefix(b"\"")?;
        Some((Self { is_weak, opaque: Bytes::copy_from_slice(&quoted[..end]) }, rest))
    }
}

/// `etagc` of RFC 9110, section 8.8.3.
fn is_of_tag(byte: u8) -> bool {
    matches!(byte, 0x21 | 0x23..=0x7e | 0x80..=0xff)
}

impl fmt::Debug for EntityTag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.to_header_value(), f)
    }
}

/// What `If-Match` or `If-None-Match` names.
#[derive(Debug, Clone)]
pub enum EntityTags {
    /// `*`: whatever there is.
    Any,
    /// These; at least one.
    List(Vec<EntityTag>),
    /// It can't be read. Nothing may be concluded from it: a read is done as if it weren't there, a write is refused.
    Malformed,
}

impl EntityTags {
    /// Reads all lines of a header together. `None` if there are none.
    #[must_use]
    pub fn of(headers: &HeaderMap, name: HeaderName) -> Option<Self> {
        let lines: Vec<&[u8]> = headers.get_all(name).iter().map(HeaderValue::as_bytes).collect();
        // Lines of one field are one list (RFC 9110, section 5.3).
        if lines.is_empty() { None } else { Some(Self::parse(&lines.join(&b", "[..]))) }
    }

    fn parse(text: &[u8]) -> Self {
        let mut rest = text.trim_ascii();
        if rest == b"*" {
            return Self::Any;
        }
        let mut tags = Vec::new();
        // Empty elements are to be passed over (RFC 9110, section 5.6.1.2).
        while !rest.is_empty() {
            if let Some(after) = rest.strip_prefix(b",") {
                rest = after.trim_ascii_start();
                continue;
            }
            let Some((tag, after)) = EntityTag::split_off(rest) else { return Self::Malformed };
            tags.push(tag);
            rest = after.trim_ascii_start();
            if !(rest.is_empty() || rest.starts_with(b",")) {
                return Self::Malformed;
            }
        }
        if tags.is_empty() { Self::Malformed } else { Self::List(tags) }
    }
}

#[cfg(test)]
mod tests {
    use http::header::IF_NONE_MATCH;

    use super::*;

    fn list(lines: &[&[u8]]) -> String {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(IF_NONE_MATCH, HeaderValue::from_bytes(line).unwrap());
        }
        match EntityTags::of(&headers, IF_NONE_MATCH) {
            None => "none".to_owned(),
            Some(EntityTags::List(tags)) => format!("{tags:?}"),
            Some(other) => format!("{other:?}"),
        }
    }

    #[test]
    fn tags_are_compared_as_the_table_of_rfc_9110_section_8_8_3_2_says() {
        let table = [
            (r#"W/"1""#, r#"W/"1""#, false, true),
            (r#"W/"1""#, r#"W/"2""#, false, false),
            (r#"W/"1""#, r#""1""#, false, true),
            (r#""1""#, r#""1""#, true, true),
            (r#""1""#, r#""2""#, false, false),
        ];
        for (one, other, strongly, weakly) in table {
            let (a, b) = (EntityTag::parse(one.as_bytes()).unwrap(), EntityTag::parse(other.as_bytes()).unwrap());
            assert_eq!((a.is_strongly(&b), b.is_strongly(&a)), (strongly, strongly), "{one} {other}");
            assert_eq!((a.is_weakly(&b), b.is_weakly(&a)), (weakly, weakly), "{one} {other}");
        }
    }

    #[test]
    fn a_tag_is_written_as_it_was_read() {
        for text in [&b"\"\""[..], b"\"xyzzy\"", b"W/\"xyzzy\"", b"\"a,b\"", b"\"a\\b\"", b"\"\xe4\""] {
            assert_eq!(EntityTag::parse(text).unwrap().to_header_value().as_bytes(), text);
        }
        assert!(EntityTag::parse(b" \"a\"\t").is_some());
    }

    #[test]
    fn what_is_no_tag_is_not_read_as_one() {
        for text in [&b""[..], b"a", b"\"a", b"a\"", b"w/\"a\"", b"W/ \"a\"", b"W/a", b"\"a b\"", b"\"a\"b", b"'a'"] {
            assert!(EntityTag::parse(text).is_none(), "{}", String::from_utf8_lossy(text));
        }
        for opaque in ["a b", "a\"", "a\r\nSet-Cookie: b", "\u{7f}", "\0"] {
            assert!(EntityTag::strong(opaque.to_owned()).is_none(), "{opaque:?}");
        }
    }

    #[test]
    fn a_list_is_of_all_lines_and_passes_over_what_is_empty() {
        assert_eq!(list(&[]), "none");
        assert_eq!(list(&[b"*"]), "Any");
        assert_eq!(list(&[b"\"a\", W/\"b\" ,\"c,d\""]), r#"["\"a\"", "W/\"b\"", "\"c,d\""]"#);
        assert_eq!(list(&[b"\"a\"", b"\"b\""]), r#"["\"a\"", "\"b\""]"#);
        assert_eq!(list(&[b", \"a\",, ,"]), r#"["\"a\""]"#);
    }

    #[test]
    fn a_list_that_is_wrong_anywhere_is_wrong() {
        for text in [&b""[..], b",", b"a", b"\"a\" \"b\"", b"\"a\", b", b"\"a\", *", b"*, *", b"\"a"] {
            assert_eq!(list(&[text]), "Malformed", "{}", String::from_utf8_lossy(text));
        }
    }
}
