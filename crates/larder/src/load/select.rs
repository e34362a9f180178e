//! Rows by keys from the database.

use std::{borrow::Cow, collections::HashMap};

use diesel::{
    deserialize,
    query_builder::{QueryBuilder as _, QueryFragment as _},
    result::QueryResult,
    row::Row,
};

use super::{ALL, explain};
use crate::{
    backend::Backend,
    entity::{Entity, Pattern, PatternOn, Table},
    error::Result,
    lookout::{Sent, text_of},
    payload::Rows,
    relation::Term,
    row::{FromRow, RowReader, SelectList},
    session::Access,
    shape::{Head, Whole},
    statement::{Fragment, Statement},
};

/// What to select beside the keys, and in which order.
pub(crate) struct Refined<'q, DB: Backend> {
    pub(crate) filter: Option<Fragment<'q, DB>>,
    pub(crate) order: Cow<'q, [Term]>,
    pub(crate) limit: usize,
}

/// The rows of several keys, as the database gave them.
pub(crate) type Groups<P, H> = Vec<Rows<Loaded<<P as Pattern>::Entity, H>>>;

/// What is read of rows that cells hold, of which at most `limit` a key are wanted.
///
/// A single list is read as far as its cell would hold it; of several at once, all is wanted anyway.
pub(super) fn refined<'q, DB, P, H>(limit: usize) -> Refined<'q, DB>
where
    DB: Backend,
    P: PatternOn<DB>,
    H: Head<DB, Entity = P::Entity>,
{
    let cell = if H::WHOLE { P::HEAD.saturating_add(1) } else { 0 };
    let limit = if limit == ALL || P::UNIQUE { ALL } else { limit.max(cell) };
    Refined { filter: None, order: Cow::Borrowed(P::ORDER), limit }
}

/// Rows for each of `keys` straight from the database. One statement for as many keys as it can bind.
pub(crate) fn select_by<'q, DB, P, H>(
    access: Access<'_, DB>,
    keys: &[P::Key],
    refined: impl Fn() -> Refined<'q, DB>,
) -> Result<Groups<P, H>>
where
    DB: Backend,
    P: PatternOn<DB>,
    H: Head<DB, Entity = P::Entity>,
{
    let mut groups: Groups<P, H> = Vec::with_capacity(keys.len());
    groups.resize_with(keys.len(), Rows::new);
    if let Some(plan) = access.explaining() {
        explain::refined_by::<DB, P, H>(access, plan, keys, refined);
        return Ok(groups);
    }
    access.touches::<P>(keys);
    let filter = refined().filter;
    let sent = Sent { operation: "SELECT", is_own: filter.is_none(), is_call: false };
    let chunk = chunk_of::<DB, P>(filter.map_or(Ok(0), |filter| DB::n_binds(&filter))?);
    for (first, keys) in keys.chunks(chunk).enumerate().map(|(at, keys)| (at * chunk, keys)) {
        let statement = select_statement::<DB, P, H>(access.with_deleted(), keys.to_vec(), refined());
        let rows: Vec<Keyed<P, H>> = access.select::<P::Entity, _>(sent, statement)?;
        if let [_] = keys {
            groups[first].extend(rows.into_iter().map(|keyed| keyed.row));
            continue;
        }
        let places: HashMap<&P::Key, usize> = keys.iter().enumerate().map(|(at, key)| (key, first + at)).collect();
        for keyed in rows {
            if let Some(at) = keyed.key().and_then(|key| places.get(&key).copied()) {
                groups[at].push(keyed.row);
            }
        }
    }
    Ok(groups)
}

/// The binds that are left for larder's own values, such as a limit.
const RESERVED_BINDS: usize = 256;

/// How many keys go into one statement that binds `n_others` values of the caller's besides.
pub(crate) fn chunk_of<DB: Backend, P: PatternOn<DB>>(n_others: usize) -> usize {
    (DB::MAX_BINDS.saturating_sub(RESERVED_BINDS + n_others) / (P::N_COLUMNS * DB::BINDS_A_PART)).max(1)
}

