//! How many rows keys have.

use std::{collections::HashMap, marker::PhantomData};

use diesel::{deserialize, row::Row};

use super::{
    explain,
    in_time::in_time,
    look::Sight,
    refresh,
    select::{chunk_of, push_from},
};
use crate::{
    backend::Backend,
    entity::PatternOn,
    error::Result,
    figures::Bypass,
    inline::may_wait,
    layers::Found,
    lookout::{Call, Sent},
    payload,
    row::{Count, FromRow, RowReader, SelectList},
    session::Access,
    statement::{Fragment, Statement},
};

/// How many rows each of `keys` has: from the cells of the lists, and what they lack counted by the database.
///
/// What is kept near costs nothing; the rest one round trip, and one statement for what is missing. Nothing is filled in.
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
    if let Some(plan) = access.explaining() {
        explain::count_by::<DB, P>(access, plan, keys, filter);
        return Ok(counts);
    }
    let mut missing: Vec<usize> = (0..keys.len()).collect();
    let (sight, figures) = (Sight::of::<P::Entity>(access), access.figures::<P::Entity>());
    let mut seen = Vec::new();
    let is_of_cells = filter().is_none();
    let mut call = None;
    if let Some(layers) = access.layers().filter(|_| is_of_cells) {
        let mut late = Vec::new();
        missing.retain(|at| {
            let key = &keys[*at];
            let count = sight.look_until_end::<P>(key).and_then(|(kept, is_late)| {
                late.extend(is_late.then_some(key));
                i64::try_from(kept.count()?).ok()
            });
            count.is_none_or(|count| {
                counts[*at] = count;
                false
            })
        });
        if !missing.is_empty() {
            may_wait()?;
        }
        refresh::soon::<DB, P>(access, late, true);
        figures.near_hits.add((keys.len() - missing.len()) as u64);
        call = (!missing.is_empty()).then(|| Call::of::<P>(access.lookout(), keys.len(), missing.len(), access.site()));
        let cells = payload::cell_keys::<P>(missing.iter().map(|at| &keys[*at]));
        if let Some(near) = sight.near() {
            seen = cells.iter().zip(&missing).map(|(cell, at)| (*at, near.see(cell))).collect();
        }
        let asked = std::mem::take(&mut missing);
        let mut corrupt = Vec::new();
        for (n, found) in sight.ask::<P::Entity>(layers, &cells).into_iter().enumerate() {
            let is_loaded = matches!(found, Found::Loaded(_));
            let (counter, is_lacking) = match found {
                Found::Hit(bytes) | Found::Loaded(bytes) => match payload::count::<P>(&bytes) {
                    Ok(Some(count)) => {
                        counts[asked[n]] = count;
                        (if is_loaded { &figures.flight_hits } else { &figures.shared_hits }, false)
                    }
                    Ok(None) => (figures.bypassed(Bypass::TooShort), true),
                    Err(_) => {
                        corrupt.push(n);
                        (&figures.misses, true)
                    }
                },
                Found::Miss(_) => (&figures.misses, true),
                Found::Bypass(why) => (figures.bypassed(why), true),
                Found::UnderWay(_) | Found::Elsewhere => (figures.bypassed(Bypass::Elsewhere), true),
            };
            counter.one();
            if is_lacking {
                missing.push(asked[n]);
            }
        }
        figures.corrupt.add(corrupt.len() as u64);
        layers.discard(&corrupt.iter().map(|n| &cells[*n]).collect::<Vec<_>>());
    } else if is_of_cells {
        figures.bypassed(access.bypass()).add(keys.len() as u64);
    }
    // What no cell can answer is a call of its own.
    let _watch = call.is_none().then(|| access.lookout().watch::<P::Entity>("count", access.site()));
    if !missing.is_empty() {
        let wanted: Vec<P::Key> = missing.iter().map(|at| keys[*at].clone()).collect();
        let counted = match access.wait::<P::Entity>().filter(|_| filter().is_none()) {
            None => count_rows::<DB, P>(access, &wanted, filter)?,
            Some(wait) => {
                let last = |key: &P::Key| {
                    let (kept, age) = sight.near()?.last::<P>(key)?;
                    Some((i64::try_from(kept.count()?).ok()?, age))
                };
                let keys = wanted.clone();
                let count = move |access: Access<'_, DB>| count_rows::<DB, P>(access, &keys, || None);
                in_time::<DB, P, i64>(&wait, &wanted, last, count)?
            }
        };
        for (at, count) in missing.into_iter().zip(counted) {
            counts[at] = count;
        }
    }
    // No list that is older than a number may be given out after it.
    for (at, seen) in seen {
        sight.near().into_iter().for_each(|near| _ = near.advance::<P>(seen, &keys[at]));
    }
    Ok(counts)
}

/// How many rows the database has for each of `keys`.
fn count_rows<'q, DB, P>(
    access: Access<'_, DB>,
    keys: &[P::Key],
    filter: impl Fn() -> Option<Fragment<'q, DB>>,
) -> Result<Vec<i64>>
where
    DB: Backend,
    P: PatternOn<DB>,
{
    access.touches::<P>(keys);
    let mut counts = vec![0; keys.len()];
    let condition = filter();
    let sent = Sent { operation: "SELECT", is_own: condition.is_none(), is_call: false };
    let chunk = chunk_of::<DB, P>(condition.map_or(Ok(0), |filter| DB::n_binds(&filter))?);
    for (first, keys) in keys.chunks(chunk).enumerate().map(|(at, keys)| (at * chunk, keys)) {
        let statement = count_statement::<DB, P>(access.with_deleted(), keys.to_vec(), filter());
        let rows: Vec<Counted<P::Key, P>> = access.select::<P::Entity, _>(sent, statement)?;
        let places: HashMap<&P::Key, usize> = keys.iter().enumerate().map(|(at, key)| (key, first + at)).collect();
        for row in rows {
            if let Some(at) = row.key.and_then(|key| places.get(&key).copied()) {
                counts[at] = row.count;
            }
        }
    }
    Ok(counts)
}

/// Counts the rows of each key.
pub(super) fn count_statement<'q, DB, P>(
    with_deleted: bool,
    keys: Vec<P::Key>,
    filter: Option<Fragment<'q, DB>>,
) -> Statement<'q, DB>
where
    DB: Backend,
    P: PatternOn<DB>,
{
    let columns = |mut list: SelectList<DB>| {
        P::select(&mut list);
        list.items
    };
    let mut statement = Statement::new();
    statement.sql("SELECT ").separated(", ", columns(SelectList::new()), |statement, item| {
        statement.fragment(item);
    });
    statement.sql(", COUNT(*)");
    push_from::<DB, P>(with_deleted, keys, filter, &mut statement);
    statement.sql(" GROUP BY ").separated(", ", columns(SelectList::of_groups()), |statement, item| {
        statement.fragment(item);
    });
    statement
}

struct Counted<K, P> {
    key: Option<K>,
    count: i64,
    _pattern: PhantomData<P>,
}

impl<DB, P> FromRow<DB> for Counted<P::Key, P>
where
    DB: Backend,
    P: PatternOn<DB>,
{
    fn from_row<'r, R: Row<'r, DB>>(row: &mut RowReader<'_, R>) -> deserialize::Result<Self> {
        let key = P::read(row)?;
        let Count(count) = Count::from_row(row)?;
        Ok(Self { key, count, _pattern: PhantomData })
    }
}
