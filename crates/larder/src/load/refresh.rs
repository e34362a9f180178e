//! Values that are refreshed before they expire, so that nobody has to wait when they do.
//!
//! The value of a cell is right until a write takes it away: it may have more time, if it is still the same value then. What it is compared
//! with in the database are writes past larder of which nobody has told, which the time to live is for.

mod claims;
mod queue;
mod server;

use std::{sync::Arc, time::Duration};

pub(crate) use self::queue::Refreshes;
use self::{queue::Due, server::Server};
use super::{
    look::Sight,
    select::{Loaded, refined, select_by},
};
use crate::{
    backend::Backend,
    entity::{Entity, Pattern, PatternOn},
    event::Event,
    layers::Layers,
    near::Seen,
    payload::{self, Rows},
    session::{Access, Consistency, Target},
    shape::Whole,
    store::{Bytes, Cell, CellKey, Nonce},
};

/// A value is refreshed in this last part of its time.
const LAST_PART: u32 = 10;

/// Of so many hits of the store, one has its cell looked at: whether it will soon expire. A key that is read less than so often in a tenth of
/// its time may as well.
pub(super) const SAMPLE: u64 = 64;

/// Has keys refreshed by a thread of the handle's, if their values will soon expire.
pub(super) fn soon<'k, DB, P>(access: Access<'_, DB>, keys: impl IntoIterator<Item = &'k P::Key>, is_near: bool)
where
    DB: Backend,
    P: PatternOn<DB>,
{
    let Target::Handle(larder) = access.target() else { return };
    let refreshes = larder.refreshes();
    // A tenant's row is seen in the tenant's name only, and nobody is there to give it: the value is left to expire.
    if access.tenant().is_some() || !refreshes.is_on() || !refreshes.add::<P>(keys, is_near) {
        return;
    }
    let server = Server::<DB, P>::of(larder);
    // Nobody waits for it. Where there is no room for it, now or later, it is dropped, and leaves the queue to whoever comes next.
    drop(larder.loaders().send(move || server.serve()));
}

/// A value that was found in a cell.
struct Found {
    /// Which of the keys.
    at: usize,
    stamp: Nonce,
    value: Bytes,
}

