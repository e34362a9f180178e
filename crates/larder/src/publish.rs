//! Figures by the `metrics` facade: its counters are raised by what has come since the last time.

mod names;

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

use metrics::Label;

use self::names::describe_all;
use crate::{
    figures::{Figures, Histogram, Level, ModelFigures},
    stats::{ModelStats, NearStats, Stats},
    store::{BreakerState, BreakerStats},
};

/// What was published last.
#[derive(Default)]
pub(crate) struct Published(Mutex<Last>);

#[derive(Default)]
struct Last {
    is_described: bool,
    counters: HashMap<Series, u64>,
    histograms: HashMap<Series, Level>,
}

/// One line of figures: a name and its labels.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Series {
    name: &'static str,
    labels: Vec<(&'static str, String)>,
}

impl Series {
    fn of<const N: usize>(name: &'static str, labels: [(&'static str, &str); N]) -> Self {
        Self { name, labels: labels.into_iter().map(|(label, value)| (label, value.to_owned())).collect() }
    }

    fn labels(&self) -> Vec<Label> {
        self.labels.iter().map(|(label, value)| Label::new(*label, value.clone())).collect()
    }
}

impl Published {
    pub(crate) fn publish(&self, figures: &Figures, stats: &Stats) {
        // Two that publish at once must not both raise a counter by the same.
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if !std::mem::replace(&mut last.is_described, true) {
            describe_all();
        }
        stats.models.iter().for_each(|model| last.model(model));
        figures.models().for_each(|model| last.times_of_model(model));
        for of in &stats.store {
            let operation = of.operation.to_string();
            let labels = || [("operation", operation.as_str())];
            last.counter("larder.store.failures", labels(), of.failed);
            last.counter("larder.store.cells", labels(), of.cells);
            last.times("larder.store.duration", labels(), &figures.operations.of(of.operation).calls);
        }
        stats.near.iter().for_each(|near| last.near(near, figures));
        stats.breaker.iter().for_each(|breaker| last.breaker(breaker));
        last.counter("larder.invalidations.received", [("model", "other")], stats.received_of_others);
        last.times("larder.transaction.duration", [], &figures.transactions.committed);
        last.counter("larder.transaction.failures", [], stats.transactions_failed);
        let memos = &stats.memos;
        for (outcome, n) in
            [("hit", memos.hits), ("computed", memos.computed), ("failed", memos.failed), ("stale", memos.stale)]
        {
            last.counter("larder.memos", [("outcome", outcome)], n);
        }
        last.times("larder.relay.lag", [], &figures.relay_lag);
        #[cfg(feature = "behind")]
        stats.behind.iter().for_each(|behind| last.behind(behind));
    }
}

impl Last {
    fn model(&mut self, of: &ModelStats) {
        let model = ("model", of.name);
        for (name, n) in [
            ("larder.near.hits", of.keys.near),
            ("larder.flight.hits", of.keys.flight),
            ("larder.shared.hits", of.keys.shared),
            ("larder.misses", of.keys.missed),
            ("larder.corrupt", of.corrupt),
            ("larder.stale", of.gave_stale),
            ("larder.invalidations.sent", of.invalidations_sent),
            ("larder.invalidations.received", of.invalidations_received),
            ("larder.statement.failures", of.statements_failed),
            ("larder.rows.written", of.rows_written),
            ("larder.write.repeats", of.writes_repeated),
            ("larder.refresh.failures", of.refreshes_failed),
        ] {
            self.counter(name, [model], n);
        }
        for (reason, n) in of.keys.bypassed.named() {
            self.counter("larder.bypasses", [model, ("reason", reason)], n);
        }
        for (name, outcome, n) in [
            ("larder.leases", "granted", of.leases_granted),
            ("larder.leases", "refused", of.leases_refused),
            ("larder.fills", "stored", of.fills_stored),
            ("larder.fills", "refused", of.fills_refused),
            ("larder.fills", "failed", of.fills_failed),
            ("larder.refreshes", "extended", of.refreshes_extended),
            ("larder.refreshes", "refused", of.refreshes_refused),
            ("larder.refreshes", "corrected", of.refreshes_corrected),
            ("larder.near.copies", "kept", of.copies_kept),
            ("larder.near.copies", "refused", of.copies_refused),
        ] {
            self.counter(name, [model, ("outcome", outcome)], n);
        }
    }

    fn times_of_model(&mut self, of: &ModelFigures) {
        let model = ("model", of.name());
        self.times("larder.lease.wait", [model], &of.lease_waits);
        self.times("larder.load.duration", [model], &of.loads);
        self.times("larder.statement.duration", [model], &of.statements);
        self.times("larder.refresh.duration", [model], &of.refreshes);
        self.times("larder.refresh.lag", [model], &of.refresh_lag);
    }

    fn near(&mut self, near: &NearStats, figures: &Figures) {
        metrics::gauge!("larder.near.bytes").set(near.bytes as f64);
        metrics::gauge!("larder.near.capacity").set(near.capacity_bytes as f64);
        // Without a proof nothing is served, however old it is.
        metrics::gauge!("larder.near.proof_age").set(near.proof_age.map_or(f64::INFINITY, |age| age.as_secs_f64()));
        self.counter("larder.near.evictions", [], near.evictions);
        self.counter("larder.near.flushes", [], near.flushes);
        self.times("larder.line.duration", [], &figures.line);
    }

    fn breaker(&mut self, of: &BreakerStats) {
        let state = match of.state {
            BreakerState::Closed => 0.0,
            BreakerState::Recovering => 1.0,
            BreakerState::Open => 2.0,
        };
        metrics::gauge!("larder.breaker.state").set(state);
        self.counter("larder.breaker.opened", [], of.n_opened);
        self.counter("larder.breaker.spared", [], of.n_spared);
    }

    #[cfg(feature = "behind")]
    fn behind(&mut self, of: &crate::behind::Figures) {
        for (outcome, n) in [
            ("buffered", of.n_buffered),
            ("written_through", of.n_written_through),
            ("full", of.n_full),
            ("away", of.n_away),
            ("flushed", of.n_flushed),
        ] {
            self.counter("larder.behind.calls", [("outcome", outcome)], n);
        }
        self.counter("larder.behind.rows", [], of.n_rows);
        self.counter("larder.behind.rejected", [], of.n_dead);
        self.counter("larder.behind.failures", [], of.n_failed_flushes);
        metrics::gauge!("larder.behind.held").set(of.n_held as f64);
        // Where no flusher of the handle looks, that of another one stays.
        of.lag.iter().for_each(|lag| metrics::gauge!("larder.behind.lag").set(lag.as_secs_f64()));
    }

    fn counter<const N: usize>(&mut self, name: &'static str, labels: [(&'static str, &str); N], value: u64) {
        let series = Series::of(name, labels);
        let counter = metrics::counter!(name, series.labels());
        let last = self.counters.entry(series).or_insert(0);
        counter.increment(value.saturating_sub(*last));
        // A counter of many threads may seem to go back for a moment.
        *last = value.max(*last);
    }

    fn times<const N: usize>(&mut self, name: &'static str, labels: [(&'static str, &str); N], value: &Histogram) {
        let (series, level) = (Series::of(name, labels), value.level());
        let histogram = metrics::histogram!(name, series.labels());
        for (time, n) in level.since(self.histograms.get(&series)) {
            histogram.record_many(time.as_secs_f64(), usize::try_from(n).unwrap_or(usize::MAX));
        }
        self.histograms.insert(series, level);
    }
}
