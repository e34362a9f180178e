//! The protocol with a rule taken out, to see that the stepper would find it.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use larder::store::{
    self, Bytes, Cell, CellKey, Cursor, Ending, Fill, Layout, Lease, Nonce, Operation, Position, Recall, Scanned,
    Stamped, Store, StoreError, Vacancy,
};
use larder_redis::RedisStore;

use crate::{cells::Cells, plan::Bias, tally::Fault, theme::Theme};

/// A rule that is taken out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Mutation {
    /// `begin` marks nothing.
    BeginsNot,
    /// `begin` marks the first half of its cells.
    BeginsHalf,
    /// `begin` takes the place of other writers' markers.
    BeginReplaces,
    /// A lease is taken over a marker.
    LeasesOverMarkers,
    /// A value is stored without the lease that it was loaded under, if only there is no marker.
    FillsWithoutLease,
    /// A value is stored under a lease whose granting nobody has confirmed.
    FillsAfterLeaseTimedOut,
    /// A writer stores its value although others came near.
    StoresWhateverCame,
    /// A writer whose marker is gone leaves the cell to others.
    LeavesWhatIsNotItsOwn,
    /// A second try of `begin` has the nonce of the first.
    RepeatsNonce,
    /// Markers are removed when the outcome of COMMIT is not known.
    ReleasesAfterUnknownCommit,
    /// Leases are granted at once by a server that has forgotten markers.
    NoQuarantine,
    /// What is near is served without proof that the process is still told of writes.
    ServesNearUnproven,
    /// What is near is kept when the line is lost on which the process is told of writes.
    KeepsNearWhenLost,
    /// What the store has answered is kept near although it was written meanwhile.
    KeepsNearUnclaimed,
    /// A process does not drop what it writes itself, and waits to be told of it.
    DropsNoOwnWrites,
    /// A write that has happened is reported as one that has not.
    DeniesCommits,
    /// What a savepoint did stays when it is rolled back.
    KeepsWhatIsUndone,
    /// A result is good as long as no other stamp is seen in the place of one that it depends on.
    KeepsLostStamps,
    /// A write does not mark the cell of its table.
    ForgetsTables,
    /// A flusher takes out what it has read, and writes it then.
    RemovesBeforeCommit,
    /// What is written of each producer is not taken down with it.
    MarksNothing,
    /// A buffer leaves out what is the oldest.
    SkipsEntries,
    /// What a buffer has not answered is said not to have happened.
    DeniesUnanswered,
    /// What is settled loses its value, and who has a lease may store what he has computed.
    SettleKeepsLeases,
    /// A change of what lines come to is not added to their sum.
    LosesPrices,
    /// A refresh finds no cells that it could empty.
    WalksPastCells,
    /// The rows on the way from what is written to the roots of its trees are not locked.
    LeavesWayOpen,
    /// Of the trees that a write has changed it marks one.
    MarksOneTree,
    /// A write that makes all trees of a view old does not mark their version.
    ForgetsVersions,
    /// A tree is served whatever stamp the version of its view has.
    KeepsVersions,
    /// A tree is stored with the stamp that the version has then, and not with the one from before the query.
    StampsTreesLate,
}

impl Mutation {
    /// All of them.
    pub const ALL: [Self; 31] = [
        Self::BeginsNot,
        Self::BeginsHalf,
        Self::BeginReplaces,
        Self::LeasesOverMarkers,
        Self::FillsWithoutLease,
        Self::FillsAfterLeaseTimedOut,
        Self::StoresWhateverCame,
        Self::LeavesWhatIsNotItsOwn,
        Self::RepeatsNonce,
        Self::ReleasesAfterUnknownCommit,
        Self::NoQuarantine,
        Self::ServesNearUnproven,
        Self::KeepsNearWhenLost,
        Self::KeepsNearUnclaimed,
        Self::DropsNoOwnWrites,
        Self::DeniesCommits,
        Self::KeepsWhatIsUndone,
        Self::KeepsLostStamps,
        Self::ForgetsTables,
        Self::RemovesBeforeCommit,
        Self::MarksNothing,
        Self::SkipsEntries,
        Self::DeniesUnanswered,
        Self::SettleKeepsLeases,
        Self::LosesPrices,
        Self::WalksPastCells,
        Self::LeavesWayOpen,
        Self::MarksOneTree,
        Self::ForgetsVersions,
        Self::KeepsVersions,
        Self::StampsTreesLate,
    ];

