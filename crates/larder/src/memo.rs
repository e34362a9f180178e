//! Values of the application's own: configuration, and what takes long to compute.

mod flight;

use std::{
    any::{Any, TypeId},
    fmt,
    sync::{Arc, Once},
    time::{Duration, Instant},
};

use quick_cache::sync::Cache;

use self::flight::{Flights, Landing};
use crate::{
    backend::Backend,
    entity::Entity,
    handle::Larder,
    near::{Seen, Slots, Stamp},
};

/// How many values a handle keeps.
const CAPACITY: usize = 10_000;

/// A value by a name, computed once and kept in the memory of the process. [`Larder::memo`] makes it.
///
/// ```no_run
/// # struct Config;
/// # fn read_config() -> Result<Config, std::io::Error> { unimplemented!() }
/// # fn example(larder: larder::Larder<diesel::pg::Pg>) -> Result<(), std::io::Error> {
/// use std::{sync::Arc, time::Duration};
///
/// let config: Arc<Config> = larder.memo("app-config").ttl(Duration::from_secs(60)).load(read_config)?;
/// # Ok(())
/// # }
/// ```
#[must_use = "a value is had by `load`"]
pub struct Memo<'l, DB: Backend> {
    larder: &'l Larder<DB>,
    name: &'l str,
    ttl: Duration,
    stale_for: Duration,
    /// What the keys of the cells of the models begin with that the value depends on.
    depends_on: Vec<Vec<u8>>,
}

impl<DB: Backend> fmt::Debug for Memo<'_, DB> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Memo").field("name", &self.name).field("ttl", &self.ttl).finish_non_exhaustive()
    }
}

impl<'l, DB: Backend> Memo<'l, DB> {
    pub(crate) fn new(larder: &'l Larder<DB>, name: &'l str) -> Self {
        Self { larder, name, ttl: Duration::from_secs(60), stale_for: Duration::ZERO, depends_on: Vec::new() }
    }

    /// How long the value is kept. Defaults to a minute.
    pub fn ttl(mut self, ttl: Duration) -> Self {
        self.ttl = ttl;
        self
    }

    /// The value is computed anew when a row of this model has changed: by this handle, and, if it has a
    /// [near cache](crate::Builder::near), by anybody who writes through larder or whose writes a relay tells of. Models are many if it is
    /// called many times.
    ///
    /// Of a write it is told before that commits, and not after it. So a value that is computed within the time for which writes hold
    /// their markers (15 s) after one is kept for a second at most: while a model is written all the time, what depends on it is computed
    /// once a second.
    /// A handle without a [shared](crate::Builder::shared) store hears of nothing, which `tracing` is told once.
    pub fn depends_on<E: Entity>(mut self) -> Self {
        if self.larder.layers().is_none() {
            self.larder.memos().say_deaf();
        }
        self.depends_on.push([E::cells_name().as_bytes(), b":"].concat());
        self
    }

    /// Where computing the value fails, the last one is given, if it is not older than its time to live and this. Defaults to zero: never.
    pub fn stale_for(mut self, time: Duration) -> Self {
        self.stale_for = time;
        self
    }

