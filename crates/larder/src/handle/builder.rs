//! Building a handle.

use std::{fmt, sync::Arc, time::Duration};

use diesel::r2d2::{ConnectionManager, Pool};

use super::{Connections, Gate, Inner, Larder};
#[cfg(doc)]
use crate::Tx;
#[cfg(feature = "behind")]
use crate::behind::{Lane, Options};
use crate::{
    backend::Backend,
    cursor::CursorKey,
    event::{HandleEvent, NoEvents},
    figures::Timed,
    layers::{Layers, Times},
    load::{Loaders, Refreshes},
    lookout::{Lookout, Settings},
    memo::Memos,
    near::NearOptions,
    source::Sources,
    store::{BreakerOptions, Store},
    writes::{Policy, Writes},
};

/// The longest that a COMMIT may be waited for.
const HOUR: Duration = Duration::from_secs(3_600);

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
    names_tenants: bool,
    turns: Option<Duration>,
    near: Option<NearOptions>,
    breaker: BreakerOptions,
    wait_for_connection: Option<Duration>,
    refresh_early: bool,
    cursor_key: Option<[u8; 32]>,
    reports: Settings,
    #[cfg(feature = "behind")]
    behind: Option<Options>,
}

impl<DB: Backend> fmt::Debug for Builder<DB> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder").field("shared", &self.store.is_some()).finish_non_exhaustive()
    }
}

impl<DB: Backend> Builder<DB> {
    pub(super) fn new(pool: Pool<ConnectionManager<DB::Connection>>) -> Self {
        Self {
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
            names_tenants: false,
            turns: None,
            near: None,
            breaker: BreakerOptions::default(),
            wait_for_connection: None,
            cursor_key: None,
            refresh_early: true,
            reports: Settings::default(),
            #[cfg(feature = "behind")]
            behind: None,
        }
    }

    /// Has transactions wait for each other before they take a connection, each no longer than that.
    #[cfg(feature = "sqlite")]
    pub(crate) fn turns(mut self, wait: Duration) -> Self {
        self.turns = Some(wait);
        self
    }

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

    /// Keeps rows in the memory of this process too, as decoded as they were given out. Defaults to not doing so.
    ///
    /// A hit there costs some forty nanoseconds in place of a round trip, and is at most as old as
    /// [`NearOptions::horizon`] says; own writes are seen at once. Models have their say by `#[larder(near = ..)]`, and reads by
    /// [`reading`](crate::Repository::reading). Needs a [shared](Self::shared) store that can tell of changes, as `MemoryStore` and
    /// `RedisStore` can; with another, and without one, nothing is kept, and `tracing` is told.
    #[must_use]
    pub fn near(mut self, options: NearOptions) -> Self {
        self.near = Some(options);
        self
    }

    /// When to stop asking a store that fails or is slow, and how to take it up again. Defaults to
    /// [`BreakerOptions::default`]; [`BreakerOptions::off`] is without.
    ///
    /// A store in the process, such as `MemoryStore`, has none in any case. Other handles on the same store have their own.
    #[must_use]
    pub fn breaker(mut self, options: BreakerOptions) -> Self {
        self.breaker = options;
        self
    }

    /// How long a read that the caches can't answer, or a transaction, waits for a connection of the pool before it fails with
    /// [`Error::Pool`](crate::Error::Pool). Defaults to a second, or the pool's own `connection_timeout` if that is shorter.
    ///
    /// It waits in tenths, each of which the pool's own event handler takes for a wait: a process that was stopped in the middle, or a
    /// machine that was suspended, loses one of them and no more.
    ///
    /// While the database can't be reached only the first who find that out wait. A statement that has been sent is waited for: give the
    /// pool's URL `connect_timeout` and `tcp_user_timeout`, and the server `statement_timeout`, to bound that.
    #[must_use]
    pub fn wait_for_connection(mut self, at_most: Duration) -> Self {
        self.wait_for_connection = Some(at_most);
        self
    }

