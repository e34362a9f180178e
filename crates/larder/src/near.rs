//! The near cache: decoded rows in the memory of the process, for as long as the store proves that it tells of every change.
//!
//! A copy is kept of a cell's value only, and dropped when the store announces a write of the cell, when this handle writes it, or when
//! it turns out that the cell has no value any more. A copy is served while the last proof is younger than the horizon; the proof is
//! the time at which a question was sent whose answer came after all announcements that the store had made until then.

mod clock;
mod kept;
mod options;
mod parts;
mod proof;
mod slots;
mod versions;

use std::{
    any::TypeId,
    hash::BuildHasher,
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError},
    time::Duration,
};

use quick_cache::DefaultHashBuilder;

pub use self::options::{Near, NearOptions};
use self::{clock::Clocks, kept::Entry, parts::Parts, proof::Proof, versions::Versions};
pub(crate) use self::{
    kept::Kept,
    slots::{Seen, Slots, Stamp},
};
use crate::{
    entity::{Entity, Pattern},
    lookout::Lookout,
    payload::Rows,
    stats::NearStats,
    store::{Announcement, CellKey, Listener, Listening, Position, Store, Subscription},
};

/// The near cache of a handle.
pub(crate) struct NearCache {
    desk: Arc<Desk>,
    parts: Parts,
    turns: Turns,
    versions: Versions,
    hasher: DefaultHashBuilder,
    horizon: u64,
    ttl: Duration,
    /// Whether copies are refreshed in the last part of their time. Otherwise none of them has such a part.
    refreshes: bool,
    subscription: OnceLock<Subscription>,
}

/// What the near cache and the store share.
struct Desk {
    slots: Arc<Slots>,
    proof: Proof,
    clocks: Clocks,
    lookout: Arc<Lookout>,
}

/// In this last part of its time a copy is refreshed.
const LAST_PART: u64 = 10;

/// The leave to look at copies, at this moment.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Leave {
    now: u64,
}

impl NearCache {
    /// A near cache in front of `store`: `None` if that can't tell of changes.
    pub(crate) fn new(options: NearOptions, store: &dyn Store, lookout: &Arc<Lookout>) -> Option<Arc<Self>> {
        let NearOptions { bytes, horizon, ttl, refreshes, clock } = options;
        let clocks = clock.map_or_else(Clocks::system, Clocks::Given);
        // A slot for each 256 bytes, which is less than most copies take: some share one all the same, which costs them a miss now and then.
        let n_slots = usize::try_from(bytes >> 8).unwrap_or(usize::MAX).clamp(1 << 10, 1 << 20);
        let horizon_ticks = clocks.ticks_of(horizon);
        let (slots, lookout) = (Arc::new(Slots::new(n_slots)), Arc::clone(lookout));
        let desk = Arc::new(Desk { slots, proof: Proof::none(), clocks, lookout });
        let versions = Versions::new(bytes >> 6);
        let near = Arc::new(Self {
            parts: Parts::new(bytes.saturating_sub(desk.slots.n_bytes() as u64 + versions.n_bytes())),
            desk: Arc::clone(&desk),
            turns: Turns::default(),
            versions,
            hasher: DefaultHashBuilder::default(),
            horizon: horizon_ticks,
            ttl,
            refreshes,
            subscription: OnceLock::new(),
        });
        let wanted = Listening { proof_every: horizon / 3, is_strict: false };
        let subscription = store.listen(desk, wanted)?;
        // Nobody else has it yet.
        let _ = near.subscription.set(subscription);
        Some(near)
    }

    /// The counters of what was dropped.
    pub(crate) fn slots(&self) -> &Arc<Slots> {
        &self.desk.slots
    }

    /// The leave to serve copies of a model, unless there is no proof that they are young enough.
    ///
    /// To be asked **before** copies are looked at: what is found after it was current when it was given, however long the thread is
    /// held up in between. Reads a clock, and costs about as much.
    #[inline]
    pub(crate) fn leave(&self, near: Near) -> Option<Leave> {
        let leave = self.may_leave(near);
        if leave.is_none() && near.is_strict() {
            self.take_strict();
        }
        leave
    }

