//! A whole table, a batch of rows at a time.

use std::ops::ControlFlow;

use diesel::{deserialize, row::Row};

use super::Repository;
use crate::{
    backend::Backend,
    entity::{Entity, Pattern, PatternOn, Table},
    error::Result,
    load::{self, Loaded},
    lookout::Sent,
    row::{FromRow, RowReader, SelectList},
    session::Source,
    shape::{Head, Shape},
    statement::Statement,
};

type KeyOf<S, DB> = <<S as Shape<DB>>::Entity as Entity>::Key;

/// Some rows of a table, behind those of the batch before.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Batch<T, K> {
    /// The rows, in the order of the primary key: never none.
    pub rows: Vec<T>,
    /// How many rows have come so far, these among them. Who goes on from a key counts from 0.
    pub n_rows: u64,
    /// The primary key of the last of these rows. Stored, it is what [`Batches::after`] goes on from.
    pub last: K,
}

/// A walk over a whole table, still to be begun: [`Repository::batches`] makes it.
#[must_use = "nothing is read before `for_each`"]
pub struct Batches<'s, DB: Backend, S: Shape<DB>> {
    source: Source<'s, DB>,
    shape: S,
    n_rows: usize,
    after: Option<KeyOf<S, DB>>,
}

impl<DB: Backend, S: Shape<DB>> std::fmt::Debug for Batches<'_, DB, S> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Batches").field("n_rows", &self.n_rows).finish_non_exhaustive()
    }
}

impl<'s, DB, S> Repository<'s, DB, S>
where
    DB: Backend,
    S: Shape<DB> + Clone,
{
    /// A walk over all rows of the table, at most `n_rows` at a time and at least one, in the order of the primary key.
    pub fn batches(&self, n_rows: usize) -> Batches<'s, DB, S> {
        Batches { source: self.source.clone(), shape: self.shape.clone(), n_rows: n_rows.max(1), after: None }
    }

    /// Hands all rows of the table over, at most `n_rows` at a time, in the order of the primary key: [`Batches::for_each`] from the
    /// beginning.
    ///
    /// # Errors
    /// As there.
    #[track_caller]
    pub fn for_each_batch(
        &self,
        n_rows: usize,
        each: impl FnMut(Batch<S::Output, KeyOf<S, DB>>) -> Result<ControlFlow<()>>,
    ) -> Result<u64> {
        self.batches(n_rows).for_each(each)
    }
}

impl<DB, S> Batches<'_, DB, S>
where
    DB: Backend,
    S: Shape<DB>,
{
    /// Goes on behind the row with this primary key, which need not be there any more.
    pub fn after(mut self, key: impl Into<KeyOf<S, DB>>) -> Self {
        self.after = Some(key.into());
        self
    }

    /// Hands the rows over, until there are no more or `each` breaks off: how many there were.
    ///
    /// One statement for each batch, `SELECT .. WHERE id > last ORDER BY id LIMIT n`, which the primary key's index answers as quickly at the
    /// end of the table as at its beginning; relations in the shape cost what they do for as many rows found otherwise. Rows themselves come
    /// from the database and go into no cache. On the handle each batch is read as of its own time, and no connection is held between two:
    /// a row that is there all the time comes once, whatever is inserted or deleted meanwhile; one that is inserted behind the last key comes,
    /// and one before it does not. A row whose primary key is changed may come twice or not at all.
    ///
    /// # Errors
    /// [`Error::Database`](crate::Error::Database) if a statement fails, [`Error::Pool`](crate::Error::Pool) if there is no connection for
    /// it, and those of `each`, which end the walk.
    #[track_caller]
    pub fn for_each(self, each: impl FnMut(Batch<S::Output, KeyOf<S, DB>>) -> Result<ControlFlow<()>>) -> Result<u64> {
        self.for_each_within(|statement| _ = statement.sql("1 = 1"), each)
    }

    /// The same, of those rows only that meet a condition.
    #[track_caller]
    pub(crate) fn for_each_within(
        self,
        within: impl Fn(&mut Statement<'_, DB>),
        mut each: impl FnMut(Batch<S::Output, KeyOf<S, DB>>) -> Result<ControlFlow<()>>,
    ) -> Result<u64> {
        let Self { source, shape, n_rows: at_most, mut after } = self;
        let mut n_rows = 0;
        let access = source.access().here();
        loop {
            let statement = select::<DB, S>(access.with_deleted(), &within, after.take(), at_most);
            let sent = Sent { operation: "SELECT", is_own: true, is_call: true };
            let found: Vec<Keyed<S::Entity, S::Head>> = access.select::<S::Entity, _>(sent, statement)?;
            let n_found = found.len();
            let (mut keys, heads): (Vec<_>, Vec<_>) =
                found.into_iter().map(|Keyed { key, row }| (key, row.narrow())).unzip();
            let Some(last) = keys.pop() else { return Ok(n_rows) };
            n_rows += n_found as u64;
            let batch = Batch { rows: shape.assemble(access, heads)?, n_rows, last: last.clone() };
            // What is fewer was all.
            if each(batch)?.is_break() || n_found < at_most {
                return Ok(n_rows);
            }
            after = Some(last);
        }
    }
}

fn select<'q, DB: Backend, S: Shape<DB>>(
    with_deleted: bool,
    within: impl Fn(&mut Statement<'q, DB>),
    after: Option<KeyOf<S, DB>>,
    n_rows: usize,
) -> Statement<'q, DB> {
    let mut list = SelectList::new();
    <S::Entity as Table<DB>>::ByKey::select(&mut list);
    if S::Head::WHOLE {
        S::Entity::columns(&mut list);
    } else {
        S::Head::columns(&mut list);
    }
    let mut statement = Statement::new();
    statement.sql("SELECT ").separated(", ", list.items, |statement, item| {
        statement.fragment(item);
    });
    statement.sql(" FROM ").fragment(load::table::<DB, S::Entity>()).sql(" WHERE ");
    within(&mut statement);
    if let Some(key) = after {
        statement.sql(" AND ");
        S::Entity::behind(key, &mut statement);
    }
    if !with_deleted {
        load::and_live::<DB, S::Entity>(&mut statement);
    }
    statement.sql(" ORDER BY ").separated(", ", <S::Entity as Table<DB>>::ByKey::COLUMNS, |statement, key| {
        statement.fragment(load::table::<DB, S::Entity>()).sql(".").identifier(key);
    });
    statement.sql(" LIMIT ");
    DB::bind_limit(n_rows, &mut statement);
    statement
}

/// A row behind its primary key.
struct Keyed<E: Entity, H> {
    key: E::Key,
    row: Loaded<E, H>,
}

impl<DB, E, H> FromRow<DB> for Keyed<E, H>
where
    DB: Backend,
    E: Table<DB>,
    H: Head<DB, Entity = E>,
{
    fn from_row<'r, R: Row<'r, DB>>(row: &mut RowReader<'_, R>) -> deserialize::Result<Self> {
        let key = E::ByKey::read(row)?.ok_or("a primary key is never NULL")?;
        Ok(Self { key, row: Loaded::from_row(row)? })
    }
}
