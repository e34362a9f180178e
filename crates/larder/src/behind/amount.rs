use bigdecimal::BigDecimal;
use diesel::sql_types::{BigInt, Integer, Nullable, Numeric, SmallInt, SqlType, is_nullable::NotNull};

use super::{
    change::Amount,
    error::{Error, Result},
};

/// A number by which a column can grow: `i16`, `i32`, `i64` or `BigDecimal`. Sealed.
///
/// Binary fractions are not among them, since their sum depends on the order in which they are added.
#[diagnostic::on_unimplemented(
    message = "a column can't be incremented by `{Self}`",
    note = "increments are `i16`, `i32`, `i64` or `BigDecimal`"
)]
pub trait Delta: sealed::Sealed {
    #[doc(hidden)]
    #[expect(private_interfaces, reason = "nobody else implements it")]
    fn into_amount(self) -> Result<Amount>;
}

/// A column's SQL type to which a [`Delta`] can be added.
#[diagnostic::on_unimplemented(
    message = "a column of type `{Self}` can't grow by `{D}`",
    note = "whole numbers can be added to `SmallInt`, `Integer`, `BigInt` and `Numeric`, and decimals to `Numeric`"
)]
pub trait Adds<D> {}

mod sealed {
    pub trait Sealed {}
}

macro_rules! whole {
    ($($delta:ty),*) => {$(
        impl sealed::Sealed for $delta {}

        impl Delta for $delta {
            #[expect(private_interfaces, reason = "nobody else implements it")]
            fn into_amount(self) -> Result<Amount> {
                Ok(Amount::Whole(self.into()))
            }
        }

        impl Adds<$delta> for SmallInt {}
        impl Adds<$delta> for Integer {}
        impl Adds<$delta> for BigInt {}
        impl Adds<$delta> for Numeric {}
    )*};
}

whole!(i16, i32, i64);

impl sealed::Sealed for BigDecimal {}

impl Delta for BigDecimal {
    #[expect(private_interfaces, reason = "nobody else implements it")]
    fn into_amount(self) -> Result<Amount> {
        Amount::of_a_call(self).ok_or(Error::TooManyDigits)
    }
}

impl Adds<BigDecimal> for Numeric {}

impl<D, T> Adds<D> for Nullable<T> where T: Adds<D> + SqlType<IsNull = NotNull> {}
