//! Rows as the database sends them.

use std::ops::Range;

use diesel::{
    AppearsOnTable, Column, Expression, QueryableByName, SelectableExpression,
    deserialize::{self, FromSqlRow, StaticallySizedRow},
    expression::{ValidGrouping, is_aggregate},
    query_builder::{AstPass, QueryFragment, QueryId},
    query_dsl::methods::SelectDsl,
    result::QueryResult,
    row::{NamedRow, Row},
    sql_types::{HasSqlType, IntoNotNullable, Nullable, SqlType, Untyped, is_nullable::NotNull},
};

use crate::{backend::Backend, models::Declared, statement::Fragment};

/// What a statement selects, one fragment after the other.
pub struct SelectList<DB: Backend> {
    pub(crate) items: Vec<Box<dyn QueryFragment<DB> + Send>>,
    pub(crate) n_columns: usize,
    /// What the columns are, where somebody wants to know.
    pub(crate) declared: Option<Vec<Declared<DB>>>,
    /// Which of the items are one column, and no embedded struct.
    pub(crate) are_single: Vec<bool>,
    /// Whether rows are told apart by it, and not read.
    pub(crate) is_of_groups: bool,
}

impl<DB: Backend> SelectList<DB> {
    pub(crate) fn new() -> Self {
        let (items, are_single) = (Vec::with_capacity(16), Vec::with_capacity(16));
        Self { items, n_columns: 0, declared: None, are_single, is_of_groups: false }
    }

    /// A list by which rows of one key are put together.
    pub(crate) fn of_groups() -> Self {
        Self { is_of_groups: true, ..Self::new() }
    }

    /// Appends a column of a model.
    pub fn column<C>(&mut self, column: C) -> &mut Self
    where
        C: Column + QueryFragment<DB> + Send + 'static,
        C::SqlType: SqlType,
        DB: HasSqlType<C::SqlType>,
    {
        if let Some(declared) = &mut self.declared {
            declared.push(Declared::of::<C>());
        }
        self.push(column)
    }

    /// Appends anything.
    pub(crate) fn push(&mut self, column: impl QueryFragment<DB> + Send + 'static) -> &mut Self {
        self.items.push(Box::new(column));
        self.are_single.push(true);
        self.n_columns += 1;
        self
    }

    /// Appends the columns of an embedded struct.
    pub fn embedded<T>(&mut self) -> &mut Self
    where
        T: diesel::Selectable<DB>,
        T::SelectExpression: QueryFragment<DB> + diesel::Expression + Send + 'static,
        T: StaticallySizedRow<diesel::dsl::SqlTypeOf<T::SelectExpression>, DB>,
    {
        self.items.push(Box::new(T::construct_selection()));
        self.are_single.push(false);
        self.n_columns += T::FIELD_COUNT;
        self
    }
}

impl<DB: Backend> SelectList<DB> {
    /// A query that selects these columns, whatever it selected before.
    pub fn of<'q, Q>(self, query: Q) -> Fragment<'q, DB>
    where
        Q: SelectDsl<Self, Output: QueryFragment<DB> + 'q>,
    {
        Box::new(query.select(self))
    }
}

impl<DB: Backend> Expression for SelectList<DB> {
    type SqlType = Untyped;
}

impl<DB: Backend, QS> SelectableExpression<QS> for SelectList<DB> {}

impl<DB: Backend, QS> AppearsOnTable<QS> for SelectList<DB> {}

impl<DB: Backend> ValidGrouping<()> for SelectList<DB> {
    type IsAggregate = is_aggregate::No;
}

impl<DB: Backend> QueryId for SelectList<DB> {
    type QueryId = ();

    const HAS_STATIC_QUERY_ID: bool = false;
}

impl<DB: Backend> QueryFragment<DB> for SelectList<DB> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, DB>) -> QueryResult<()> {
        for (at, item) in self.items.iter().enumerate() {
            if at > 0 {
                out.push_sql(", ");
            }
            item.walk_ast(out.reborrow())?;
        }
        Ok(())
    }
}

/// One row, read from left to right.
pub struct RowReader<'a, R> {
    row: &'a R,
    at: usize,
}

impl<'a, R> RowReader<'a, R> {
    pub(crate) fn new(row: &'a R) -> Self {
        Self { row, at: 0 }
    }

    /// Reads the next column.
    ///
    /// # Errors
    /// Diesel's, if the database's value is none of `T`.
    pub fn column<'r, DB, C, T>(&mut self, _column: C) -> deserialize::Result<T>
    where
        DB: Backend,
        R: Row<'r, DB>,
        C: Column,
        T: FromSqlRow<C::SqlType, DB>,
    {
        self.next::<DB, C::SqlType, T>(1)
    }

