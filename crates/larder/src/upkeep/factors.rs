//! The columns that are summed.

use diesel::{
    Column,
    sql_types::{BigInt, Integer, Numeric, SmallInt, SqlType, is_nullable::NotNull},
};

use crate::{
    backend::{Backend, BindChanges},
    bind::KeyColumn,
    row::Bare,
    statement::Statement,
};

/// A type whose sums do not depend on the order in which they are added.
#[doc(hidden)]
#[diagnostic::on_unimplemented(
    message = "a column of the type `{Self}` can't be counted or summed in",
    note = "maintained columns are `SmallInt`, `Integer`, `BigInt` or `Numeric`, and never NULL; columns that are summed may be NULL"
)]
pub trait Exact: SqlType<IsNull = NotNull> {
    /// What SQL calls it.
    const NAME: &'static str;
}

impl Exact for SmallInt {
    const NAME: &'static str = "smallint";
}

impl Exact for Integer {
    const NAME: &'static str = "integer";
}

impl Exact for BigInt {
    const NAME: &'static str = "bigint";
}

impl Exact for Numeric {
    const NAME: &'static str = "numeric";
}

/// A tuple of what is summed of a row, and the tuple of its columns.
#[doc(hidden)]
pub trait BindFactors<DB: Backend, C>: Sized {
    /// Appends the signs as an array, and then the values, an array for each column, with commas between them.
    fn bind<'q>(signs: Vec<i64>, values: Vec<Self>, statement: &mut Statement<'q, DB>);
}

impl<DB: BindChanges<BigInt, i64>> BindFactors<DB, ()> for () {
    fn bind<'q>(signs: Vec<i64>, _values: Vec<Self>, statement: &mut Statement<'q, DB>) {
        DB::changes(signs.into_iter().map(Some).collect(), statement);
    }
}

macro_rules! tuple {
    ($($part:ident $column:ident $values:ident $at:tt),*) => {
        impl<DB, $($part, $column),*> BindFactors<DB, ($($column,)*)> for ($(Option<$part>,)*)
        where
            $(
                $part: 'static,
                $column: Column + KeyColumn<DB>,
                Bare<$column>: Exact + 'static,
                DB: BindChanges<Bare<$column>, $part>,
            )*
            DB: BindChanges<BigInt, i64>,
        {
            fn bind<'q>(signs: Vec<i64>, values: Vec<Self>, statement: &mut Statement<'q, DB>) {
                DB::changes(signs.into_iter().map(Some).collect(), statement);
                $(let mut $values = Vec::with_capacity(values.len());)*
                for value in values {
                    $($values.push(value.$at);)*
                }
                $(
                    statement.sql(", ");
                    DB::changes($values, statement);
                )*
            }
        }
    };
}

tuple!(PA A a 0);
tuple!(PA A a 0, PB B b 1);
tuple!(PA A a 0, PB B b 1, PC C c 2);
tuple!(PA A a 0, PB B b 1, PC C c 2, PD D d 3);
tuple!(PA A a 0, PB B b 1, PC C c 2, PD D d 3, PE E e 4);
tuple!(PA A a 0, PB B b 1, PC C c 2, PD D d 3, PE E e 4, PF F f 5);
