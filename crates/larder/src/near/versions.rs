//! Which version of a set of cells was seen last, and whether it is known without asking that it is still the same.

use std::{sync::Arc, time::Duration};

use quick_cache::{Weighter, sync::Cache};

use super::{Leave, NearCache, Seen};
use crate::store::CellKey;

/// A larger set is not watched: to look at each of its cells would cost more than to ask.
const MOST_CELLS: usize = 256;

/// The versions in which cells were seen last, by digests of their keys: nothing older of them is near.
pub(super) struct Versions(Cache<[u8; 16], Known, Weight>);

#[derive(Clone)]
struct Known {
    version: [u8; 16],
    watched: Option<Watched>,
}

/// How things were with the cells before the store was asked.
#[derive(Clone)]
struct Watched {
    seen: Arc<[Seen]>,
    until: u64,
}

/// What a set takes, in bytes, and what it takes to find it.
#[derive(Clone)]
struct Weight;

impl Weighter<[u8; 16], Known> for Weight {
    fn weight(&self, _: &[u8; 16], known: &Known) -> u64 {
        let n_seen = known.watched.as_ref().map_or(0, |watched| watched.seen.len());
        (96 + n_seen * size_of::<Seen>()) as u64
    }
}

impl Versions {
    /// Of as many sets as go into so many bytes.
    pub(super) fn new(n_bytes: u64) -> Self {
        let n_sets = usize::try_from(n_bytes / 128).unwrap_or(usize::MAX);
        Self(Cache::with_weighter(n_sets, n_bytes, Weight))
    }

    pub(super) fn used_bytes(&self) -> u64 {
        self.0.weight()
    }

    pub(super) fn n_bytes(&self) -> u64 {
        self.0.capacity()
    }
}

impl NearCache {
    /// Notes how things are with these cells. To be called **before** the store is asked for their version.
    pub(crate) fn see_all(&self, cells: &[CellKey]) -> Option<Vec<Seen>> {
        (cells.len() <= MOST_CELLS).then(|| cells.iter().map(|cell| self.see(cell)).collect())
    }

    /// The store has told a version of cells. If this handle has not seen it before, what it keeps of them may be from before it, and is dropped,
    /// since whoever knows the version must not be given that. Else it is kept for as long as a copy with this time to live.
    pub(crate) fn note_version(
        &self,
        of: [u8; 16],
        version: [u8; 16],
        seen: Option<Vec<Seen>>,
        cells: &[CellKey],
        ttl: Option<Duration>,
    ) {
        let known = self.versions.0.get(&of);
        if known.is_none_or(|known| known.version != version) {
            // What stands for any row of a table takes its rows along.
            let tables = cells.iter().filter_map(|cell| cell.as_bytes().strip_suffix(b"*"));
            self.slots().kill_cells(cells.iter().map(CellKey::as_bytes).chain(tables));
            // After that: whoever finds it here finds nothing older near. What is kept since then may be newer, so nothing is watched yet.
            self.versions.0.insert(of, Known { version, watched: None });
        } else if let Some(seen) = seen {
            // If the line is lost, or comes back, all that was seen before goes with it.
            let clocks = &self.desk.clocks;
            let until = clocks.ticks().saturating_add(clocks.ticks_of(ttl.map_or(self.ttl, |ttl| ttl.min(self.ttl))));
            let watched = Some(Watched { seen: seen.into(), until });
            self.versions.0.insert(of, Known { version, watched });
        }
    }

    /// The version of cells that was seen last, if none of them was dropped since, and no other copy of one was kept: what is near of them is
    /// of that version, and of no other.
    pub(crate) fn version(&self, leave: Leave, of: [u8; 16]) -> Option<[u8; 16]> {
        let Known { version, watched } = self.versions.0.get(&of)?;
        let Watched { seen, until } = watched?;
        (leave.now < until && seen.iter().all(|seen| self.slots().is_as_seen(*seen))).then_some(version)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        MemoryStore, NearOptions,
        event::NoEvents,
        lookout::{Lookout, Settings},
        near::Near,
        store::{Layout, Listener as _},
    };

    #[test]
    fn a_version_is_known_until_something_of_it_is_dropped_or_kept_anew() {
        let lookout = Arc::new(Lookout::new(Arc::new(NoEvents), Settings::default()));
        let near = NearCache::new(NearOptions::bytes(1 << 20), &MemoryStore::new(), &lookout).unwrap();
        let cells = ["users:id:1", "orders:user_id:1"].map(|key| CellKey::new(key.as_bytes(), Layout::new(1)));
        let version = || near.version(near.leave(Near::Bounded)?, [1; 16]);
        let note = |version, ttl| near.note_version([1; 16], version, near.see_all(&cells), &cells, ttl);
        let seen_twice = |version| [None, None].map(|ttl| note(version, ttl));

        note([7; 16], None);
        assert_eq!(version(), None, "what is near may be from before it, and is only just dropped");
        note([7; 16], None);
        assert_eq!((version(), near.version(near.leave(Near::Bounded).unwrap(), [2; 16])), (Some([7; 16]), None));
        let changes: [&dyn Fn(); 5] = [
            &|| near.slots().kill(cells[1].as_bytes()),
            // A copy that is newer than what was announced.
            &|| assert!(near.slots().claim(near.see(&cells[0])).is_some()),
            &|| near.desk.lost(),
            &|| note([8; 16], None),
            &|| note([7; 16], Some(Duration::ZERO)),
        ];
        for (at, change) in changes.iter().enumerate() {
            near.desk.joined(None);
            near.desk.proven(Duration::MAX, None);
            seen_twice([7; 16]);
            assert_eq!(version(), Some([7; 16]));
            change();
            assert_eq!(version(), None, "after change {at}");
        }
        let seen = near.see_all(&cells);
        near.slots().kill(cells[0].as_bytes());
        near.note_version([1; 16], [7; 16], seen, &cells, None);
        assert_eq!(version(), None, "it was announced while the store was asked");
        near.desk.lost();
        seen_twice([9; 16]);
        near.desk.joined(None);
        near.desk.proven(Duration::MAX, None);
        assert_eq!(version(), None, "what was told while nobody listened may have changed since");
        assert!(near.see_all(&vec![cells[0].clone(); MOST_CELLS + 1]).is_none());
    }
}
