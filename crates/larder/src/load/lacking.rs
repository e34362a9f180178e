//! What is not near: from the cells, from others who load it, or from the database.

use std::{borrow::Cow, sync::Arc, thread, time::Duration};

use super::{
    ALL,
    look::{Looked, Sight, look},
    select::{Loaded, Refined, select_by},
};
use crate::{
    backend::Backend,
    entity::{Entity, Pattern, PatternOn},
    error::Result,
    failpoints::{Point, waits},
    layers::{Crew, Found, Layers, OnDelivery},
    near::{NearCache, Seen},
    payload::{self, Rows},
    session::Access,
    shape::Head,
    store::{CellKey, Lease, Nonce, Vacancy},
};

/// How long to wait for what another process loads, before each time that the store is asked once more.
const POLLS: [Duration; 3] = [Duration::from_millis(1), Duration::from_millis(3), Duration::from_millis(9)];

/// How often the store is asked at most: the first time, after leases were refused, after waiting for own loads, and polls.
const ROUNDS: usize = 3 + POLLS.len();

/// A key that has no near copy that will do.
#[derive(Clone, Copy)]
pub(super) struct Lacking {
    pub(super) at: usize,
    /// Whether a lease was refused: if the cell is still vacant then, there are no leases to be had.
    pub(super) was_refused: bool,
}

/// A key whose cell does not answer.
struct Missing<'a> {
    at: usize,
    cell: Option<&'a CellKey>,
    why: Why,
    lease: Option<Lease>,
    /// How things were near before the store was asked.
    seen: Option<Seen>,
    lacking: Lacking,
}

/// Why a cell does not answer.
#[derive(Clone, Copy)]
enum Why {
    /// It is vacant.
    Vacant(Vacancy),
    /// It must be left alone.
    PassedBy,
    /// This process loads it.
    UnderWay(Nonce),
    /// Another process loads it.
    Elsewhere,
    /// Somebody was quicker with the lease.
    Refused,
}

/// Puts the rows of the keys that are lacking into `groups`.
pub(super) fn load_lacking<DB, P, H>(
    access: Access<'_, DB>,
    sight: &Sight<'_>,
    keys: &[P::Key],
    mut lacking: Vec<Lacking>,
    limit: usize,
    groups: &mut [Rows<H>],
) -> Result<()>
where
    DB: Backend,
    P: PatternOn<DB>,
    H: Head<DB, Entity = P::Entity>,
{
    let Some(layers) = access.layers() else {
        let nowhere = |lacking: Lacking| Missing {
            at: lacking.at,
            cell: None,
            why: Why::PassedBy,
            lease: None,
            seen: None,
            lacking,
        };
        let missing: Vec<_> = lacking.into_iter().map(nowhere).collect();
        return load_missing::<DB, P, H>(access, sight, keys, &missing, limit, groups);
    };
    let (mut n_rounds, mut polls) = (0, POLLS.iter());
    while !lacking.is_empty() {
        n_rounds += 1;
        let cells = payload::cell_keys::<P>(lacking.iter().map(|lacking| &keys[lacking.at]));
        let mut missing = read_cells::<DB, P, H>((layers, sight), keys, &cells, &lacking, limit, groups);
        // What is loaded for its own sake must be sent before anybody else is waited for, who may wait for it.
        let crew = if H::WHOLE { take_leases(layers, &mut missing) } else { None };
        let may_wait = n_rounds < ROUNDS && polls.len() > 0;
        let (own, others): (Vec<_>, Vec<_>) = missing.into_iter().partition(|missing| !may_wait || missing.is_own());
        load_missing::<DB, P, H>(access, sight, keys, &own, limit, groups)?;
        drop(crew);

        lacking.clear();
        let is_elsewhere = others.iter().any(|missing| matches!(missing.why, Why::Elsewhere));
        for missing in others {
            let loaded = match (missing.why, missing.cell) {
                (Why::UnderWay(token), Some(cell)) => layers.wait_for(cell, token),
                _ => None,
            };
            match loaded.map(|value| look::<P>(Found::Loaded(value), limit, false)) {
                Some(Looked::Rows(rows)) => groups[missing.at] = rows.into_iter().map(H::narrow).collect(),
                _ => lacking.push(Lacking { was_refused: matches!(missing.why, Why::Refused), ..missing.lacking }),
            }
        }
        if is_elsewhere {
            let wait = |time| {
                if !waits(Point::Polling) {
                    thread::sleep(time);
                }
            };
            polls.next().copied().into_iter().for_each(wait);
        }
    }
    Ok(())
}