    /// Whether the tenant is named to the database in its transactions and reads. [`Builder::row_security`] says so.
    #[cfg(feature = "postgres")]
    pub(crate) fn name_tenants(mut self) -> Self {
        self.names_tenants = true;
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

    /// How long a reader has to load what it found missing, before another may. An hour at most. Defaults to 4 seconds.
    #[must_use]
    pub fn lease(mut self, lease: Duration) -> Self {
        self.lease = Some(lease);
        self
    }

    /// How long after its last statement COMMIT may still be sent. From 10 milliseconds to an hour; what is beyond counts as that.
    /// Defaults to 3 seconds.
    ///
    /// PostgreSQL is told to end a transaction that idles for longer; MariaDB, too, in whole seconds, rounded up.
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

    /// Whether what is read often is refreshed in the last tenth of its time to live, so that nobody waits for a query when it expires.
    /// Defaults to `true`.
    ///
    /// A thread of the handle's asks the store how much time is left to the value of one hit in 64 of the store, and to that of a near copy
    /// which is read when it will soon expire; a value with little is compared with the database, by one statement for all that are due, and
    /// given its time anew. If the database has something else, the cell is emptied, and [`Event::Outdated`](crate::Event::Outdated)
    /// tells of it. What nobody reads expires.
    #[must_use]
    pub fn refresh_early(mut self, refreshes: bool) -> Self {
        self.refresh_early = refreshes;
        self
    }

    /// Reports calls that take longer: to the event handler as [`Event::Slow`](crate::Event::Slow), and to `tracing`, once a minute of each
    /// line of the program and model. Defaults to one second; [`Duration::MAX`] reports none.
    ///
    /// A call is a read of rows by keys that the near cache does not answer, each level of relations for itself, or a statement of a
    /// write or a query.
    #[must_use]
    pub fn report_slow(mut self, after: Duration) -> Self {
        self.reports.slow_after = after;
        self
    }

    /// Reports a finder that is called singly on one line more than `n` times within one scope, where one call would do: see
    /// [`repeats`](crate::repeats). Zero reports none. Defaults to 10 in debug builds, and to zero in others.
    ///
    /// While it is on, a single call within a scope costs some 30 ns more.
    #[must_use]
    pub fn report_repeats(mut self, n: u32) -> Self {
        self.reports.repeats = n;
        self
    }

    /// The secret by which [cursors](crate::Cursor) are known again: 32 random bytes that all processes of the application have, and nobody
    /// else. Defaults to a key that the handle draws for itself.
    ///
    /// Without one, cursors are good for this handle only: another process refuses them, and so does this one after a restart. A new secret
    /// makes all cursors invalid; who has one then begins at the list's beginning.
    #[must_use]
    pub fn cursor_key(mut self, key: [u8; 32]) -> Self {
        self.cursor_key = Some(key);
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
            lease: self.lease.unwrap_or(Duration::from_secs(4)).min(HOUR),
            commit_within,
            hold: DB::idle(commit_within) + commit_takes,
        };
        if let Some(store) = &self.store {
            store.attach(times.hold);
        }
        let events = self.events.unwrap_or_else(|| Arc::new(NoEvents));
        let lookout = Arc::new(Lookout::new(Arc::clone(&events), self.reports));
        let layers = self.store.map(|store| {
            let store = Arc::new(Timed::new(store, Arc::clone(&lookout)));
            let near = self.near.map(|near| near.refreshing(self.refresh_early));
            Layers::new(store, times, events, self.fill_in_background, near, self.breaker, Arc::clone(&lookout))
        });
        let policy = Policy::new(self.writes);
        if layers.is_some() {
            policy.look::<DB>(&self.pool);
        }
        let memos = Memos::new(layers.as_ref().map(|layers| Arc::clone(layers.slots())), times.hold);
        let loaders = Loaders::new(self.pool.max_size());
        let refreshes = Refreshes::new(self.refresh_early);
        let connections = Connections::new(self.pool, self.wait_for_connection);
        let (announces, names_tenants) = (self.announces, self.names_tenants);
        let cursors = Arc::new(CursorKey::new(self.cursor_key));
        let inner = Inner {
            connections,
            gate: self.turns.map(Gate::new),
            layers,
            times,
            policy,
            announces,
            names_tenants,
            memos,
            sources: Sources::default(),
            loaders,
            refreshes,
            cursors,
            lookout,
            #[cfg(feature = "behind")]
            lane: self.behind.map(Lane::new),
        };
        Larder { inner: Arc::new(inner) }
    }
}

#[cfg(feature = "behind")]
impl Builder<diesel::pg::Pg> {
    /// Has repositories change rows later, by way of a buffer: see [`behind`](crate::behind). Defaults to none, and then
    /// [`Repository::behind`](crate::Repository::behind) refuses.
    #[must_use]
    pub fn behind(mut self, options: Options) -> Self {
        self.behind = Some(options);
        self
    }
}

#[cfg(test)]
#[cfg(feature = "sqlite")]
mod tests {
    use std::sync::Mutex;

    use diesel::{SqliteConnection, sqlite::Sqlite};

    use super::*;
    use crate::store::{self, MemoryStore, Watched};

    /// A store in process that remembers for how long it was told that markers are held.
    struct Told {
        store: MemoryStore,
        holds: Arc<Mutex<Vec<Duration>>>,
    }

    impl Store for Told {
        store::forward!(self.store, except attach);

        fn attach(&self, hold: Duration) {
            self.holds.lock().unwrap().push(hold);
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
