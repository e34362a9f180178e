//! Rows by keys: from the near cache, from the cells, and what they lack from the database.

mod count;
mod look;
mod select;

use std::{borrow::Cow, sync::Arc};

use self::look::{Looked, Sight};
pub(crate) use self::{
    count::count_by,
    select::{Loaded, Refined, chunk_of, select_by, table, table_sql},
};
use crate::{
    backend::Backend,
    entity::{Entity, Pattern, PatternOn},
    error::Result,
    layers::{Layers, OnDelivery},
    near::{Held, NearCache, Seen},
    payload::{self, Rows},
    session::Access,
    shape::Head,
    store::{CellKey, Lease, Vacancy},
};

/// All of a list.
pub(crate) const ALL: usize = usize::MAX;

/// The row of a key of a unique pattern.
///
/// Costs what [`rows_by`] costs, and a near hit no memory of its own.
pub(crate) fn row_by<DB, P, H>(access: Access<'_, DB>, key: P::Key) -> Result<Option<H>>
where
    DB: Backend,
    P: PatternOn<DB>,
    H: Head<DB, Entity = P::Entity>,
{
    let sight = Sight::of::<P::Entity>(access);
    let had_copy = match sight.look::<P>(&key) {
        Some(kept) => match kept.held.first(1) {
            Some(rows) => return Ok(rows.first().map(H::share)),
            None => true,
        },
        None => sight.may_have_copies(),
    };
    let mut groups = vec![Rows::new()];
    load_lacking::<DB, P, H>(access, &sight, &[key], vec![Lacking { at: 0, had_copy }], 1, &mut groups)?;
    Ok(groups.pop().and_then(|rows| rows.into_iter().next()))
}

/// Rows for each of `keys`, which are all different: at most `limit` a key, in the pattern's order.
///
/// What is kept near costs nothing but memory. For the other keys: one round trip for all of them, one more for leases on what is missing,
/// one statement for that, and one round trip to fill it in. A head that is not the whole row is narrowed from a cached row; where there is
/// none, only its columns are selected, and nothing is filled in.
pub(crate) fn rows_by<DB, P, H>(access: Access<'_, DB>, keys: &[P::Key], limit: usize) -> Result<Vec<Rows<H>>>
where
    DB: Backend,
    P: PatternOn<DB>,
    H: Head<DB, Entity = P::Entity>,
{
    let mut groups: Vec<Rows<H>> = Vec::with_capacity(keys.len());
    let sight = Sight::of::<P::Entity>(access);
    let mut lacking = Vec::new();
    for (at, key) in keys.iter().enumerate() {
        let kept = sight.look::<P>(key);
        if let Some(rows) = kept.as_ref().and_then(|kept| kept.held.first(limit)) {
            groups.push(rows.iter().map(H::share).collect());
        } else {
            groups.push(Rows::new());
            lacking.push(Lacking { at, had_copy: kept.is_some() || sight.may_have_copies() });
        }
    }
    if !lacking.is_empty() {
        load_lacking::<DB, P, H>(access, &sight, keys, lacking, limit, &mut groups)?;
    }
    Ok(groups)
}

/// A key that has no near copy that will do.
#[derive(Clone, Copy)]
struct Lacking {
    at: usize,
    /// Whether there may be a copy all the same.
    had_copy: bool,
}

/// A key whose cell does not answer.
struct Missing<'a> {
    at: usize,
    cell: Option<&'a CellKey>,
    vacancy: Option<Vacancy>,
    lease: Option<Lease>,
    /// How things were near before the store was asked.
    seen: Option<Seen>,
    had_copy: bool,
}

/// Puts the rows of the keys that are lacking into `groups`.
fn load_lacking<DB, P, H>(
    access: Access<'_, DB>,
    sight: &Sight<'_>,
    keys: &[P::Key],
    lacking: Vec<Lacking>,
    limit: usize,
    groups: &mut [Rows<H>],
) -> Result<()>
where
    DB: Backend,
    P: PatternOn<DB>,
    H: Head<DB, Entity = P::Entity>,
{
    let (cells, mut missing);
    if let Some(layers) = access.layers() {
        cells = payload::cell_keys::<P>(lacking.iter().map(|lacking| &keys[lacking.at]));
        missing = read_cells::<DB, P, H>((layers, sight), keys, &cells, &lacking, limit, groups);
        if H::WHOLE {
            take_leases(layers, &mut missing);
        }
    } else {
        let nowhere =
            |Lacking { at, had_copy }| Missing { at, cell: None, vacancy: None, lease: None, seen: None, had_copy };
        missing = lacking.into_iter().map(nowhere).collect();
    }
    if missing.is_empty() {
        return Ok(());
    }

    let wanted: Vec<P::Key> = missing.iter().map(|missing| keys[missing.at].clone()).collect();
    // A single list is read as far as its cell would hold it; of several at once, all is wanted anyway.
    let ask = if limit == ALL { ALL } else { limit.max(if H::WHOLE { P::HEAD.saturating_add(1) } else { 0 }) };
    let refined = || Refined { filter: None, order: Cow::Borrowed(P::ORDER), limit: if P::UNIQUE { ALL } else { ask } };
    let mut loaded = select_by::<DB, P, H>(access, &wanted, refined)?;

    let mut parcels = Vec::new();
    for (missing, rows) in missing.iter().zip(&mut loaded) {
        let rows = std::mem::take(rows);
        // Before the caller has them: nobody is to be given older ones after that.
        let seen = sight.near().zip(missing.seen).map(|(near, seen)| (near, near.advance(seen, missing.had_copy)));
        if let (Some(layers), Some(cell), Some(lease)) = (access.layers(), missing.cell, missing.lease) {
            let rows: Rows<P::Entity> = rows.into_iter().filter_map(Loaded::whole).collect();
            let value = payload::rows::<P>(&rows);
            let (heads, delivered) = match seen {
                None => (rows.into_iter().take(limit).map(H::narrow).collect(), None),
                Some(seen) => {
                    let rows: Rows<Arc<P::Entity>> = rows.into_iter().map(Arc::new).collect();
                    let ttl = layers.longest_ttl(P::Entity::TTL, payload::is_absent(&value));
                    let heads = rows.iter().take(limit).map(H::share).collect();
                    (heads, Some(keep_if_stored::<P>(seen, &keys[missing.at], rows, value.len(), ttl)))
                }
            };
            parcels.push(layers.parcel(cell, lease, value, P::Entity::TTL, delivered));
            groups[missing.at] = heads;
        } else {
            groups[missing.at] = rows.into_iter().take(limit).map(Loaded::narrow).collect();
        }
    }
    if let Some(layers) = access.layers() {
        layers.fill(parcels);
    }
    Ok(())
}

/// Asks the store for cells. What they hold goes into `groups`; what they lack comes back.
fn read_cells<'a, DB, P, H>(
    (layers, sight): (&Layers, &Sight<'_>),
    keys: &[P::Key],
    cells: &'a [CellKey],
    lacking: &[Lacking],
    limit: usize,
    groups: &mut [Rows<H>],
) -> Vec<Missing<'a>>
where
    DB: Backend,
    P: PatternOn<DB>,
    H: Head<DB, Entity = P::Entity>,
{
    // Before the store is asked, and before it is asked what must be passed by.
    let seen: Vec<Option<Seen>> = cells.iter().map(|cell| sight.near().map(|near| near.see(cell))).collect();
    let mut missing = Vec::new();
    let mut corrupt = Vec::new();
    for (n, found) in sight.ask(layers, cells).into_iter().enumerate() {
        let (Lacking { at, had_copy }, seen) = (lacking[n], seen[n]);
        let lacks = |vacancy| Missing { at, cell: Some(&cells[n]), vacancy, lease: None, seen, had_copy };
        match look::look::<P>(found, limit, seen.is_some()) {
            Looked::Rows(rows) => groups[at] = rows.into_iter().map(H::narrow).collect(),
            Looked::ToKeep { rows, is_whole, n_bytes } => {
                groups[at] = rows.iter().take(limit).map(H::share).collect();
                if let Some((near, seen)) = sight.near().zip(seen) {
                    let ttl = layers.longest_ttl(P::Entity::TTL, rows.is_empty() && P::UNIQUE);
                    near.keep::<P>(seen, keys[at].clone(), Held::of::<P>(rows, is_whole), n_bytes, ttl);
                }
            }
            Looked::Lacking(vacancy) => missing.push(lacks(vacancy)),
            Looked::Corrupt => corrupt.push(lacks(None)),
        }
    }
    let vacancy = layers.discard(&corrupt.iter().filter_map(|missing| missing.cell).collect::<Vec<_>>());
    missing.extend(corrupt.into_iter().map(|missing| Missing { vacancy, ..missing }));
    missing
}

/// Keeps rows near as soon as the store has taken them.
fn keep_if_stored<P: Pattern>(
    (near, seen): (&Arc<NearCache>, Seen),
    key: &P::Key,
    rows: Rows<Arc<P::Entity>>,
    n_bytes: usize,
    ttl: std::time::Duration,
) -> OnDelivery {
    let (near, key) = (Arc::clone(near), key.clone());
    Box::new(move |is_stored| {
        if is_stored {
            let is_whole = rows.len() <= P::HEAD;
            let rows = rows.into_iter().take(P::HEAD).collect();
            near.keep::<P>(seen, key, Held::of::<P>(rows, is_whole), n_bytes, ttl);
        }
    })
}

fn take_leases(layers: &Layers, missing: &mut [Missing<'_>]) {
    let vacant: Vec<_> = missing.iter().filter_map(|missing| Some((missing.cell?, missing.vacancy?))).collect();
    let mut leases = layers.lease(&vacant).into_iter();
    for missing in missing.iter_mut().filter(|missing| missing.cell.is_some() && missing.vacancy.is_some()) {
        missing.lease = leases.next().flatten();
    }
}
