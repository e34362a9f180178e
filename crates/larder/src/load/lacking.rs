//! What is not near: from the cells, from others who load it, or from the database.

use std::{
    slice,
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use super::{
    in_time,
    look::{Looked, Sight, look},
    refresh,
    select::{Loaded, refined, select_by},
};
use crate::{
    backend::Backend,
    entity::{Entity, Pattern, PatternOn},
    error::Result,
    failpoints::{Point, waits},
    figures::{Bypass, Counter, Figures, ModelFigures},
    layers::{Crew, Found, Layers, OnDelivery},
    near::{NearCache, Seen},
    payload::{self, Rows},
    session::Access,
    shape::Head,
    store::{CellKey, Lease, Nonce, Vacancy},
};

/// How long to wait for what another process loads, before each time that the store is asked once more.
pub(super) const POLLS: [Duration; 3] = [Duration::from_millis(1), Duration::from_millis(3), Duration::from_millis(9)];

/// How often the store is asked at most: the first time, after leases were refused, after waiting for own loads, and polls.
pub(super) const ROUNDS: usize = 3 + POLLS.len();

/// A key that has no near copy that will do.
#[derive(Clone, Copy)]
pub(super) struct Lacking {
    pub(super) at: usize,
    /// Whether a lease was refused: if the cell is still vacant then, there are no leases to be had.
    pub(super) was_refused: bool,
}

/// A key whose cell does not answer.
struct Missing {
    at: usize,
    /// Which of the cells that were asked for.
    cell: Option<usize>,
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
    PassedBy(Bypass),
    /// This process loads it.
    UnderWay(Nonce),
    /// Another process loads it.
    Elsewhere,
    /// Somebody was quicker with the lease.
    Refused,
}

/// The cells that the store was asked for, and the keys whose cells did not answer.
pub(super) struct Asked {
    cells: Vec<CellKey>,
    missing: Vec<Missing>,
}

/// Puts the rows of the keys that are lacking into `groups`.
pub(super) fn load_lacking<DB, P, H>(
    access: Access<'_, DB>,
    sight: &Sight<'_>,
    keys: &[P::Key],
    lacking: &[Lacking],
    limit: usize,
    groups: &mut [Rows<H>],
) -> Result<()>
where
    DB: Backend,
    P: PatternOn<DB>,
    H: Head<DB, Entity = P::Entity>,
{
    let asked = ask::<DB, P, H>(access, sight, keys, lacking, limit, groups);
    if asked.missing.is_empty() {
        return Ok(());
    }
    match access.wait::<P::Entity>() {
        None => load_asked::<DB, P, H>(access, sight, keys, asked, limit, groups),
        Some(wait) => in_time::load_asked::<DB, P, H>(&wait, sight, keys, asked, limit, groups),
    }
}

/// Asks the store for what is lacking.
fn ask<DB, P, H>(
    access: Access<'_, DB>,
    sight: &Sight<'_>,
    keys: &[P::Key],
    lacking: &[Lacking],
    limit: usize,
    groups: &mut [Rows<H>],
) -> Asked
where
    DB: Backend,
    P: PatternOn<DB>,
    H: Head<DB, Entity = P::Entity>,
{
    // Of a store that is not asked nobody needs the cells' keys, unless there are copies of them to keep right.
    let layers = access.layers().filter(|layers| sight.near().is_some() || !layers.is_store_spared());
    let Some(layers) = layers else {
        let wanted: Vec<P::Key> = lacking.iter().map(|lacking| keys[lacking.at].clone()).collect();
        access.touches::<P>(&wanted);
        let why = if sight.asks_store() || access.layers().is_none() { access.bypass() } else { Bypass::Asked };
        let nowhere = |lacking: &Lacking| Missing {
            at: lacking.at,
            cell: None,
            why: Why::PassedBy(why),
            lease: None,
            seen: None,
            lacking: *lacking,
        };
        return Asked { cells: Vec::new(), missing: lacking.iter().map(nowhere).collect() };
    };
    let cells = payload::cell_keys::<P>(lacking.iter().map(|lacking| &keys[lacking.at]));
    let missing = read_cells::<DB, P, H>((access, layers, sight), keys, &cells, lacking, limit, groups);
    Asked { cells, missing }
}

/// Puts the rows of the keys whose cells did not answer into `groups`, and asks again for those that others load.
pub(super) fn load_asked<DB, P, H>(
    access: Access<'_, DB>,
    sight: &Sight<'_>,
    keys: &[P::Key],
    mut asked: Asked,
    limit: usize,
    groups: &mut [Rows<H>],
) -> Result<()>
where
    DB: Backend,
    P: PatternOn<DB>,
    H: Head<DB, Entity = P::Entity>,
{
    let figures = access.figures::<P::Entity>();
    let until = Instant::now() + access.layers().map_or(Duration::ZERO, Layers::lease_time);
    let (mut n_rounds, mut polls) = (1, POLLS.iter());
    loop {
        let Asked { cells, mut missing } = asked;
        // What is loaded for its own sake must be sent before anybody else is waited for, who may wait for it.
        let layers = access.layers();
        let crew = layers.filter(|_| H::WHOLE).and_then(|layers| take_leases(layers, figures, &cells, &mut missing));
        let may_wait = n_rounds < ROUNDS && polls.len() > 0;
        let (own, others): (Vec<_>, Vec<_>) = missing.into_iter().partition(|missing| !may_wait || missing.is_own());
        load_missing::<DB, P, H>(access, sight, keys, (&cells, &own), limit, groups)?;
        drop(crew);

        let mut lacking = Vec::new();
        let waiting = (!others.is_empty()).then(Instant::now);
        let is_elsewhere = others.iter().any(|missing| matches!(missing.why, Why::Elsewhere));
        for missing in others {
            let loaded = match (missing.why, missing.cell, layers) {
                (Why::UnderWay(token), Some(cell), Some(layers)) => layers.wait_for(&cells[cell], token, until),
                _ => None,
            };
            match loaded.map(|value| look::<P>(Found::Loaded(value), limit, false)) {
                Some(Looked::Rows(rows)) => {
                    figures.flight_hits.one();
                    groups[missing.at] = rows.into_iter().map(H::narrow).collect();
                }
                _ => lacking.push(Lacking { was_refused: matches!(missing.why, Why::Refused), ..missing.lacking }),
            }
        }
        if is_elsewhere && !lacking.is_empty() {
            poll(&mut polls);
        }
        waiting.into_iter().for_each(|begun| figures.lease_waits.add(begun.elapsed()));
        if lacking.is_empty() {
            return Ok(());
        }
        n_rounds += 1;
        asked = ask::<DB, P, H>(access, sight, keys, &lacking, limit, groups);
    }
}

/// Waits before the store is asked again: nobody tells when another process is done.
pub(super) fn poll(polls: &mut slice::Iter<'_, Duration>) {
    if let Some(time) = polls.next()
        && !waits(Point::Polling)
    {
        thread::sleep(*time);
    }
}

impl Asked {
    /// The same for the keys that are missing alone, and which ones those are.
    pub(super) fn alone(mut self) -> (Vec<usize>, Self) {
        let places = self.missing.iter().map(|missing| missing.at).collect();
        for (at, missing) in self.missing.iter_mut().enumerate() {
            missing.at = at;
            missing.lacking.at = at;
        }
        (places, self)
    }
}

impl Missing {
    fn vacancy(&self) -> Option<(usize, Vacancy)> {
        match (self.cell, self.why) {
            (Some(cell), Why::Vacant(vacancy)) if !self.lacking.was_refused => Some((cell, vacancy)),
            _ => None,
        }
    }

    /// What it counts as when it is loaded.
    fn counter<'f>(&self, figures: &'f ModelFigures) -> &'f Counter {
        match self.why {
            Why::Vacant(_) => &figures.misses,
            Why::PassedBy(why) => figures.bypassed(why),
            Why::UnderWay(_) | Why::Elsewhere | Why::Refused => figures.bypassed(Bypass::Elsewhere),
        }
    }

    /// Whether it is to be loaded here and now.
    fn is_own(&self) -> bool {
        self.lease.is_some() || matches!(self.why, Why::Vacant(_) | Why::PassedBy(_))
    }
}

