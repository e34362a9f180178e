//! Values of a source: from the near cache, from the cells, from others who load them, or from the source.

use std::{sync::Arc, time::Instant};

use super::{
    in_time::in_time,
    lacking::{POLLS, ROUNDS, keep_if_stored, poll},
    look::{Looked, Sight, look},
};
use crate::{
    backend::Backend,
    error::Result,
    failpoints::{Point, reach},
    figures::{Bypass, Figures, ModelFigures},
    inline::may_wait,
    layers::{Crew, Found, Layers},
    lookout::Call,
    near::Seen,
    payload::{self, Rows},
    session::Access,
    source::{self, ByKey, Entry, Source},
    store::{CellKey, Lease, Nonce, Vacancy},
};

/// What a key has, if it has anything.
type Value<DB, S> = Option<Arc<Entry<DB, S>>>;

/// A key whose cell does not answer.
struct Missing<K> {
    at: usize,
    key: K,
    why: Why,
    lease: Option<Lease>,
    /// How things were near before the store was asked.
    seen: Option<Seen>,
    was_refused: bool,
}

/// Why a cell does not answer.
#[derive(Clone, Copy)]
enum Why {
    Vacant(Vacancy),
    PassedBy(Bypass),
    UnderWay(Nonce),
    Elsewhere,
    Refused,
}

/// The keys whose cells did not answer, and those cells, in the same order.
struct Asked<K> {
    cells: Vec<CellKey>,
    missing: Vec<Missing<K>>,
}

/// The values of `keys`, which are all different, in their order.
pub(crate) fn values_by<DB: Backend, S: Source>(
    access: Access<'_, DB>,
    source: &Arc<S>,
    keys: &[S::Key],
) -> Result<Vec<Value<DB, S>>> {
    let sight = Sight::of::<Entry<DB, S>>(access);
    let mut values = vec![None; keys.len()];
    let mut lacking = Vec::new();
    for (at, key) in keys.iter().enumerate() {
        let kept = sight.look_until_end::<ByKey<DB, S>>(key);
        match kept.as_ref().and_then(|(kept, _)| kept.first(1)) {
            Some(rows) => values[at] = rows.first().cloned(),
            None => lacking.push((at, key.clone(), false)),
        }
    }
    access.figures::<Entry<DB, S>>().near_hits.add((keys.len() - lacking.len()) as u64);
    if lacking.is_empty() {
        return Ok(values);
    }
    may_wait()?;
    let _call = Call::of::<ByKey<DB, S>>(access.lookout(), keys.len(), lacking.len(), access.site());
    let asked = read_cells(access, &sight, lacking, &mut values);
    if asked.missing.is_empty() {
        return Ok(values);
    }
    let Some(wait) = access.wait::<Entry<DB, S>>() else {
        load_asked(access, &sight, source, asked, &mut values)?;
        return Ok(values);
    };
    let places: Vec<usize> = asked.missing.iter().map(|missing| missing.at).collect();
    let wanted: Vec<S::Key> = asked.missing.iter().map(|missing| missing.key.clone()).collect();
    let last = |key: &S::Key| {
        let (kept, age) = sight.near()?.last::<ByKey<DB, S>>(key)?;
        Some((kept.first(1)?.first().cloned(), age))
    };
    let (source, asks_store, n_values) = (Arc::clone(source), sight.asks_store(), values.len());
    let load = {
        let places = places.clone();
        move |access: Access<'_, DB>| {
            let mut values = vec![None; n_values];
            let sight = Sight::beyond_near::<Entry<DB, S>>(access, asks_store);
            load_asked(access, &sight, &source, asked, &mut values)?;
            Ok(places.into_iter().map(|at| values[at].take()).collect())
        }
    };
    for (at, value) in places.into_iter().zip(in_time::<DB, ByKey<DB, S>, _>(&wait, &wanted, last, load)?) {
        values[at] = value;
    }
    Ok(values)
}

