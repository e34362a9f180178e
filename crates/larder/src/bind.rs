//! Keys as conditions of a statement.

use diesel::{
    Column,
    deserialize::{self, FromSqlRow},
    query_builder::{AstPass, QueryFragment},
    result::QueryResult,
    row::Row,
    sql_types::{IntoNotNullable, Nullable, SqlType, is_nullable::NotNull},
};

use crate::{
    backend::{Backend, BindValues},
    key::{Key, KeyPart},
    row::{Bare, RowReader, SelectList},
    statement::{Fragment, Statement},
};

/// A key that can be compared with the columns `C`: one, or a tuple of as many as the key has parts.
pub trait BindKey<DB: Backend, C>: Key {
    /// Selects the columns.
    fn select(list: &mut SelectList<DB>);

    /// Appends the condition that the columns hold one of `keys`.
    fn matching<'q>(keys: Vec<Self>, statement: &mut Statement<'q, DB>);

    /// Appends the parts of `keys`, an array for each, with commas between them. Only where the back end unnests them.
    fn arrays<'q>(keys: Vec<Self>, statement: &mut Statement<'q, DB>);

    /// Appends the condition that the columns stand behind this key, in the order of the key.
    fn behind<'q>(key: Self, statement: &mut Statement<'q, DB>);

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
        select_part::<DB, C, T>(list);
    }

    fn matching<'q>(keys: Vec<Self>, statement: &mut Statement<'q, DB>) {
        let exactly = (is_exact::<DB, C, T>() && statement.is_exact()).then(|| keys.clone());
        match_part::<DB, C, T>(Box::new(C::default()), keys, statement);
        // The first condition is what an index is searched by.
        if let Some(keys) = exactly {
            statement.sql(" AND ");
            match_part::<DB, C, T>(Box::new(Exactly(C::default())), keys, statement);
        }
    }

    fn arrays<'q>(keys: Vec<Self>, statement: &mut Statement<'q, DB>) {
        DB::values(keys, statement);
    }

    fn behind<'q>(key: Self, statement: &mut Statement<'q, DB>) {
        statement.fragment(Box::new(C::default())).sql(" > ");
        DB::value(key, statement);
    }

    fn read<'r, R: Row<'r, DB>>(row: &mut RowReader<'_, R>) -> deserialize::Result<Option<Self>> {
        row.part::<DB, Bare<C>, T>()
    }
}

/// Whether a condition by this column has to be made exact.
fn is_exact<DB, C, T>() -> bool
where
    C: KeyColumn<DB>,
    Bare<C>: SqlType<IsNull = NotNull> + 'static,
    DB: Backend + BindValues<Bare<C>, T>,
{
    <DB as BindValues<Bare<C>, T>>::is_loose()
}

fn select_part<DB, C, T>(list: &mut SelectList<DB>)
where
    C: KeyColumn<DB>,
    Bare<C>: SqlType<IsNull = NotNull> + 'static,
    DB: Backend + BindValues<Bare<C>, T>,
{
    list.push(C::default());
    if list.is_of_groups && is_exact::<DB, C, T>() {
        list.push(Exactly(C::default()));
    }
}

fn match_part<'q, DB, C, T>(column: Fragment<'q, DB>, keys: Vec<T>, statement: &mut Statement<'q, DB>)
where
    T: KeyPart,
    C: KeyColumn<DB>,
    Bare<C>: SqlType<IsNull = NotNull> + 'static,
    DB: Backend + BindValues<Bare<C>, T>,
{
    statement.fragment(column);
    // PostgreSQL keeps one plan for an equality, and makes a new one for every array.
    if keys.len() == 1 {
        statement.sql(" = ");
        keys.into_iter().for_each(|key| DB::value(key, statement));
    } else {
        DB::any_of(keys, statement);
    }
}

/// A column whose texts are equal only if Rust calls them so.
struct Exactly<C>(C);

impl<DB: Backend, C: QueryFragment<DB>> QueryFragment<DB> for Exactly<C> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, DB>) -> QueryResult<()> {
        out.push_sql(DB::EXACTLY.0);
        self.0.walk_ast(out.reborrow())?;
        out.push_sql(DB::EXACTLY.1);
        Ok(())
    }
}

/// A column, made exact if that is asked for and needed.
fn push_part<'q, DB, C, T>(exactly: bool, statement: &mut Statement<'q, DB>)
where
    C: KeyColumn<DB>,
    Bare<C>: SqlType<IsNull = NotNull> + 'static,
    DB: Backend + BindValues<Bare<C>, T>,
{
    if exactly && is_exact::<DB, C, T>() {
        statement.fragment(Box::new(Exactly(C::default())));
    } else {
        statement.fragment(Box::new(C::default()));
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
                $(select_part::<DB, $column, $part>(list);)*
            }

            fn matching<'q>(keys: Vec<Self>, statement: &mut Statement<'q, DB>) {
                let is_loose = $(is_exact::<DB, $column, $part>())||*;
                let exactly = (is_loose && statement.is_exact()).then(|| keys.clone());
                let are_keys = |keys: Vec<Self>, exactly: bool, statement: &mut Statement<'q, DB>| {
                    // As with one column.
                    if keys.len() == 1 {
                        for key in keys {
                            $(
                                statement.sql(if $at == 0 { "" } else { " AND " });
                                push_part::<DB, $column, $part>(exactly, statement);
                                statement.sql(" = ");
                                DB::value(key.$at, statement);
                            )*
                        }
                        return;
                    }
                    statement.sql("(");
                    $(
                        statement.sql(if $at == 0 { "" } else { ", " });
                        push_part::<DB, $column, $part>(exactly, statement);
                    )*
                    if DB::UNNESTS {
                        statement.sql(") IN (SELECT * FROM unnest(");
                        <Self as BindKey<DB, ($($column,)*)>>::arrays(keys, statement);
                        statement.sql("))");
                    } else {
                        statement.unprepared().sql(") IN (").sql(DB::ROW_LIST).separated(", ", keys, |statement, key| {
                            statement.sql("(");
                            $(
                                statement.sql(if $at == 0 { "" } else { ", " });
                                DB::value(key.$at, statement);
                            )*
                            statement.sql(")");
                        });
                        statement.sql(")");
                    }
                };
                are_keys(keys, false, statement);
                if let Some(keys) = exactly {
                    statement.sql(" AND ");
                    are_keys(keys, true, statement);
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

            fn behind<'q>(key: Self, statement: &mut Statement<'q, DB>) {
                // The first column alone as well, by which every database finds where the index begins.
                statement.fragment(Box::new(A::default())).sql(" >= ");
                DB::value(key.0.clone(), statement);
                statement.sql(" AND (");
                $(statement.sql(if $at == 0 { "" } else { ", " }).fragment(Box::new($column::default()));)*
                statement.sql(") > (");
                $(
                    statement.sql(if $at == 0 { "" } else { ", " });
                    DB::value(key.$at, statement);
                )*
                statement.sql(")");
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