    /// The value: as it is kept, or computed by `compute`.
    ///
    /// One thread computes it, and others that ask for it meanwhile wait for up to 30 seconds, unless something that it depends on has
    /// changed since that thread began. A thread that asks for it while it computes it itself computes it once more. If computing fails,
    /// those who take an [old value](Memo::stale_for) get it, and of the others the next one tries. A name stands for values of one
    /// type: under another type it is another value. A value that is kept costs two hashes and a lock.
    ///
    /// # Errors
    /// Those of `compute`. They are not kept.
    pub fn load<T, E>(self, compute: impl FnOnce() -> Result<T, E>) -> Result<Arc<T>, E>
    where
        T: Send + Sync + 'static,
    {
        let (memos, figures) = (self.larder.memos(), &self.larder.lookout().figures.memos);
        let key = Key { value: TypeId::of::<T>(), name: self.name.into() };
        loop {
            let last = memos.kept.get(&key);
            if let Some(value) = last.as_ref().and_then(|kept| kept.good::<T>(&memos.slots, self.ttl)) {
                figures.hits.one();
                return Ok(value);
            }
            let flight = match memos
                .flights
                .board(&key, |theirs: &Vec<Seen>| theirs.iter().all(|seen| memos.slots.stamp(*seen).is_some()))
            {
                // What came of it is kept, or can't be.
                Landing::Waited => continue,
                Landing::Failed => match self.stale::<T>(last) {
                    Some(value) => return Ok(value),
                    None => continue,
                },
                Landing::Own(flight) => flight,
            };
            let names = [name_of(self.name)];
            let seen: Vec<Seen> = names.iter().chain(&self.depends_on).map(|key| memos.slots.see(key)).collect();
            flight.depart(seen.clone());
            // Somebody may have been done in between.
            let last = memos.kept.get(&key);
            if let Some(value) = last.as_ref().and_then(|kept| kept.good::<T>(&memos.slots, self.ttl)) {
                figures.hits.one();
                return Ok(value);
            }
            let value = match compute() {
                Ok(value) => Arc::new(value),
                Err(error) => {
                    figures.failed.one();
                    return self.stale::<T>(last).ok_or(error);
                }
            };
            figures.computed.one();
            if let Some(stamps) = seen.iter().map(|seen| memos.slots.stamp(*seen)).collect() {
                // Of a write one is told before its COMMIT, and not again: what was computed in between has the old rows.
                let is_short = self.depends_on.iter().any(|table| memos.slots.may_be_written(table, memos.hold));
                let value = Arc::clone(&value) as Arc<dyn Any + Send + Sync>;
                memos.kept.insert(key, Kept { value, at: Instant::now(), stamps, is_short });
            }
            flight.land();
            return Ok(value);
        }
    }
}

impl<DB: Backend> Memo<'_, DB> {
    /// The last value, if it will do where computing a new one fails.
    fn stale<T: Send + Sync + 'static>(&self, last: Option<Kept>) -> Option<Arc<T>> {
        if self.stale_for.is_zero() {
            return None;
        }
        let value = last?.no_older_than(self.ttl.saturating_add(self.stale_for))?;
        self.larder.lookout().figures.memos.stale.one();
        // Not by its name, which may have somebody's in it.
        tracing::warn!("an old memo was given, since computing it failed");
        Some(value)
    }
}

/// The key by which a name is told to other processes, which is that of no cell: no table's name is empty.
pub(crate) fn name_of(name: &str) -> Vec<u8> {
    [b":memo:", name.as_bytes()].concat()
}

/// The values of a handle.
pub(crate) struct Memos {
    kept: Cache<Key, Kept>,
    flights: Flights<Key, Vec<Seen>>,
    slots: Arc<Slots>,
    /// How long a write may be on its way after it was told of.
    hold: Duration,
    has_said: Once,
}

#[derive(Clone, PartialEq, Eq, Hash)]
struct Key {
    value: TypeId,
    name: Box<str>,
}

#[derive(Clone)]
struct Kept {
    value: Arc<dyn Any + Send + Sync>,
    at: Instant,
    /// Of its name, and of what it depends on.
    stamps: Arc<[Stamp]>,
    /// Whether it may be of old rows, so that it is kept for a moment only.
    is_short: bool,
}

/// How long a value is kept that was computed while something that it depends on may have been written.
const SHORT: Duration = Duration::from_secs(1);

impl Kept {
    fn good<T: Send + Sync + 'static>(&self, slots: &Slots, ttl: Duration) -> Option<Arc<T>> {
        self.no_older_than(if self.is_short { ttl.min(SHORT) } else { ttl })
            .filter(|_| self.stamps.iter().all(|stamp| slots.is_good(*stamp)))
    }

    fn no_older_than<T: Send + Sync + 'static>(&self, time: Duration) -> Option<Arc<T>> {
        let value = (self.at.elapsed() < time).then(|| Arc::clone(&self.value))?;
        value.downcast().ok()
    }
}

impl Memos {
    pub(crate) fn new(slots: Option<Arc<Slots>>, hold: Duration) -> Self {
        let slots = slots.unwrap_or_else(|| Arc::new(Slots::new(1 << 10)));
        Self { kept: Cache::new(CAPACITY), flights: Flights::default(), slots, hold, has_said: Once::new() }
    }

    /// Nothing is heard of writes that a value is to depend on.
    fn say_deaf(&self) {
        let warn = || {
            tracing::warn!(
                "without a shared store a memo hears of no write that it depends on: it is kept for its time"
            )
        };
        self.has_said.call_once(warn);
    }

    /// Drops the values of a name.
    pub(crate) fn forget(&self, name: &str) {
        self.slots.kill(&name_of(name));
    }
}