pub(super) fn select_statement<'q, DB, P, H>(
    with_deleted: bool,
    keys: Vec<P::Key>,
    refined: Refined<'q, DB>,
) -> Statement<'q, DB>
where
    DB: Backend,
    P: PatternOn<DB>,
    H: Head<DB, Entity = P::Entity>,
{
    let n_keys = keys.len();
    statement_for::<DB, P, H>(with_deleted, n_keys, |statement| P::matching(keys, statement), refined)
}

/// The text of the statement for one key, whatever it is: with as many rows of a list as its cell holds, and one more.
pub(crate) fn text_for_a_key<DB: Backend, P: PatternOn<DB>>() -> Option<String> {
    let matching = |statement: &mut Statement<'_, DB>| {
        let mut key = SelectList::of_groups();
        P::select(&mut key);
        statement.separated(" AND ", key.items, |statement, column| {
            statement.fragment(column).sql(" = ");
            // Of a value, the text has the place only.
            DB::bind_limit(0, statement);
        });
    };
    let refined = refined::<DB, P, Whole<P::Entity>>(P::HEAD);
    text_of(&statement_for::<DB, P, Whole<P::Entity>>(false, 1, matching, refined))
}

fn statement_for<'q, DB, P, H>(
    with_deleted: bool,
    n_keys: usize,
    matching: impl FnOnce(&mut Statement<'q, DB>),
    refined: Refined<'q, DB>,
) -> Statement<'q, DB>
where
    DB: Backend,
    P: PatternOn<DB>,
    H: Head<DB, Entity = P::Entity>,
{
    let mut list = SelectList::new();
    if H::WHOLE {
        P::Entity::columns(&mut list);
    } else {
        P::select(&mut list);
        H::columns(&mut list);
    }
    let limited = refined.limit != ALL;
    let mut statement = Statement::new();
    if limited && n_keys > 1 {
        // A limit for each key: rows are numbered within their key. Outside, only `*` and the number are named, so it does not
        // matter that two columns have one name, but to MySQL.
        statement.sql("SELECT * FROM (SELECT ");
        let items = list.items.into_iter().zip(list.are_single).enumerate();
        statement.separated(", ", items, |statement, (at, (item, is_single))| {
            statement.fragment(item);
            if DB::NAMES_DIFFER && is_single {
                statement.sql(format!(" AS larder_{at}"));
            }
        });
        let mut key = SelectList::of_groups();
        P::select(&mut key);
        statement.sql(", ROW_NUMBER() OVER (PARTITION BY ").separated(", ", key.items, |statement, item| {
            statement.fragment(item);
        });
        push_order::<DB, P>(&refined.order, &mut statement);
        statement.sql(") AS larder_rank");
        push_source::<DB, P>(with_deleted, matching, refined.filter, &mut statement);
        statement.sql(") AS ranked WHERE larder_rank <= ");
        DB::bind_limit(refined.limit, &mut statement);
        statement.sql(" ORDER BY larder_rank");
    } else {
        statement.sql("SELECT ").separated(", ", list.items, |statement, item| {
            statement.fragment(item);
        });
        push_source::<DB, P>(with_deleted, matching, refined.filter, &mut statement);
        if !P::UNIQUE {
            push_order::<DB, P>(&refined.order, &mut statement);
        }
        if limited {
            statement.sql(" LIMIT ");
            DB::bind_limit(refined.limit, &mut statement);
        }
    }
    statement
}

pub(crate) fn push_from<'q, DB, P>(
    with_deleted: bool,
    keys: Vec<P::Key>,
    filter: Option<Fragment<'q, DB>>,
    statement: &mut Statement<'q, DB>,
) where
    DB: Backend,
    P: PatternOn<DB>,
{
    push_source::<DB, P>(with_deleted, |statement| P::matching(keys, statement), filter, statement);
}

fn push_source<'q, DB, P>(
    with_deleted: bool,
    matching: impl FnOnce(&mut Statement<'q, DB>),
    filter: Option<Fragment<'q, DB>>,
    statement: &mut Statement<'q, DB>,
) where
    DB: Backend,
    P: PatternOn<DB>,
{
    statement.sql(" FROM ").fragment(table::<DB, P::Entity>()).sql(" WHERE ");
    matching(statement);
    if !with_deleted {
        and_live::<DB, P::Entity>(statement);
    }
    if let Some(filter) = filter {
        statement.sql(" AND (").fragment(filter).sql(")");
    }
}