    /// What schedules have to be about to show that a rule is missing.
    #[must_use]
    pub fn themes(self) -> &'static [Theme] {
        match self {
            Self::RemovesBeforeCommit | Self::MarksNothing | Self::SkipsEntries | Self::DeniesUnanswered => {
                &[Theme::Behind]
            }
            Self::SettleKeepsLeases => &[Theme::Aside],
            Self::LosesPrices => &[Theme::Upkeep],
            Self::WalksPastCells => &[Theme::View],
            Self::LeavesWayOpen
            | Self::MarksOneTree
            | Self::ForgetsVersions
            | Self::KeepsVersions
            | Self::StampsTreesLate => &[Theme::Tree],
            _ if self.bias().is_some() => &[Theme::Row],
            _ => &Theme::ROWS,
        }
    }

    /// The faults that a rule is for, where they meet too seldom by themselves to show within some thousand schedules that it is missing.
    #[must_use]
    pub fn bias(self) -> Option<Bias> {
        let bias = |faults, only| Some(Bias { faults, only, is_near: false, is_judged_at_the_end: false });
        let near = |faults| Some(Bias { faults, only: Operation::Read, is_near: true, is_judged_at_the_end: false });
        match self {
            Self::FillsAfterLeaseTimedOut => bias(&[(Fault::Delayed, 400)], Operation::Lease),
            Self::RepeatsNonce => bias(&[(Fault::Delayed, 400), (Fault::MarkerExpired, 400)], Operation::Begin),
            Self::LeavesWhatIsNotItsOwn => Some(MARKERS_EVICTED),
            Self::KeepsNearUnclaimed => near(&[(Fault::TimePasses, 60)]),
            Self::ServesNearUnproven | Self::KeepsNearWhenLost => {
                near(&[(Fault::LineLost, 60), (Fault::TimePasses, 60)])
            }
            Self::DropsNoOwnWrites => near(&[]),
            _ => None,
        }
    }
}

/// Redis evicts markers of writes in doubt, as it does with a policy that it must not have. Until a write is finished its cells may be
/// old then; after that they may not.
pub const MARKERS_EVICTED: Bias =
    Bias { faults: &[(Fault::MarkerEvicted, 60)], only: Operation::Read, is_near: false, is_judged_at_the_end: true };

/// [`Mutation::MarksNothing`]: the database does as if it had.
pub const MARKS_NOTHING: &str = "
CREATE FUNCTION marks_nothing() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
CREATE TRIGGER marks_nothing BEFORE UPDATE ON larder_behind FOR EACH ROW EXECUTE FUNCTION marks_nothing()";

/// A store on which a rule does not hold.
pub struct Mutant {
    store: RedisStore,
    mutation: Mutation,
    cells: Mutex<Cells>,
    /// The stamps that were seen last.
    stamps: Mutex<HashMap<CellKey, Nonce>>,
}

impl Mutant {
    /// That store without that rule; `cells` are the store's.
    #[must_use]
    pub fn new(store: RedisStore, mutation: Mutation, cells: Cells) -> Self {
        Self { store, mutation, cells: Mutex::new(cells), stamps: Mutex::default() }
    }

    fn cells(&self) -> MutexGuard<'_, Cells> {
        self.cells.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts a whole cell in place, unless it is a marker's and markers are heeded.
    fn put(&self, key: &CellKey, bytes: &[u8], heeds_markers: bool) -> Result<bool, StoreError> {
        let mut cells = self.cells();
        let is_marked = cells.bytes(key).map_err(failed)?.is_some_and(|cell| cell.first() == Some(&b'M'));
        if heeds_markers && is_marked {
            return Ok(false);
        }
        cells.put(key, bytes, false).map_err(failed)?;
        Ok(true)
    }

