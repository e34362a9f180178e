//! What a handle has counted so far: [`Larder::stats`](crate::Larder::stats).
//!
//! ```no_run
//! # fn example(larder: &larder::Larder<diesel::pg::Pg>) {
//! let stats = larder.stats();
//! println!("{stats}");
//! for model in &stats.models {
//!     println!("{}: {} of {} keys were hits", model.name, model.keys.hits(), model.keys.asked());
//! }
//! # }
//! ```
//!
//! Counters begin at zero with the handle, and only grow. They are read one after the other while all goes on: a sum may lack what
//! happens at that moment.

mod delays;
mod table;
mod take;

use std::time::Duration;

use serde::Serialize;

pub use self::delays::{Delays, Range};
use crate::store::{BreakerStats, Operation};

/// What a handle has counted so far.
#[derive(Debug, Clone, Default, Serialize)]
#[non_exhaustive]
pub struct Stats {
    /// Each model that was read or written through the handle, by name.
    pub models: Vec<ModelStats>,
    /// The near cache, if the handle has one.
    pub near: Option<NearStats>,
    /// Each operation of the store, in the order of [`Operation::ALL`]; none if the handle has no store.
    pub store: Vec<OperationStats>,
    /// The breaker before the store, if there is one.
    pub breaker: Option<BreakerStats>,
    /// From BEGIN to the end of all, of transactions that were committed. A single write is one.
    pub transactions: Times,
    /// Transactions that were rolled back, or of which it is not known.
    pub transactions_failed: u64,
    /// Values of the application's own.
    pub memos: MemoStats,
    /// Cached queries, as if they were a model: a result is a key, and running the query a statement.
    pub queries: ModelStats,
    /// Values of [`Larder::aside`](crate::Larder::aside), in the same way: computing one is a statement.
    pub asides: ModelStats,
    /// Announced changes of models that the handle has neither read nor written, in cells.
    pub received_of_others: u64,
    /// What was written behind, if the handle has a buffer.
    #[cfg(feature = "behind")]
    pub behind: Option<crate::behind::Figures>,
    /// How long ago rows of the outbox were noted when a relay of this handle settled them, the oldest of each batch.
    pub relay_lag: Times,
}

/// What was counted of one model.
#[derive(Debug, Clone, Default, Serialize)]
#[non_exhaustive]
pub struct ModelStats {
    /// What the keys of its cells begin with: the table.
    pub name: &'static str,
    /// What became of each key that was asked for.
    pub keys: KeyStats,
    /// Cells whose bytes were no row of the model.
    pub corrupt: u64,
    /// Leases that were taken, to load a key and fill its cell.
    pub leases_granted: u64,
    /// Leases that were not to be had, since somebody was quicker or nobody may have any.
    pub leases_refused: u64,
    /// How often, and how long, somebody waited for what others had a lease on.
    pub lease_waits: Times,
    /// Loaded values that the store has taken.
    pub fills_stored: u64,
    /// Loaded values that it has not, since a write came between.
    pub fills_refused: u64,
    /// Loaded values that it could not be given, since it failed.
    pub fills_failed: u64,
    /// Values that were about to expire, and were given more time.
    pub refreshes_extended: u64,
    /// Values that were not, since a write had come between.
    pub refreshes_refused: u64,
    /// Values that were not what the database had any more, so that their cells were emptied.
    pub refreshes_corrected: u64,
    /// Keys of which a caller who allows that was given old values.
    pub gave_stale: u64,
    /// Copies that were put into the near cache.
    pub copies_kept: u64,
    /// Copies that were not, since something came between.
    pub copies_refused: u64,
    /// Cells that writes of this handle have marked, and so announced.
    pub invalidations_sent: u64,
    /// Cells whose copies were dropped by an announcement, by whomever; there need not have been a copy.
    pub invalidations_received: u64,
    /// Reads of rows by keys that the near cache did not answer, from their beginning to their rows.
    pub loads: Times,
    /// Its statements, reads and writes, with the wait for a connection.
    pub statements: Times,
    /// Statements that failed, or had no connection.
    pub statements_failed: u64,
    /// Rows that were inserted, updated or deleted, be it in transactions that were rolled back.
    pub rows_written: u64,
    /// How often a single write began again, since the database had rolled it back for others' sake: a deadlock, mostly.
    pub writes_repeated: u64,
    /// Refreshes of a materialized view by this handle, COMMIT and cells aside.
    pub refreshes: Times,
    /// Its refreshes that failed, and left it as it was.
    pub refreshes_failed: u64,
    /// From when a [refresher](crate::refresh::Refresher) of this handle saw a write until the view had it.
    pub refresh_lag: Times,
}

/// What became of keys: each that was asked for is counted once. A key that a call repeats counts once, unless all keys of the call are
/// near.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct KeyStats {
    /// Answered by the near cache.
    pub near: u64,
    /// Taken from another load of this process.
    pub flight: u64,
    /// Answered by the store.
    pub shared: u64,
    /// Loaded from the database, since nobody had them.
    pub missed: u64,
    /// Loaded from the database past the cells, and not filled in.
    pub bypassed: BypassStats,
}

/// Why keys were read past their cells.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct BypassStats {
    /// A write of it is in doubt: between its marker and its end.
    pub in_doubt: u64,
    /// This handle has written it while the store was away, and it is not settled yet.
    pub unsettled: u64,
    /// The store failed.
    pub failed: u64,
    /// Somebody else held the lease, and took too long.
    pub elsewhere: u64,
    /// Its cell has the first rows of the list, and more were wanted.
    pub too_short: u64,
    /// The caller wanted [`Consistency::Database`](crate::Consistency::Database).
    pub asked: u64,
    /// It was read in a transaction.
    pub transaction: u64,
    /// The handle has no store.
    pub no_store: u64,
}

