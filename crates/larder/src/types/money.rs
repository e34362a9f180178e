use std::{fmt, str::FromStr};

use diesel::{deserialize::FromSqlRow, expression::AsExpression};
use serde::{Deserialize, Serialize};

use super::sql;
use crate::{
    codec::{Codec, Corrupt, Fingerprint, Input},
    key::KeyPart,
};

/// An exact amount with so many places behind the point, two if nothing is said, in a column of any back end.
///
/// Kept as a whole number of minor units, 64 bits of them: with two places up to 92 quadrillion. A value of the database that has more places
/// than `PLACES` (other than zeros), or is larger, fails where it is read, and is never rounded. The column has to have as many places: one
/// with fewer would be rounded by the database when it is written.
///
/// As text, and in serde's formats as a string, `12.50`.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize, AsExpression, FromSqlRow,
)]
#[diesel(sql_type = sql::Money<PLACES>)]
#[serde(try_from = "String", into = "String")]
pub struct Money<const PLACES: u8 = 2>(i64);

/// A text or a number that is no [`Money`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidMoney {
    /// There is something else than digits, one sign before them and one point.
    #[error("the amount is no decimal number")]
    NotANumber,
    /// There are digits behind the last place, and it would have to be rounded.
    #[error("the amount has more places than its column")]
    TooFine,
    /// It has more than 64 bits.
    #[error("the amount is too large")]
    TooLarge,
}

impl<const PLACES: u8> Money<PLACES> {
    /// Nothing.
    pub const ZERO: Self = Self(0);

    /// Of minor units: 1250 with two places is 12.50.
    #[must_use]
    pub const fn from_minor(minor: i64) -> Self {
        Self(minor)
    }

    /// How many minor units it is.
    #[must_use]
    pub const fn minor(self) -> i64 {
        self.0
    }

    /// The sum, unless it is too large.
    #[must_use]
    pub fn checked_add(self, other: Self) -> Option<Self> {
        self.0.checked_add(other.0).map(Self)
    }

    /// The difference, unless it is too large.
    #[must_use]
    pub fn checked_sub(self, other: Self) -> Option<Self> {
        self.0.checked_sub(other.0).map(Self)
    }

    /// So many times as much, unless it is too large.
    #[must_use]
    pub fn checked_mul(self, factor: i64) -> Option<Self> {
        self.0.checked_mul(factor).map(Self)
    }

    /// `digit` times ten to the power of `exponent`, in units.
    #[cfg(feature = "postgres")]
    fn part(digit: i16, exponent: i64) -> Result<i128, InvalidMoney> {
        let digit = i128::from(digit);
        if digit == 0 {
            return Ok(0);
        }
        let exponent = exponent + i64::from(PLACES);
        let power = u32::try_from(exponent.unsigned_abs()).ok().and_then(|power| 10_i128.checked_pow(power));
        match power {
            Some(power) if exponent >= 0 => digit.checked_mul(power).ok_or(InvalidMoney::TooLarge),
            Some(power) if digit % power == 0 => Ok(digit / power),
            None if exponent >= 0 => Err(InvalidMoney::TooLarge),
            _ => Err(InvalidMoney::TooFine),
        }
    }
}

impl<const PLACES: u8> fmt::Display for Money<PLACES> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let places = usize::from(PLACES);
        let digits = format!("{:0>width$}", self.0.unsigned_abs(), width = places + 1);
        let (whole, fraction) = digits.split_at(digits.len() - places);
        let point = if places == 0 { "" } else { "." };
        f.pad_integral(self.0 >= 0, "", &format!("{whole}{point}{fraction}"))
    }
}

/// A sign if there is one, digits, and up to `PLACES` digits behind a point; more of them if they are zeros.
impl<const PLACES: u8> FromStr for Money<PLACES> {
    type Err = InvalidMoney;

