//! Rows one by one, on each database.

use std::ops::ControlFlow;

use diesel::result::QueryResult;

use crate::{
    backend::Backend,
    row::{Built, FromRow},
    statement::Statement,
};

/// A database whose rows can be had one by one. Implemented for all that larder has back ends for.
pub trait Stream: Backend {
    /// Runs a statement and hands each row over while the next ones are still to come.
    #[doc(hidden)]
    fn for_each_row<T: FromRow<Self> + 'static>(
        connection: &mut Self::Connection,
        statement: Statement<'_, Self>,
        each: impl FnMut(T) -> ControlFlow<()>,
    ) -> QueryResult<()>;
}

#[cfg(any(feature = "mysql", feature = "postgres", feature = "sqlite"))]
macro_rules! stream {
    ($backend:ty, $mode:ty) => {
        impl Stream for $backend {
            fn for_each_row<T: FromRow<Self> + 'static>(
                connection: &mut Self::Connection,
                statement: Statement<'_, Self>,
                each: impl FnMut(T) -> ControlFlow<()>,
            ) -> QueryResult<()> {
                use diesel::RunQueryDsl as _;
                hand_over(statement.load_iter::<Built<T>, $mode>(connection)?, each)
            }
        }
    };
}

#[cfg(feature = "mysql")]
stream!(diesel::mysql::Mysql, diesel::connection::DefaultLoadingMode);
// What libpq gives by default is all rows at once.
#[cfg(feature = "postgres")]
stream!(diesel::pg::Pg, diesel::pg::PgRowByRowLoadingMode);
#[cfg(feature = "sqlite")]
stream!(diesel::sqlite::Sqlite, diesel::connection::DefaultLoadingMode);

fn hand_over<T>(
    rows: impl Iterator<Item = QueryResult<Built<T>>>,
    mut each: impl FnMut(T) -> ControlFlow<()>,
) -> QueryResult<()> {
    for row in rows {
        if each(row?.0).is_break() {
            break;
        }
    }
    Ok(())
}