/// Asks the store. What cells hold goes into `values`; what they lack comes back.
fn read_cells<DB: Backend, S: Source>(
    access: Access<'_, DB>,
    sight: &Sight<'_>,
    lacking: Vec<(usize, S::Key, bool)>,
    values: &mut [Value<DB, S>],
) -> Asked<S::Key> {
    let figures = access.figures::<Entry<DB, S>>();
    let cells = payload::cell_keys::<ByKey<DB, S>>(lacking.iter().map(|(_, key, _)| key));
    // Before the store is asked, and before it is asked what must be passed by.
    let seen: Vec<_> = cells.iter().map(|cell| sight.near().map(|near| near.see(cell))).collect();
    let found = match access.layers() {
        Some(layers) => sight.ask::<Entry<DB, S>>(layers, &cells),
        None => {
            if let Some(follower) = access.follower() {
                follower.depends_on(&cells);
            }
            cells.iter().map(|_| Found::Bypass(access.bypass())).collect()
        }
    };
    let mut asked = Asked { cells: Vec::new(), missing: Vec::new() };
    let asked_for = lacking.into_iter().zip(cells).zip(seen.into_iter().zip(found));
    for (((at, key, was_refused), cell), (seen, found)) in asked_for {
        let is_loaded = matches!(found, Found::Loaded(_));
        let hits = if is_loaded { &figures.flight_hits } else { &figures.shared_hits };
        let why = match look::<ByKey<DB, S>>(found, 1, seen.is_some()) {
            Looked::Rows(rows) if is_of(rows.first(), &key) => {
                hits.one();
                values[at] = rows.into_iter().next().map(Arc::new);
                continue;
            }
            Looked::ToKeep { rows, is_whole } if is_of(rows.first().map(AsRef::as_ref), &key) => {
                hits.one();
                values[at] = rows.first().cloned();
                if let Some(((layers, near), seen)) = access.layers().zip(sight.near()).zip(seen) {
                    let ttl = layers.longest_ttl(S::TTL, rows.is_empty());
                    near.keep::<ByKey<DB, S>>(seen, key, rows, is_whole, ttl);
                }
                continue;
            }
            // Of another key, or of none.
            Looked::Rows(_) | Looked::ToKeep { .. } | Looked::Corrupt => {
                figures.corrupt.one();
                let vacancy = access.layers().and_then(|layers| layers.discard(&[&cell]));
                vacancy.map_or(Why::PassedBy(Bypass::Failed), Why::Vacant)
            }
            Looked::Lacking(vacancy) => Why::Vacant(vacancy),
            Looked::PassedBy(why) => Why::PassedBy(why),
            Looked::UnderWay(token) => Why::UnderWay(token),
            Looked::Elsewhere => Why::Elsewhere,
        };
        asked.cells.push(cell);
        asked.missing.push(Missing { at, key, why, lease: None, seen, was_refused });
    }
    asked
}

/// Whether a cell's entry is that of the key, or says that there is none.
fn is_of<DB, S: Source>(entry: Option<&Entry<DB, S>>, key: &S::Key) -> bool {
    entry.is_none_or(|entry| entry.key == *key)
}