    fn from_str(text: &str) -> Result<Self, InvalidMoney> {
        let places = usize::from(PLACES);
        let (is_negative, digits) = match text.as_bytes() {
            [b'-', digits @ ..] => (true, digits),
            [b'+', digits @ ..] | digits => (false, digits),
        };
        let point = digits.iter().position(|&byte| byte == b'.');
        let (whole, fraction) = point.map_or((digits, &[][..]), |at| (&digits[..at], &digits[at + 1..]));
        let is_number = |digits: &[u8]| digits.iter().all(u8::is_ascii_digit);
        if whole.is_empty() || !is_number(whole) || !is_number(fraction) || point.is_some() && fraction.is_empty() {
            return Err(InvalidMoney::NotANumber);
        }
        let (fraction, beyond) = fraction.split_at(fraction.len().min(places));
        if beyond.iter().any(|&digit| digit != b'0') {
            return Err(InvalidMoney::TooFine);
        }
        let padding = std::iter::repeat_n(&b'0', places - fraction.len());
        // Counted downwards, since there is one more negative number than there are positive ones.
        let minor = whole
            .iter()
            .chain(fraction)
            .chain(padding)
            .try_fold(0_i64, |minor, digit| minor.checked_mul(10)?.checked_sub(i64::from(digit - b'0')));
        let minor = if is_negative { minor } else { minor.and_then(i64::checked_neg) };
        minor.map(Self).ok_or(InvalidMoney::TooLarge)
    }
}

impl<const PLACES: u8> TryFrom<String> for Money<PLACES> {
    type Error = InvalidMoney;

    fn try_from(text: String) -> Result<Self, InvalidMoney> {
        text.parse()
    }
}

impl<const PLACES: u8> From<Money<PLACES>> for String {
    fn from(money: Money<PLACES>) -> Self {
        money.to_string()
    }
}

#[cfg(feature = "bigdecimal")]
impl<const PLACES: u8> From<Money<PLACES>> for bigdecimal::BigDecimal {
    fn from(money: Money<PLACES>) -> Self {
        Self::new(money.0.into(), PLACES.into())
    }
}

#[cfg(feature = "bigdecimal")]
impl<const PLACES: u8> TryFrom<bigdecimal::BigDecimal> for Money<PLACES> {
    type Error = InvalidMoney;

    fn try_from(amount: bigdecimal::BigDecimal) -> Result<Self, InvalidMoney> {
        // A text of any length would be made of 1e1000000000.
        let (mantissa, exponent) = amount.normalized().into_bigint_and_exponent();
        if exponent > i64::from(PLACES) {
            return Err(InvalidMoney::TooFine);
        }
        let minor = i128::try_from(mantissa).ok().and_then(|mantissa| {
            let power = u32::try_from(i64::from(PLACES).checked_sub(exponent)?).ok()?;
            if mantissa == 0 { Some(0) } else { mantissa.checked_mul(10_i128.checked_pow(power)?) }
        });
        minor.and_then(|minor| i64::try_from(minor).ok()).map(Self).ok_or(InvalidMoney::TooLarge)
    }
}

impl<const PLACES: u8> KeyPart for Money<PLACES> {
    fn write_part(&self, out: &mut Vec<u8>) {
        self.0.write_part(out);
    }
}

impl<const PLACES: u8> Codec for Money<PLACES> {
    const FINGERPRINT: Fingerprint = Fingerprint::of("money").then_bytes(&[PLACES, 0, 0, 0, 0, 0, 0, 0]);

    fn encode(&self, out: &mut Vec<u8>) {
        self.0.encode(out);
    }

    fn decode(input: &mut Input<'_>) -> Result<Self, Corrupt> {
        i64::decode(input).map(Self)
    }

    fn heap_bytes(&self) -> usize {
        0
    }
}

#[cfg(feature = "postgres")]
mod postgres {
    use diesel::{
        data_types::PgNumeric,
        deserialize::{self, FromSql},
        pg::{Pg, PgValue},
        serialize::{self, Output, ToSql},
        sql_types::Numeric,
    };

    use super::{InvalidMoney, Money, sql};

