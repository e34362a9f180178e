//! Whether copies may be served at all.

use std::{
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use super::clock::Clocks;
use crate::store::Position;

/// No proof.
const NEVER: u64 = 0;
/// A proof that holds until it is taken back.
const ALWAYS: u64 = u64::MAX;

/// What a store has proven to a listener: up to when everything was told.
pub(super) struct Proof {
    /// In ticks: when the question was sent whose answer came last.
    sent: AtomicU64,
    /// In nanoseconds of the clock that goes on during sleep: until when copies of strict models may be served.
    strict_until: AtomicU64,
    is_joined: AtomicBool,
    place: Mutex<Option<Position>>,
}

impl Proof {
    pub(super) fn none() -> Self {
        Self {
            sent: AtomicU64::new(NEVER),
            strict_until: AtomicU64::new(NEVER),
            is_joined: AtomicBool::new(false),
            place: Mutex::new(None),
        }
    }

    /// Announcements arrive from now on. To be called after all copies were dropped.
    pub(super) fn join(&self, place: Option<Position>) {
        *self.place() = place;
        self.is_joined.store(true, Ordering::SeqCst);
    }

    /// Whether what the store says now will be announced when it changes.
    pub(super) fn is_joined(&self) -> bool {
        self.is_joined.load(Ordering::SeqCst)
    }

    /// Announcements may be missed. To be called before all copies are dropped.
    pub(super) fn take_back(&self) {
        self.is_joined.store(false, Ordering::SeqCst);
        self.sent.store(NEVER, Ordering::SeqCst);
        self.strict_until.store(NEVER, Ordering::SeqCst);
        *self.place() = None;
    }

    pub(super) fn renew(&self, clocks: &Clocks, sent: Duration, strict_for: Option<Duration>) {
        if sent == Duration::MAX {
            self.strict_until.store(strict_for.map_or(NEVER, |_| ALWAYS), Ordering::Release);
            self.sent.store(ALWAYS, Ordering::Release);
            return;
        }
        let until = strict_for.map_or(NEVER, |time| nanoseconds(sent.saturating_add(time)).min(ALWAYS - 1));
        // The age by the clock that does not sleep: while the machine slept, ticks may have stood still.
        let ticks = clocks.ticks();
        let age = clocks.ticks_of(clocks.time().saturating_sub(sent));
        self.strict_until.store(until, Ordering::Release);
        self.sent.store(ticks.saturating_sub(age).clamp(NEVER + 1, ALWAYS - 1), Ordering::Release);
    }

    /// Whether the last proof is younger than so many ticks. A clock that has begun anew has no proof.
    #[inline]
    pub(super) fn is_younger_than(&self, ticks: u64, now: u64) -> bool {
        match self.sent.load(Ordering::Acquire) {
            NEVER => false,
            ALWAYS => true,
            sent => now.wrapping_sub(sent) < ticks,
        }
    }

    /// How old it is: `None` if there is none.
    pub(super) fn age(&self, clocks: &Clocks) -> Option<Duration> {
        match self.sent.load(Ordering::Acquire) {
            NEVER => None,
            ALWAYS => Some(Duration::ZERO),
            sent => {
                let second = clocks.ticks_of(Duration::from_secs(1)).max(1);
                Some(Duration::from_secs_f64(clocks.ticks().saturating_sub(sent) as f64 / second as f64))
            }
        }
    }

    /// Whether copies of strict models may be served.
    pub(super) fn is_strict(&self, clocks: &Clocks) -> bool {
        match self.strict_until.load(Ordering::Acquire) {
            NEVER => false,
            ALWAYS => true,
            until => nanoseconds(clocks.time()) < until,
        }
    }

    /// A write of that place has been told.
    pub(super) fn reach(&self, place: Position) {
        *self.place() = Some(place);
    }

    /// Whether everything up to there has been told.
    pub(super) fn has_reached(&self, place: &Position) -> bool {
        self.place().is_some_and(|reached| reached.is_at_least(place))
    }

    fn place(&self) -> std::sync::MutexGuard<'_, Option<Position>> {
        self.place.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}
