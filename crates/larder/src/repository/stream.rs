//! Rows one after the other, as the database sends them.

use std::ops::ControlFlow;

use super::Repository;
use crate::{
    backend::Backend,
    entity::Table,
    error::{Error, Result},
    row::{SelectList, WholeRow},
    shape::Of,
    statement::Statement,
};

mod backends;

pub use self::backends::Stream;

impl<DB, E> Repository<'_, DB, Of<E>>
where
    DB: Backend + Stream,
    E: Table<DB>,
{
    /// Hands the rows of a query over one by one, in its order, until there are no more or `each` breaks off: how many there were.
    ///
    /// Whole rows, by one statement. However many there are, one at a time is in memory: PostgreSQL's row-by-row mode, a step of SQLite's.
    /// **Not so on MySQL**, whose client library takes the whole result before it gives the first row: use [`Repository::for_each_batch`] for
    /// more than memory can hold.
    ///
    /// Nothing is taken from a cache or put into one. Its connection is in use as long as it goes on: in a transaction nothing else can be
    /// done in `each` ([`Error::ConnectionInUse`]), and on the handle what it does takes another connection. What is left when `each` breaks
    /// off is still sent by PostgreSQL and thrown away: a LIMIT is cheaper. For work on each row that takes its time, or is to be resumed, see
    /// [`Repository::for_each_batch`].
    ///
    /// ```no_run
    /// # use std::ops::ControlFlow;
    /// # use diesel::prelude::*;
    /// # diesel::table! { orders (id) { id -> BigInt, total -> BigInt, } }
    /// # #[derive(Debug, Clone, PartialEq, Queryable, Selectable, Identifiable, larder::Repository)]
    /// # #[diesel(table_name = orders, check_for_backend(diesel::pg::Pg))]
    /// # struct Order { id: i64, total: i64 }
    /// # fn example(larder: &larder::Larder<diesel::pg::Pg>) -> larder::Result<()> {
    /// let mut sum = 0;
    /// Order::repository(larder).stream(
    ///     |orders| orders.filter(orders::total.gt(100)),
    ///     |order| {
    ///         sum += order.total;
    ///         Ok(ControlFlow::Continue(()))
    ///     },
    /// )?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`Error::Database`] if the statement fails, which it may after rows were handed over; [`Error::Pool`] if there is no connection for
    /// it; and those of `each`, which end it.
    #[track_caller]
    pub fn stream<'q>(
        &self,
        refine: impl FnOnce(E::Query<'q>) -> E::Query<'q>,
        mut each: impl FnMut(E) -> Result<ControlFlow<()>>,
    ) -> Result<u64> {
        let access = self.source.access().here();
        let query = refine(E::query());
        let query = if access.with_deleted() { query } else { E::live(query) };
        let mut list = SelectList::new();
        E::columns(&mut list);
        let mut statement = Statement::new();
        statement.fragment(E::select(query, list));
        let (mut n_rows, mut failed) = (0, None);
        let _watch = access.lookout().watch::<E>("stream", access.site());
        crate::inline::may_wait()?;
        access.with_connection(|connection| {
            DB::for_each_row(connection, statement, |WholeRow(row): WholeRow<E>| {
                n_rows += 1;
                each(row).unwrap_or_else(|error: Error| {
                    failed = Some(error);
                    ControlFlow::Break(())
                })
            })
        })?;
        failed.map_or(Ok(n_rows), Err)
    }
}
