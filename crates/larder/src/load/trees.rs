//! Trees of views that are stored whole: from their cells, from others who load them, or from the database, a statement a level.

use std::time::Instant;

use super::{
    lacking::{POLLS, ROUNDS, poll},
    rows_by,
};
use crate::{
    backend::Backend,
    entity::Table,
    error::Result,
    figures::{Bypass, Figures, ModelFigures},
    inline::may_wait,
    layers::{Found, Layers},
    payload::Rows,
    relation::Distinct,
    session::{Access, Consistency},
    shape::Load,
    store::{CellKey, Lease, Nonce, Vacancy},
    view_cells::{CachedView, Content, RootKey, cell_key, content, packed, too_large, version_key},
};

/// A root whose cell does not answer.
#[derive(Clone, Copy)]
struct Missing {
    at: usize,
    why: Why,
    was_refused: bool,
}

#[derive(Clone, Copy)]
enum Why {
    Vacant(Vacancy),
    PassedBy(Bypass),
    /// This process loads it.
    UnderWay(Nonce),
    Elsewhere,
    /// Somebody was quicker with the lease.
    Refused,
}

impl Missing {
    fn vacancy(&self) -> Option<Vacancy> {
        match self.why {
            Why::Vacant(vacancy) if !self.was_refused => Some(vacancy),
            _ => None,
        }
    }

    /// Whether others are to be waited for, who load it.
    fn is_others(&self) -> bool {
        matches!(self.why, Why::UnderWay(_) | Why::Elsewhere | Why::Refused)
    }
}

/// One call for trees of a view.
struct Trees<'a, DB: Backend, V: CachedView> {
    access: Access<'a, DB>,
    layers: &'a Layers,
    figures: &'a ModelFigures,
    keys: Vec<RootKey<V>>,
    cells: Vec<CellKey>,
    version: CellKey,
    trees: Vec<Option<V>>,
    /// Those that no cell holds, since they are too large.
    of_rows: Vec<usize>,
}

