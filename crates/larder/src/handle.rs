//! The handle that an application keeps.

use std::{fmt, sync::Arc, thread, time::Duration};

use diesel::r2d2::{ConnectionManager, Pool, PooledConnection};

use crate::{
    backend::{Backend, Isolation},
    error::{Error, Result},
    event::{HandleEvent, NoEvents},
    layers::{Layers, Times},
    models::Models,
    store::Store,
    transaction::Tx,
    verify::Verify,
    writes::{Policy, Writes},
};

/// A database with caches in front of it.
///
/// Made by [`Larder::builder`], cheap to clone, shared between threads. Repositories are made on it:
/// `User::repository(&larder)`.
pub struct Larder<DB: Backend> {
    inner: Arc<Inner<DB>>,
}

struct Inner<DB: Backend> {
    pool: Pool<ConnectionManager<DB::Connection>>,
    layers: Option<Layers>,
    times: Times,
    policy: Policy,
    announces: bool,
}

impl<DB: Backend> Clone for Larder<DB> {
    fn clone(&self) -> Self {
        Self { inner: Arc::clone(&self.inner) }
    }
}

impl<DB: Backend> fmt::Debug for Larder<DB> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Larder").field("cached", &self.inner.layers.is_some()).finish_non_exhaustive()
    }
}

impl<DB: Backend> Larder<DB> {
    /// Starts to build a handle on a pool of connections.
    ///
    /// The pool is r2d2's, as Diesel has it. Its `test_on_check_out` sends a `SELECT 1` before each use, which costs a find by
    /// key two fifths of its speed: turn it off unless connections die in silence where you are.
    pub fn builder(pool: Pool<ConnectionManager<DB::Connection>>) -> Builder<DB> {
        Builder {
            pool,
            store: None,
            events: None,
            ttl: None,
            absent_ttl: None,
            lease: None,
            commit_within: None,
            commit_takes: None,
            writes: None,
            fill_in_background: true,
            announces: false,
        }
    }

    /// Runs `work` in a transaction; after this has returned, every layer has its new rows or none.
    ///
    /// Reads in it see the transaction's own rows and pass by every cache. After `work` has returned `Ok` and before COMMIT, all
    /// cells of all changed rows are marked as in doubt (one round trip a 512 cells); after COMMIT they are given their new
    /// values or emptied (as many). READ COMMITTED on PostgreSQL; on SQLite the transaction holds the write lock from its start.
    /// On PostgreSQL `work` may not let the connection idle for longer than [`Builder::commit_within`] between two statements.
    ///
    /// # Errors
    /// Whatever `work` returns: then all is rolled back, as it is if `work` panics. [`Error::Database`] if COMMIT fails, [`Error::Store`]
    /// (of [strict](Writes::Strict) transactions), [`Error::TooSlow`] or [`Error::TooManyCells`] if the changed cells could not be marked:
    /// rolled back too.
    /// [`Error::CommitUnknown`] if the connection was lost during COMMIT.
    pub fn transaction<T>(&self, work: impl FnOnce(&Tx<DB>) -> Result<T>) -> Result<T> {
        Tx::run_to_end(self, TransactionOptions::default(), work)
    }

    /// As [`Larder::transaction`], with an isolation level, and trying again what failed only because of others.
    ///
    /// `work` is run up to `1 + options.retries` times, from the start, while [`Error::is_retryable`] says so. Between two tries
    /// the thread sleeps for a random time, of up to 2 ms at first and then twice as long each time, but no longer than 128 ms: two
    /// that have just got into each other's way would do so again.
    ///
    /// # Errors
    /// As [`Larder::transaction`], of the last try.
    pub fn transaction_with<T>(
        &self,
        options: TransactionOptions,
        mut work: impl FnMut(&Tx<DB>) -> Result<T>,
    ) -> Result<T> {
        let mut n_tries = 0;
        loop {
            match Tx::run_to_end(self, options, &mut work) {
                Err(error) if error.is_retryable() && n_tries < options.retries => thread::sleep(pause_after(n_tries)),
                result => return result,
            }
            n_tries += 1;
        }
    }