/// Puts what is missing into `values`, and asks the store again for what others load.
fn load_asked<DB: Backend, S: Source>(
    access: Access<'_, DB>,
    sight: &Sight<'_>,
    source: &Arc<S>,
    mut asked: Asked<S::Key>,
    values: &mut [Value<DB, S>],
) -> Result<()> {
    let figures = access.figures::<Entry<DB, S>>();
    let layers = access.layers();
    let until = Instant::now() + layers.map_or_else(Default::default, Layers::lease_time);
    let (mut n_rounds, mut polls) = (1, POLLS.iter());
    loop {
        let Asked { cells, mut missing } = asked;
        // What is loaded for its own sake must be sent before anybody else is waited for, who may wait for it.
        let crew = layers.and_then(|layers| take_leases(layers, figures, &cells, &mut missing));
        let may_wait = n_rounds < ROUNDS && polls.len() > 0;
        let (own, others): (Vec<_>, Vec<_>) =
            missing.into_iter().zip(&cells).partition(|(missing, _)| !may_wait || missing.is_own());
        for own in own.chunks(S::MAX_KEYS.max(1)) {
            load_own(access, sight, source, own, values)?;
        }
        drop(crew);

        let waiting = (!others.is_empty()).then(Instant::now);
        let mut lacking = Vec::new();
        let mut is_elsewhere = false;
        for (missing, cell) in others {
            is_elsewhere |= matches!(missing.why, Why::Elsewhere);
            let loaded = match (missing.why, layers) {
                (Why::UnderWay(token), Some(layers)) => layers.wait_for(cell, token, until),
                _ => None,
            };
            match loaded.map(|value| look::<ByKey<DB, S>>(Found::Loaded(value), 1, false)) {
                Some(Looked::Rows(rows)) if is_of(rows.first(), &missing.key) => {
                    figures.flight_hits.one();
                    values[missing.at] = rows.into_iter().next().map(Arc::new);
                }
                _ => lacking.push((missing.at, missing.key, matches!(missing.why, Why::Refused))),
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
        asked = read_cells(access, sight, lacking, values);
    }
}

impl<K> Missing<K> {
    fn vacancy(&self) -> Option<Vacancy> {
        match self.why {
            Why::Vacant(vacancy) if !self.was_refused => Some(vacancy),
            _ => None,
        }
    }

    /// Whether it is to be loaded here and now.
    fn is_own(&self) -> bool {
        self.lease.is_some() || matches!(self.why, Why::Vacant(_) | Why::PassedBy(_))
    }

    fn count(&self, figures: &ModelFigures) {
        match self.why {
            Why::Vacant(_) => figures.misses.one(),
            Why::PassedBy(why) => figures.bypassed(why).one(),
            Why::UnderWay(_) | Why::Elsewhere | Why::Refused => figures.bypassed(Bypass::Elsewhere).one(),
        }
    }
}

/// Takes leases on what is vacant. Where another was quicker, he is waited for.
fn take_leases<'l, K>(
    layers: &'l Layers,
    figures: &ModelFigures,
    cells: &'l [CellKey],
    missing: &mut [Missing<K>],
) -> Option<Crew<'l>> {
    let vacant: Vec<_> =
        missing.iter().zip(cells).filter_map(|(missing, cell)| Some((cell, missing.vacancy()?))).collect();
    if vacant.is_empty() {
        return None;
    }
    let (leases, crew) = layers.lease(&vacant);
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

/// Loads values from the source, and fills in what was leased.
fn load_own<DB: Backend, S: Source>(
    access: Access<'_, DB>,
    sight: &Sight<'_>,
    source: &Arc<S>,
    missing: &[(Missing<S::Key>, &CellKey)],
    values: &mut [Value<DB, S>],
) -> Result<()> {
    let figures = access.figures::<Entry<DB, S>>();
    missing.iter().for_each(|(missing, _)| missing.count(figures));
    let keys: Vec<S::Key> = missing.iter().map(|(missing, _)| missing.key.clone()).collect();
    reach(Point::BeforeSelect);
    let begun = Instant::now();
    let loaded = source::ask(source.as_ref(), &keys);
    figures.statements.add(begun.elapsed());
    figures.statements_failed.add(u64::from(loaded.is_err()));
    reach(Point::AfterSelect);
    let mut parcels = Vec::new();
    for (((missing, cell), key), value) in missing.iter().zip(keys).zip(loaded?) {
        let entry = value.map(|value| Arc::new(Entry::new(key.clone(), value)));
        values[missing.at].clone_from(&entry);
        // Before the caller has it: nobody is to be given an older one after that.
        let seen = sight.near().zip(missing.seen).map(|(near, seen)| (near, near.advance::<ByKey<DB, S>>(seen, &key)));
        let (Some(layers), Some(lease)) = (access.layers(), missing.lease) else { continue };
        let bytes = entry.as_ref().map_or_else(payload::absent, |entry| payload::row(entry.as_ref()));
        let ttl = layers.longest_ttl(S::TTL, entry.is_none());
        // What goes on without the store leaves leases in place, and what was loaded under one may be older than it.
        let delivered = seen
            .filter(|_| !layers.is_hidden(cell))
            .map(|seen| keep_if_stored::<ByKey<DB, S>>(seen, &key, entry.into_iter().collect::<Rows<_>>(), ttl));
        let of_model = Figures::of::<Entry<DB, S>>;
        parcels.push(layers.parcel(cell, lease, bytes, S::TTL, of_model, delivered));
    }
    if let Some(layers) = access.layers() {
        layers.fill(parcels);
    }
    Ok(())
}
