//! Computing maintained columns anew, a batch at a time.

use std::ops::ControlFlow;

use diesel::{deserialize, row::Row};

use super::{UpkeepOn, anew, apply};
use crate::{
    backend::Backend,
    entity::{Entity, Pattern as _, PatternOn, Table},
    error::Result,
    handle::{Larder, TransactionOptions},
    load,
    lookout::Sent,
    row::{FromRow, RowReader},
    session::Access,
    statement::Statement,
};

type Key<U> = <<U as super::Upkeep>::Target as Entity>::Key;
type ByKey<DB, U> = <<U as super::Upkeep>::Target as Table<DB>>::ByKey;

/// How often a batch is tried again that only failed because of others.
const RETRIES: u32 = 8;

/// How far a rebuild is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Progress {
    /// The table whose columns are computed now, as its cells are called.
    pub table: &'static str,
    /// How many rows were looked at, of all tables so far.
    pub n_rows: u64,
    /// How many of them were not right, and now are.
    pub n_wrong: u64,
    /// Whether it has come to its end, and was not told to stop.
    pub is_complete: bool,
}

/// Computes the columns of all rows anew, `n_rows` in a transaction.
pub(super) fn rebuild<DB: Backend, U: UpkeepOn<DB>>(
    larder: &Larder<DB>,
    n_rows: usize,
    progress: &mut Progress,
    tell: &mut dyn FnMut(&Progress) -> ControlFlow<()>,
) -> Result<ControlFlow<()>> {
    progress.table = U::Target::cells_name();
    let options = TransactionOptions { retries: RETRIES, ..TransactionOptions::default() };
    let mut last = None;
    loop {
        let keys = keys_after::<DB, U>(Access::handle(larder), last.take(), n_rows)?;
        let Some(next) = keys.last().cloned() else { return Ok(ControlFlow::Continue(())) };
        let wrong = larder.transaction_with(options, |tx| {
            let missing = if U::INSERTS { anew::referred_to::<DB, U>(tx, keys.clone())? } else { Vec::new() };
            let inserted = apply::insert_missing::<DB, U>(tx, missing)?;
            let mut wrong = anew::compute::<DB, U>(tx, keys.clone())?.wrong;
            wrong.extend(inserted);
            Ok(wrong)
        })?;
        progress.n_rows += keys.len() as u64;
        progress.n_wrong += wrong.len() as u64;
        if tell(progress).is_break() {
            return Ok(ControlFlow::Break(()));
        }
        if keys.len() < n_rows {
            return Ok(ControlFlow::Continue(()));
        }
        last = Some(next);
    }
}

/// The next keys of rows that are there, or have to be.
fn keys_after<DB: Backend, U: UpkeepOn<DB>>(
    access: Access<'_, DB>,
    last: Option<Key<U>>,
    n_rows: usize,
) -> Result<Vec<Key<U>>> {
    let mut statement = Statement::new();
    let n_keys = U::By::COLUMNS.len();
    if U::INSERTS {
        statement.sql("SELECT * FROM (");
    }
    push_page::<DB, U::Target>(ByKey::<DB, U>::COLUMNS, true, &mut statement, |statement| {
        last.clone().map(|last| ByKey::<DB, U>::arrays(vec![last], statement))
    });
    statement.sql(" LIMIT ");
    DB::bind_limit(n_rows, &mut statement);
    if U::INSERTS {
        // Each by its own index, or every page would look at all that is left.
        statement.sql(") AS larder_there UNION SELECT * FROM (");
        push_page::<DB, U::Child>(U::By::COLUMNS, false, &mut statement, |statement| {
            last.clone().map(|last| ByKey::<DB, U>::arrays(vec![last], statement))
        });
        statement.sql(" LIMIT ");
        DB::bind_limit(n_rows, &mut statement);
        statement.sql(") AS larder_wanted ORDER BY ").separated(", ", 1..=n_keys, |statement, at| {
            statement.sql(at.to_string());
        });
        statement.sql(" LIMIT ");
        DB::bind_limit(n_rows, &mut statement);
    }
    let sent = Sent { operation: "SELECT", is_own: true, is_call: false };
    let found: Vec<Found<U>> = access.select::<U::Target, _>(sent, statement)?;
    Ok(found.into_iter().filter_map(|Found(key)| key).collect())
}

/// `SELECT DISTINCT columns FROM table WHERE columns > last ORDER BY columns`, without those of which one is NULL.
fn push_page<'q, DB: Backend, E: Table<DB>>(
    columns: &'static [&'static str],
    with_deleted: bool,
    statement: &mut Statement<'q, DB>,
    last: impl FnOnce(&mut Statement<'q, DB>) -> Option<()>,
) {
    let push = |statement: &mut Statement<'q, DB>| {
        statement.separated(", ", columns, |statement, column| {
            statement.identifier(column);
        });
    };
    statement.sql("SELECT DISTINCT ");
    push(statement);
    statement.sql(" FROM ").fragment(load::table::<DB, E>()).sql(" WHERE ");
    statement.separated(" AND ", columns, |statement, column| {
        statement.identifier(column).sql(" IS NOT NULL");
    });
    if !with_deleted {
        load::and_live::<DB, E>(statement);
    }
    let mut page = Statement::new();
    if last(&mut page).is_some() {
        statement.sql(" AND (");
        push(statement);
        statement.sql(") > (SELECT * FROM unnest(").fragment(Box::new(page)).sql("))");
    }
    statement.sql(" ORDER BY ");
    push(statement);
}

/// A row's key.
struct Found<U: super::Upkeep>(Option<Key<U>>);

impl<DB: Backend, U: UpkeepOn<DB>> FromRow<DB> for Found<U> {
    fn from_row<'r, R: Row<'r, DB>>(row: &mut RowReader<'_, R>) -> deserialize::Result<Self> {
        ByKey::<DB, U>::read(row).map(Self)
    }
}