    impl<const PLACES: u8> Money<PLACES> {
        /// In PostgreSQL's digits, each of which is four of ours.
        pub(super) fn to_numeric(self) -> Result<PgNumeric, InvalidMoney> {
            let n_behind = PLACES.div_ceil(4);
            let padding = u32::from(n_behind * 4 - PLACES);
            let mut rest = u128::from(self.0.unsigned_abs()) * 10_u128.pow(padding);
            let mut digits = Vec::with_capacity(8);
            while rest > 0 {
                digits.push(i16::try_from(rest % 10_000).map_err(|_| InvalidMoney::TooLarge)?);
                rest /= 10_000;
            }
            digits.reverse();
            let weight = i16::try_from(digits.len()).map_err(|_| InvalidMoney::TooLarge)? - i16::from(n_behind) - 1;
            let scale = u16::from(PLACES);
            Ok(if self.0 < 0 {
                PgNumeric::Negative { weight, scale, digits }
            } else {
                PgNumeric::Positive { weight, scale, digits }
            })
        }

        pub(super) fn from_numeric(numeric: &PgNumeric) -> Result<Self, InvalidMoney> {
            let (sign, weight, digits) = match numeric {
                PgNumeric::Positive { weight, digits, .. } => (1, *weight, digits),
                PgNumeric::Negative { weight, digits, .. } => (-1, *weight, digits),
                PgNumeric::NaN => return Err(InvalidMoney::NotANumber),
            };
            let mut exponent = 4 * i64::from(weight);
            let mut minor = 0_i128;
            for &digit in digits {
                minor = minor.checked_add(Self::part(digit, exponent)?).ok_or(InvalidMoney::TooLarge)?;
                exponent -= 4;
            }
            i64::try_from(sign * minor).map(Self).map_err(|_| InvalidMoney::TooLarge)
        }
    }

    impl<const PLACES: u8> ToSql<sql::Money<PLACES>, Pg> for Money<PLACES> {
        fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, Pg>) -> serialize::Result {
            ToSql::<Numeric, Pg>::to_sql(&self.to_numeric()?, &mut out.reborrow())
        }
    }

    impl<const PLACES: u8> FromSql<sql::Money<PLACES>, Pg> for Money<PLACES> {
        fn from_sql(value: PgValue<'_>) -> deserialize::Result<Self> {
            Ok(Self::from_numeric(&FromSql::<Numeric, Pg>::from_sql(value)?)?)
        }
    }
}

#[cfg(feature = "mysql")]
mod mysql {
    use std::io::Write as _;

    use diesel::{
        deserialize::{self, FromSql},
        mysql::{Mysql, MysqlType, MysqlValue},
        serialize::{self, IsNull, Output, ToSql},
    };

    use super::{Money, sql};

    impl<const PLACES: u8> ToSql<sql::Money<PLACES>, Mysql> for Money<PLACES> {
        fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, Mysql>) -> serialize::Result {
            write!(out, "{self}")?;
            Ok(IsNull::No)
        }
    }

    impl<const PLACES: u8> FromSql<sql::Money<PLACES>, Mysql> for Money<PLACES> {
        fn from_sql(value: MysqlValue<'_>) -> deserialize::Result<Self> {
            if value.value_type() != MysqlType::Numeric {
                return Err("the column of a `Money` is DECIMAL".into());
            }
            Ok(std::str::from_utf8(value.as_bytes())?.parse()?)
        }
    }
}

#[cfg(feature = "sqlite")]
mod sqlite {
    use diesel::{
        deserialize::{self, FromSql},
        serialize::{self, IsNull, Output, ToSql},
        sqlite::{Sqlite, SqliteType, SqliteValue},
    };

    use super::{Money, sql};