    /// The same for somebody who only looks: writers are not told that strict rows are read here.
    #[inline]
    pub(crate) fn may_leave(&self, near: Near) -> Option<Leave> {
        let Desk { proof, clocks, .. } = &*self.desk;
        let now = clocks.ticks();
        let may = match near {
            Near::Off => false,
            Near::Bounded => proof.is_younger_than(self.horizon, now),
            Near::Strict | Near::Outwaited => proof.is_strict(clocks),
        };
        may.then_some(Leave { now })
    }

    /// From the first time that a strict row is asked for, writers have to know of this process.
    #[cold]
    fn take_strict(&self) {
        self.subscription.get().into_iter().for_each(Subscription::take_strict);
    }

    /// The copy of a key's cell, unless it will soon expire.
    #[inline]
    pub(crate) fn look<P: Pattern>(&self, leave: Leave, key: &P::Key) -> Option<Kept<P>> {
        let entry = self.parts.of::<P::Entity>().copies.get(&self.hash::<P>(key))?;
        if leave.now >= entry.due || !self.desk.slots.is_good(entry.stamp) {
            return None;
        }
        Kept::read(entry.what, key)
    }

    /// The copy of a key's cell, and whether it will soon expire and is to be refreshed.
    #[inline]
    pub(crate) fn look_until_end<P: Pattern>(&self, leave: Leave, key: &P::Key) -> Option<(Kept<P>, bool)> {
        let entry = self.parts.of::<P::Entity>().copies.get(&self.hash::<P>(key))?;
        if leave.now >= entry.until || !self.desk.slots.is_good(entry.stamp) {
            return None;
        }
        Some((Kept::read(entry.what, key)?, leave.now >= entry.due))
    }

    /// Whether [`NearCache::look_until_end`] may find more than [`NearCache::look`].
    pub(crate) fn refreshes(&self) -> bool {
        self.refreshes
    }

    /// The last copy of a key's cell, be it good or not, and how long ago it was kept.
    pub(crate) fn last<P: Pattern>(&self, key: &P::Key) -> Option<(Kept<P>, Duration)> {
        let entry = self.parts.of::<P::Entity>().copies.get(&self.hash::<P>(key))?;
        let age = self.desk.clocks.ticks().saturating_sub(entry.kept_at);
        let second = self.desk.clocks.ticks_of(Duration::from_secs(1)).max(1);
        Some((Kept::read(entry.what, key)?, Duration::from_secs_f64(age as f64 / second as f64)))
    }

    fn hash<P: Pattern>(&self, key: &P::Key) -> u64 {
        self.hasher.hash_one((TypeId::of::<P>(), key))
    }

    /// Notes how things are with a cell. To be called **before** the store is asked for it, and before it is asked whether the cell must
    /// be passed by.
    pub(crate) fn see(&self, cell: &CellKey) -> Seen {
        self.desk.slots.see(cell.as_bytes())
    }

    /// Keeps what the store has as the cell's value: whether nothing came between.
    pub(crate) fn keep<P: Pattern>(
        &self,
        seen: Seen,
        key: P::Key,
        rows: Rows<Arc<P::Entity>>,
        is_whole: bool,
        ttl: Duration,
    ) -> bool {
        let is_kept = self.keep_again::<P>(seen, key, rows, is_whole, ttl);
        if !is_kept {
            // Whatever came between may have kept what is older than this, which the caller is about to have.
            self.desk.slots.kill_seen(seen);
        }
        is_kept
    }