impl<'a> Missing<'a> {
    fn vacancy(&self) -> Option<(&'a CellKey, Vacancy)> {
        match (self.cell, self.why) {
            (Some(cell), Why::Vacant(vacancy)) if !self.lacking.was_refused => Some((cell, vacancy)),
            _ => None,
        }
    }

    /// Whether it is to be loaded here and now.
    fn is_own(&self) -> bool {
        self.lease.is_some() || matches!(self.why, Why::Vacant(_) | Why::PassedBy)
    }
}

/// Loads what is missing from the database, and fills in what was leased.
fn load_missing<DB, P, H>(
    access: Access<'_, DB>,
    sight: &Sight<'_>,
    keys: &[P::Key],
    missing: &[Missing<'_>],
    limit: usize,
    groups: &mut [Rows<H>],
) -> Result<()>
where
    DB: Backend,
    P: PatternOn<DB>,
    H: Head<DB, Entity = P::Entity>,
{
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
        let seen =
            sight.near().zip(missing.seen).map(|(near, seen)| (near, near.advance::<P>(seen, &keys[missing.at])));
        if let (Some(layers), Some(cell), Some(lease)) = (access.layers(), missing.cell, missing.lease) {
            let rows: Rows<P::Entity> = rows.into_iter().filter_map(Loaded::whole).collect();
            let value = payload::rows::<P>(&rows);
            let (heads, delivered) = match seen {
                None => (rows.into_iter().take(limit).map(H::narrow).collect(), None),
                Some(seen) => {
                    let rows: Rows<Arc<P::Entity>> = rows.into_iter().map(Arc::new).collect();
                    let ttl = layers.longest_ttl(P::Entity::TTL, payload::is_absent(&value));
                    let heads = rows.iter().take(limit).map(H::share).collect();
                    (heads, Some(keep_if_stored::<P>(seen, &keys[missing.at], rows, ttl)))
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
        let (lacking, seen) = (lacking[n], seen[n]);
        let at = lacking.at;
        let lacks = |why| Missing { at, cell: Some(&cells[n]), why, lease: None, seen, lacking };
        match look::<P>(found, limit, seen.is_some()) {
            Looked::Rows(rows) => groups[at] = rows.into_iter().map(H::narrow).collect(),
            Looked::ToKeep { rows, is_whole } => {
                groups[at] = rows.iter().take(limit).map(H::share).collect();
                if let Some((near, seen)) = sight.near().zip(seen) {
                    let ttl = layers.longest_ttl(P::Entity::TTL, rows.is_empty() && P::UNIQUE);
                    near.keep::<P>(seen, keys[at].clone(), rows, is_whole, ttl);
                }
            }
            Looked::Lacking(Some(vacancy)) => missing.push(lacks(Why::Vacant(vacancy))),
            Looked::Lacking(None) => missing.push(lacks(Why::PassedBy)),
            Looked::UnderWay(token) => missing.push(lacks(Why::UnderWay(token))),
            Looked::Elsewhere => missing.push(lacks(Why::Elsewhere)),
            Looked::Corrupt => corrupt.push(lacks(Why::PassedBy)),
        }
    }
    let vacancy = layers.discard(&corrupt.iter().filter_map(|missing| missing.cell).collect::<Vec<_>>());
    let why = vacancy.map_or(Why::PassedBy, Why::Vacant);
    missing.extend(corrupt.into_iter().map(|missing| Missing { why, ..missing }));
    missing
}

/// Keeps rows near as soon as the store has taken them.
fn keep_if_stored<P: Pattern>(
    (near, seen): (&Arc<NearCache>, Seen),
    key: &P::Key,
    rows: Rows<Arc<P::Entity>>,
    ttl: Duration,
) -> OnDelivery {
    let (near, key) = (Arc::clone(near), key.clone());
    Box::new(move |is_stored| {
        if is_stored {
            let is_whole = rows.len() <= P::HEAD;
            let rows = rows.into_iter().take(P::HEAD).collect();
            near.keep::<P>(seen, key, rows, is_whole, ttl);
        }
    })
}

/// Takes leases on what is vacant. Where another was quicker, he is waited for.
fn take_leases<'l>(layers: &'l Layers, missing: &mut [Missing<'l>]) -> Option<Crew<'l>> {
    let vacant: Vec<_> = missing.iter().filter_map(Missing::vacancy).collect();
    if vacant.is_empty() {
        return None;
    }
    let (leases, crew) = layers.lease(&vacant);
    // Where none is to be had, nobody waits for anybody.
    let mut leases = leases.ok()?.into_iter();
    for missing in missing.iter_mut().filter(|missing| missing.vacancy().is_some()) {
        missing.lease = leases.next().flatten();
        if missing.lease.is_none() {
            missing.why = Why::Refused;
        }
    }
    Some(crew)
}
