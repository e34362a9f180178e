//! What clients send, checked before anything is asked for.

use axum::{
    Json,
    extract::{FromRequest, FromRequestParts, Path, Query, Request, rejection::JsonRejection},
    http::{StatusCode, request::Parts},
};
use bigdecimal::{BigDecimal, ToPrimitive as _};
use serde::de::DeserializeOwned;
use uuid::Uuid;

use crate::problem::Problem;

/// The largest amount of money that the database takes, in cents.
const MOST_CENTS: u64 = 9_999_999_999;

/// The body, as JSON.
pub(crate) struct Body<T>(pub(crate) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Body<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        match Json::from_request(request, state).await {
            Ok(Json(body)) => Ok(Self(body)),
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
            Err(rejection) => {
                Err(Problem::of(StatusCode::BAD_REQUEST, "query", "The query can't be read")
                    .detail(rejection.body_text()))
            }
        }
    }
}

/// An address that somebody may have: not more is known of it before it is written to.
pub(crate) fn email(text: &str) -> Result<(), Problem> {
    let is_whole = text.split_once('@').is_some_and(|(name, host)| !name.is_empty() && !host.is_empty());
    let is_plain = text.chars().all(|c| !c.is_control() && !c.is_whitespace());
    if is_whole && is_plain && text.len() <= 254 {
        Ok(())
    } else {
        Err(Problem::invalid("/email", "an address has a name, an @ and a host, and at most 254 bytes"))
    }
}

/// What something is called.
pub(crate) fn sku(text: &str, pointer: &str) -> Result<(), Problem> {
    if (1..=64).contains(&text.len()) && text.chars().all(|c| !c.is_control()) {
        Ok(())
    } else {
        Err(Problem::invalid(pointer, "it has 1 to 64 bytes"))
    }
}

/// An amount of money, with two decimals.
pub(crate) fn money(amount: &BigDecimal, pointer: &str) -> Result<(), Problem> {
    // An exponent may be as large as it likes: it is looked at before anything is computed with it.
    let (digits, scale) = amount.as_bigint_and_scale();
    let is_small = digits.bits() <= 64 && (-8..=20).contains(&scale);
    let cents = is_small.then(|| amount * BigDecimal::from(100)).filter(BigDecimal::is_integer);
    if cents.and_then(|cents| cents.to_u64()).is_some_and(|cents| cents <= MOST_CENTS) {
        Ok(())
    } else {
        Err(Problem::invalid(pointer, "an amount is from 0.00 to 99999999.99, with two decimals"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_database_would_not_take_is_refused() {
        for (text, is_good) in [
            ("0", true),
            ("12.30", true),
            ("99999999.99", true),
            ("1e2", true),
            ("100000000.00", false),
            ("0.001", false),
            ("-0.01", false),
            ("1e999999999", false),
            ("1e-999999999", false),
        ] {
            assert_eq!(money(&text.parse().unwrap(), "/").is_ok(), is_good, "{text}");
        }
        for (text, is_good) in
            [("a@b", true), ("a@", false), ("@b", false), ("ab", false), ("a@b c", false), ("a@b\0", false)]
        {
            assert_eq!(email(text).is_ok(), is_good, "{text:?}");
        }
        assert!(email(&format!("{}@b", "a".repeat(253))).is_err());
        assert!(sku("", "/").is_err() && sku("cd", "/").is_ok() && sku(&"a".repeat(65), "/").is_err());
    }
}
