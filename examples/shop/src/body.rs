//! What clients send, checked before anything is asked for.

mod object;
pub(crate) mod unread;

use std::{num::NonZeroU16, time::Duration};

use axum::{
    Json,
    body::HttpBody as _,
    extract::{FromRequest, FromRequestParts, Path, Query, Request, rejection::JsonRejection},
    http::{StatusCode, request::Parts},
};
use bigdecimal::{BigDecimal, ToPrimitive as _};
use serde::{Deserialize, Deserializer, de::DeserializeOwned, de::Error as _};
use uuid::Uuid;

pub(crate) use self::object::Object;
use crate::problem::Problem;

/// The most bytes of a body.
pub(crate) const MOST_BYTES: usize = 64 << 10;

/// How long a client may take to send a body. Shorter than a request may take, so that it is told whose time was over.
const BODY_TIME: Duration = Duration::from_secs(5);

/// The body, a JSON object.
pub(crate) struct Body<T>(pub(crate) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Body<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        // Who says beforehand that it is too much need not send it.
        if usize::try_from(request.body().size_hint().lower()).map_or(true, |n_bytes| n_bytes > MOST_BYTES) {
            return Err(Problem::new(StatusCode::PAYLOAD_TOO_LARGE));
        }
        let read = tokio::time::timeout(BODY_TIME, Json::from_request(request, state)).await;
        match read.map_err(|_| Problem::new(StatusCode::REQUEST_TIMEOUT).detail("the body did not come in time"))? {
            Ok(Json(Object(body))) => Ok(Self(body)),
            Err(rejection) => Err(match &rejection {
                JsonRejection::JsonDataError(error) => {
                    Problem::of(StatusCode::UNPROCESSABLE_ENTITY, "invalid", "A value can't be taken")
                        .detail(error.body_text())
                }
                other => Problem::new(other.status()).detail(other.body_text()),
            }),
        }
    }
}

/// The id in the path. What is none belongs to nothing.
pub(crate) struct Id(pub(crate) Uuid);

impl<S: Send + Sync> FromRequestParts<S> for Id {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let Path(id) = Path::<Uuid>::from_request_parts(parts, state).await.map_err(|_| {
            Problem::of(StatusCode::NOT_FOUND, "not-found", "There is no such thing").detail("this is no id")
        })?;
        Ok(Self(id))
    }
}

/// What stands behind the path.
pub(crate) struct Asked<T>(pub(crate) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Asked<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        match Query::from_request_parts(parts, state).await {
            Ok(Query(asked)) => Ok(Self(asked)),
            Err(rejection) => Err(Problem::query(rejection.body_text())),
        }
    }
}

/// What may be left out, but not be null: nothing can be taken away.
pub(crate) fn named<'de, D: Deserializer<'de>, T: Deserialize<'de>>(value: D) -> Result<Option<T>, D::Error> {
    T::deserialize(value).map(Some)
}

/// A whole number, however it is written: to JSON, 3.0 is 3.
pub(crate) fn whole<'de, D: Deserializer<'de>>(value: D) -> Result<i32, D::Error> {
    let number = serde_json::Number::deserialize(value)?;
    let exact: BigDecimal = number.to_string().parse().map_err(D::Error::custom)?;
    let whole = if exact.is_integer() { exact.to_i32() } else { None };
    whole.ok_or_else(|| D::Error::custom(format!("{number} is no whole number from {} to {}", i32::MIN, i32::MAX)))
}

/// How many rows there may be: `usual` unless `asked` says otherwise.
pub(crate) fn limit(asked: Option<NonZeroU16>, usual: u16, most: u16) -> Result<u16, Problem> {
    match asked.map_or(usual, NonZeroU16::get) {
        limit if limit <= most => Ok(limit),
        _ => Err(Problem::query(format!("limit: from 1 to {most}"))),
    }
}

/// An address that somebody may have: not more is known of it before it is written to.
pub(crate) fn email(text: &str) -> Result<(), Problem> {
    let is_whole = text.split_once('@').is_some_and(|(name, host)| !name.is_empty() && !host.is_empty());
    let is_plain = text.chars().all(|c| !c.is_control() && !c.is_whitespace());
    if is_whole && is_plain && text.chars().count() <= 254 {
        Ok(())
    } else {
        Err(Problem::invalid("/email", "an address has a name, an @ and a host, and at most 254 characters"))
    }
}

/// What something is called.
pub(crate) fn sku(text: &str, pointer: &str) -> Result<(), Problem> {
    if (1..=64).contains(&text.chars().count()) && text.chars().all(|c| !c.is_control()) {
        Ok(())
    } else {
        Err(Problem::invalid(pointer, "it has 1 to 64 characters, and none that controls"))
    }
}

/// What one piece costs.
///
/// A text and no number of JSON's, which many would read as a binary fraction: 11.77 is none.
pub(crate) fn price(text: &str, pointer: &str) -> Result<BigDecimal, Problem> {
    let (whole, cents) = text.split_once('.').unwrap_or((text, "0"));
    let are_digits = |text: &str, most| (1..=most).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
    let is_price = are_digits(whole, 4) && are_digits(cents, 2);
    let price = text.parse().ok().filter(|_| is_price);
    price.ok_or_else(|| {
        Problem::invalid(pointer, "a price is a text from \"0\" to \"9999.99\", with two decimals at most")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_document_does_not_allow_is_refused() {
        for (text, is_good) in [
            ("0", true),
            ("12.30", true),
            ("9999.99", true),
            ("0012.3", true),
            ("10000", false),
            ("0.001", false),
            ("-0.01", false),
            ("+1", false),
            ("1.", false),
            (".5", false),
            ("", false),
            ("1e2", false),
            ("1_0", false),
            ("\u{661}", false),
        ] {
            assert_eq!(price(text, "/").is_ok(), is_good, "{text}");
        }
        for (text, is_good) in
            [("a@b", true), ("a@", false), ("@b", false), ("ab", false), ("a@b c", false), ("a@b\0", false)]
        {
            assert_eq!(email(text).is_ok(), is_good, "{text:?}");
        }
        assert!(email(&format!("{}@b", "\u{e9}".repeat(252))).is_ok());
        assert!(email(&format!("{}@b", "a".repeat(253))).is_err());
        assert!(sku(&"\u{e9}".repeat(64), "/").is_ok());
        assert!(sku("", "/").is_err() && sku("c\nd", "/").is_err() && sku(&"a".repeat(65), "/").is_err());
    }

    #[test]
    fn a_whole_number_is_one_however_it_is_written() {
        for (text, number) in [("3", Some(3)), ("3.0", Some(3)), ("3e0", Some(3)), ("-7", Some(-7))] {
            assert_eq!(whole(&mut serde_json::Deserializer::from_str(text)).ok(), number, "{text}");
        }
        for text in ["3.5", "1e300", "99999999999999999999", "-1e9999", "\"3\"", "null", "true"] {
            assert!(whole(&mut serde_json::Deserializer::from_str(text)).is_err(), "{text}");
        }
    }

    #[test]
    fn more_than_the_most_is_refused_and_not_cut() {
        assert_eq!(limit(None, 20, 500).ok(), Some(20));
        assert_eq!(limit(NonZeroU16::new(500), 20, 500).ok(), Some(500));
        assert!(limit(NonZeroU16::new(501), 20, 500).is_err());
    }
}