    /// A tree with the stamp that its view's version has now, in the place of the one that it was loaded under.
    fn stamped_late<'a>(&self, fill: &Fill<'a>) -> Result<Fill<'a>, StoreError> {
        let Some((version, tree)) = version_of(fill.key).zip(fill.value.get(16..)) else { return Ok(fill.clone()) };
        let (_, found) = self.store.read_stamped(&[], std::slice::from_ref(&version))?;
        let put = if found[0].is_none() { self.store.stamp(&[&version], fill.ttl)?[0] } else { found[0] };
        let value = put.map_or_else(|| fill.value.clone(), |stamp| [stamp.as_bytes(), tree].concat().into());
        Ok(Fill { value, ..fill.clone() })
    }

    fn value(&self, key: &CellKey, stamp: Nonce, value: &Bytes) -> Result<Vec<u8>, StoreError> {
        let fence = self.cells().fence().map_err(failed)?;
        Ok([b"V", &fence.0[..], key.layout().as_bytes(), stamp.as_bytes(), value].concat())
    }
}

/// What is marked where some cells are forgotten: `None` where none is.
fn others<T: Clone>(mutation: Mutation, all: &[T], key: impl Fn(&T) -> &CellKey) -> Option<Vec<T>> {
    let mut n_trees = 0;
    let is_kept = |one: &&T| match mutation {
        Mutation::ForgetsTables => !key(one).as_bytes().ends_with(b":*"),
        Mutation::ForgetsVersions => !is_version(key(one)),
        _ => {
            n_trees += usize::from(version_of(key(one)).is_some());
            version_of(key(one)).is_none() || n_trees == 1
        }
    };
    let forgets = matches!(mutation, Mutation::ForgetsTables | Mutation::ForgetsVersions | Mutation::MarksOneTree);
    forgets.then(|| all.iter().filter(is_kept).cloned().collect())
}

/// Whether a cell is the version of a view.
fn is_version(key: &CellKey) -> bool {
    key.as_bytes().ends_with(b":@RoomTree")
}

/// The version of the view that a cell holds a tree of.
fn version_of(key: &CellKey) -> Option<CellKey> {
    let text = str::from_utf8(key.as_bytes()).ok()?;
    let (version, _) = text.rsplit_once(':')?;
    Some(CellKey::new(version.as_bytes(), Layout::STAMP)).filter(is_version)
}

/// The stamp with which a value begins that is good under one.
fn stamp_of(cell: &Cell) -> Option<Nonce> {
    match cell {
        Cell::Value(bytes) => bytes.first_chunk().copied().map(Nonce::from_bytes),
        _ => None,
    }
}

fn failed(error: redis::RedisError) -> StoreError {
    StoreError::unavailable(error)
}

impl Store for Mutant {
    store::forward!(self.store, except read_stamped, lease, fill, begin, finish, settle, scan);

    fn read_stamped(&self, keys: &[CellKey], stamped: &[CellKey]) -> Result<Stamped, StoreError> {
        let (cells, mut stamps) = self.store.read_stamped(keys, stamped)?;
        if self.mutation == Mutation::KeepsLostStamps {
            let mut known = self.stamps.lock().unwrap_or_else(PoisonError::into_inner);
            for (key, stamp) in stamped.iter().zip(&mut stamps) {
                match stamp {
                    Some(stamp) => drop(known.insert(key.clone(), *stamp)),
                    None => *stamp = known.get(key).copied(),
                }
            }
        }
        if self.mutation == Mutation::KeepsVersions
            && let Some(found) = cells.iter().find_map(stamp_of)
        {
            stamped
                .iter()
                .zip(&mut stamps)
                .filter(|(key, _)| is_version(key))
                .for_each(|(_, stamp)| *stamp = Some(found));
        }
        Ok((cells, stamps))
    }

    fn lease(&self, keys: &[(&CellKey, Vacancy)], ttl: Duration) -> Result<Vec<Option<Lease>>, StoreError> {
        if self.mutation != Mutation::LeasesOverMarkers {
            return self.store.lease(keys, ttl);
        }
        let lease = Lease { token: Nonce::fresh(), fence: self.cells().fence().map_err(failed)? };
        for (key, _) in keys {
            let bytes = [b"L", &lease.fence.0[..], key.layout().as_bytes(), lease.token.as_bytes()].concat();
            self.put(key, &bytes, false)?;
        }
        Ok(vec![Some(lease); keys.len()])
    }