    impl<const PLACES: u8> ToSql<sql::Money<PLACES>, Sqlite> for Money<PLACES> {
        fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, Sqlite>) -> serialize::Result {
            out.set_value(self.0);
            Ok(IsNull::No)
        }
    }

    impl<const PLACES: u8> FromSql<sql::Money<PLACES>, Sqlite> for Money<PLACES> {
        fn from_sql(mut value: SqliteValue<'_, '_, '_>) -> deserialize::Result<Self> {
            if value.value_type() != Some(SqliteType::Long) {
                return Err("the column of a `Money` holds an integer, of minor units".into());
            }
            Ok(Self(value.read_long()))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed<const PLACES: u8>(text: &str) -> Result<i64, InvalidMoney> {
        text.parse::<Money<PLACES>>().map(Money::minor)
    }

    #[test]
    fn a_text_is_read_exactly_or_not_at_all() {
        assert_eq!(parsed::<2>("12.5"), Ok(1250));
        assert_eq!(parsed::<2>("-0.05"), Ok(-5));
        assert_eq!(parsed::<2>("+7.5000"), Ok(750));
        assert_eq!(parsed::<0>("7"), Ok(7));
        assert_eq!(parsed::<2>("12.505"), Err(InvalidMoney::TooFine));
        assert_eq!(parsed::<2>("92233720368547758.07"), Ok(i64::MAX));
        assert_eq!(parsed::<2>("-92233720368547758.08"), Ok(i64::MIN));
        assert_eq!(parsed::<2>("92233720368547758.08"), Err(InvalidMoney::TooLarge));
        for text in ["", "-", ".5", "5.", "1e3", "1,5", " 1", "1.2.3", "--1", "٣"] {
            assert_eq!(parsed::<2>(text), Err(InvalidMoney::NotANumber), "{text:?}");
        }
    }

    #[test]
    fn it_is_written_with_its_places() {
        assert_eq!(Money::<2>::from_minor(-5).to_string(), "-0.05");
        assert_eq!(Money::<0>::from_minor(12).to_string(), "12");
        assert_eq!(Money::<6>::from_minor(i64::MIN).to_string(), "-9223372036854.775808");
        assert_eq!(format!("{:>8}", Money::<2>::from_minor(1250)), "   12.50");
    }

    #[cfg(feature = "bigdecimal")]
    #[test]
    fn a_decimal_that_does_not_fit_is_refused() {
        let money = |text: &str| Money::<2>::try_from(text.parse::<bigdecimal::BigDecimal>().unwrap());
        assert_eq!(money("1.500"), Ok(Money::from_minor(150)));
        assert_eq!(money("0e900"), Ok(Money::ZERO));
        assert_eq!(money("1.001"), Err(InvalidMoney::TooFine));
        assert_eq!(money("1e1000000"), Err(InvalidMoney::TooLarge));
        assert_eq!(bigdecimal::BigDecimal::from(Money::<2>::from_minor(-5)).to_string(), "-0.05");
    }

    #[cfg(feature = "postgres")]
    #[test]
    fn postgresql_s_digits_are_read_exactly_or_not_at_all() {
        use diesel::data_types::PgNumeric;

        fn holds<const PLACES: u8>(minor: i64) {
            let money = Money::<PLACES>::from_minor(minor);
            assert_eq!(Money::from_numeric(&money.to_numeric().unwrap()), Ok(money), "{minor} of {PLACES} places");
        }
        for minor in [0, 1, -1, 99, 100, 10_000, -123_456_789, i64::MAX, i64::MIN] {
            holds::<0>(minor);
            holds::<2>(minor);
            holds::<4>(minor);
            holds::<7>(minor);
        }
        let numeric = |weight, digits: &[i16]| PgNumeric::Positive { weight, scale: 0, digits: digits.to_vec() };
        assert_eq!(Money::<2>::from_numeric(&numeric(0, &[12, 5000])), Ok(Money::from_minor(1250)));
        assert_eq!(Money::<2>::from_numeric(&numeric(0, &[12, 5050])), Err(InvalidMoney::TooFine));
        assert_eq!(Money::<2>::from_numeric(&numeric(-9, &[1])), Err(InvalidMoney::TooFine));
        assert_eq!(Money::<2>::from_numeric(&numeric(30_000, &[1])), Err(InvalidMoney::TooLarge));
        assert_eq!(Money::<2>::from_numeric(&PgNumeric::NaN), Err(InvalidMoney::NotANumber));
    }
}
