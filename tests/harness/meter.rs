mod entry;
mod sql;
mod store;

use std::{
    fmt::Write as _,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use self::entry::Entry;

/// Counts what goes to the database and to the store; clones count together.
///
/// Statements are counted on the connections of [`crate::pool`], as PostgreSQL gets them: a statement that fails counts, too.
/// Round trips are counted by [`Meter::metered`], [`larder::store::BATCH`] keys to one.
#[derive(Debug, Clone, Default)]
pub struct Meter {
    log: Arc<Mutex<Vec<Entry>>>,
}

/// What a call may cost.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Cost {
    /// SQL statements, without those that only begin, end or set up a transaction.
    pub sql: usize,
    /// Round trips of the store that read.
    pub store_reads: usize,
    /// Round trips of the store that change: leases, fills and the steps of a write.
    pub store_writes: usize,
}

/// Everything that a meter counts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// SQL statements, without those of `session`.
    pub sql: usize,
    /// BEGIN, COMMIT, ROLLBACK, SAVEPOINT, RELEASE, SET and the like, and the pings of a pool.
    pub session: usize,
    /// Round trips of `Store::read`.
    pub reads: usize,
    /// Round trips of `Store::lease`.
    pub leases: usize,
    /// Round trips of `Store::stamp`.
    pub stamps: usize,
    /// Round trips of `Store::fill`.
    pub fills: usize,
    /// Round trips of `Store::begin`.
    pub begins: usize,
    /// Round trips of `Store::finish`.
    pub finishes: usize,
    /// Round trips of `Store::settle`.
    pub settles: usize,
    /// Round trips of `Store::inspect`.
    pub inspects: usize,
    /// Round trips of `Store::extend`.
    pub extensions: usize,
    /// Round trips of `Store::scan`.
    pub scans: usize,
}

impl Counts {
    /// The same in fewer words.
    #[must_use]
    pub fn cost(&self) -> Cost {
        let Self {
            sql,
            session: _,
            reads,
            leases,
            stamps,
            fills,
            begins,
            finishes,
            settles,
            inspects,
            extensions,
            scans,
        } = *self;
        Cost {
            sql,
            store_reads: reads + inspects + scans,
            store_writes: leases + stamps + fills + begins + finishes + settles + extensions,
        }
    }
}

impl Meter {
    /// A meter that has counted nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Entry>> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn add(&self, entry: Entry) {
        self.lock().push(entry);
    }

    /// Forgets what was counted so far.
    pub fn reset(&self) {
        self.lock().clear();
    }

    /// What was counted so far.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.lock().iter().fold(Counts::default(), |mut counts, entry| {
            entry.count(&mut counts);
            counts
        })
    }

    /// What was counted so far, a line each, in the order in which it was sent.
    #[must_use]
    pub fn log(&self) -> String {
        self.lock().iter().fold(String::new(), |mut log, entry| {
            // Writing to a string can't fail.
            let _ = writeln!(log, "{entry}");
            log
        })
    }

    /// The texts of the SQL statements that count as such, with their binds.
    #[must_use]
    pub fn statements(&self) -> Vec<String> {
        self.lock().iter().filter_map(Entry::statement).map(str::to_owned).collect()
    }

    /// Asserts what was spent since the last reset, and resets.
    ///
    /// # Panics
    /// If it was anything else: the message has every statement and every round trip.
    #[track_caller]
    pub fn expect(&self, cost: Cost) {
        self.check(self.counts().cost(), cost);
    }

    /// Asserts what was spent since the last reset, operation by operation, and resets.
    ///
    /// # Panics
    /// If it was anything else: the message has every statement and every round trip.
    #[track_caller]
    pub fn expect_counts(&self, counts: Counts) {
        self.check(self.counts(), counts);
    }

    #[track_caller]
    fn check<C: std::fmt::Debug + PartialEq>(&self, found: C, expected: C) {
        let log = self.log();
        self.reset();
        assert!(found == expected, "expected {expected:?}\n   found {found:?}\n{log}");
    }
}

#[cfg(test)]
mod tests;
