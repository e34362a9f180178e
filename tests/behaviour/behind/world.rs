use std::time::Duration;

use diesel::{
    PgConnection,
    pg::Pg,
    r2d2::{ConnectionManager, Pool},
};
use larder::{Builder, Larder, behind::Options};
use larder_redis::RedisStore;
use servers::RedisOptions;
use tests::{COUNTERS, Counter, Database, Events, Meter, Namespace, OwnRedis, redis_store, redis_url};

/// Only a failing test waits so long.
pub(super) const LONG: Duration = Duration::from_secs(30);

/// Twenty counters, and a handle that has a buffer.
pub(super) struct World {
    pub(super) larder: Larder<Pg>,
    pub(super) meter: Meter,
    pub(super) events: Events,
    pub(super) database: Database,
    pub(super) namespace: Namespace,
}

impl World {
    /// The buffer is on the shared Redis.
    pub(super) fn new() -> Self {
        Self::with(|options| options)
    }

    /// The same, with other options than the default.
    pub(super) fn with(adjust: impl FnOnce(Options) -> Options) -> Self {
        let namespace = Namespace::new();
        let store = redis_store(&redis_url(), &namespace);
        Self::on(namespace, &store, adjust)
    }

    /// The buffer is on the Redis of another store.
    pub(super) fn on(namespace: Namespace, durable: &RedisStore, adjust: impl FnOnce(Options) -> Options) -> Self {
        let database = COUNTERS.database();
        Counter::add(&mut database.connect(), 0, 20).unwrap();
        let (meter, events) = (Meter::new(), Events::default());
        let options = adjust(Options::on(durable.buffer("test")).with::<Counter>());
        let cells = redis_store(&redis_url(), &namespace);
        let larder = builder(database.pool(&meter, 8), &meter, cells, &events).behind(options).build();
        Self { larder, meter, events, database, namespace }
    }

    /// One more handle on the same database and the same buffer, which is on the shared Redis.
    pub(super) fn branch(&self, adjust: impl FnOnce(Options) -> Options) -> Larder<Pg> {
        let store = redis_store(&redis_url(), &self.namespace);
        let (meter, events) = (Meter::new(), Events::default());
        let options = adjust(Options::on(store.buffer("test")).with::<Counter>());
        builder(self.database.pool(&meter, 8), &meter, store, &events).behind(options).build()
    }

    /// The same, which reaches the database by another URL.
    pub(super) fn branch_to(&self, url: &str) -> Larder<Pg> {
        let store = redis_store(&redis_url(), &self.namespace);
        let (meter, events) = (Meter::new(), Events::default());
        let options = Options::on(store.buffer("test")).with::<Counter>();
        builder(tests::pool(url, &meter, 2), &meter, store, &events).behind(options).build()
    }

    /// The same, whose buffer is on the Redis of another store.
    pub(super) fn branch_on(
        &self,
        url: &str,
        durable: &RedisStore,
        adjust: impl FnOnce(Options) -> Options,
    ) -> Larder<Pg> {
        let store = redis_store(&redis_url(), &self.namespace);
        let (meter, events) = (Meter::new(), Events::default());
        let options = adjust(Options::on(durable.buffer("test")).with::<Counter>());
        builder(tests::pool(url, &meter, 2), &meter, store, &events).behind(options).build()
    }

    /// A row as the database has it.
    pub(super) fn row(&self, id: i64) -> Counter {
        let rows = Counter::all(&mut self.database.connect()).unwrap();
        rows.into_iter().find(|row| row.id == id).unwrap()
    }

    pub(super) fn n(&self, id: i64) -> i64 {
        self.row(id).n
    }
}

/// A Redis that writes each command through to the disk before it answers.
pub(super) fn durable() -> OwnRedis {
    OwnRedis::with(RedisOptions { persistent: true, ..RedisOptions::default() })
}

/// A store on such a server, which does not wait for long.
pub(super) fn store_on(redis: &OwnRedis) -> RedisStore {
    let builder = RedisStore::builder(&redis.url()).quarantine(Duration::ZERO);
    builder.io_timeout(Duration::from_millis(200)).build().unwrap()
}

fn builder(
    pool: Pool<ConnectionManager<PgConnection>>,
    meter: &Meter,
    store: RedisStore,
    events: &Events,
) -> Builder<Pg> {
    Larder::builder(pool).shared(meter.metered(store)).events(events.clone()).fill_in_background(false)
}
