//! Conditions of generated code, so made that what does not hold is one error and not many.

use crate::{
    codec::Fingerprint,
    entity::Entity,
    key::{KeyField, KeyPart},
    relation::Count,
    tenant::Common,
};

/// A type, if a condition holds. A condition is a constant that only compiles if it does; if not, the type can't be told, and
/// whatever is made of it is not worth a second error.
pub trait If<const CONDITION: u64> {
    /// The type itself.
    type Type;
}

impl<T, const CONDITION: u64> If<CONDITION> for T {
    type Type = T;
}

/// The condition that a field can be part of a key.
#[must_use]
pub const fn is_key_field<T: KeyField>() -> u64 {
    0
}

/// The condition that a field can be part of a primary key.
#[must_use]
pub const fn is_key_part<T: KeyPart>() -> u64 {
    0
}

/// The condition that there are rows of a type.
#[must_use]
pub const fn is_entity<E: Entity>() -> u64 {
    0
}

/// The condition that rows of a type belong to no tenant.
#[must_use]
pub const fn is_common<E: Common>() -> u64 {
    0
}

/// The condition that the rows of a relation can be counted.
#[must_use]
pub const fn is_counted<R: Count>() -> u64 {
    0
}

/// The number of a pattern by fields of these names, if there are such columns.
pub const fn fields<C: Copy>(names: Fingerprint, _columns: C) -> u64 {
    names.bits()
}

/// The row, of a type that is made out by way of its columns'.
///
/// To the compiler a column that does not exist has a type which is not worth a second error, and so has the row then: the
/// missing column is reported, and not the row's missing field too.
pub fn tied<E, C>(row: E, _columns: C) -> <C as Tied<E>>::Row
where
    C: Tied<E, Row = E>,
{
    row
}

/// Ties a row's type to its columns'.
pub trait Tied<E> {
    /// The row's type.
    type Row;
}

impl<E, C> Tied<E> for C {
    type Row = E;
}
