//! How a handle is seen from outside: its figures, its spans, and reports of calls that are slow, or should be one.

mod call;
mod reports;
mod statement;

use std::{
    panic::Location,
    sync::Arc,
    time::{Duration, Instant},
};

use self::reports::Reports;
pub(crate) use self::{
    call::Call,
    statement::{Sent, text_of},
};
use crate::{
    entity::Entity,
    error::Result,
    event::{self, Event, HandleEvent},
    figures::{Counter, Figures},
};

/// The line of the program that has called the repository.
pub(crate) type Site = &'static Location<'static>;

/// What watches over a handle and its transactions.
pub(crate) struct Lookout {
    pub(crate) figures: Figures,
    events: Arc<dyn HandleEvent>,
    settings: Settings,
    reports: Reports,
    #[cfg(feature = "metrics")]
    pub(crate) published: crate::publish::Published,
}

/// What is reported.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Settings {
    /// Calls that take longer.
    pub(crate) slow_after: Duration,
    /// The same single call more often than that within one scope; zero for never.
    pub(crate) repeats: u32,
}

impl Default for Settings {
    fn default() -> Self {
        Self { slow_after: Duration::from_secs(1), repeats: if cfg!(debug_assertions) { 10 } else { 0 } }
    }
}

impl Lookout {
    pub(crate) fn new(events: Arc<dyn HandleEvent>, settings: Settings) -> Self {
        Self {
            figures: Figures::default(),
            events,
            settings,
            reports: Reports::default(),
            #[cfg(feature = "metrics")]
            published: Default::default(),
        }
    }

    /// Runs a transaction to its end: a span, and an entry in the figures.
    pub(crate) fn transaction<T>(&self, run: impl FnOnce() -> Result<T>) -> Result<T> {
        let _entered = tracing::debug_span!("larder.transaction").entered();
        let (figures, begun) = (&self.figures.transactions, Instant::now());
        // What panics is rolled back too.
        let mut end = OnEnd { failed: &figures.failed, is_committed: false };
        let result = run();
        if result.is_ok() {
            end.is_committed = true;
            figures.committed.add(begun.elapsed());
        }
        result
    }

    /// The same single call more often than that within one scope is reported; zero for never.
    #[inline]
    pub(crate) fn repeats(&self) -> u32 {
        self.settings.repeats
    }

    /// Watches over a call until what comes back goes.
    pub(crate) fn watch<E: Entity>(&self, call: &'static str, site: Option<Site>) -> Watch<'_> {
        Watch { lookout: self, model: E::cells_name(), call, site, begun: Instant::now() }
    }

    /// Reports a call that took that long, if it is too long.
    fn took(&self, model: &'static str, call: &str, n_keys: usize, took: Duration, site: Option<Site>) {
        if took > self.settings.slow_after && self.reports.is_due(site, model) {
            self.tell(Event::Slow { model, call, n_keys, took, site });
        }
    }

    /// Reports a single call that comes again and again.
    pub(crate) fn repeated(&self, model: &'static str, call: &str, instead: &str, n_calls: u32, site: Site) {
        if self.reports.is_due(Some(site), &format!("{model} {call}")) {
            self.tell(Event::Repeated { model, call, instead, n_calls, site });
        }
    }

    pub(crate) fn tell(&self, event: Event<'_>) {
        event::trace(event);
        self.events.handle(event);
    }
}

/// Counts a transaction that was not committed.
struct OnEnd<'f> {
    failed: &'f Counter,
    is_committed: bool,
}

impl Drop for OnEnd<'_> {
    fn drop(&mut self) {
        self.failed.add(u64::from(!self.is_committed));
    }
}

/// A call that is reported if it takes too long.
pub(crate) struct Watch<'l> {
    lookout: &'l Lookout,
    model: &'static str,
    call: &'static str,
    site: Option<Site>,
    begun: Instant,
}

impl Drop for Watch<'_> {
    fn drop(&mut self) {
        self.lookout.took(self.model, self.call, 0, self.begun.elapsed(), self.site);
    }
}