/// The near cache.
#[derive(Debug, Clone, Copy, Default, Serialize)]
#[non_exhaustive]
pub struct NearStats {
    /// What it holds, in bytes, copies that were dropped and not yet replaced included.
    pub bytes: u64,
    /// What it may hold.
    pub capacity_bytes: u64,
    /// How many copies that is.
    pub copies: u64,
    /// Copies that made room for others, without the few that go when the map itself grows.
    pub evictions: u64,
    /// How often all were dropped, since announcements might have been missed.
    pub flushes: u64,
    /// How long it took until a question to the store was answered behind all announcements that it had made before. No announcement
    /// took longer that the store made while such a question was on its way.
    pub line: Times,
    /// How old the proof is that the store tells of every change: no copy that is served is older. `None` while there is none.
    pub proof_age: Option<Duration>,
}

/// One operation of the store.
#[derive(Debug, Clone, Copy, Serialize)]
#[non_exhaustive]
pub struct OperationStats {
    /// Which one.
    #[serde(serialize_with = "take::as_text")]
    pub operation: Operation,
    /// Its calls, those that failed included.
    pub calls: Times,
    /// Those that failed.
    pub failed: u64,
    /// How many cells they were about.
    pub cells: u64,
}

/// Values of the application's own.
#[derive(Debug, Clone, Copy, Default, Serialize)]
#[non_exhaustive]
pub struct MemoStats {
    /// Answered by what was kept, or by what another thread has just computed.
    pub hits: u64,
    /// Computed.
    pub computed: u64,
    /// Computing failed.
    pub failed: u64,
    /// An old value was given, since computing failed.
    pub stale: u64,
}

/// How often something happened, and how long it took.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Times {
    /// How often.
    pub n: u64,
    /// All of it together.
    pub total: Duration,
    /// Half took at most that, to an eighth.
    pub p50: Duration,
    /// 99 of 100 took at most that, to an eighth.
    pub p99: Duration,
    /// The longest.
    pub longest: Duration,
}

impl Stats {
    /// The sums over all models. Its quantiles are zero: they can't be added.
    #[must_use]
    pub fn total(&self) -> ModelStats {
        self.models.iter().fold(ModelStats { name: "all", ..ModelStats::default() }, |mut sum, model| {
            sum.add(model);
            sum
        })
    }

    /// What was counted of the model whose cells' keys begin with `name`.
    #[must_use]
    pub fn model(&self, name: &str) -> Option<&ModelStats> {
        self.models.iter().find(|model| model.name == name)
    }
}

impl KeyStats {
    /// How many were asked for.
    #[must_use]
    pub fn asked(&self) -> u64 {
        self.hits() + self.missed + self.bypassed.total()
    }

    /// How many of them needed no statement.
    #[must_use]
    pub fn hits(&self) -> u64 {
        self.near + self.flight + self.shared
    }
}

impl BypassStats {
    /// All of them.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.named().iter().map(|(_, n)| n).sum()
    }

    /// Each with its name.
    pub(crate) fn named(&self) -> [(&'static str, u64); 8] {
        let Self { in_doubt, unsettled, failed, elsewhere, too_short, asked, transaction, no_store } = *self;
        [
            ("in_doubt", in_doubt),
            ("unsettled", unsettled),
            ("failed", failed),
            ("elsewhere", elsewhere),
            ("too_short", too_short),
            ("asked", asked),
            ("transaction", transaction),
            ("no_store", no_store),
        ]
    }
}

impl ModelStats {
    fn add(&mut self, other: &Self) {
        self.keys.near += other.keys.near;
        self.keys.flight += other.keys.flight;
        self.keys.shared += other.keys.shared;
        self.keys.missed += other.keys.missed;
        self.keys.bypassed.add(&other.keys.bypassed);
        self.corrupt += other.corrupt;
        self.leases_granted += other.leases_granted;
        self.leases_refused += other.leases_refused;
        self.lease_waits.add(&other.lease_waits);
        self.fills_stored += other.fills_stored;
        self.fills_refused += other.fills_refused;
        self.fills_failed += other.fills_failed;
        self.refreshes_extended += other.refreshes_extended;
        self.refreshes_refused += other.refreshes_refused;
        self.refreshes_corrected += other.refreshes_corrected;
        self.gave_stale += other.gave_stale;
        self.copies_kept += other.copies_kept;
        self.copies_refused += other.copies_refused;
        self.invalidations_sent += other.invalidations_sent;
        self.invalidations_received += other.invalidations_received;
        self.loads.add(&other.loads);
        self.statements.add(&other.statements);
        self.statements_failed += other.statements_failed;
        self.rows_written += other.rows_written;
        self.writes_repeated += other.writes_repeated;
        self.refreshes.add(&other.refreshes);
        self.refreshes_failed += other.refreshes_failed;
        self.refresh_lag.add(&other.refresh_lag);
    }
}

impl BypassStats {
    fn add(&mut self, other: &Self) {
        self.in_doubt += other.in_doubt;
        self.unsettled += other.unsettled;
        self.failed += other.failed;
        self.elsewhere += other.elsewhere;
        self.too_short += other.too_short;
        self.asked += other.asked;
        self.transaction += other.transaction;
        self.no_store += other.no_store;
    }
}

impl Times {
    /// The mean: zero if there was nothing.
    #[must_use]
    pub fn mean(&self) -> Duration {
        self.total.checked_div(u32::try_from(self.n).unwrap_or(u32::MAX)).unwrap_or_default()
    }

    fn add(&mut self, other: &Self) {
        let (n, total, longest) = (self.n + other.n, self.total + other.total, self.longest.max(other.longest));
        *self = Self { n, total, longest, ..Self::default() };
    }
}
