//! Keys as conditions of a statement.

use diesel::{
    Column,
    deserialize::{self, FromSqlRow},
    query_builder::QueryFragment,
    row::Row,
    sql_types::{IntoNotNullable, Nullable, SqlType, is_nullable::NotNull},
};

use crate::{
    backend::{Backend, BindValues},
    key::{Key, KeyPart},
    row::{Bare, RowReader, SelectList},
    statement::Statement,
};

/// A key that can be compared with the columns `C`: one, or a tuple of as many as the key has parts.
pub trait BindKey<DB: Backend, C>: Key {
    /// Selects the columns.
    fn select(list: &mut SelectList<DB>);

    /// Appends the condition that the columns hold one of `keys`.
    fn matching<'q>(keys: Vec<Self>, statement: &mut Statement<'q, DB>);

    /// Appends the parts of `keys`, an array for each, with commas between them. Only where the back end unnests them.
    fn arrays<'q>(keys: Vec<Self>, statement: &mut Statement<'q, DB>);

    /// Reads the columns: `None` if one of them is NULL.
    ///
    /// # Errors
    /// Diesel's, if a value does not fit.
    fn read<'r, R: Row<'r, DB>>(row: &mut RowReader<'_, R>) -> deserialize::Result<Option<Self>>;
}

/// A column that can hold a part of a key.
pub trait KeyColumn<DB: Backend>:
    Column<SqlType: IntoNotNullable> + QueryFragment<DB> + Default + Send + 'static
{
}

impl<DB: Backend, C> KeyColumn<DB> for C where
    C: Column<SqlType: IntoNotNullable> + QueryFragment<DB> + Default + Send + 'static
{
}

impl<DB, T, C> BindKey<DB, C> for T
where
    T: KeyPart,
    C: KeyColumn<DB>,
    Bare<C>: SqlType<IsNull = NotNull> + 'static,
    DB: Backend + BindValues<Bare<C>, T>,
    Option<T>: FromSqlRow<Nullable<Bare<C>>, DB>,
{
    fn select(list: &mut SelectList<DB>) {
        list.column(C::default());
    }

    fn matching<'q>(keys: Vec<Self>, statement: &mut Statement<'q, DB>) {
        statement.fragment(Box::new(C::default()));
        // PostgreSQL keeps one plan for an equality, and makes a new one for every array.
        if keys.len() == 1 {
            statement.sql(" = ");
            keys.into_iter().for_each(|key| DB::value(key, statement));
        } else {
            DB::any_of(keys, statement);
        }
    }

    fn arrays<'q>(keys: Vec<Self>, statement: &mut Statement<'q, DB>) {
        DB::values(keys, statement);
    }

    fn read<'r, R: Row<'r, DB>>(row: &mut RowReader<'_, R>) -> deserialize::Result<Option<Self>> {
        row.part::<DB, Bare<C>, T>()
    }
}

macro_rules! tuple {
    ($($part:ident $column:ident $values:ident $at:tt),*) => {
        impl<DB, $($part, $column),*> BindKey<DB, ($($column,)*)> for ($($part,)*)
        where
            $(
                $part: KeyPart,
                $column: KeyColumn<DB>,
                Bare<$column>: SqlType<IsNull = NotNull> + 'static,
                DB: BindValues<Bare<$column>, $part>,
                Option<$part>: FromSqlRow<Nullable<Bare<$column>>, DB>,
            )*
            DB: Backend,
        {
            fn select(list: &mut SelectList<DB>) {
                $(list.column($column::default());)*
            }

            fn matching<'q>(keys: Vec<Self>, statement: &mut Statement<'q, DB>) {
                // As with one column.
                if keys.len() == 1 {
                    for key in keys {
                        $(
                            statement.sql(if $at == 0 { "" } else { " AND " }).fragment(Box::new($column::default()));
                            statement.sql(" = ");
                            DB::value(key.$at, statement);
                        )*
                    }
                    return;
                }
                statement.sql("(");
                $(statement.sql(if $at == 0 { "" } else { ", " }).fragment(Box::new($column::default()));)*
                if DB::UNNESTS {
                    statement.sql(") IN (SELECT * FROM unnest(");
                    <Self as BindKey<DB, ($($column,)*)>>::arrays(keys, statement);
                    statement.sql("))");
                } else {
                    statement.unprepared().sql(") IN (VALUES ").separated(", ", keys, |statement, key| {
                        statement.sql("(");
                        $(
                            statement.sql(if $at == 0 { "" } else { ", " });
                            DB::value(key.$at, statement);
                        )*
                        statement.sql(")");
                    });
                    statement.sql(")");
                }
            }

            fn arrays<'q>(keys: Vec<Self>, statement: &mut Statement<'q, DB>) {
                $(let mut $values = Vec::with_capacity(keys.len());)*
                for key in keys {
                    $($values.push(key.$at);)*
                }
                $(
                    statement.sql(if $at == 0 { "" } else { ", " });
                    DB::values($values, statement);
                )*
            }

            fn read<'r, R: Row<'r, DB>>(row: &mut RowReader<'_, R>) -> deserialize::Result<Option<Self>> {
                // All parts are read, also behind a NULL: the columns after the key must be found where they are.
                let parts = ($(row.part::<DB, Bare<$column>, $part>()?,)*);
                Ok((|| Some(($(parts.$at?,)*)))())
            }
        }
    };
}

tuple!(PA A a 0, PB B b 1);
tuple!(PA A a 0, PB B b 1, PC C c 2);
tuple!(PA A a 0, PB B b 1, PC C c 2, PD D d 3);
