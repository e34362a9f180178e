//! The fields of views.

use std::{fmt, marker::PhantomData};

use diesel::{
    Column, Expression, Selectable,
    deserialize::{self, FromSqlRow, StaticallySizedRow},
    dsl::SqlTypeOf,
    query_builder::QueryFragment,
    row::Row,
};

use super::Tied;
use crate::{
    backend::Backend,
    relation::{Arity, Many, Maybe, One},
    row::{RowReader, SelectList},
};

/// The columns of an embedded struct, which stand among an entity's as one.
pub struct Embedded<T>(PhantomData<fn() -> T>);

impl<T> Embedded<T> {
    /// Its only value.
    #[must_use]
    pub const fn new() -> Self {
        Self(PhantomData)
    }
}

impl<T> Default for Embedded<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> Clone for Embedded<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Embedded<T> {}

impl<T> fmt::Debug for Embedded<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Embedded")
    }
}

/// What a view takes of an entity: a column, or an embedded struct.
pub trait Taken<DB: Backend> {
    /// Selects it.
    fn select(self, list: &mut SelectList<DB>);
}

/// What a view takes, as a value of a field.
pub trait TakenAs<DB: Backend, T>: Taken<DB> {
    /// Reads it.
    ///
    /// # Errors
    /// Diesel's, if the database's value is none of the type.
    fn read<'r, R: Row<'r, DB>>(self, row: &mut RowReader<'_, R>) -> deserialize::Result<T>;
}

impl<DB: Backend, C: Column + QueryFragment<DB> + Send + 'static> Taken<DB> for C {
    fn select(self, list: &mut SelectList<DB>) {
        list.push(self);
    }
}

impl<DB, C, T> TakenAs<DB, T> for C
where
    DB: Backend,
    C: Column + QueryFragment<DB> + Send + 'static,
    T: FromSqlRow<C::SqlType, DB>,
{
    fn read<'r, R: Row<'r, DB>>(self, row: &mut RowReader<'_, R>) -> deserialize::Result<T> {
        row.column(self)
    }
}

impl<DB, T> Taken<DB> for Embedded<T>
where
    DB: Backend,
    T: Selectable<DB> + StaticallySizedRow<SqlTypeOf<T::SelectExpression>, DB>,
    T::SelectExpression: QueryFragment<DB> + Expression + Send + 'static,
{
    fn select(self, list: &mut SelectList<DB>) {
        list.embedded::<T>();
    }
}

impl<DB, T> TakenAs<DB, T> for Embedded<T>
where
    DB: Backend,
    T: Selectable<DB> + StaticallySizedRow<SqlTypeOf<T::SelectExpression>, DB>,
    T::SelectExpression: QueryFragment<DB> + Expression + Send + 'static,
{
    fn read<'r, R: Row<'r, DB>>(self, row: &mut RowReader<'_, R>) -> deserialize::Result<T> {
        row.embedded()
    }
}

/// Reads what a view takes, as what the entity has it as.
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
    C: TakenAs<DB, T> + Tied<E>,
{
    column.read(row)
}

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
