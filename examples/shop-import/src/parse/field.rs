//! The text of one column, and what it means.

use std::str::FromStr;

use chrono::NaiveDate;

use super::{Problem, error::quote};

type Result<T> = std::result::Result<T, Problem>;

/// A customer's number. Numbers never go down, which is how one knows that a customer is complete.
pub(super) fn customer(bytes: &[u8], before: u32) -> Result<u32> {
    let found = positive(text(bytes)?, u32::MAX.into())?;
    if found < before { Err(Problem::OutOfOrder { found, before }) } else { Ok(found) }
}

/// A number of CDs, which the database keeps as an `integer`.
pub(super) fn quantity(bytes: &[u8]) -> Result<i32> {
    positive(text(bytes)?, i32::MAX.unsigned_abs().into())
}

/// A day as `1997-01-31`, zeros and all.
pub(super) fn date(bytes: &[u8]) -> Result<NaiveDate> {
    let text = text(bytes)?;
    let is_dash = |at| at == 4 || at == 7;
    let is_shaped = text.len() == 10
        && text.bytes().enumerate().all(|(at, byte)| if is_dash(at) { byte == b'-' } else { byte.is_ascii_digit() });
    if !is_shaped || text.starts_with("0000") {
        return Err(Problem::NotADate(quote(text)));
    }
    NaiveDate::parse_from_str(text, "%Y-%m-%d").map_err(|_| Problem::NoSuchDay(quote(text)))
}

/// An amount of dollars in cents, within `DECIMAL(10, 2)`: at most eight digits before the point and two after it.
pub(super) fn cents(bytes: &[u8]) -> Result<i64> {
    let text = text(bytes)?;
    let digits = text.strip_prefix('-').unwrap_or(text);
    let (dollars, decimals) = digits.split_once('.').unwrap_or((digits, "00"));
    if !is_digits(dollars) || !is_digits(decimals) {
        return Err(Problem::NotAnAmount(quote(text)));
    }
    if digits.len() < text.len() {
        return Err(Problem::Negative(quote(text)));
    }
    if decimals.len() > 2 {
        return Err(Problem::TooManyDecimals(quote(text)));
    }
    if dollars.trim_start_matches('0').len() > 8 {
        return Err(Problem::TooManyDigits(quote(text)));
    }
    format!("{dollars}{decimals:0<2}").parse().map_err(|_| Problem::TooManyDigits(quote(text)))
}

fn text(bytes: &[u8]) -> Result<&str> {
    str::from_utf8(bytes).map_err(|_| Problem::NotUtf8)
}

/// A whole number from 1 up to the largest of its type.
fn positive<N: FromStr>(text: &str, max: u64) -> Result<N> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    if !is_digits(digits) {
        return Err(Problem::NotANumber(quote(text)));
    }
    if digits.len() < text.len() || digits.bytes().all(|digit| digit == b'0') {
        return Err(Problem::NotPositive(quote(text)));
    }
    digits.parse().map_err(|_| Problem::TooLarge { found: quote(text), max })
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}
