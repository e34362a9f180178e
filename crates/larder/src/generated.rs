//! What the derives' output calls: a fix here needs no new expansion.

use diesel::{
    Column,
    deserialize::{self, FromSqlRow},
    row::Row,
};

use crate::{
    backend::Backend,
    codec::Fingerprint,
    entity::{Entity, Table},
    error::Result,
    key::{KeyField, KeyPart},
    relation::{Arity, Count, Many, Maybe, One},
    row::RowReader,
    shape::Whole,
    store::Layout,
};

/// The form in which rows are written into cells. Raised when that changes, since it empties every cache.
const FORMAT: &str = "1";

/// The layout of a model's cells, of its columns in their order.
#[must_use]
pub const fn layout(name: &str, columns: &[(&str, Fingerprint)]) -> Layout {
    let mut fingerprint = Fingerprint::of(FORMAT).and(name);
    let mut at = 0;
    while at < columns.len() {
        let (column, codec) = columns[at];
        fingerprint = fingerprint.and(column).then(codec);
        at += 1;
    }
    Layout::new(fingerprint.bits())
}

/// Entities of whole rows.
///
/// # Errors
/// None; views have some.
pub fn whole<E>(heads: Vec<Whole<E>>) -> Result<Vec<E>> {
    Ok(heads.into_iter().map(|head| head.0).collect())
}

/// Views of their columns.
///
/// # Errors
/// None; views with relations have some.
pub fn viewed<H, V>(heads: Vec<H>, view: impl FnMut(H) -> V) -> Result<Vec<V>> {
    Ok(heads.into_iter().map(view).collect())
}

/// Views of their columns and what was loaded for each.
///
/// # Errors
/// None; what was loaded before had them.
pub fn viewed_with<H, V>(heads: Vec<H>, view: impl FnMut(H) -> Option<V>) -> Result<Vec<V>> {
    Ok(heads.into_iter().map_while(view).collect())
}

/// How many rows stand behind a reference of two columns: one or none, if either column may be NULL.
pub trait Both {
    /// [`One`] or [`Maybe`].
    type Arity;
}

impl Both for (One, One) {
    type Arity = One;
}

impl Both for (One, Maybe) {
    type Arity = Maybe;
}

impl Both for (Maybe, One) {
    type Arity = Maybe;
}

impl Both for (Maybe, Maybe) {
    type Arity = Maybe;
}

/// A back end that an entity is on: [`Table`], the other way round.
pub trait Keeps<E>: Backend {}

impl<DB: Backend, E: Table<DB>> Keeps<E> for DB {}

/// What a view's field of a relation holds: rows of a type that the field says.
#[diagnostic::on_unimplemented(
    message = "this relation can't be held by a `{F}`",
    label = "the relation gives another number of rows",
    note = "`has_many` and `many_to_many` give a `Vec`; `has_one`, and a reference that may be NULL, an `Option`; any other \
            reference gives the row itself"
)]
pub trait Fills<F>: Arity {
    /// One row, in the shape that the field has it in.
    type Item;

    /// The field's value.
    fn fill(rows: Self::Of<Self::Item>) -> F;
}

impl<T> Fills<Vec<T>> for Many {
    type Item = T;

    fn fill(rows: Vec<T>) -> Vec<T> {
        rows
    }
}

impl<T> Fills<Option<T>> for Maybe {
    type Item = T;

    fn fill(row: Option<T>) -> Option<T> {
        row
    }
}

impl<T> Fills<T> for One {
    type Item = T;

    fn fill(row: T) -> T {
        row
    }
}

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

/// Reads a column of a view as what the entity has it as.
///
/// The field is never taken: it is there so that a view's field of another type is an error at that field, and nowhere else.
///
/// # Errors
/// Diesel's, if the database's value is none of the field's type.
pub fn read<'r, DB, E, R, C, T>(
    row: &mut RowReader<'_, R>,
    column: C,
    _field: impl FnOnce(<C as Tied<E>>::Row) -> T,
) -> deserialize::Result<T>
where
    DB: Backend,
    R: Row<'r, DB>,
    C: Column + Tied<E>,
    T: FromSqlRow<C::SqlType, DB>,
{
    row.column(column)
}

/// Ties a row's type to its columns'.
pub trait Tied<E> {
    /// The row's type.
    type Row;
}

impl<E, C> Tied<E> for C {
    type Row = E;
}
