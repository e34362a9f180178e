use std::{collections::HashMap, time::Duration};

use bytes::Bytes;
use quick_cache::{DefaultHashBuilder, Weighter, unsync::Cache};

use super::{
    super::{Cell, CellKey, Ending, Inspected, Layout, Nonce, Vacancy},
    marker::{Marker, Remains},
};

/// Expired markers that nobody touches are looked for when this many keys are marked, or twice as many as lived last time.
const SWEEP_AT: usize = 64;

/// One part of the keys. Each method is what the protocol says of one key, done at once.
pub(super) struct Shard {
    /// Never evicted: forgetting a marker would let an old value back in.
    markers: HashMap<Box<[u8]>, Marker, DefaultHashBuilder>,
    /// A key stands here or among the markers, never in both.
    kept: Cache<Box<[u8]>, Kept, KeptBytes>,
    sweep_at: usize,
}

/// A value or a lease.
#[derive(Clone)]
struct Kept {
    layout: Layout,
    /// Who wrote the value, or may fill it in.
    stamp: Nonce,
    /// `None` is a lease.
    value: Option<Bytes>,
    deadline: Duration,
}

impl Kept {
    /// What it is to somebody who caches in that form.
    fn cell(&self, layout: Layout) -> Cell {
        if self.layout != layout {
            return Cell::Vacant(Vacancy::Foreign);
        }
        match &self.value {
            Some(value) => Cell::Value(value.clone()),
            None => Cell::Leased(self.stamp),
        }
    }
}

#[derive(Clone, Copy)]
struct KeptBytes;

impl Weighter<Box<[u8]>, Kept> for KeptBytes {
    fn weight(&self, key: &Box<[u8]>, kept: &Kept) -> u64 {
        // An entry of the map, its links, and the two allocations.
        const OVERHEAD: usize = size_of::<Kept>() + 96;
        (OVERHEAD + key.len() + kept.value.as_ref().map_or(0, Bytes::len)) as u64
    }
}

impl Shard {
    pub(super) fn new(capacity_bytes: u64) -> Self {
        // Decides how many keys are remembered after their eviction: a few per cent of the memory.
        let estimated_items = usize::try_from(capacity_bytes / 1024).unwrap_or(usize::MAX);
        Self {
            markers: HashMap::default(),
            kept: Cache::with_weighter(estimated_items, capacity_bytes, KeptBytes),
            sweep_at: SWEEP_AT,
        }
    }

    pub(super) fn read(&mut self, key: &CellKey, now: Duration) -> Cell {
        if self.marker(key, now).is_some() {
            return Cell::InDoubt;
        }
        let Some(kept) = self.kept.get(key.as_bytes()) else {
            return Cell::Vacant(Vacancy::Nothing);
        };
        if kept.deadline <= now {
            self.kept.remove(key.as_bytes());
            return Cell::Vacant(Vacancy::Nothing);
        }
        kept.cell(key.layout())
    }

    /// The stamp of a value of whatever layout.
    pub(super) fn stamp(&mut self, key: &CellKey, now: Duration) -> Option<Nonce> {
        if self.marker(key, now).is_some() {
            return None;
        }
        self.kept.get(key.as_bytes()).filter(|kept| kept.value.is_some() && kept.deadline > now).map(|kept| kept.stamp)
    }

    /// Puts a value without bytes where there is nothing: the stamp of the value that is there then.
    pub(super) fn put_stamp(
        &mut self,
        key: &CellKey,
        stamp: Nonce,
        deadline: Duration,
        now: Duration,
    ) -> Option<Nonce> {
        match self.read(key, now) {
            Cell::InDoubt => None,
            Cell::Vacant(Vacancy::Nothing) => {
                self.keep(key, Kept { layout: Layout::STAMP, stamp, value: Some(Bytes::new()), deadline });
                // What is larger than the shard is not kept.
                self.stamp(key, now)
            }
            _ => self.stamp(key, now),
        }
    }

    pub(super) fn lease(
        &mut self,
        key: &CellKey,
        vacancy: Vacancy,
        token: Nonce,
        deadline: Duration,
        now: Duration,
    ) -> bool {
        let vacant = match self.read(key, now) {
            Cell::Vacant(_) => true,
            Cell::Value(_) => {
                let is_it = |kept: &Kept| vacancy == Vacancy::Outdated(kept.stamp);
                self.kept.peek(key.as_bytes()).is_some_and(is_it)
            }
            Cell::Leased(_) | Cell::InDoubt => false,
        };
        if vacant {
            self.keep(key, Kept { layout: key.layout(), stamp: token, value: None, deadline });
        }
        vacant
    }

    pub(super) fn fill(
        &mut self,
        key: &CellKey,
        token: Nonce,
        value: Bytes,
        deadline: Duration,
        now: Duration,
    ) -> bool {
        let in_place = self.read(key, now) == Cell::Leased(token);
        if in_place {
            self.keep_value(key, token, value, deadline);
        }
        in_place
    }

