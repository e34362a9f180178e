//! What a write gives to those who want to see it.

use std::{borrow::Cow, fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::store::{Nonce, Position};

/// How fresh a read has to be to see a write, wherever it runs: read-your-writes for a client that comes to another process next.
///
/// [`Scope::token`](crate::Scope::token) and [`Larder::transaction_token`](crate::Larder::transaction_token) give it,
/// [`Scope::at_least_as_fresh_as`](crate::Scope::at_least_as_fresh_as) takes it. In between it is a text of some 20 characters, letters,
/// digits, `-` and `_`, that a cookie, a header or a URL can carry.
///
/// A token makes near copies wait for the announcement of the write, and asks the shared store until then; it never makes a read older. After
/// the longest [horizon](crate::NearOptions::horizon) every near copy is as fresh as the write anyway, so a cookie needs to live for some
/// seconds only. That bounds what a client can do that makes one up, too: it slows its own reads down.
///
/// Tokens are of one store: those of another ask for the shared store each time.
///
/// ```
/// use larder::Token;
///
/// let token = Token::default();
/// assert_eq!(token.to_string().parse(), Ok(token));
/// // Whatever else a client may send is refused.
/// assert!("<script>".parse::<Token>().is_err());
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Token(Need);

/// What is as fresh as the write.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub(crate) enum Need {
    /// Anything: there was no write.
    #[default]
    Nothing,
    /// Near copies whose holder was told of everything up to there, and the shared store.
    Announced(Position),
    /// The shared store. The write was marked there; where it stands among the announcements is not known.
    Shared,
    /// The database. The store has not been told of the write, or not yet.
    Database,
}

impl Token {
    /// The token of a write that has marked its cells, and was announced at that place.
    pub(crate) fn of_marked(place: Option<Position>) -> Self {
        // A series of other characters could not be carried.
        Self(place.filter(|place| is_plain(place.series.as_bytes())).map_or(Need::Shared, Need::Announced))
    }

    /// The token of a write that the store was not told of.
    pub(crate) fn of_unmarked() -> Self {
        Self(Need::Database)
    }

    pub(crate) fn need(self) -> Need {
        self.0
    }

    /// Whether it asks for nothing: there was no write. Such a token need not be carried.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0 == Need::Nothing
    }

    /// What is as fresh as both: the later one.
    ///
    /// Of two whose order is not known (a restart of the store lies between them) neither will do, and the shared store is read.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        use Need::{Announced, Database, Nothing, Shared};
        Self(match (self.0, other.0) {
            (Database, _) | (_, Database) => Database,
            (Nothing, need) | (need, Nothing) => need,
            (Announced(one), Announced(another)) if one.is_at_least(&another) => Announced(one),
            (Announced(one), Announced(another)) if another.is_at_least(&one) => Announced(another),
            (Announced(_) | Shared, Announced(_) | Shared) => Shared,
        })
    }
}

const NOTHING: &str = "n";
const SHARED: &str = "s";
const DATABASE: &str = "d";
const SERIES_LENGTH: usize = 16;
const LONGEST_NUMBER: usize = 16;

fn is_plain(series: &[u8]) -> bool {
    series.iter().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(byte))
}

impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Need::Nothing => f.write_str(NOTHING),
            Need::Shared => f.write_str(SHARED),
            Need::Database => f.write_str(DATABASE),
            Need::Announced(Position { series, number }) => write!(f, "{}{number:x}", series.as_bytes().escape_ascii()),
        }
    }
}

/// A text that is no [`Token`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("this is no token of a write")]
pub struct InvalidToken;

impl FromStr for Token {
    type Err = InvalidToken;

    /// Reads what [`Display`](fmt::Display) writes, and nothing else.
    fn from_str(text: &str) -> Result<Self, InvalidToken> {
        match text {
            NOTHING => return Ok(Self(Need::Nothing)),
            SHARED => return Ok(Self(Need::Shared)),
            DATABASE => return Ok(Self(Need::Database)),
            _ => {}
        }
        let (series, number) = text.as_bytes().split_first_chunk::<SERIES_LENGTH>().ok_or(InvalidToken)?;
        // `from_str_radix` would take a sign, and capitals.
        let is_number = (1..=LONGEST_NUMBER).contains(&number.len())
            && number.iter().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(byte));
        if !is_plain(series) || !is_number {
            return Err(InvalidToken);
        }
        let number = str::from_utf8(number).ok().and_then(|number| u64::from_str_radix(number, 16).ok());
        let series = Nonce::from_bytes(*series);
        Ok(Self(Need::Announced(Position { series, number: number.ok_or(InvalidToken)? })))
    }
}

impl Serialize for Token {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Token {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Cow::<str>::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(series: &[u8; 16], number: u64) -> Token {
        Token::of_marked(Some(Position { series: Nonce::from_bytes(*series), number }))
    }

    const FIRST: &[u8; 16] = b"abcdefghijklm-_9";
    const SECOND: &[u8; 16] = b"ABCDEFGHIJKLMNOP";

    #[test]
    fn a_token_goes_through_text_unchanged() {
        let (shared, database) = (Token::of_marked(None), Token::of_unmarked());
        for token in [Token::default(), shared, database, at(FIRST, 0), at(FIRST, 31), at(SECOND, u64::MAX)] {
            let text = token.to_string();
            assert_eq!(text.parse(), Ok(token), "{text}");
            assert!(text.len() <= 32 && is_plain(text.as_bytes()), "{text}");
            let bytes = postcard::to_stdvec(&token).unwrap();
            assert_eq!(postcard::from_bytes(&bytes), Ok(token));
        }
        assert_eq!(at(FIRST, 31).to_string(), "abcdefghijklm-_91f");
    }

    #[test]
    fn garbage_is_refused() {
        let long = "a".repeat(33);
        for text in [
            "",
            "N",
            "nn",
            "abcdefghijklm-_9",
            "abcdefghijklm-_9+1",
            "abcdefghijklm-_9F",
            "abcdefghijklm-_91g",
            "abcdefghijklm-.91",
            "abcdefghijklm-_9 1",
            "äbcdefghijklm-_91",
            "abcdefghijklm-_é1",
            "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0",
            &long,
        ] {
            assert_eq!(text.parse::<Token>(), Err(InvalidToken), "{text:?}");
        }
    }

    #[test]
    fn of_two_tokens_the_later_one_counts_and_the_order_does_not() {
        let (shared, database) = (Token::of_marked(None), Token::of_unmarked());
        for (one, another, both) in [
            (Token::default(), Token::default(), Token::default()),
            (Token::default(), at(FIRST, 1), at(FIRST, 1)),
            (at(FIRST, 1), at(FIRST, 2), at(FIRST, 2)),
            (at(FIRST, 2), at(FIRST, 2), at(FIRST, 2)),
            (at(FIRST, 1), at(SECOND, 2), shared),
            (at(FIRST, 1), shared, shared),
            (shared, database, database),
            (Token::default(), database, database),
            (at(FIRST, 1), database, database),
        ] {
            assert_eq!((one.and(another), another.and(one)), (both, both), "{one} and {another}");
        }
    }

    #[test]
    fn a_place_that_can_not_be_carried_asks_for_the_store() {
        assert_eq!(at(b"sixteen chars..!", 7), Token::of_marked(None));
    }
}