    /// The same for what is not given to anybody: whatever else is kept stays.
    pub(crate) fn keep_again<P: Pattern>(
        &self,
        seen: Seen,
        key: P::Key,
        rows: Rows<Arc<P::Entity>>,
        is_whole: bool,
        ttl: Duration,
    ) -> bool {
        let Desk { slots, proof, clocks, lookout } = &*self.desk;
        let ttl = clocks.ticks_of(P::Entity::NEAR_TTL.unwrap_or(self.ttl).min(ttl));
        let (hash, kept_at) = (self.hash::<P>(&key), clocks.ticks());
        let until = kept_at.saturating_add(ttl);
        let due = if self.refreshes { until - ttl / LAST_PART } else { until };
        let kept = Kept::<P>::of(key, rows, is_whole);
        let n_bytes = kept.n_bytes();
        let (part, mut evicted) = (self.parts.of::<P::Entity>(), Vec::new());
        let is_kept = {
            // Of two that have claimed one after the other, the later one must also be put in its place later.
            let _turn = self.turns.wait_for(seen);
            // Asked before the claim: if the line is lost from now on, all that is claimed goes with it.
            let stamp = if proof.is_joined() { slots.claim(seen) } else { None };
            if let Some(stamp) = stamp {
                let entry = Entry { what: kept.erased(), stamp, kept_at, due, until, n_bytes };
                // What is too large takes away what was there, and is not kept.
                part.copies.insert_with_lifecycle(hash, entry, &mut evicted);
            }
            stamp.is_some()
        };
        let (figures, of_model) = (&lookout.figures, lookout.figures.of::<P::Entity>());
        let counter = if is_kept { &of_model.copies_kept } else { &of_model.copies_refused };
        counter.one();
        figures.near_evictions.add(evicted.iter().filter(|(of, _)| *of != hash).count() as u64);
        drop(evicted);
        part.kept_one_more();
        is_kept
    }

    /// A value was read past the store, and will be given to the caller before it is known whether the store takes it: copies that are
    /// older are dropped. What comes back is good for [`NearCache::keep`] if the store takes the value.
    pub(crate) fn advance<P: Pattern>(&self, seen: Seen, key: &P::Key) -> Seen {
        let (slots, part) = (&self.desk.slots, self.parts.of::<P::Entity>());
        let hash = self.hash::<P>(key);
        // Whoever has claimed before this has put its copy in its place by now: it may be older, and is not to be seen in the counters.
        let turn = self.turns.wait_for(seen);
        let copy = part.copies.peek(&hash);
        let next = slots.advance(seen, copy.as_ref().is_some_and(|entry| slots.is_good(entry.stamp)));
        drop(turn);
        next
    }

    /// How full it is, and how old its proof.
    pub(crate) fn stats(&self) -> NearStats {
        let Desk { slots, proof, clocks, .. } = &*self.desk;
        // The counters of drops and the versions are a part of what the options allow.
        let n_own_bytes = slots.n_bytes() as u64;
        let parts = self.parts.iter();
        let sums = parts.fold((0, 0, 0), |(bytes, capacity, copies), part| {
            (bytes + part.used_bytes(), capacity + part.n_bytes(), copies + part.copies.len() as u64)
        });
        NearStats {
            bytes: sums.0 + n_own_bytes + self.versions.used_bytes(),
            capacity_bytes: sums.1 + n_own_bytes + self.versions.n_bytes(),
            copies: sums.2,
            proof_age: proof.age(clocks),
            ..NearStats::default()
        }
    }

    /// Whether everything that was announced up to `place` has been told.
    pub(crate) fn has_reached(&self, place: &Position) -> bool {
        self.desk.proof.has_reached(place)
    }
}

/// Lets one at a time keep a copy, among those whose keys share a lock.
#[derive(Default)]
struct Turns([Mutex<()>; 32]);

impl Turns {
    fn wait_for(&self, seen: Seen) -> MutexGuard<'_, ()> {
        self.0[seen.slot() % self.0.len()].lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Listener for Desk {
    fn now(&self) -> Duration {
        self.clocks.time()
    }

    fn joined(&self, place: Option<Position>) {
        self.slots.kill_all();
        self.proof.join(place);
    }

    fn dropped(&self, announcement: &Announcement<'_>) {
        self.lookout.figures.received(announcement.keys.iter().copied());
        self.slots.kill_cells(announcement.keys.iter().copied());
        if let Some(place) = announcement.place {
            self.proof.reach(place);
        }
    }

    fn proven(&self, sent: Duration, strict_for: Option<Duration>) {
        if sent != Duration::MAX {
            self.lookout.figures.line.add(self.clocks.time().saturating_sub(sent));
        }
        self.proof.renew(&self.clocks, sent, strict_for);
    }

    fn lost(&self) {
        self.proof.take_back();
        self.slots.kill_all();
        self.lookout.figures.near_flushes.one();
    }
}