/// Loads what is missing from the database, and fills in what was leased.
fn load_missing<DB, P, H>(
    access: Access<'_, DB>,
    sight: &Sight<'_>,
    keys: &[P::Key],
    (cells, missing): (&[CellKey], &[Missing]),
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
    let figures = access.figures::<P::Entity>();
    missing.iter().for_each(|missing| missing.counter(figures).one());
    let mut loaded = select_by::<DB, P, H>(access, &wanted, || refined::<DB, P, H>(limit))?;

    let mut parcels = Vec::new();
    for (missing, rows) in missing.iter().zip(&mut loaded) {
        let rows = std::mem::take(rows);
        // Before the caller has them: nobody is to be given older ones after that.
        let seen =
            sight.near().zip(missing.seen).map(|(near, seen)| (near, near.advance::<P>(seen, &keys[missing.at])));
        if let (Some(layers), Some(cell), Some(lease)) = (access.layers(), missing.cell, missing.lease) {
            let rows: Rows<P::Entity> = rows.into_iter().filter_map(Loaded::whole).collect();
            let value = payload::rows::<P>(&rows);
            // A write that goes on without the store leaves the lease in place: what was loaded under it may be older than that write. One
            // that is noted after this drops the copy, and one that is settled by now has taken the lease.
            let (heads, delivered) = match seen.filter(|_| !layers.is_hidden(&cells[cell])) {
                None => (rows.into_iter().take(limit).map(H::narrow).collect(), None),
                Some(seen) => {
                    let rows: Rows<Arc<P::Entity>> = rows.into_iter().map(Arc::new).collect();
                    let ttl = layers.longest_ttl(P::Entity::TTL, payload::is_absent(&value));
                    let heads = rows.iter().take(limit).map(H::share).collect();
                    (heads, Some(keep_if_stored::<P>(seen, &keys[missing.at], rows, ttl)))
                }
            };
            let of_model = Figures::of::<P::Entity>;
            parcels.push(layers.parcel(&cells[cell], lease, value, P::Entity::TTL, of_model, delivered));
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
fn read_cells<DB, P, H>(
    (access, layers, sight): (Access<'_, DB>, &Layers, &Sight<'_>),
    keys: &[P::Key],
    cells: &[CellKey],
    lacking: &[Lacking],
    limit: usize,
    groups: &mut [Rows<H>],
) -> Vec<Missing>
where
    DB: Backend,
    P: PatternOn<DB>,
    H: Head<DB, Entity = P::Entity>,
{
    let figures = access.figures::<P::Entity>();
    // Before the store is asked, and before it is asked what must be passed by.
    let seen: Vec<Option<Seen>> = cells.iter().map(|cell| sight.near().map(|near| near.see(cell))).collect();
    let mut sampled = Vec::new();
    let mut hit = |at: usize| {
        if figures.shared_hits.one_of(refresh::SAMPLE) {
            sampled.push(&keys[at]);
        }
    };
    let mut missing = Vec::new();
    let mut corrupt = Vec::new();
    for (n, found) in sight.ask::<P::Entity>(layers, cells).into_iter().enumerate() {
        let (lacking, seen) = (lacking[n], seen[n]);
        let at = lacking.at;
        let is_loaded = matches!(found, Found::Loaded(_));
        let lacks = |why| Missing { at, cell: Some(n), why, lease: None, seen, lacking };
        match look::<P>(found, limit, seen.is_some()) {
            Looked::Rows(rows) => {
                if is_loaded {
                    figures.flight_hits.one();
                } else {
                    hit(at);
                }
                groups[at] = rows.into_iter().map(H::narrow).collect();
            }
            Looked::ToKeep { rows, is_whole } => {
                hit(at);
                groups[at] = rows.iter().take(limit).map(H::share).collect();
                if let Some((near, seen)) = sight.near().zip(seen) {
                    let ttl = layers.longest_ttl(P::Entity::TTL, rows.is_empty() && P::UNIQUE);
                    near.keep::<P>(seen, keys[at].clone(), rows, is_whole, ttl);
                }
            }
            Looked::Lacking(vacancy) => missing.push(lacks(Why::Vacant(vacancy))),
            Looked::PassedBy(why) => missing.push(lacks(Why::PassedBy(why))),
            Looked::UnderWay(token) => missing.push(lacks(Why::UnderWay(token))),
            Looked::Elsewhere => missing.push(lacks(Why::Elsewhere)),
            Looked::Corrupt => corrupt.push(lacks(Why::PassedBy(Bypass::Failed))),
        }
    }
    refresh::soon::<DB, P>(access, sampled, false);
    let vacancy = layers.discard(&corrupt.iter().filter_map(|missing| Some(&cells[missing.cell?])).collect::<Vec<_>>());
    figures.corrupt.add(corrupt.len() as u64);
    let why = vacancy.map_or(Why::PassedBy(Bypass::Failed), Why::Vacant);
    missing.extend(corrupt.into_iter().map(|missing| Missing { why, ..missing }));
    missing
}

/// Keeps rows near as soon as the store has taken them.
pub(super) fn keep_if_stored<P: Pattern>(
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
fn take_leases<'l>(
    layers: &'l Layers,
    figures: &ModelFigures,
    cells: &'l [CellKey],
    missing: &mut [Missing],
) -> Option<Crew<'l>> {
    let vacant: Vec<_> =
        missing.iter().filter_map(Missing::vacancy).map(|(cell, vacancy)| (&cells[cell], vacancy)).collect();
    if vacant.is_empty() {
        return None;
    }
    let (leases, crew) = layers.lease(&vacant);
    // Where none is to be had, nobody waits for anybody.
    let mut leases = leases.ok()?.into_iter();
    for missing in missing.iter_mut().filter(|missing| missing.vacancy().is_some()) {
        missing.lease = leases.next().flatten();
        if missing.lease.is_some() {
            figures.leases_granted.one();
        } else {
            figures.leases_refused.one();
            missing.why = Why::Refused;
        }
    }
    Some(crew)
}
