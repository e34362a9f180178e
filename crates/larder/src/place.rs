//! Places in a list: the values that a row is ordered by, down to its primary key.

mod after;
mod placed;

use diesel::{
    Column, Expression,
    deserialize::{self, FromSqlRow},
    query_builder::QueryFragment,
    row::Row,
    sql_types::{SqlType, is_nullable},
};

pub(crate) use self::{after::After, placed::Placed};
use crate::{
    backend::{Backend, BindValues},
    codec::{Corrupt, Fingerprint, Input},
    entity::{Pattern, PatternOn},
    relation::Term,
    row::{RowReader, SelectList},
    statement::Statement,
};

/// A list whose rows have places: the derive implements it for every pattern of lists.
pub trait Listed: Pattern {
    /// The values of the columns by which the list is ordered, ties last: `(A, (B, ()))`.
    type Place: Clone + Send + 'static;

    /// Those columns.
    type Columns;

    /// The form in which a place is encoded.
    const FORM: Fingerprint;

    /// The place of a row.
    fn place(row: &Self::Entity) -> Self::Place;

    /// Appends a place.
    fn encode_place(place: &Self::Place, out: &mut Vec<u8>);

    /// Takes a place from the front of `input`.
    ///
    /// # Errors
    /// [`Corrupt`] if the bytes are none.
    fn decode_place(input: &mut Input<'_>) -> Result<Self::Place, Corrupt>;
}

/// A list that the database can go on with behind a place, so that it has pages.
pub trait PagedOn<DB: Backend>: Listed<Place: Behind<DB, Self::Columns>> + PatternOn<DB> {}

impl<DB: Backend, P> PagedOn<DB> for P where P: Listed<Place: Behind<DB, Self::Columns>> + PatternOn<DB> {}

/// What a column's SQL type says that has no NULL: a value `T` of it can be sent, to be compared with others.
#[diagnostic::on_unimplemented(
    message = "a list that is ordered by a column which may be NULL has no pages",
    label = "the list has no pages",
    note = "NULL is neither before nor behind a value, so a cursor can't stand there: make the column NOT NULL, or order by another"
)]
pub trait NeverNull<DB: Backend, C, T> {
    /// Appends a value.
    fn push(value: T, statement: &mut Statement<'_, DB>);
}

impl<DB, C, T> NeverNull<DB, C, T> for is_nullable::NotNull
where
    DB: Backend + BindValues<C::SqlType, T>,
    C: Column<SqlType: SqlType<IsNull = Self>>,
    T: 'static,
{
    fn push(value: T, statement: &mut Statement<'_, DB>) {
        DB::value(value, statement);
    }
}

type Nullability<C> = <<C as Expression>::SqlType as SqlType>::IsNull;

/// Values of columns, behind which a list goes on.
pub trait Behind<DB: Backend, C>: Sized {
    /// Selects the columns.
    fn columns(list: &mut SelectList<DB>);

    /// Reads them.
    ///
    /// # Errors
    /// Diesel's, if a value does not fit.
    fn read<'r, R: Row<'r, DB>>(row: &mut RowReader<'_, R>) -> deserialize::Result<Self>;

    /// Appends the condition that a row stands behind these values in the order of `terms`, of which there is one a value. Of no values it
    /// appends nothing.
    fn condition(self, terms: &[Term], statement: &mut Statement<'_, DB>);
}

impl<DB: Backend> Behind<DB, ()> for () {
    fn columns(_list: &mut SelectList<DB>) {}

    fn read<'r, R: Row<'r, DB>>(_row: &mut RowReader<'_, R>) -> deserialize::Result<Self> {
        Ok(())
    }

    fn condition(self, _terms: &[Term], _statement: &mut Statement<'_, DB>) {}
}

impl<DB, T, Rest, C, Others> Behind<DB, (C, Others)> for (T, Rest)
where
    DB: Backend,
    C: Column<SqlType: SqlType<IsNull: NeverNull<DB, C, T>>> + QueryFragment<DB> + Default + Send + 'static,
    T: FromSqlRow<C::SqlType, DB> + Clone + 'static,
    Rest: Behind<DB, Others>,
{
    fn columns(list: &mut SelectList<DB>) {
        list.push(C::default());
        Rest::columns(list);
    }

    fn read<'r, R: Row<'r, DB>>(row: &mut RowReader<'_, R>) -> deserialize::Result<Self> {
        Ok((row.column::<DB, C, T>(C::default())?, Rest::read(row)?))
    }

    // `a >= x AND (a > x OR (b > y))`: the first half says nothing that the second does not, but it is what an index can be searched by.
    fn condition(self, terms: &[Term], statement: &mut Statement<'_, DB>) {
        let (value, rest) = self;
        let (term, others) = terms.split_first().expect("there is a term for each value");
        let behind = if term.descending { " < " } else { " > " };
        if others.is_empty() {
            statement.fragment(Box::new(C::default())).sql(behind);
            Nullability::<C>::push(value, statement);
            return;
        }
        statement.fragment(Box::new(C::default())).sql(if term.descending { " <= " } else { " >= " });
        Nullability::<C>::push(value.clone(), statement);
        statement.sql(" AND (").fragment(Box::new(C::default())).sql(behind);
        Nullability::<C>::push(value, statement);
        statement.sql(" OR (");
        rest.condition(others, statement);
        statement.sql("))");
    }
}