/// The trees of `keys`, in their order. `None` where the view's cells are not to be asked: within transactions, for
/// instance, or of scopes whose reads are followed.
///
/// One round trip if all are stored. If not: two more for the version's stamp and leases, and a statement a level for all that are missing, whose
/// trees are then stored.
#[doc(hidden)]
pub fn trees_by<DB, V>(access: Access<'_, DB>, keys: &[RootKey<V>]) -> Option<Result<Vec<Option<V>>>>
where
    DB: Backend,
    V: CachedView + Load<DB, Entity = <V as CachedView>::Root>,
    V::Root: Table<DB>,
{
    let layers = access.layers().filter(|_| V::FILLS)?;
    let consistency = access.consistency::<V::Root>(layers.near().map(|near| &**near));
    // Rows know what these want to hear, and trees do not.
    let wants_rows = access.explaining().is_some()
        || access.follower().is_some()
        || access.tenant().is_some()
        || access.wait::<V::Root>().is_some();
    if wants_rows || consistency == Consistency::Database {
        return None;
    }
    if let Err(error) = may_wait() {
        return Some(Err(error));
    }
    let distinct = Distinct::of::<DB>(keys.iter().cloned().map(Some));
    let keys = distinct.keys.clone();
    let trees = Trees::<DB, V> {
        access,
        layers,
        figures: access.lookout().figures.of_view::<V>(),
        cells: keys.iter().map(cell_key::<V>).collect(),
        version: version_key::<V>(),
        trees: vec![None; keys.len()],
        keys,
        of_rows: Vec::new(),
    };
    Some(trees.load().map(|trees| {
        let groups = trees.into_iter().map(Rows::from_iter).collect();
        let (trees, counts) = distinct.spread(groups);
        let mut trees = trees.into_iter();
        counts.into_iter().map(|n| if n == 0 { None } else { trees.next() }).collect()
    }))
}

impl<DB, V> Trees<'_, DB, V>
where
    DB: Backend,
    V: CachedView + Load<DB, Entity = <V as CachedView>::Root>,
    V::Root: Table<DB>,
{
    fn load(mut self) -> Result<Vec<Option<V>>> {
        let until = Instant::now() + self.layers.lease_time();
        let mut polls = POLLS.iter();
        let mut lacking: Vec<(usize, bool)> = (0..self.keys.len()).map(|at| (at, false)).collect();
        for n_rounds in 1.. {
            let (mut missing, stamp) = self.ask(&lacking);
            if missing.is_empty() {
                break;
            }
            let may_wait = n_rounds < ROUNDS && polls.len() > 0;
            // What is loaded for its own sake must be sent before anybody else is waited for, who may wait for it.
            self.load_own(&mut missing, stamp, may_wait)?;
            let waiting = (!missing.is_empty()).then(Instant::now);
            lacking.clear();
            let mut is_elsewhere = false;
            for missing in missing {
                is_elsewhere |= matches!(missing.why, Why::Elsewhere);
                let loaded = match missing.why {
                    Why::UnderWay(token) => self.layers.wait_for(&self.cells[missing.at], token, until),
                    _ => None,
                };
                // Good under the stamp that the version had when the lease was seen, like what is stored.
                let is_good = |bytes: &&[u8]| stamp.is_some_and(|stamp| bytes.starts_with(stamp.as_bytes()));
                let bytes = loaded.as_deref().filter(is_good).and_then(|bytes| bytes.get(STAMP..));
                if bytes.is_some_and(|bytes| self.take(missing.at, bytes)) {
                    self.figures.flight_hits.one();
                } else {
                    lacking.push((missing.at, matches!(missing.why, Why::Refused)));
                }
            }
            if is_elsewhere && !lacking.is_empty() {
                poll(&mut polls);
            }
            waiting.into_iter().for_each(|begun| self.figures.lease_waits.add(begun.elapsed()));
            if lacking.is_empty() {
                break;
            }
        }
        if !self.of_rows.is_empty() {
            let of_rows = std::mem::take(&mut self.of_rows);
            for (at, tree) in self.assemble(self.access, of_rows)? {
                self.trees[at] = tree;
            }
        }
        Ok(self.trees)
    }

    /// Asks the store: what is missing, and the stamp that the version has.
    fn ask(&mut self, lacking: &[(usize, bool)]) -> (Vec<Missing>, Option<Nonce>) {
        let cells: Vec<CellKey> = lacking.iter().map(|(at, _)| self.cells[*at].clone()).collect();
        let (found, stamp) = self.layers.read_versioned(&cells, &self.version);
        let mut missing = Vec::new();
        for ((at, was_refused), found) in lacking.iter().copied().zip(found) {
            let (hits, bytes) = match found.clone() {
                Found::Hit(bytes) => (&self.figures.shared_hits, Some(bytes)),
                Found::Loaded(bytes) => {
                    let is_good = stamp.is_some_and(|stamp| bytes.starts_with(stamp.as_bytes()));
                    (&self.figures.flight_hits, is_good.then(|| bytes.slice(STAMP..)))
                }
                _ => (&self.figures.shared_hits, None),
            };
            let why = match (bytes, found) {
                (Some(bytes), _) if self.take(at, &bytes) => {
                    hits.one();
                    continue;
                }
                (Some(_), _) => {
                    self.figures.corrupt.one();
                    let vacancy = self.layers.discard(&[&self.cells[at]]);
                    vacancy.map_or(Why::PassedBy(Bypass::Failed), Why::Vacant)
                }
                (None, Found::Miss(vacancy)) => Why::Vacant(vacancy),
                (None, Found::Bypass(why)) => Why::PassedBy(why),
                (None, Found::UnderWay(token)) => Why::UnderWay(token),
                // Loaded before the version went on.
                (None, Found::Elsewhere | Found::Hit(_) | Found::Loaded(_)) => Why::Elsewhere,
            };
            missing.push(Missing { at, why, was_refused });
        }
        (missing, stamp)
    }

    /// Takes what a cell holds, without its stamp: whether it is of the key.
    fn take(&mut self, at: usize, bytes: &[u8]) -> bool {
        match content::<V>(bytes, &self.keys[at]) {
            Ok(Content::Tree(tree)) => self.trees[at] = Some(tree),
            Ok(Content::Absent) => self.trees[at] = None,
            Ok(Content::TooLarge) => self.of_rows.push(at),
            Err(_) => return false,
        }
        true
    }

    /// Loads what nobody else loads, and stores it where a lease was to be had. What others load is left in `missing`, if they may be waited for.
    fn load_own(&mut self, missing: &mut Vec<Missing>, found: Option<Nonce>, may_wait: bool) -> Result<()> {
        let (layers, version) = (self.layers, std::slice::from_ref(&self.version));
        let is_vacant = missing.iter().any(|missing| missing.vacancy().is_some());
        // Before the query is sent, as the leases.
        let stamp = if is_vacant {
            layers.stamps(version, vec![found]).and_then(|stamps| stamps.first().copied())
        } else {
            None
        };
        let vacant: Vec<_> = match stamp {
            Some(_) => {
                missing.iter().filter_map(|missing| Some((&self.cells[missing.at], missing.vacancy()?))).collect()
            }
            None => Vec::new(),
        };
        let (leases, crew) = match vacant.is_empty() {
            true => (Ok(Vec::new()), None),
            false => {
                let (leases, crew) = layers.lease(&vacant);
                (leases, Some(crew))
            }
        };
        let mut own: Vec<(usize, Option<Lease>)> = Vec::new();
        let mut leases = leases.ok().filter(|_| crew.is_some()).map(Vec::into_iter);
        missing.retain_mut(|missing| {
            let lease = match (&mut leases, missing.vacancy()) {
                (Some(leases), Some(_)) => match leases.next().flatten() {
                    Some(lease) => {
                        self.figures.leases_granted.one();
                        Some(lease)
                    }
                    None => {
                        self.figures.leases_refused.one();
                        missing.why = Why::Refused;
                        None
                    }
                },
                _ => None,
            };
            if may_wait && missing.is_others() {
                return true;
            }
            match missing.why {
                Why::Vacant(_) => self.figures.misses.one(),
                Why::PassedBy(why) => self.figures.bypassed(why).one(),
                Why::UnderWay(_) | Why::Elsewhere | Why::Refused => self.figures.bypassed(Bypass::Elsewhere).one(),
            }
            own.push((missing.at, lease));
            false
        });
        if own.is_empty() {
            return Ok(());
        }
        // From the tables, and not from the cells of rows: a relay may come to the tree before it comes to them.
        let begun = Instant::now();
        let loaded = self.assemble(self.access.reading(Consistency::Database), own.iter().map(|(at, _)| *at).collect());
        self.figures.statements.add(begun.elapsed());
        self.figures.statements_failed.add(u64::from(loaded.is_err()));
        let mut parcels = Vec::new();
        for ((at, tree), (_, lease)) in loaded?.into_iter().zip(own) {
            if let Some((lease, stamp)) = lease.zip(stamp) {
                let mut bytes = packed::<V>(stamp, &self.keys[at], tree.as_ref());
                if bytes.len() > V::LIMIT {
                    bytes = too_large::<V>(stamp, &self.keys[at]);
                }
                parcels.push(layers.parcel(&self.cells[at], lease, bytes, V::TTL, Figures::of_view::<V>, None));
            }
            self.trees[at] = tree;
        }
        layers.fill(parcels);
        drop(crew);
        Ok(())
    }

    /// Makes trees of rows, a level after the other.
    fn assemble(&self, access: Access<'_, DB>, places: Vec<usize>) -> Result<Vec<(usize, Option<V>)>> {
        let keys: Vec<_> = places.iter().map(|at| self.keys[*at].clone()).collect();
        let groups = rows_by::<DB, <V::Root as Table<DB>>::ByKey, V::Head>(access, &keys, 1)?;
        let are_there: Vec<bool> = groups.iter().map(|rows| !rows.is_empty()).collect();
        let heads = groups.into_iter().filter_map(|rows| rows.into_iter().next()).collect();
        let mut trees = V::assemble(access, heads)?.into_iter();
        let places = places.into_iter().zip(are_there);
        Ok(places.map(|(at, is_there)| (at, if is_there { trees.next() } else { None })).collect())
    }
}

/// How long a stamp is, with which a cell begins.
const STAMP: usize = 16;
