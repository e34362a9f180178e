//! Counts what goes to the database and to the cache.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use diesel::{
    PgConnection,
    connection::{Connection as _, InstrumentationEvent},
    pg::Pg,
    r2d2::{ConnectionManager, CustomizeConnection, Error, Pool, PoolError},
};
use larder::{
    Larder,
    store::{BATCH, Store, Watched},
};

/// What has been sent so far. Clones count together.
#[derive(Debug, Clone, Default)]
pub struct Counters {
    n_statements: Arc<AtomicU64>,
    n_round_trips: Arc<AtomicU64>,
}

impl Counters {
    /// SQL statements, those that begin and end transactions included.
    #[must_use]
    pub fn n_statements(&self) -> u64 {
        self.n_statements.load(Ordering::Relaxed)
    }

    /// Round trips to the cache.
    #[must_use]
    pub fn n_round_trips(&self) -> u64 {
        self.n_round_trips.load(Ordering::Relaxed)
    }

    /// A handle on a database and a cache whose every statement and round trip is counted here.
    ///
    /// # Errors
    /// The database can't be reached.
    pub fn handle(&self, database_url: &str, store: impl Store) -> Result<Larder<Pg>, PoolError> {
        let pool = Pool::builder()
            .max_size(2)
            .test_on_check_out(false)
            .connection_customizer(Box::new(self.clone()))
            .build(ConnectionManager::<PgConnection>::new(database_url))?;
        let n_round_trips = Arc::clone(&self.n_round_trips);
        let store = Watched::new(store, move |_operation, keys| {
            n_round_trips.fetch_add(keys.len().div_ceil(BATCH) as u64, Ordering::Relaxed);
        });
        Ok(Larder::builder(pool).shared(store).build())
    }
}

impl CustomizeConnection<PgConnection, Error> for Counters {
    fn on_acquire(&self, connection: &mut PgConnection) -> Result<(), Error> {
        let n_statements = Arc::clone(&self.n_statements);
        connection.set_instrumentation(move |event: InstrumentationEvent<'_>| {
            if matches!(event, InstrumentationEvent::StartQuery { .. }) {
                n_statements.fetch_add(1, Ordering::Relaxed);
            }
        });
        Ok(())
    }
}