    /// Compares what the store serves of some models with what the database has.
    ///
    /// ```no_run
    /// # fn example(larder: larder::Larder<diesel::pg::Pg>, models: larder::Models<diesel::pg::Pg>) -> larder::Result<()> {
    /// let report = larder.verify(&models).sample(10_000).rate(500).run()?;
    /// for wrong in &report.mismatches {
    ///     println!("{}: {}, stored at most {:?} ago", wrong.key, wrong.difference, wrong.at_most_age);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn verify<'a>(&'a self, models: &'a Models<DB>) -> Verify<'a, DB> {
        Verify::new(self, models)
    }

    /// Waits until everything that was loaded so far has been stored, or given up because the store failed or a write came between, but
    /// no longer than `at_most`: whether it was.
    ///
    /// For tests, and for a process that wants to leave its caches full. Nothing is lost otherwise.
    pub fn flush(&self, at_most: Duration) -> bool {
        self.layers().is_none_or(|layers| layers.flush(at_most))
    }

    pub(crate) fn connection(&self) -> Result<PooledConnection<ConnectionManager<DB::Connection>>> {
        self.inner.pool.get().map_err(Error::Pool)
    }

    #[cfg(feature = "postgres")]
    pub(crate) fn pool(&self) -> &Pool<ConnectionManager<DB::Connection>> {
        &self.inner.pool
    }

    pub(crate) fn layers(&self) -> Option<&Layers> {
        self.inner.layers.as_ref()
    }

    pub(crate) fn policy(&self) -> &Policy {
        &self.inner.policy
    }

    pub(crate) fn commit_within(&self) -> Duration {
        self.inner.times.commit_within
    }

    pub(crate) fn announces(&self) -> bool {
        self.inner.announces
    }
}

/// How [`Larder::transaction_with`] runs a transaction.
#[derive(Debug, Clone, Copy, Default)]
pub struct TransactionOptions {
    /// How much it is kept apart from others. Defaults to READ COMMITTED.
    pub isolation: Isolation,
    /// How often it is tried again after a serialization failure, a deadlock, or on SQLite a locked database. Defaults to 0.
    ///
    /// On PostgreSQL, deadlocks are seen only where the server's `lc_messages` is English: see [`Error::is_retryable`].
    pub retries: u32,
    /// Whether it goes on if the store can't be told of it. Defaults to what its models say ([`Builder::writes`]).
    pub writes: Option<Writes>,
}

/// The longest that a COMMIT may be waited for.
const HOUR: Duration = Duration::from_secs(3_600);

/// How long to wait after so many tries that failed before this one.
fn pause_after(n_tries: u32) -> Duration {
    let at_most = Duration::from_millis(2 << n_tries.min(6));
    // Without randomness it is only longer than it might be.
    at_most.mul_f64(getrandom::u32().map_or(1.0, |random| f64::from(random) / f64::from(u32::MAX)))
}

/// Builds a [`Larder`].
pub struct Builder<DB: Backend> {
    pool: Pool<ConnectionManager<DB::Connection>>,
    store: Option<Arc<dyn Store>>,
    events: Option<Arc<dyn HandleEvent>>,
    ttl: Option<Duration>,
    absent_ttl: Option<Duration>,
    lease: Option<Duration>,
    commit_within: Option<Duration>,
    commit_takes: Option<Duration>,
    writes: Option<Writes>,
    fill_in_background: bool,
    announces: bool,
}

impl<DB: Backend> fmt::Debug for Builder<DB> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder").field("shared", &self.store.is_some()).finish_non_exhaustive()
    }
}

impl<DB: Backend> Builder<DB> {
    /// The store that holds the cells: `MemoryStore` if this process is the only one that writes to the tables, `RedisStore`
    /// (crate `larder-redis`) if there are more. Defaults to none: every read goes to the database.
    #[must_use]
    pub fn shared(self, store: impl Store) -> Self {
        self.shared_arc(Arc::new(store))
    }

    /// As [`Builder::shared`], for a store that others hold too.
    #[must_use]
    pub fn shared_arc(mut self, store: Arc<dyn Store>) -> Self {
        self.store = Some(store);
        self
    }

    /// Who is told of what happens beside the results. Defaults to nobody; `tracing` is told in any case.
    #[must_use]
    pub fn events(mut self, events: impl HandleEvent) -> Self {
        self.events = Some(Arc::new(events));
        self
    }