    pub(super) fn begin(&mut self, key: &CellKey, nonce: Nonce, deadline: Duration, now: Duration) {
        self.kept.remove(key.as_bytes());
        match self.marker(key, now) {
            Some(marker) => marker.join(nonce, deadline, now),
            None => {
                self.sweep(now);
                self.markers.insert(key.as_bytes().into(), Marker::new(nonce, deadline));
            }
        }
    }

    /// Ends a write: whether somebody may have taken a copy of what is older, since its marker was not there any more.
    pub(super) fn finish(&mut self, key: &CellKey, nonce: Nonce, ending: Ending, now: Duration) -> bool {
        let committed = !matches!(ending, Ending::RolledBack);
        let Some(marker) = self.marker(key, now) else {
            // Our marker was lost, and what came since may be older than what we committed.
            if committed {
                self.kept.remove(key.as_bytes());
            }
            return committed;
        };
        match marker.leave(nonce) {
            Remains::Others => {
                if committed {
                    marker.poison();
                }
                return committed;
            }
            Remains::Shared => {}
            Remains::Dirty => self.unmark(key),
            Remains::Clean => {
                self.unmark(key);
                if let Ending::Value { value, ttl } = ending {
                    self.keep_value(key, nonce, value, now.saturating_add(ttl));
                }
            }
        }
        false
    }

    pub(super) fn settle(&mut self, key: &CellKey, nonce: Option<Nonce>, now: Duration) {
        if let Some(marker) = self.marker(key, now) {
            if !nonce.is_some_and(|nonce| marker.has(nonce)) {
                marker.poison();
            }
            return;
        }
        self.kept.remove_if(key.as_bytes(), |kept| kept.value.is_none() || Some(kept.stamp) != nonce);
    }

    /// Uses nothing: what is looked at here is evicted as if it had not been.
    pub(super) fn inspect(&mut self, key: &CellKey, now: Duration) -> Inspected {
        let nothing = Inspected { cell: Cell::Vacant(Vacancy::Nothing), stamp: None, expires_in: None };
        if let Some(marker) = self.marker(key, now) {
            return Inspected { cell: Cell::InDoubt, expires_in: Some(marker.expires_in(now)), ..nothing };
        }
        let Some(kept) = self.kept.peek(key.as_bytes()).filter(|kept| kept.deadline > now) else {
            return nothing;
        };
        let cell = kept.cell(key.layout());
        let stamp = matches!(cell, Cell::Value(_)).then_some(kept.stamp);
        Inspected { cell, stamp, expires_in: Some(kept.deadline.saturating_sub(now)) }
    }

    /// Uses nothing either: it is who reads that keeps a value from being evicted.
    pub(super) fn extend(&mut self, key: &CellKey, stamp: Nonce, deadline: Duration, now: Duration) -> bool {
        let inspected = self.inspect(key, now);
        let is_there = matches!(inspected.cell, Cell::Value(_)) && inspected.stamp == Some(stamp);
        if is_there && let Some(mut kept) = self.kept.peek_mut(key.as_bytes()) {
            kept.deadline = deadline;
        }
        is_there
    }

    /// What lives under keys that begin so.
    pub(super) fn keys(&self, prefix: &[u8], now: Duration) -> Vec<CellKey> {
        let kept = self.kept.iter().filter(|(_, kept)| kept.deadline > now).map(|(key, _)| key);
        let marked = self.markers.iter().filter(|(_, marker)| marker.is_live(now)).map(|(key, _)| key);
        kept.chain(marked)
            .filter(|key| key.starts_with(prefix))
            .map(|key| CellKey::new(key.clone(), Layout::UNKNOWN))
            .collect()
    }

    /// The marker of a key, if it has not expired.
    fn marker(&mut self, key: &CellKey, now: Duration) -> Option<&mut Marker> {
        // Most shards have none most of the time, and a hash is a good part of what a hit costs.
        if self.markers.is_empty() {
            return None;
        }
        if !self.markers.get(key.as_bytes())?.is_live(now) {
            self.unmark(key);
            return None;
        }
        self.markers.get_mut(key.as_bytes())
    }

    fn unmark(&mut self, key: &CellKey) {
        self.markers.remove(key.as_bytes());
    }

    /// Takes expired markers away now and then, at a cost that is constant for each marker in the long run.
    fn sweep(&mut self, now: Duration) {
        if self.markers.len() >= self.sweep_at {
            self.markers.retain(|_, marker| marker.is_live(now));
            self.sweep_at = SWEEP_AT.max(2 * self.markers.len());
        }
    }

    fn keep_value(&mut self, key: &CellKey, stamp: Nonce, value: Bytes, deadline: Duration) {
        self.keep(key, Kept { layout: key.layout(), stamp, value: Some(value), deadline });
    }

    fn keep(&mut self, key: &CellKey, kept: Kept) {
        self.kept.insert(key.as_bytes().into(), kept);
    }

    #[cfg(test)]
    pub(super) fn n_marked(&self) -> usize {
        self.markers.len()
    }
}