    /// Reads the columns of an embedded struct.
    ///
    /// # Errors
    /// As [`RowReader::column`].
    pub fn embedded<'r, DB, T>(&mut self) -> deserialize::Result<T>
    where
        DB: Backend,
        R: Row<'r, DB>,
        T: diesel::Selectable<DB>,
        T::SelectExpression: diesel::Expression,
        T: StaticallySizedRow<diesel::dsl::SqlTypeOf<T::SelectExpression>, DB>,
    {
        self.next::<DB, diesel::dsl::SqlTypeOf<T::SelectExpression>, T>(T::FIELD_COUNT)
    }

    /// Reads the next column, which is none of a table's.
    pub(crate) fn value<'r, DB, ST, T>(&mut self) -> deserialize::Result<T>
    where
        DB: Backend,
        R: Row<'r, DB>,
        T: FromSqlRow<ST, DB>,
    {
        self.next::<DB, ST, T>(1)
    }

    /// Reads the next column, which may be NULL although `T` can't be.
    pub(crate) fn part<'r, DB, ST, T>(&mut self) -> deserialize::Result<Option<T>>
    where
        DB: Backend,
        R: Row<'r, DB>,
        Option<T>: FromSqlRow<Nullable<ST>, DB>,
        ST: SqlType<IsNull = NotNull>,
    {
        self.next::<DB, Nullable<ST>, Option<T>>(1)
    }

    fn next<'r, DB, ST, T>(&mut self, n_columns: usize) -> deserialize::Result<T>
    where
        DB: Backend,
        R: Row<'r, DB>,
        T: FromSqlRow<ST, DB>,
    {
        let place = self.advance::<DB>(n_columns)?;
        T::build_from_row(&self.row.partial_row(place))
    }

    /// Where the next columns are.
    fn advance<'r, DB>(&mut self, n_columns: usize) -> deserialize::Result<Range<usize>>
    where
        DB: Backend,
        R: Row<'r, DB>,
    {
        let (start, end) = (self.at, self.at + n_columns);
        if end > self.row.field_count() {
            return Err("the row has fewer columns than were asked for".into());
        }
        self.at = end;
        Ok(start..end)
    }
}

/// Something that is read from a row's columns in the order in which it asked for them.
pub trait FromRow<DB: Backend>: Sized {
    /// Reads it.
    ///
    /// # Errors
    /// Diesel's, if a value does not fit.
    fn from_row<'r, R: Row<'r, DB>>(row: &mut RowReader<'_, R>) -> deserialize::Result<Self>;
}

macro_rules! tuple {
    ($($name:ident),*) => {
        impl<DB: Backend, $($name: FromRow<DB>),*> FromRow<DB> for ($($name,)*) {
            fn from_row<'r, R: Row<'r, DB>>(row: &mut RowReader<'_, R>) -> deserialize::Result<Self> {
                Ok(($($name::from_row(row)?,)*))
            }
        }
    };
}

tuple!(A, B);
tuple!(A, B, C);

/// All columns of an entity.
pub(crate) struct WholeRow<E>(pub(crate) E);

impl<DB: Backend, E: crate::entity::Table<DB>> FromRow<DB> for WholeRow<E> {
    fn from_row<'r, R: Row<'r, DB>>(row: &mut RowReader<'_, R>) -> deserialize::Result<Self> {
        E::build(row).map(Self)
    }
}

/// A number that SQL counted.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Count(pub(crate) i64);

impl<DB: Backend> FromRow<DB> for Count {
    fn from_row<'r, R: Row<'r, DB>>(row: &mut RowReader<'_, R>) -> deserialize::Result<Self> {
        let place = row.advance::<DB>(1)?;
        DB::read_count(row.row, place.start).map(Count)
    }
}

/// A text that SQL wrote: `None` of NULL.
pub(crate) struct Text(pub(crate) Option<String>);

impl<DB: Backend> FromRow<DB> for Text {
    fn from_row<'r, R: Row<'r, DB>>(row: &mut RowReader<'_, R>) -> deserialize::Result<Self> {
        let place = row.advance::<DB>(1)?;
        DB::read_text(row.row, place.start).map(Text)
    }
}

/// What makes Diesel load a [`FromRow`].
pub(crate) struct Built<T>(pub(crate) T);

impl<DB: Backend, T: FromRow<DB>> QueryableByName<DB> for Built<T> {
    fn build<'a>(row: &impl NamedRow<'a, DB>) -> deserialize::Result<Self> {
        T::from_row(&mut RowReader::new(row)).map(Built)
    }
}

/// The SQL type of a column's values that are not NULL.
pub(crate) type Bare<C> = <<C as diesel::Expression>::SqlType as IntoNotNullable>::NotNullable;