fn push_order<DB, P>(order: &[Term], statement: &mut Statement<'_, DB>)
where
    DB: Backend,
    P: PatternOn<DB>,
{
    statement.sql(" ORDER BY ").separated(", ", terms_of::<DB, P>(order), |statement, term| {
        statement.fragment(table::<DB, P::Entity>()).sql(".").identifier(term.column);
        statement.sql(if term.descending { " DESC" } else { "" });
    });
}

/// The columns of an order, and behind them those of the primary key that are not among them.
pub(crate) fn terms_of<DB, P>(order: &[Term]) -> impl Iterator<Item = Term>
where
    DB: Backend,
    P: PatternOn<DB>,
{
    let ties = <<P::Entity as Table<DB>>::ByKey as Pattern>::COLUMNS
        .iter()
        .filter(|name| !order.iter().any(|term| term.column == **name));
    order.iter().copied().chain(ties.map(|column| Term { column, descending: false }))
}

/// Appends that the row is not deleted, where rows can be that and still be there.
pub(crate) fn and_live<DB: Backend, E: Table<DB>>(statement: &mut Statement<'_, DB>) {
    if let Some(deleted_at) = E::GUARDS.deleted_at {
        statement.sql(" AND ").fragment(table::<DB, E>()).sql(".").identifier(deleted_at.column).sql(" IS NULL");
    }
}

/// As [`and_live`], of rows that are called by another name than their table's.
pub(crate) fn and_live_as<E: Entity, DB: Backend>(name: &'static str, statement: &mut Statement<'_, DB>) {
    if let Some(deleted_at) = E::GUARDS.deleted_at {
        statement.sql(format!(" AND {name}.")).identifier(deleted_at.column).sql(" IS NULL");
    }
}

pub(crate) fn table<'q, DB: Backend, E: Table<DB>>() -> Fragment<'q, DB> {
    Box::new(E::Table::default())
}

/// A table as SQL names it, quoted.
pub(crate) fn table_sql<DB: Backend, E: Table<DB>>() -> QueryResult<String> {
    let mut sql = DB::QueryBuilder::default();
    table::<DB, E>().to_sql(&mut sql, &DB::default())?;
    Ok(sql.finish())
}

/// A row as the database gave it: whole, or what was asked of it.
pub(crate) enum Loaded<E, H> {
    Whole(E),
    Narrow(H),
}

impl<E, H> Loaded<E, H> {
    pub(crate) fn whole(self) -> Option<E> {
        match self {
            Self::Whole(row) => Some(row),
            Self::Narrow(_) => None,
        }
    }

    pub(crate) fn narrow<DB>(self) -> H
    where
        DB: Backend,
        H: Head<DB, Entity = E>,
    {
        match self {
            Self::Whole(row) => H::narrow(row),
            Self::Narrow(head) => head,
        }
    }
}

impl<DB, E, H> FromRow<DB> for Loaded<E, H>
where
    DB: Backend,
    E: Table<DB>,
    H: Head<DB, Entity = E>,
{
    fn from_row<'r, R: Row<'r, DB>>(row: &mut RowReader<'_, R>) -> deserialize::Result<Self> {
        if H::WHOLE { E::build(row).map(Self::Whole) } else { H::build(row).map(Self::Narrow) }
    }
}

/// A row beside the key by which it was found.
struct Keyed<P: Pattern, H> {
    key: Option<P::Key>,
    row: Loaded<P::Entity, H>,
}

impl<P: Pattern, H> Keyed<P, H> {
    fn key(&self) -> Option<P::Key> {
        match &self.row {
            Loaded::Whole(row) => P::key_of(row),
            Loaded::Narrow(_) => self.key.clone(),
        }
    }
}

impl<DB, P, H> FromRow<DB> for Keyed<P, H>
where
    DB: Backend,
    P: PatternOn<DB>,
    H: Head<DB, Entity = P::Entity>,
{
    fn from_row<'r, R: Row<'r, DB>>(row: &mut RowReader<'_, R>) -> deserialize::Result<Self> {
        let key = if H::WHOLE { None } else { P::read(row)? };
        Ok(Self { key, row: Loaded::from_row(row)? })
    }
}
