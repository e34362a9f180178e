//! What larder has counted, in the words of the page.

use std::{sync::Arc, time::Duration};

use diesel::pg::Pg;
use larder::{
    Larder,
    stats::{ModelStats, NearStats, Range, Stats},
    store::BreakerStats,
};
use serde::Serialize;

use crate::outside::Outside;

#[derive(Serialize)]
pub(super) struct Figures {
    /// Tables, cached queries and values of the service's own, by name.
    models: Vec<Model>,
    transactions: u64,
    near: Option<Near>,
    breaker: Option<BreakerStats>,
    relay: Option<Relay>,
    delays: Delays,
}

/// What became of its keys, and what was done to it.
#[derive(Serialize)]
struct Model {
    name: &'static str,
    near: u64,
    /// Keys that the store answered, or a load that somebody else had begun.
    shared: u64,
    database: u64,
    statements: u64,
    rows_written: u64,
    /// Cells whose copies had to be dropped.
    dropped: u64,
    /// Leave to put what was loaded into the store. Where none is granted, the store was met or restarted a moment ago.
    leases_granted: u64,
    leases_refused: u64,
}

#[derive(Serialize)]
struct Near {
    bytes: u64,
    capacity_bytes: u64,
    copies: u64,
    evictions: u64,
    flushes: u64,
    /// No copy that is served is older; none is served while there is no proof.
    proof_age_ms: Option<f64>,
}

#[derive(Serialize)]
struct Relay {
    leads: bool,
    n_rows: u64,
    n_cells: u64,
    /// What is in the outbox, if that is known.
    waiting: Option<u64>,
    oldest_ms: Option<f64>,
}

/// How long it takes until a change is known.
#[derive(Serialize)]
struct Delays {
    announced: Vec<Bar>,
    relayed: Vec<Bar>,
}

#[derive(Serialize)]
struct Bar {
    from_ms: f64,
    to_ms: f64,
    n: u64,
}

impl Figures {
    pub(super) fn of(larder: &Larder<Pg>, outside: Option<&Arc<Outside>>) -> Self {
        let stats = larder.stats();
        let Stats { models, queries, asides, .. } = &stats;
        let models = models.iter().chain([queries, asides]).map(Model::of).filter(Model::was_used).collect();
        let delays = larder.delays();
        Self {
            models,
            transactions: stats.transactions.n,
            near: stats.near.as_ref().map(Near::of),
            breaker: stats.breaker,
            relay: outside.map(Relay::of),
            delays: Delays { announced: bars(&delays.announced), relayed: bars(&delays.relayed) },
        }
    }
}

impl Model {
    fn of(stats: &ModelStats) -> Self {
        let keys = &stats.keys;
        Self {
            name: stats.name,
            near: keys.near,
            shared: keys.shared + keys.flight,
            database: keys.missed + keys.bypassed.total(),
            statements: stats.statements.n,
            rows_written: stats.rows_written,
            dropped: stats.invalidations_received,
            leases_granted: stats.leases_granted,
            leases_refused: stats.leases_refused,
        }
    }

    fn was_used(&self) -> bool {
        self.near + self.shared + self.database + self.statements + self.rows_written > 0
    }
}

impl Near {
    fn of(stats: &NearStats) -> Self {
        let NearStats { bytes, capacity_bytes, copies, evictions, flushes, proof_age, .. } = *stats;
        Self { bytes, capacity_bytes, copies, evictions, flushes, proof_age_ms: proof_age.map(milliseconds) }
    }
}

impl Relay {
    fn of(outside: &Arc<Outside>) -> Self {
        let (figures, lag) = (outside.figures(), outside.lag());
        Self {
            leads: figures.is_leader,
            n_rows: figures.n_rows,
            n_cells: figures.n_cells,
            waiting: lag.map(|lag| lag.n_rows),
            oldest_ms: lag.and_then(|lag| lag.oldest).map(milliseconds),
        }
    }
}

fn bars(ranges: &[Range]) -> Vec<Bar> {
    let bar = |range: &Range| Bar { from_ms: milliseconds(range.from), to_ms: milliseconds(range.to), n: range.n };
    ranges.iter().map(bar).collect()
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}
