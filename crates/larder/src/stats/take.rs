//! Taking the figures down.

use serde::Serializer;

use super::{BypassStats, KeyStats, MemoStats, ModelStats, NearStats, OperationStats, Stats, Times};
use crate::{
    figures::{Bypass, Figures, Histogram, ModelFigures},
    layers::Layers,
    store::Operation,
};

impl Stats {
    /// As they stand. A handle without a store has used none, and one without a near cache has none.
    pub(crate) fn of(figures: &Figures, layers: Option<&Layers>) -> Self {
        let mut models: Vec<ModelStats> = figures.models().map(ModelStats::of).collect();
        models.sort_unstable_by_key(|model| model.name);
        let operations = layers.map(|_| Operation::ALL).into_iter().flatten();
        let memos = &figures.memos;
        Self {
            models,
            queries: ModelStats::of(&figures.queries),
            asides: ModelStats::of(&figures.asides),
            near: layers.and_then(Layers::near).map(|near| NearStats {
                evictions: figures.near_evictions.get(),
                flushes: figures.near_flushes.get(),
                line: times(&figures.line),
                ..near.stats()
            }),
            store: operations
                .map(|operation| {
                    let of = figures.operations.of(operation);
                    let (calls, failed, cells) = (times(&of.calls), of.failed.get(), of.cells.get());
                    OperationStats { operation, calls, failed, cells }
                })
                .collect(),
            breaker: layers.and_then(Layers::breaker),
            #[cfg(feature = "behind")]
            behind: None,
            transactions: times(&figures.transactions.committed),
            transactions_failed: figures.transactions.failed.get(),
            memos: MemoStats {
                hits: memos.hits.get(),
                computed: memos.computed.get(),
                failed: memos.failed.get(),
                stale: memos.stale.get(),
            },
            received_of_others: figures.received_of_others.get(),
            relay_lag: times(&figures.relay_lag),
        }
    }
}

impl ModelStats {
    fn of(figures: &ModelFigures) -> Self {
        let bypassed = |why| figures.bypassed(why).get();
        Self {
            name: figures.name(),
            keys: KeyStats {
                near: figures.near_hits.get(),
                flight: figures.flight_hits.get(),
                shared: figures.shared_hits.get(),
                missed: figures.misses.get(),
                bypassed: BypassStats {
                    in_doubt: bypassed(Bypass::InDoubt),
                    unsettled: bypassed(Bypass::Unsettled),
                    failed: bypassed(Bypass::Failed),
                    elsewhere: bypassed(Bypass::Elsewhere),
                    too_short: bypassed(Bypass::TooShort),
                    asked: bypassed(Bypass::Asked),
                    transaction: bypassed(Bypass::Transaction),
                    no_store: bypassed(Bypass::NoStore),
                },
            },
            corrupt: figures.corrupt.get(),
            leases_granted: figures.leases_granted.get(),
            leases_refused: figures.leases_refused.get(),
            lease_waits: times(&figures.lease_waits),
            fills_stored: figures.fills_stored.get(),
            fills_refused: figures.fills_refused.get(),
            fills_failed: figures.fills_failed.get(),
            refreshes_extended: figures.refreshes_extended.get(),
            refreshes_refused: figures.refreshes_refused.get(),
            refreshes_corrected: figures.refreshes_corrected.get(),
            gave_stale: figures.gave_stale.get(),
            copies_kept: figures.copies_kept.get(),
            copies_refused: figures.copies_refused.get(),
            invalidations_sent: figures.invalidations_sent.get(),
            invalidations_received: figures.invalidations_received.get(),
            loads: times(&figures.loads),
            statements: times(&figures.statements),
            statements_failed: figures.statements_failed.get(),
            rows_written: figures.rows_written.get(),
            writes_repeated: figures.writes_repeated.get(),
            refreshes: times(&figures.refreshes),
            refreshes_failed: figures.refreshes_failed.get(),
            refresh_lag: times(&figures.refresh_lag),
        }
    }
}

fn times(histogram: &Histogram) -> Times {
    let level = histogram.level();
    let (p50, p99) = (level.quantile(0.5), level.quantile(0.99));
    Times { n: level.n(), total: level.total, p50, p99, longest: level.longest }
}

pub(super) fn as_text<S: Serializer>(operation: &Operation, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(operation)
}
