//! Rows by keys: from the cells, and what they lack from the database.

mod count;
mod select;

use std::borrow::Cow;

pub(crate) use self::{
    count::count_by,
    select::{Loaded, Refined, chunk_of, select_by, table, table_sql},
};
use crate::{
    backend::Backend,
    entity::{Entity, Pattern, PatternOn},
    error::Result,
    layers::{Found, Layers},
    payload::{self, Rows},
    session::Access,
    shape::Head,
    store::{CellKey, Lease, Vacancy},
};

/// All of a list.
pub(crate) const ALL: usize = usize::MAX;

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
        let mut corrupt = Vec::new();
        for (at, found) in layers.read(&cells).into_iter().enumerate() {
            match look::<P>(found, limit) {
                Looked::Rows(rows) => groups[at] = rows.into_iter().map(H::narrow).collect(),
                Looked::Lacking(vacancy) => {
                    missing.push(Missing { at, cell: Some((&cells[at], vacancy)), lease: None });
                }
                Looked::Corrupt => corrupt.push(at),
            }
        }
        let vacancy = layers.discard(&corrupt.iter().map(|at| &cells[*at]).collect::<Vec<_>>());
        missing.extend(corrupt.into_iter().map(|at| Missing { at, cell: Some((&cells[at], vacancy)), lease: None }));
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
    /// To be emptied, and then loaded.
    Corrupt,
}

fn look<P: Pattern>(found: Found, limit: usize) -> Looked<P::Entity> {
    match found {
        Found::Hit(bytes) => match payload::decode::<P>(&bytes, limit) {
            Ok(Some(rows)) => Looked::Rows(rows),
            Ok(None) => Looked::Lacking(None),
            Err(_) => Looked::Corrupt,
        },
        Found::Miss(vacancy) => Looked::Lacking(Some(vacancy)),
        Found::Bypass => Looked::Lacking(None),
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