/// Refreshes what has little time left: whether each key need not come again, since its copy has its time anew or it has none.
///
/// One round trip for all; where values will soon expire, one statement and one round trip more.
fn refresh<DB, P>(access: Access<'_, DB>, layers: &Layers, due: &[Due<P>]) -> Vec<bool>
where
    DB: Backend,
    P: PatternOn<DB>,
{
    let mut is_done: Vec<bool> = due.iter().map(|due| !due.is_near).collect();
    let cells = payload::cell_keys::<P>(due.iter().map(|due| &due.key));
    // Before the store is asked, and before it is asked what must be passed by.
    let near = Sight::beyond_near::<P::Entity>(access, true).near();
    let seen: Vec<Option<Seen>> = cells.iter().map(|cell| near.map(|near| near.see(cell))).collect();
    let asked: Vec<usize> = (0..due.len()).filter(|&at| !layers.is_hidden(&cells[at])).collect();
    let wanted: Vec<CellKey> = asked.iter().map(|&at| cells[at].clone()).collect();
    let Some(inspected) = (if wanted.is_empty() { None } else { layers.inspect(&wanted) }) else { return is_done };

    let keep = |at: usize, value: &[u8]| {
        let (Some(near), Some(seen), true) = (near, seen[at], due[at].is_near) else { return false };
        payload::contents::<P>(value).is_ok_and(|contents| {
            let rows: Rows<Arc<P::Entity>> = contents.rows.into_iter().map(Arc::new).collect();
            let ttl = layers.longest_ttl(P::Entity::TTL, payload::is_absent(value));
            near.keep_again::<P>(seen, due[at].key.clone(), rows, contents.is_whole, ttl)
        })
    };
    let (mut late, mut gone) = (Vec::new(), Vec::new());
    for (at, inspected) in asked.into_iter().zip(inspected) {
        match (inspected.cell, inspected.stamp) {
            (Cell::Value(value), Some(stamp)) if is_late::<P>(layers, &value, inspected.expires_in) => {
                late.push(Found { at, stamp, value });
            }
            (Cell::Value(value), _) => is_done[at] |= keep(at, &value),
            (Cell::Vacant(_), _) if due[at].is_near => gone.push(at),
            _ => {}
        }
    }
    for found in confirm::<DB, P>(access, layers, &cells, due, late) {
        is_done[found.at] |= keep(found.at, &found.value);
    }
    if !gone.is_empty() {
        let keys: Vec<P::Key> = gone.iter().map(|&at| due[at].key.clone()).collect();
        // As whoever comes next would have to. That it has failed is counted, and told to him if it still does.
        let rows = super::rows_by::<DB, P, Whole<P::Entity>>(access.reading(Consistency::Shared), &keys, 1);
        // What was loaded is kept in the copy's place, or has at least taken the copy away.
        gone.into_iter().for_each(|at| is_done[at] = rows.is_ok());
    }
    is_done
}

fn is_late<P: Pattern>(layers: &Layers, value: &[u8], left: Option<Duration>) -> bool {
    let ttl = layers.longest_ttl(P::Entity::TTL, payload::is_absent(value));
    left.is_some_and(|left| left < ttl / LAST_PART)
}

/// Gives those values more time that are what the database has, and empties the cells of the others: those that have it.
fn confirm<DB, P>(
    access: Access<'_, DB>,
    layers: &Layers,
    cells: &[CellKey],
    due: &[Due<P>],
    late: Vec<Found>,
) -> Vec<Found>
where
    DB: Backend,
    P: PatternOn<DB>,
{
    let keys: Vec<P::Key> = late.iter().map(|found| due[found.at].key.clone()).collect();
    if keys.is_empty() {
        return Vec::new();
    }
    // That it has failed is counted. The value is left to expire.
    let Ok(rows) = select_by::<DB, P, Whole<P::Entity>>(access, &keys, || refined::<DB, P, Whole<P::Entity>>(0)) else {
        return Vec::new();
    };
    let (mut same, mut others) = (Vec::new(), Vec::new());
    for (found, rows) in late.into_iter().zip(rows) {
        let rows: Vec<P::Entity> = rows.into_iter().filter_map(Loaded::whole).collect();
        if payload::rows::<P>(&rows) == found.value { same.push(found) } else { others.push(found) }
    }
    let figures = access.figures::<P::Entity>();
    let ttl = |found: &Found| layers.ttl(P::Entity::TTL, payload::is_absent(&found.value));
    let values: Vec<_> = same.iter().map(|found| (&cells[found.at], found.stamp, ttl(found))).collect();
    let extended = layers.extend(&values).unwrap_or_default();
    let n_extended = extended.iter().filter(|extended| **extended).count();
    figures.refreshes_extended.add(n_extended as u64);
    figures.refreshes_refused.add((extended.len() - n_extended) as u64);
    correct::<P>(access, layers, cells, &others);
    same.into_iter().zip(extended).filter(|(_, extended)| *extended).map(|(found, _)| found).collect()
}

/// Empties cells that have another value than the database, if they still have it: a write may have come between, after which they are right.
fn correct<P: Pattern>(access: Access<'_, impl Backend>, layers: &Layers, cells: &[CellKey], others: &[Found]) {
    let wanted: Vec<CellKey> = others.iter().map(|found| cells[found.at].clone()).collect();
    let Some(inspected) = (if wanted.is_empty() { None } else { layers.inspect(&wanted) }) else { return };
    let is_there = |(found, inspected): (&Found, crate::store::Inspected)| inspected.stamp == Some(found.stamp);
    let still: Vec<bool> = others.iter().zip(inspected).map(is_there).collect();
    let wrong: Vec<&CellKey> =
        wanted.iter().zip(&still).filter(|(_, is_there)| **is_there).map(|(cell, _)| cell).collect();
    let figures = access.figures::<P::Entity>();
    figures.refreshes_refused.add((others.len() - wrong.len()) as u64);
    if !wrong.is_empty() && layers.settle(&wrong) {
        figures.refreshes_corrected.add(wrong.len() as u64);
        wrong.iter().for_each(|key| layers.tell(Event::Outdated { key }));
    }
}
