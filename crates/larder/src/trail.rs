//! What the reads of one scope have touched, and what they have cost.

use std::{
    collections::BTreeSet,
    fmt,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use crate::{entity::Entity, layers::Found, payload, store::CellKey};

/// Of more cells it is only known that there were more, and of which models.
const MOST_CELLS: usize = 10_000;

/// What the reads of a [scope](crate::Scope) have touched so far, and what they have cost. [`Scope::trail`](crate::Scope::trail) gives it.
///
/// For what a response says of itself: where it came from, how many statements it took, and which keys a cache in front of the service is to
/// forget it by.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Trail {
    /// Keys that were answered by what is near, those of versions too; one that was looked for more than once counts as often, as where a read of
    /// async code was begun anew on a thread.
    pub near: u64,
    /// Keys that were answered by the store, those of versions too.
    pub shared: u64,
    /// How often the database was asked: one statement each, unless a query of the application's own has sent several.
    pub statements: u64,
    /// The time of those, the wait for a connection included.
    pub sql: Duration,
    /// Round trips of the store for reads, 512 keys to one.
    pub round_trips: u64,
    /// The time of those.
    pub store: Duration,
    /// The cells that were read, whether they held anything or not: what is written changes the stamps of these. In the order of their keys.
    pub cells: Vec<CellKey>,
    /// The models of which a query has read rows that no cell stands for, and those of which more than 10,000 cells were read.
    pub models: Vec<&'static str>,
}

impl Trail {
    /// The source that is farthest away.
    #[must_use]
    pub fn source(&self) -> Source {
        match self {
            Self { statements: 1.., .. } => Source::Database,
            Self { shared: 1.., .. } => Source::Shared,
            Self { near: 1.., .. } => Source::Near,
            _ => Source::Nowhere,
        }
    }
}

/// Where rows came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Source {
    /// Nothing was read.
    Nowhere,
    /// The memory of the process.
    Near,
    /// The shared store.
    Shared,
    /// The database.
    Database,
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Nowhere => "nowhere",
            Self::Near => "near",
            Self::Shared => "shared",
            Self::Database => "database",
        })
    }
}

/// Takes down what the reads of a scope do.
#[derive(Default)]
pub(crate) struct Follower {
    near: AtomicU64,
    shared: AtomicU64,
    statements: AtomicU64,
    sql: AtomicU64,
    round_trips: AtomicU64,
    store: AtomicU64,
    touched: Mutex<Touched>,
}

#[derive(Default)]
struct Touched {
    cells: BTreeSet<CellKey>,
    models: BTreeSet<&'static str>,
}

impl Follower {
    pub(crate) fn trail(&self) -> Trail {
        let count = |counter: &AtomicU64| counter.load(Ordering::SeqCst);
        let time = |counter: &AtomicU64| Duration::from_nanos(count(counter));
        let touched = self.touched();
        Trail {
            near: count(&self.near),
            shared: count(&self.shared),
            statements: count(&self.statements),
            sql: time(&self.sql),
            round_trips: count(&self.round_trips),
            store: time(&self.store),
            cells: touched.cells.iter().cloned().collect(),
            models: touched.models.iter().copied().collect(),
        }
    }

    /// A key was answered by what is near.
    pub(crate) fn near<E: Entity>(&self, cell: CellKey) {
        self.near.fetch_add(1, Ordering::SeqCst);
        self.cells::<E>(&[cell]);
    }

    /// Keys were looked up in the store.
    pub(crate) fn asked<E: Entity>(&self, cells: &[CellKey], found: &[Found], begun: Instant) {
        let is_hit = |found: &&Found| matches!(found, Found::Hit(_) | Found::Loaded(_));
        self.shared.fetch_add(found.iter().filter(is_hit).count() as u64, Ordering::SeqCst);
        self.round_trip(cells.len(), begun);
        self.cells::<E>(cells);
    }

    /// The version of cells was known by what is near.
    pub(crate) fn near_version(&self, cells: &[CellKey]) {
        self.near.fetch_add(cells.len() as u64, Ordering::SeqCst);
        self.depends_on(cells);
    }

    /// The store was asked for the version of cells.
    pub(crate) fn version(&self, cells: &[CellKey], is_known: bool, begun: Instant) {
        if is_known {
            self.shared.fetch_add(cells.len() as u64, Ordering::SeqCst);
        }
        self.round_trip(cells.len(), begun);
        self.depends_on(cells);
    }

    /// The store had a result of a query.
    pub(crate) fn stored(&self) {
        self.shared.fetch_add(1, Ordering::SeqCst);
    }

    /// The store was asked for something about so many keys.
    pub(crate) fn round_trip(&self, n_keys: usize, begun: Instant) {
        self.round_trips.fetch_add(n_keys.div_ceil(crate::store::BATCH) as u64, Ordering::SeqCst);
        self.store.fetch_add(nanos(begun), Ordering::SeqCst);
    }

    /// The database was asked.
    pub(crate) fn statement(&self, begun: Instant) {
        self.statements.fetch_add(1, Ordering::SeqCst);
        self.sql.fetch_add(nanos(begun), Ordering::SeqCst);
    }

    /// A result that depends on these was read.
    pub(crate) fn depends_on(&self, cells: &[CellKey]) {
        self.touched().cells.extend(cells.iter().cloned());
    }

    /// Rows were read for which no cell stands: any of the model's.
    pub(crate) fn any_of<E: Entity>(&self) {
        let mut touched = self.touched();
        touched.models.insert(E::cells_name());
        touched.cells.insert(payload::table_key(E::cells_name()));
    }

    fn cells<E: Entity>(&self, cells: &[CellKey]) {
        let mut touched = self.touched();
        if touched.cells.len() + cells.len() > MOST_CELLS {
            drop(touched);
            self.any_of::<E>();
        } else {
            touched.cells.extend(cells.iter().cloned());
        }
    }

    fn touched(&self) -> MutexGuard<'_, Touched> {
        // Nothing that can panic halfway through a change runs under this lock.
        self.touched.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn nanos(begun: Instant) -> u64 {
    u64::try_from(begun.elapsed().as_nanos()).unwrap_or(u64::MAX)
}
