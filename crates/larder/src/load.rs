//! Rows by keys: from the cells, and what they lack from the database.

use std::{borrow::Cow, collections::HashMap};

use diesel::{deserialize, row::Row};

use crate::{
    backend::Backend,
    entity::{Entity, Pattern, PatternOn, Table},
    error::Result,
    layers::{Found, Layers},
    payload::{self, Rows},
    relation::Term,
    row::{Count, FromRow, RowReader, SelectList},
    session::Access,
    shape::Head,
    statement::{Fragment, Statement},
    store::{CellKey, Lease, Vacancy},
};

/// All of a list.
pub(crate) const ALL: usize = usize::MAX;

/// What to select beside the keys, and in which order.
pub(crate) struct Refined<'q, DB: Backend> {
    pub(crate) filter: Option<Fragment<'q, DB>>,
    pub(crate) order: Cow<'q, [Term]>,
    pub(crate) limit: usize,
}

/// Rows for each of `keys`, which are all different: at most `limit` a key, in the pattern's order.
///
/// One round trip for all keys, one more for leases on what is missing, one statement for that, and one round trip to fill it in.
/// A head that is not the whole row is narrowed from a cached row; where there is none, only its columns are selected, and
/// nothing is filled in.
pub(crate) fn rows_by<DB, P, H>(access: Access<'_, DB>, keys: &[P::Key], limit: usize) -> Result<Vec<Rows<H>>>
where
    DB: Backend,
    P: PatternOn<DB>,
    H: Head<DB, Entity = P::Entity>,
{
    let mut groups: Vec<Rows<H>> = Vec::with_capacity(keys.len());
    groups.resize_with(keys.len(), Rows::new);
    if keys.is_empty() {
        return Ok(groups);
    }
    let cells;
    let mut missing: Vec<Missing<'_>> = Vec::new();
    if let Some(layers) = access.layers() {
        cells = payload::cell_keys::<P>(keys);
        for (at, found) in layers.read(&cells).into_iter().enumerate() {
            match look::<P>(layers, &cells[at], found, limit) {
                Looked::Rows(rows) => groups[at] = rows.into_iter().map(H::narrow).collect(),
                Looked::Lacking(vacancy) => {
                    missing.push(Missing { at, cell: Some((&cells[at], vacancy)), lease: None })
                }
            }
        }
        if H::WHOLE {
            take_leases(layers, &mut missing);
        }
    } else {
        missing.extend((0..keys.len()).map(|at| Missing { at, cell: None, lease: None }));
    }
    if missing.is_empty() {
        return Ok(groups);
    }

    let wanted: Vec<P::Key> = missing.iter().map(|missing| keys[missing.at].clone()).collect();
    // A single list is read as far as its cell would hold it; of several at once, all is wanted anyway.
    let ask = if limit == ALL { ALL } else { limit.max(if H::WHOLE { P::HEAD.saturating_add(1) } else { 0 }) };
    let refined = || Refined { filter: None, order: Cow::Borrowed(P::ORDER), limit: if P::UNIQUE { ALL } else { ask } };
    let mut loaded = select_by::<DB, P, H>(access, &wanted, refined)?;

    let mut parcels = Vec::new();
    for (missing, rows) in missing.iter().zip(&mut loaded) {
        let rows = std::mem::take(rows);
        if let (Some((cell, _)), Some(lease)) = (missing.cell, missing.lease) {
            let rows: Rows<P::Entity> = rows.into_iter().filter_map(Loaded::whole).collect();
            parcels.extend(
                access.layers().map(|layers| layers.parcel(cell, lease, payload::rows::<P>(&rows), P::Entity::TTL)),
            );
            groups[missing.at] = rows.into_iter().take(limit).map(H::narrow).collect();
        } else {
            groups[missing.at] = rows.into_iter().take(limit).map(Loaded::narrow).collect();
        }
    }
    if let Some(layers) = access.layers() {
        layers.fill(parcels);
    }
    Ok(groups)
}

struct Missing<'a> {
    at: usize,
    cell: Option<(&'a CellKey, Option<Vacancy>)>,
    lease: Option<Lease>,
}

enum Looked<E> {
    Rows(Rows<E>),
    /// To be loaded, and filled in where the cell is vacant.
    Lacking(Option<Vacancy>),
}

fn look<P: Pattern>(layers: &Layers, cell: &CellKey, found: Found, limit: usize) -> Looked<P::Entity> {
    let lacking = |found| match found {
        Found::Miss(vacancy) => Looked::Lacking(Some(vacancy)),
        Found::Hit(_) | Found::Bypass => Looked::Lacking(None),
    };
    match found {
        Found::Hit(bytes) => match payload::decode::<P>(&bytes, limit) {
            Ok(Some(rows)) => Looked::Rows(rows),
            Ok(None) => Looked::Lacking(None),
            Err(_) => lacking(layers.discard(cell)),
        },
        other => lacking(other),
    }
}

fn take_leases(layers: &Layers, missing: &mut [Missing<'_>]) {
    let vacant: Vec<_> =
        missing.iter().filter_map(|missing| missing.cell.and_then(|(cell, v)| Some((cell, v?)))).collect();
    let mut leases = layers.lease(&vacant).into_iter();
    for missing in missing.iter_mut().filter(|missing| matches!(missing.cell, Some((_, Some(_))))) {
        missing.lease = leases.next().flatten();
    }
}

/// Rows for each of `keys` straight from the database. One statement for as many keys as it can bind.
pub(crate) fn select_by<'q, DB, P, H>(
    access: Access<'_, DB>,
    keys: &[P::Key],
    refined: impl Fn() -> Refined<'q, DB>,
) -> Result<Vec<Rows<Loaded<P::Entity, H>>>>
where
    DB: Backend,
    P: PatternOn<DB>,
    H: Head<DB, Entity = P::Entity>,
{
    let mut groups: Vec<Rows<Loaded<P::Entity, H>>> = Vec::with_capacity(keys.len());
    groups.resize_with(keys.len(), Rows::new);
    let chunk = chunk_of::<DB, P>();
    for (first, keys) in keys.chunks(chunk).enumerate().map(|(at, keys)| (at * chunk, keys)) {
        let statement = select_statement::<DB, P, H>(keys.to_vec(), refined());
        let rows: Vec<Keyed<P, H>> = access.load(statement)?;
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

/// How many keys go into one statement; some binds are left for a filter.
fn chunk_of<DB: Backend, P: PatternOn<DB>>() -> usize {
    (DB::MAX_BINDS - 256) / P::N_COLUMNS
}

fn select_statement<'q, DB, P, H>(keys: Vec<P::Key>, refined: Refined<'q, DB>) -> Statement<'q, DB>
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
    let n_keys = keys.len();
    let limited = refined.limit != ALL;
    let mut statement = Statement::new();
    if limited && n_keys > 1 {
        // A limit for each key: rows are numbered within their key. Outside, only `*` and the number are named, so it does not
        // matter that two columns have one name.
        statement.sql("SELECT * FROM (SELECT ").separated(", ", list.items, |statement, item| {
            statement.fragment(item);
        });
        let mut key = SelectList::new();
        P::select(&mut key);
        statement.sql(", ROW_NUMBER() OVER (PARTITION BY ").separated(", ", key.items, |statement, item| {
            statement.fragment(item);
        });
        push_order::<DB, P>(&refined.order, &mut statement);
        statement.sql(") AS larder_rank");
        push_from::<DB, P>(keys, refined.filter, &mut statement);
        statement.sql(format!(") AS ranked WHERE larder_rank <= {} ORDER BY larder_rank", refined.limit));
    } else {
        statement.sql("SELECT ").separated(", ", list.items, |statement, item| {
            statement.fragment(item);
        });
        push_from::<DB, P>(keys, refined.filter, &mut statement);
        if !P::UNIQUE {
            push_order::<DB, P>(&refined.order, &mut statement);
        }
        if limited {
            statement.sql(format!(" LIMIT {}", refined.limit));
        }
    }
    statement
}

fn push_from<'q, DB, P>(keys: Vec<P::Key>, filter: Option<Fragment<'q, DB>>, statement: &mut Statement<'q, DB>)
where
    DB: Backend,
    P: PatternOn<DB>,
{
    statement.sql(" FROM ").fragment(table::<DB, P::Entity>()).sql(" WHERE ");
    P::matching(keys, statement);
    if let Some(filter) = filter {
        statement.sql(" AND (").fragment(filter).sql(")");
    }
}

fn push_order<DB, P>(order: &[Term], statement: &mut Statement<'_, DB>)
where
    DB: Backend,
    P: PatternOn<DB>,
{
    let ties = <<P::Entity as Table<DB>>::ByKey as Pattern>::COLUMNS
        .iter()
        .filter(|name| !order.iter().any(|term| term.column == **name));
    let terms = order.iter().copied().chain(ties.map(|column| Term { column, descending: false }));
    statement.sql(" ORDER BY ").separated(", ", terms, |statement, term| {
        statement.fragment(table::<DB, P::Entity>()).sql(".").identifier(term.column);
        statement.sql(if term.descending { " DESC" } else { "" });
    });
}

pub(crate) fn table<'q, DB: Backend, E: Table<DB>>() -> Fragment<'q, DB> {
    Box::new(E::Table::default())
}

/// How many rows each of `keys` has: from the cells of the lists, and what they lack counted by the database.
///
/// One round trip, and one statement for what is missing. Nothing is filled in.
pub(crate) fn count_by<'q, DB, P>(
    access: Access<'_, DB>,
    keys: &[P::Key],
    filter: impl Fn() -> Option<Fragment<'q, DB>>,
) -> Result<Vec<i64>>
where
    DB: Backend,
    P: PatternOn<DB>,
{
    let mut counts = vec![0; keys.len()];
    let mut missing: Vec<usize> = (0..keys.len()).collect();
    if let (Some(layers), None) = (access.layers(), filter()) {
        let cells = payload::cell_keys::<P>(keys);
        missing.clear();
        for (at, found) in layers.read(&cells).into_iter().enumerate() {
            match found {
                Found::Hit(bytes) => match payload::count::<P>(&bytes) {
                    Ok(Some(count)) => counts[at] = count,
                    Ok(None) => missing.push(at),
                    Err(_) => {
                        layers.discard(&cells[at]);
                        missing.push(at);
                    }
                },
                Found::Miss(_) | Found::Bypass => missing.push(at),
            }
        }
    }
    for missing in missing.chunks(chunk_of::<DB, P>()) {
        let wanted: Vec<P::Key> = missing.iter().map(|at| keys[*at].clone()).collect();
        let mut list = SelectList::new();
        P::select(&mut list);
        let mut statement = Statement::new();
        statement.sql("SELECT ").separated(", ", list.items, |statement, item| {
            statement.fragment(item);
        });
        statement.sql(", COUNT(*)");
        push_from::<DB, P>(wanted, filter(), &mut statement);
        let mut list = SelectList::new();
        P::select(&mut list);
        statement.sql(" GROUP BY ").separated(", ", list.items, |statement, item| {
            statement.fragment(item);
        });
        let rows: Vec<Counted<P::Key, P>> = access.load(statement)?;
        let places: HashMap<&P::Key, usize> = missing.iter().map(|at| (&keys[*at], *at)).collect();
        for row in rows {
            if let Some(at) = row.key.and_then(|key| places.get(&key).copied()) {
                counts[at] = row.count;
            }
        }
    }
    Ok(counts)
}

struct Counted<K, P> {
    key: Option<K>,
    count: i64,
    _pattern: std::marker::PhantomData<P>,
}

impl<DB, P> FromRow<DB> for Counted<P::Key, P>
where
    DB: Backend,
    P: PatternOn<DB>,
{
    fn from_row<'r, R: Row<'r, DB>>(row: &mut RowReader<'_, R>) -> deserialize::Result<Self> {
        let key = P::read(row)?;
        let Count(count) = Count::from_row(row)?;
        Ok(Self { key, count, _pattern: std::marker::PhantomData })
    }
}

/// A row as the database gave it: whole, or what was asked of it.
pub(crate) enum Loaded<E, H> {
    Whole(E),
    Narrow(H),
}

impl<E, H> Loaded<E, H> {
    fn whole(self) -> Option<E> {
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
