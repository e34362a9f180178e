use std::{
    collections::VecDeque,
    fmt,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use super::{AppendError, Appended, Backlog, Buffer, Bytes, ENTRY_BYTES, Entry, EntryId, Size};
use crate::store::{Clock, Fence, StoreError, SystemClock};

/// What can't lose its memory while somebody can ask it has one life.
const LIFE: Fence = Fence(*b"inmemory");

/// A buffer in this process. **What it holds goes with the process**: a crash loses every write that was acknowledged and not yet
/// flushed. For tests, and for counters of which a loss does not matter.
pub struct MemoryBuffer {
    name: String,
    entries: Mutex<Entries>,
    clock: Box<dyn Clock>,
}

#[derive(Debug, Default)]
struct Entries {
    last: u64,
    n_bytes: u64,
    /// Each with its place and the time when it was added.
    waiting: VecDeque<(u64, Duration, Bytes)>,
}

impl Entries {
    fn size(&self) -> Size {
        Size { n_entries: self.waiting.len() as u64, n_bytes: self.n_bytes }
    }
}

impl MemoryBuffer {
    /// An empty buffer of that name, on the system's clock.
    #[must_use]
    pub fn new(name: impl Into<String>) -> Self {
        Self { name: name.into(), entries: Mutex::default(), clock: Box::new(SystemClock::default()) }
    }

    /// The same, by another clock.
    #[must_use]
    pub fn with_clock(mut self, clock: impl Clock) -> Self {
        self.clock = Box::new(clock);
        self
    }

    fn lock(&self) -> MutexGuard<'_, Entries> {
        // Whatever panicked, it was not between two steps of a change.
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for MemoryBuffer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryBuffer").field("name", &self.name).finish_non_exhaustive()
    }
}

const fn at(place: u64) -> EntryId {
    EntryId { place: (place, 0), life: LIFE }
}

impl Buffer for MemoryBuffer {
    fn name(&self) -> &str {
        &self.name
    }

    fn append(&self, entries: &[Bytes], at_most: Size) -> Result<Appended, AppendError> {
        let now = self.clock.now();
        let mut held = self.lock();
        let before = held.size();
        let with = before.and(Size::of(entries));
        if !with.fits(at_most) {
            return Ok(Appended::Full(before));
        }
        held.n_bytes = with.n_bytes;
        for entry in entries {
            held.last += 1;
            let place = held.last;
            held.waiting.push_back((place, now, entry.clone()));
        }
        Ok(Appended::All(with))
    }

    fn read(&self, n: usize, after: Option<EntryId>) -> Result<Vec<Entry>, StoreError> {
        let (now, after) = (self.clock.now(), after.map_or(0, |id| id.place.0));
        let held = self.lock();
        let from = held.waiting.partition_point(|(place, ..)| *place <= after);
        let entries = held.waiting.iter().skip(from).take(n);
        let entry = |(place, added, bytes): &(u64, Duration, Bytes)| Entry {
            id: at(*place),
            bytes: bytes.clone(),
            waited: now.saturating_sub(*added),
        };
        Ok(entries.map(entry).collect())
    }

    fn remove(&self, entries: &[EntryId]) -> Result<(), StoreError> {
        let mut places: Vec<u64> = entries.iter().map(|id| id.place.0).collect();
        places.sort_unstable();
        let mut held = self.lock();
        held.waiting.retain(|(place, ..)| places.binary_search(place).is_err());
        held.n_bytes = held.waiting.iter().map(|(.., bytes)| bytes.len() as u64 + ENTRY_BYTES).sum();
        Ok(())
    }

    fn backlog(&self) -> Result<Backlog, StoreError> {
        let now = self.clock.now();
        let held = self.lock();
        Ok(Backlog {
            size: held.size(),
            oldest: held.waiting.front().map(|(_, added, _)| now.saturating_sub(*added)),
            newest: held.waiting.back().map(|(place, ..)| at(*place)),
        })
    }
}