    /// How long a value lives in the store, less up to a tenth, unless its model has a `ttl` of its own. Defaults to 10 minutes.
    ///
    /// It bounds what is left of a mistake outside of the protocol, such as a write past larder that nobody told it of.
    #[must_use]
    pub fn ttl(mut self, ttl: Duration) -> Self {
        self.ttl = Some(ttl);
        self
    }

    /// How long it is remembered that no row has a key. Defaults to 30 seconds.
    #[must_use]
    pub fn absent_ttl(mut self, ttl: Duration) -> Self {
        self.absent_ttl = Some(ttl);
        self
    }

    /// How long a reader has to load what it found missing, before another may. Defaults to 4 seconds.
    #[must_use]
    pub fn lease(mut self, lease: Duration) -> Self {
        self.lease = Some(lease);
        self
    }

    /// How long after its last statement COMMIT may still be sent. From 10 milliseconds to an hour; what is beyond counts as that.
    /// Defaults to 3 seconds.
    ///
    /// PostgreSQL is told to end a transaction that idles for longer.
    #[must_use]
    pub fn commit_within(mut self, within: Duration) -> Self {
        self.commit_within = Some(within);
        self
    }

    /// How long a COMMIT may take once it is sent: the disk, and a replica that it waits for. An hour at most. Defaults to 12 seconds.
    ///
    /// Writes hold their markers for this and [`commit_within`](Self::commit_within) together, 15 seconds by default: so long do the cells
    /// of a transaction whose fate is not known stay out of use. A COMMIT that takes longer can leave old values in the caches. The
    /// store is told of that time ([`Store::attach`]), since for as long it may grant no leases after it has lost markers: a
    /// `RedisStore` lengthens its quarantine, unless that was set by hand. Where processes that share a store have different values,
    /// set the quarantine by hand, to the longest.
    #[must_use]
    pub fn commit_takes(mut self, at_most: Duration) -> Self {
        self.commit_takes = Some(at_most);
        self
    }

    /// Whether writes go on while the store is away, unless a model or a transaction says otherwise. Defaults to
    /// [`Writes::Available`] where the database has an [`outbox`](crate::outbox), and to [`Writes::Strict`] elsewhere.
    ///
    /// What a transaction's options say counts first. Without that, it is strict if one of the models whose rows it changed is, be it by
    /// its own `#[larder(writes = strict)]` or, if it says nothing, by this. Whether there is an outbox is asked by the first write that
    /// the store can't be told of, and again by each later one as long as there is none.
    #[must_use]
    pub fn writes(mut self, writes: Writes) -> Self {
        self.writes = Some(writes);
        self
    }

    /// Whether writes are announced in PostgreSQL's write-ahead log, for a follower of it (crate `larder-wal`). Defaults to `false`.
    ///
    /// The follower then keeps the values that a write has stored itself. Otherwise it empties them like everybody's, since the log
    /// does not say who wrote; that costs the next reader a query. Some 60 bytes of the log for each write, in the message of its COMMIT.
    /// A row that a transaction has written by a repository and then by [`Tx::run`] must be told of by [`Tx::touching`]: the follower
    /// takes the whole transaction for what larder has stored.
    #[must_use]
    pub fn announce(mut self, announce: bool) -> Self {
        self.announces = announce;
        self
    }

    /// Whether what was loaded is stored by a thread of the handle's own, after the caller has it, or by the caller. Defaults to the
    /// thread.
    ///
    /// Until it is stored, this handle answers for it from memory, and others go to the database. A caller that finds the thread's
    /// queue full stores its rows itself.
    #[must_use]
    pub fn fill_in_background(mut self, in_background: bool) -> Self {
        self.fill_in_background = in_background;
        self
    }

