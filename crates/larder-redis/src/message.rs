//! What is published to those who hold copies; `scripts/message.lua` tells the same to the server.

use larder::store::{Nonce, Position};

/// What a message says.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Message<'m> {
    /// The keys of cells, without the namespace.
    pub(crate) keys: Vec<&'m [u8]>,
    /// The place of the write that has begun, where it is one and this the last of it.
    pub(crate) place: Option<Position>,
    /// Who waits until the copies are dropped.
    pub(crate) asked: Option<Asked>,
}

/// A write that waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Asked {
    pub(crate) nonce: Nonce,
    /// The store that has begun it.
    pub(crate) asker: Nonce,
}

impl<'m> Message<'m> {
    /// `None` for what is no message, or one of a later version: nobody knows then which cells it is about.
    pub(crate) fn parse(bytes: &'m [u8]) -> Option<Self> {
        let (&tag, rest) = bytes.split_first()?;
        let (place, rest) = if matches!(tag, b'A' | b'B') {
            let (place, rest) = parse_place(rest)?;
            (Some(place), rest)
        } else {
            (None, rest)
        };
        let (asked, mut rest) = match tag {
            b'A' => {
                let (nonce, rest) = nonce(rest)?;
                let (asker, rest) = self::nonce(rest)?;
                (Some(Asked { nonce, asker }), rest)
            }
            b'B' | b'D' => (None, rest),
            _ => return None,
        };
        let mut keys = Vec::new();
        while !rest.is_empty() {
            let (size, after) = rest.split_first_chunk::<8>()?;
            if !size.iter().all(u8::is_ascii_hexdigit) {
                return None;
            }
            let size = usize::from_str_radix(str::from_utf8(size).ok()?, 16).ok()?;
            let (key, after) = after.split_at_checked(size)?;
            keys.push(key);
            rest = after;
        }
        Some(Self { keys, place, asked })
    }
}

/// Reads a place, as `begin` answers with it and tells it: and what comes after.
pub(crate) fn parse_place(bytes: &[u8]) -> Option<(Position, &[u8])> {
    let (series, rest) = nonce(bytes)?;
    let (number, rest) = rest.split_first_chunk::<16>()?;
    let number = number.iter().all(u8::is_ascii_digit).then_some(number)?;
    Some((Position { series, number: str::from_utf8(number).ok()?.parse().ok()? }, rest))
}

/// Reads a nonce, and what comes after.
pub(crate) fn nonce(bytes: &[u8]) -> Option<(Nonce, &[u8])> {
    let (nonce, rest) = bytes.split_first_chunk::<16>()?;
    Some((Nonce::from_bytes(*nonce), rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SERIES: &str = "AAAABBBBCCCCDDDD";
    const NONCE: &str = "aaaabbbbccccdddd";
    const ASKER: &str = "0123456789abcdef";

    fn nonce_of(text: &str) -> Nonce {
        Nonce::from_bytes(text.as_bytes().try_into().unwrap())
    }

    #[test]
    fn each_kind_of_message_is_read() {
        let keys = "00000001a00000000\u{30}0000002\r\n";
        let expected: Vec<&[u8]> = vec![b"a", b"", b"\r\n"];
        let place = Position { series: nonce_of(SERIES), number: 42 };
        let asked = Asked { nonce: nonce_of(NONCE), asker: nonce_of(ASKER) };
        for (head, place, asked) in [
            ("D".to_owned(), None, None),
            (format!("B{SERIES}0000000000000042"), Some(place), None),
            (format!("A{SERIES}0000000000000042{NONCE}{ASKER}"), Some(place), Some(asked)),
        ] {
            let text = head + keys;
            let message = Message { keys: expected.clone(), place, asked };
            assert_eq!(Message::parse(text.as_bytes()), Some(message), "{text}");
            for n in 1..text.len() {
                if let Some(part) = Message::parse(&text.as_bytes()[..n]) {
                    assert!(part.keys.len() < 3, "cut after {n} bytes it is not the whole message");
                }
            }
        }
    }

    #[test]
    fn what_is_no_message_is_not_taken_for_one() {
        for text in [
            "",
            "X",
            "D0000000",
            "D00000002a",
            "Dzzzzzzzza",
            "D+0000001a",
            "BAAAABBBBCCCCDDDD",
            "BAAAABBBBCCCCDDDD000000000000004x",
            "BAAAABBBBCCCCDDDD+000000000000004",
            "AAAAABBBBCCCCDDDD0000000000000042aaaabbbbccccdddd",
        ] {
            assert_eq!(Message::parse(text.as_bytes()), None, "{text}");
        }
    }
}
