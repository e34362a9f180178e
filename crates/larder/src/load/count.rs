//! How many rows keys have.

use std::{collections::HashMap, marker::PhantomData};

use diesel::{deserialize, row::Row};

use super::{
    in_time::in_time,
    look::Sight,
    select::{chunk_of, push_from},
};
use crate::{
    backend::Backend,
    entity::PatternOn,
    error::Result,
    layers::Found,
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
    let mut missing: Vec<usize> = (0..keys.len()).collect();
    let sight = Sight::of::<P::Entity>(access);
    let mut seen = Vec::new();
    if let (Some(layers), None) = (access.layers(), filter()) {
        missing.retain(|at| {
            let count = sight.look::<P>(&keys[*at]).and_then(|kept| i64::try_from(kept.count()?).ok());
            count.is_none_or(|count| {
                counts[*at] = count;
                false
            })
        });
        let cells = payload::cell_keys::<P>(missing.iter().map(|at| &keys[*at]));
        if let Some(near) = sight.near() {
            seen = cells.iter().zip(&missing).map(|(cell, at)| (*at, near.see(cell))).collect();
        }
        let asked = std::mem::take(&mut missing);
        let mut corrupt = Vec::new();
        for (n, found) in sight.ask(layers, &cells).into_iter().enumerate() {
            match found {
                Found::Hit(bytes) | Found::Loaded(bytes) => match payload::count::<P>(&bytes) {
                    Ok(Some(count)) => counts[asked[n]] = count,
                    Ok(None) => missing.push(asked[n]),
                    Err(_) => corrupt.push(n),
                },
                Found::Miss(_) | Found::Bypass | Found::UnderWay(_) | Found::Elsewhere => missing.push(asked[n]),
            }
        }
        layers.discard(&corrupt.iter().map(|n| &cells[*n]).collect::<Vec<_>>());
        missing.extend(corrupt.into_iter().map(|n| asked[n]));
    }
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
    let mut counts = vec![0; keys.len()];
    let chunk = chunk_of::<DB, P>(filter().map_or(Ok(0), |filter| DB::n_binds(&filter))?);
    for (first, keys) in keys.chunks(chunk).enumerate().map(|(at, keys)| (at * chunk, keys)) {
        let mut list = SelectList::new();
        P::select(&mut list);
        let mut statement = Statement::new();
        statement.sql("SELECT ").separated(", ", list.items, |statement, item| {
            statement.fragment(item);
        });
        statement.sql(", COUNT(*)");
        push_from::<DB, P>(keys.to_vec(), filter(), &mut statement);
        let mut list = SelectList::new();
        P::select(&mut list);
        statement.sql(" GROUP BY ").separated(", ", list.items, |statement, item| {
            statement.fragment(item);
        });
        let rows: Vec<Counted<P::Key, P>> = access.load(statement)?;
        let places: HashMap<&P::Key, usize> = keys.iter().enumerate().map(|(at, key)| (key, first + at)).collect();
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