    /// The handle. Opens no connection; one that lies idle in the pool is asked whether the database has an [`outbox`](crate::outbox),
    /// and `tracing` is told what that means for writes while the store is away.
    #[must_use]
    pub fn build(self) -> Larder<DB> {
        let commit_within = self.commit_within.unwrap_or(Duration::from_secs(3)).clamp(Duration::from_millis(10), HOUR);
        let commit_takes = self.commit_takes.unwrap_or(Duration::from_secs(12)).min(HOUR);
        let times = Times {
            ttl: self.ttl.unwrap_or(Duration::from_secs(600)),
            absent_ttl: self.absent_ttl.unwrap_or(Duration::from_secs(30)),
            lease: self.lease.unwrap_or(Duration::from_secs(4)),
            commit_within,
            hold: commit_within + commit_takes,
        };
        if let Some(store) = &self.store {
            store.attach(times.hold);
        }
        let events = self.events.unwrap_or_else(|| Arc::new(NoEvents));
        let layers = self.store.map(|store| Layers::new(store, times, events, self.fill_in_background));
        let policy = Policy::new(self.writes);
        if layers.is_some() {
            policy.look::<DB>(&self.pool);
        }
        Larder { inner: Arc::new(Inner { pool: self.pool, layers, times, policy, announces: self.announces }) }
    }
}

#[cfg(test)]
#[cfg(feature = "sqlite")]
mod tests {
    use std::sync::Mutex;

    use diesel::{SqliteConnection, sqlite::Sqlite};

    use super::*;
    use crate::store::{
        Cell, CellKey, Cursor, Ending, Fill, Inspected, Lease, MemoryStore, Nonce, Scanned, StoreError, Vacancy,
        Watched,
    };

    /// A store in process that remembers for how long it was told that markers are held.
    struct Told {
        store: MemoryStore,
        holds: Arc<Mutex<Vec<Duration>>>,
    }

    impl Store for Told {
        fn attach(&self, hold: Duration) {
            self.holds.lock().unwrap().push(hold);
        }

        fn read(&self, keys: &[CellKey]) -> Result<Vec<Cell>, StoreError> {
            self.store.read(keys)
        }

        fn lease(&self, keys: &[(&CellKey, Vacancy)], ttl: Duration) -> Result<Vec<Option<Lease>>, StoreError> {
            self.store.lease(keys, ttl)
        }

        fn fill(&self, fills: &[Fill<'_>]) -> Result<Vec<bool>, StoreError> {
            self.store.fill(fills)
        }

        fn begin(&self, nonce: Nonce, keys: &[&CellKey], hold: Duration) -> Result<(), StoreError> {
            self.store.begin(nonce, keys, hold)
        }

        fn finish(&self, nonce: Nonce, endings: &[(&CellKey, Ending)]) -> Result<(), StoreError> {
            self.store.finish(nonce, endings)
        }

        fn settle(&self, nonce: Option<Nonce>, keys: &[&CellKey]) -> Result<(), StoreError> {
            self.store.settle(nonce, keys)
        }

        fn inspect(&self, keys: &[CellKey]) -> Result<Vec<Inspected>, StoreError> {
            self.store.inspect(keys)
        }

        fn scan(&self, prefix: &[u8], from: Cursor) -> Result<Scanned, StoreError> {
            self.store.scan(prefix, from)
        }
    }

    #[test]
    fn pauses_grow_to_an_end() {
        for (n_tries, at_most) in [(0, 2), (1, 4), (5, 64), (6, 128), (u32::MAX, 128)] {
            assert!(pause_after(n_tries) <= Duration::from_millis(at_most));
        }
    }

    #[test]
    fn the_store_is_told_for_how_long_markers_are_held() {
        let holds = Arc::new(Mutex::new(Vec::new()));
        let manager = ConnectionManager::<SqliteConnection>::new(":memory:");
        let pool = Pool::builder().max_size(1).build(manager).unwrap();
        let build = |within: Option<Duration>| {
            let store = Told { store: MemoryStore::new(), holds: Arc::clone(&holds) };
            let builder = Larder::<Sqlite>::builder(pool.clone()).shared(Watched::new(store, |_, _| ()));
            within.into_iter().fold(builder, Builder::commit_within).build()
        };
        let (_default, _long) = (build(None), build(Some(Duration::from_secs(60))));
        let (_short, _endless) = (build(Some(Duration::ZERO)), build(Some(Duration::MAX)));
        assert_eq!(*holds.lock().unwrap(), [15_000, 72_000, 12_010, 3_612_000].map(Duration::from_millis));
    }
}
