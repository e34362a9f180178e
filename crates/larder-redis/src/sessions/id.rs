use std::{fmt, str::FromStr};

use crate::digest::{DIGITS, digest, hex};

const BYTES: usize = 16;

/// 128 random bits, which are all that it takes to be whoever has the session.
///
/// [`text`](Self::text) is what goes into a cookie, and [`FromStr`] reads it back. It has no `Display`, and `Debug` does not show it, so
/// that it is in no log by accident.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct SessionId([u8; BYTES]);

/// A text that is no session's id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an id of a session is 32 hexadecimal digits in lower case")]
pub struct InvalidSessionId;

impl SessionId {
    /// One that nobody has had before, nor can guess.
    pub(super) fn fresh() -> Self {
        let mut random = [0; BYTES];
        getrandom::fill(&mut random).expect("the operating system gives random bytes");
        Self(random)
    }

    /// 32 hexadecimal digits in lower case.
    #[must_use]
    pub fn text(&self) -> String {
        self.0.iter().flat_map(|&byte| hex(byte)).map(char::from).collect()
    }

    /// What stands in Redis for it. Nobody finds the id by that.
    pub(super) fn digest(&self) -> [u8; DIGITS] {
        digest(&[&self.0])
    }
}

impl FromStr for SessionId {
    type Err = InvalidSessionId;

    fn from_str(text: &str) -> Result<Self, InvalidSessionId> {
        let digit = |digit: u8| match digit {
            b'0'..=b'9' => Some(digit - b'0'),
            b'a'..=b'f' => Some(digit - b'a' + 10),
            _ => None,
        };
        let mut bytes = [0; BYTES];
        let pairs = text.as_bytes().chunks_exact(2);
        if text.len() != 2 * BYTES {
            return Err(InvalidSessionId);
        }
        for (byte, pair) in bytes.iter_mut().zip(pairs) {
            *byte = digit(pair[0]).zip(digit(pair[1])).map(|(high, low)| high << 4 | low).ok_or(InvalidSessionId)?;
        }
        Ok(Self(bytes))
    }
}

impl fmt::Debug for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SessionId(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_read_back_from_its_text_and_from_nothing_else() {
        let id = SessionId::fresh();
        let text = id.text();
        assert_eq!(text.len(), 32);
        assert_eq!(text.parse(), Ok(id));
        for wrong in [
            String::new(),
            text[1..].to_owned(),
            format!("{text}0"),
            format!("{}G", &text[1..]),
            format!("{}A", &text[1..]),
            format!("{}é", &text[2..]),
            format!(" {}", &text[1..]),
        ] {
            assert_eq!(wrong.parse::<SessionId>(), Err(InvalidSessionId), "{wrong}");
        }
    }

    #[test]
    fn ids_are_never_the_same_and_show_themselves_nowhere() {
        let ids: Vec<_> = (0..1_000).map(|_| SessionId::fresh()).collect();
        let mut texts: Vec<_> = ids.iter().map(SessionId::text).collect();
        texts.sort_unstable();
        texts.dedup();
        assert_eq!(texts.len(), ids.len());
        let text = ids[0].text();
        assert!(!format!("{:?}", ids[0]).contains(&text[..8]));
        assert_ne!(ids[0].digest().as_slice(), text.as_bytes());
    }
}
