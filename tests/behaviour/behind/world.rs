use diesel::{
    PgConnection,
    pg::Pg,
    r2d2::{ConnectionManager, Pool},
};
use larder::{Builder, Larder, behind::Options};
use larder_redis::RedisStore;
use tests::{COUNTERS, Counter, Database, Events, Meter, Namespace, redis_store, redis_url};

/// Twenty counters, and a handle that has a buffer on the shared Redis.
pub(super) struct World {
    pub(super) larder: Larder<Pg>,
    pub(super) meter: Meter,
    pub(super) events: Events,
    pub(super) database: Database,
    pub(super) namespace: Namespace,
}

impl World {
    pub(super) fn new() -> Self {
        Self::with(|options| options)
    }

    /// With other options than the default.
    pub(super) fn with(adjust: impl FnOnce(Options) -> Options) -> Self {
        let namespace = Namespace::new();
        let store = redis_store(&redis_url(), &namespace);
        Self::on(namespace, store, adjust)
    }

    /// On a store of its own, which has the buffer too.
    pub(super) fn on(namespace: Namespace, store: RedisStore, adjust: impl FnOnce(Options) -> Options) -> Self {
        let database = COUNTERS.database();
        Counter::add(&mut database.connect(), 0, 20).unwrap();
        let (meter, events) = (Meter::new(), Events::default());
        let options = adjust(Options::on(store.buffer("test")).with::<Counter>());
        let larder = builder(database.pool(&meter, 8), store, &events).behind(options).build();
        Self { larder, meter, events, database, namespace }
    }

    /// One more handle on the same database and the same buffer.
    pub(super) fn branch(&self, adjust: impl FnOnce(Options) -> Options) -> Larder<Pg> {
        let store = redis_store(&redis_url(), &self.namespace);
        let options = adjust(Options::on(store.buffer("test")).with::<Counter>());
        builder(self.database.pool(&Meter::new(), 8), store, &Events::default()).behind(options).build()
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

fn builder(pool: Pool<ConnectionManager<PgConnection>>, store: RedisStore, events: &Events) -> Builder<Pg> {
    Larder::builder(pool).shared(store).events(events.clone()).fill_in_background(false)
}