    fn fill(&self, fills: &[Fill<'_>]) -> Result<Vec<bool>, StoreError> {
        if self.mutation == Mutation::StampsTreesLate {
            let late = fills.iter().map(|fill| self.stamped_late(fill)).collect::<Result<Vec<_>, _>>()?;
            return self.store.fill(&late);
        }
        if self.mutation != Mutation::FillsWithoutLease {
            return self.store.fill(fills);
        }
        fills
            .iter()
            .map(|fill| self.put(fill.key, &self.value(fill.key, fill.lease.token, &fill.value)?, true))
            .collect()
    }

    fn begin(
        &self,
        nonce: Nonce,
        keys: &[&CellKey],
        hold: Duration,
        recall: Recall,
    ) -> Result<Option<Position>, StoreError> {
        if let Some(keys) = others(self.mutation, keys, |key| key) {
            return self.store.begin(nonce, &keys, hold, recall);
        }
        match self.mutation {
            Mutation::BeginsNot => Ok(None),
            Mutation::BeginsHalf => self.store.begin(nonce, &keys[..keys.len() / 2], hold, recall),
            Mutation::BeginReplaces => {
                self.cells().delete(keys.iter().copied()).map_err(failed)?;
                self.store.begin(nonce, keys, hold, recall)
            }
            _ => self.store.begin(nonce, keys, hold, recall),
        }
    }

    fn scan(&self, prefix: &[u8], from: Cursor) -> Result<Scanned, StoreError> {
        let scanned = self.store.scan(prefix, from)?;
        if self.mutation == Mutation::WalksPastCells {
            return Ok(Scanned { keys: Vec::new(), ..scanned });
        }
        Ok(scanned)
    }

    fn settle(&self, nonce: Option<Nonce>, keys: &[&CellKey]) -> Result<(), StoreError> {
        if self.mutation != Mutation::SettleKeepsLeases {
            return self.store.settle(nonce, keys);
        }
        for &key in keys {
            let is_leased = self.cells().bytes(key).map_err(failed)?.is_some_and(|cell| cell.first() == Some(&b'L'));
            if !is_leased {
                self.store.settle(nonce, &[key])?;
            }
        }
        Ok(())
    }

    fn finish(&self, nonce: Nonce, endings: &[(&CellKey, Ending)]) -> Result<(), StoreError> {
        if self.mutation == Mutation::LeavesWhatIsNotItsOwn {
            let mut own = Vec::new();
            for (key, ending) in endings {
                let cell = self.cells().bytes(key).map_err(failed)?.unwrap_or_default();
                if cell.first() == Some(&b'M') && cell.windows(16).any(|window| window == nonce.as_bytes()) {
                    own.push((*key, ending.clone()));
                }
            }
            return self.store.finish(nonce, &own);
        }
        if let Some(endings) = others(self.mutation, endings, |(key, _)| key) {
            return self.store.finish(nonce, &endings);
        }
        if self.mutation != Mutation::StoresWhateverCame {
            return self.store.finish(nonce, endings);
        }
        for (key, ending) in endings {
            match ending {
                Ending::Value { value, .. } => {
                    self.put(key, &self.value(key, nonce, value)?, false)?;
                }
                _ => self.store.finish(nonce, &[(key, ending.clone())])?,
            }
        }
        Ok(())
    }
}

/// [`Mutation::RepeatsNonce`], on the process's side of the wire: the nonce under which a write is really begun and ended.
#[derive(Default)]
pub struct Repeater {
    /// By the nonce that larder meant.
    first: Mutex<HashMap<Nonce, Nonce>>,
}

impl Repeater {
    /// Takes the nonce of a first try for that of the second.
    pub fn repeat(&self, first: Nonce, nonce: Nonce) {
        self.first.lock().unwrap_or_else(PoisonError::into_inner).insert(nonce, first);
    }

    /// The nonce to begin and end with.
    #[must_use]
    pub fn nonce(&self, nonce: Nonce) -> Nonce {
        self.first.lock().unwrap_or_else(PoisonError::into_inner).get(&nonce).copied().unwrap_or(nonce)
    }
}
