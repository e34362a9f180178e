//! What a refresher has done.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use super::Refreshed;

/// What a refresher has done since it was started.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct Figures {
    /// Whether it leads now: only then it refreshes.
    pub is_leader: bool,
    /// How often it has refreshed the view.
    pub n_refreshes: u64,
    /// How often it has failed to.
    pub n_failed: u64,
    /// Its last refresh.
    pub last: Option<Refreshed>,
    /// How long ago that began: nothing that was committed before is missing from the view.
    pub last_began: Option<Duration>,
    /// How long ago it has seen, as the leader, that something was written which the view lacks: `None` if it knows of nothing.
    pub stale_for: Option<Duration>,
    /// Why the last attempt to lead or to refresh has failed: `None` if neither has.
    pub failure: Option<String>,
}

#[derive(Debug, Default)]
pub(super) struct Ledger {
    entries: Mutex<Entries>,
}

#[derive(Debug, Default)]
struct Entries {
    figures: Figures,
    began: Option<Instant>,
    stale_since: Option<Instant>,
    can_not_lead: Option<String>,
}

impl Ledger {
    pub(super) fn leads(&self, is_leader: bool) {
        let mut entries = self.lock();
        entries.figures.is_leader = is_leader;
        if is_leader {
            entries.can_not_lead = None;
        }
        // Whoever leads now knows; this one does not any more.
        entries.stale_since = None;
    }

    /// Why it does not lead, if that is not for another one's sake.
    pub(super) fn can_not_lead(&self, why: Option<String>) {
        self.lock().can_not_lead = why;
    }

    /// The view lacks something that was written.
    pub(super) fn is_stale(&self) {
        self.lock().stale_since.get_or_insert_with(Instant::now);
    }

    /// A refresh that began then has what had been seen: for how long the view had lacked it.
    pub(super) fn refreshed(&self, began: Instant, refreshed: Refreshed) -> Option<Duration> {
        let mut entries = self.lock();
        let Entries { figures, .. } = &mut *entries;
        figures.n_refreshes += 1;
        (figures.last, figures.failure) = (Some(refreshed), None);
        entries.began = Some(began);
        entries.stale_since.take().map(|since| since.elapsed())
    }

    pub(super) fn failed(&self, why: String) {
        let mut entries = self.lock();
        entries.figures.n_failed += 1;
        entries.figures.failure = Some(why);
    }

    pub(super) fn figures(&self) -> Figures {
        let entries = self.lock();
        Figures {
            last_began: entries.began.map(|began| began.elapsed()),
            stale_for: entries.stale_since.map(|since| since.elapsed()),
            failure: entries.can_not_lead.clone().or_else(|| entries.figures.failure.clone()),
            ..entries.figures.clone()
        }
    }

    fn lock(&self) -> MutexGuard<'_, Entries> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
