//! The handle that an application keeps.

mod builder;
mod connections;
mod gate;

use std::{
    fmt,
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use diesel::r2d2::{ConnectionManager, Pool, PooledConnection};
use serde::{Serialize, de::DeserializeOwned};

pub use self::builder::Builder;
pub(crate) use self::gate::Turn;
use self::{connections::Connections, gate::Gate};
#[cfg(feature = "behind")]
use crate::behind::Lane;
#[cfg(doc)]
use crate::error::Error;
use crate::{
    backend::{Backend, Isolation},
    cursor::CursorKey,
    error::Result,
    inline::may_wait,
    layers::{Layers, Times},
    load::{Loaders, Refreshes},
    lookout::Lookout,
    memo::{Memo, Memos},
    models::Models,
    queries::{Aside, CachedQuery, Dependencies, Version},
    scope::Scope,
    session::Access,
    source::Sources,
    stats::{Delays, Stats},
    store::BreakerStats,
    token::Token,
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
    connections: Connections<DB>,
    gate: Option<Gate>,
    layers: Option<Layers>,
    times: Times,
    policy: Policy,
    announces: bool,
    names_tenants: bool,
    memos: Memos,
    sources: Sources,
    loaders: Loaders,
    refreshes: Refreshes,
    cursors: Arc<CursorKey>,
    lookout: Arc<Lookout>,
    #[cfg(feature = "behind")]
    lane: Option<Lane>,
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
    /// key two fifths of its speed: turn it off unless connections die in silence where you are. Its `connection_timeout` is also twice the
    /// longest time between two attempts to connect, and 30 s by default: set it to a second or two, or a handle goes without the
    /// database for up to 15 s after that is back. How long callers wait is [another matter](Builder::wait_for_connection).
    pub fn builder(pool: Pool<ConnectionManager<DB::Connection>>) -> Builder<DB> {
        Builder::new(pool)
    }

    /// Runs `work` in a transaction; after this has returned, every layer has its new rows or none.
    ///
    /// Reads in it see the transaction's own rows and pass by every cache. After `work` has returned `Ok` and before COMMIT, all
    /// cells of all changed rows are marked as in doubt (one round trip a 512 cells); after COMMIT they are given their new
    /// values or emptied (as many). READ COMMITTED on PostgreSQL; on SQLite the transaction holds the write lock from its start.
    /// On PostgreSQL and MariaDB `work` may not let the connection idle for longer than [`Builder::commit_within`] between two statements.
    ///
    /// # Errors
    /// Whatever `work` returns: then all is rolled back, as it is if `work` panics. [`Error::Database`] if COMMIT fails, [`Error::Store`]
    /// (of [strict](Writes::Strict) transactions), [`Error::TooSlow`] or [`Error::TooManyCells`] if the changed cells could not be marked:
    /// rolled back too.
    /// [`Error::CommitUnknown`] if the connection was lost during COMMIT, or a statement in [`Tx::run`] has ended the transaction.
    pub fn transaction<T>(&self, work: impl FnOnce(&Tx<DB>) -> Result<T>) -> Result<T> {
        Tx::run_to_end(self, TransactionOptions::default(), &mut Token::default(), work)
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
        work: impl FnMut(&Tx<DB>) -> Result<T>,
    ) -> Result<T> {
        self.run_to_end(options, &mut Token::default(), work)
    }

    /// As [`Larder::transaction_with`], and gives what sees the transaction, wherever it is carried: see [`Token`].
    ///
    /// The token comes beside the value, since there is none before COMMIT. For single writes, and for several transactions, a
    /// [`scope`](Self::scope) keeps it.
    ///
    /// # Errors
    /// As [`Larder::transaction_with`].
    pub fn transaction_token<T>(
        &self,
        options: TransactionOptions,
        work: impl FnMut(&Tx<DB>) -> Result<T>,
    ) -> Result<(T, Token)> {
        let mut token = Token::default();
        let value = self.run_to_end(options, &mut token, work)?;
        Ok((value, token))
    }

    pub(crate) fn run_to_end<T>(
        &self,
        options: TransactionOptions,
        token: &mut Token,
        mut work: impl FnMut(&Tx<DB>) -> Result<T>,
    ) -> Result<T> {
        let mut n_tries = 0;
        loop {
            match Tx::run_to_end(self, options, token, &mut work) {
                Err(error) if error.is_retryable() && n_tries < options.retries => pause(n_tries),
                result => return result,
            }
            n_tries += 1;
        }
    }

    /// A session for one request or client, with settings of its own: it sees at least what it has written.
    #[must_use]
    pub fn scope(&self) -> Scope<DB> {
        Scope::new(self.clone())
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

    /// The result of a query of any kind, kept in the store by a name and parameters for as long as nothing that it depends on is written.
    ///
    /// A name stands in the store as it is: it has nothing of anybody's in it, and no two queries have the same.
    pub fn query<'l>(&'l self, name: &'l str) -> CachedQuery<'l, DB> {
        CachedQuery::new(Access::handle(self), name)
    }

    /// Which version there is of what something is made of: another one after every write of it, by whatever process, and the same only as long as
    /// nothing of it was written. A read that begins after this has returned sees that version or a later one.
    ///
    /// For entity tags and the like: whoever has the same version has the same rows. The store may forget what it knows (what is
    /// evicted, or expires, is another version afterwards), and knows nothing while it is away, or while something of it is being
    /// written: `None`. Of a write that went on [without the store](Writes::Available) others are told when it is settled, and of the rows of
    /// a view when its refresh returns. Costs one round trip, and one more where nobody has loaded some of it; where this handle has not
    /// seen the version before, what is near of it is dropped.
    #[must_use]
    pub fn version(&self, of: &Dependencies<DB>) -> Option<Version> {
        of.version(Access::handle(self))
    }

    /// The version as reads would see it that are answered by what is near: at most as old as those are, and what is near is of this version
    /// and of no other. `None` if that is not known without asking: then [`version`](Self::version) asks, and from the second time on that it tells
    /// the same, this knows it too, for as long as nothing of it is written.
    ///
    /// Costs a digest of the keys, about a microsecond for a few of them. Never known where something of it is not kept near (any row of a table, tags, models that
    /// are not near), where strict and other models are mixed, and of more than 256 keys.
    #[must_use]
    pub fn near_version(&self, of: &Dependencies<DB>) -> Option<Version> {
        of.near_version(Access::handle(self))
    }

    /// Values of the application's own in the shared store, by typed keys: cache-aside.
    ///
    /// A name stands in the store as it is: no two kinds of values have the same.
    pub fn aside<'l, K: Serialize, T: Serialize + DeserializeOwned>(&'l self, name: &'l str) -> Aside<'l, DB, K, T> {
        Aside::new(self, name)
    }

    /// Makes every result of a [query](Larder::query) go that is tagged so: whoever asks next, in whatever process, runs the query.
    ///
    /// Whoever has changed something that no model stands for calls this afterwards; what belongs to a transaction has
    /// [`Tx::invalidate_tag`](crate::Tx::invalidate_tag). Costs one round trip, however many results there are.
    ///
    /// # Errors
    /// [`Error::Store`](crate::Error::Store): it may or may not have been done, and may be repeated.
    pub fn invalidate_tag(&self, tag: &str) -> Result<()> {
        may_wait()?;
        self.layers().map_or(Ok(()), |layers| layers.settle_tag(tag))
    }

    /// A value of the application's own, kept by a name in the memory of this process: configuration, or what takes long to compute.
    ///
    /// At most 10,000 values are kept, those that are asked for least go first.
    pub fn memo<'l>(&'l self, name: &'l str) -> Memo<'l, DB> {
        Memo::new(self, name)
    }

    /// Drops the [memo](Larder::memo)s of a name: in this process, and in all whose handles have a near cache on the same store.
    ///
    /// Costs a round trip of the store. If it fails, which `tracing` and the event handler are told, the others keep theirs for their
    /// time to live.
    pub fn forget_memo(&self, name: &str) {
        self.inner.memos.forget(name);
        if let Some(layers) = self.layers() {
            layers.announce_memo(name);
        }
    }

    /// What the [breaker](Builder::breaker) before the store lets through, and has done so far: `None` if there is none.
    pub fn breaker(&self) -> Option<BreakerStats> {
        self.layers().and_then(Layers::breaker)
    }

    /// Waits until everything that was loaded so far has been stored, or given up because the store failed or a write came between, but
    /// no longer than `at_most`: whether it was.
    ///
    /// For tests, and for a process that wants to leave its caches full. Nothing is lost otherwise.
    pub fn flush(&self, at_most: Duration) -> bool {
        self.layers().is_none_or(|layers| layers.flush(at_most))
    }

    /// Waits for a turn to write, where writers take turns.
    pub(crate) fn turn(&self) -> Result<Option<Turn<'_>>> {
        self.inner.gate.as_ref().map(Gate::enter).transpose()
    }

    pub(crate) fn connection(&self) -> Result<PooledConnection<ConnectionManager<DB::Connection>>> {
        self.inner.connections.get()
    }

    /// A connection for somebody who does not wait for longer than until then.
    pub(crate) fn connection_until(
        &self,
        end: Option<Instant>,
    ) -> Result<PooledConnection<ConnectionManager<DB::Connection>>> {
        match end {
            Some(end) => self.inner.connections.get_until(end),
            None => self.inner.connections.get(),
        }
    }

    #[cfg(feature = "postgres")]
    pub(crate) fn pool(&self) -> &Pool<ConnectionManager<DB::Connection>> {
        self.inner.connections.pool()
    }

    /// How many calls can be at work at once, on a connection to the database or to the store.
    #[cfg(feature = "tokio")]
    pub(crate) fn n_connections(&self) -> usize {
        let of_store = self.layers().and_then(Layers::at_once).unwrap_or(0);
        self.inner.connections.pool().max_size() as usize + of_store
    }

    pub(crate) fn sources(&self) -> &Sources {
        &self.inner.sources
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

    /// What the handle has counted so far: hits by layer, misses, statements and their durations, and more, for each model.
    ///
    /// Costs some microseconds a model, and nobody else anything.
    #[must_use]
    pub fn stats(&self) -> Stats {
        let stats = Stats::of(&self.inner.lookout.figures, self.layers());
        #[cfg(feature = "behind")]
        let stats = Stats { behind: self.lane().map(Lane::figures), ..stats };
        stats
    }

    /// How long it has taken so far until changes were known, as distributions, for charts.
    ///
    /// Costs about a microsecond, and nobody else anything.
    #[must_use]
    pub fn delays(&self) -> Delays {
        Delays::of(&self.inner.lookout.figures)
    }

    /// Gives what was counted since the last time to the recorder of the `metrics` facade. The names stand in `docs/observability.md`.
    ///
    /// To be called where an exporter collects, or every few seconds: nothing is given by itself, and so nothing is paid for it anywhere
    /// else. Costs some microseconds a model. The recorder must be installed before the first call; figures of several handles add up, but
    /// for gauges, which are those of the last.
    #[cfg(feature = "metrics")]
    pub fn publish_metrics(&self) {
        let lookout = self.lookout();
        lookout.published.publish(&lookout.figures, &self.stats());
    }

    #[inline]
    pub(crate) fn lookout(&self) -> &Arc<Lookout> {
        &self.inner.lookout
    }

    pub(crate) fn memos(&self) -> &Memos {
        &self.inner.memos
    }

    /// The handle's end of the buffer of changes that are written later.
    #[cfg(feature = "behind")]
    pub(crate) fn lane(&self) -> Option<&Lane> {
        self.inner.lane.as_ref()
    }

    pub(crate) fn announces(&self) -> bool {
        self.inner.announces
    }

    pub(crate) fn names_tenants(&self) -> bool {
        self.inner.names_tenants
    }

    pub(crate) fn loaders(&self) -> &Loaders {
        &self.inner.loaders
    }

    pub(crate) fn cursors(&self) -> &Arc<CursorKey> {
        &self.inner.cursors
    }

    pub(crate) fn refreshes(&self) -> &Refreshes {
        &self.inner.refreshes
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

/// Waits before a try, after one that others were in the way of and so many that failed before that one.
pub(crate) fn pause(n_tries: u32) {
    thread::sleep(pause_after(n_tries));
}

/// How long to wait after so many tries that failed before this one.
fn pause_after(n_tries: u32) -> Duration {
    let at_most = Duration::from_millis(2 << n_tries.min(6));
    // Without randomness it is only longer than it might be.
    at_most.mul_f64(getrandom::u32().map_or(1.0, |random| f64::from(random) / f64::from(u32::MAX)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_an_end() {
        for (n_tries, at_most) in [(0, 2), (1, 4), (5, 64), (6, 128), (u32::MAX, 128)] {
            assert!(pause_after(n_tries) <= Duration::from_millis(at_most));
        }
    }
}
