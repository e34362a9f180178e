//! Where the servers are, and handles on them.

use std::{cell::Cell, time::Duration};

use diesel::{
    Connection as _, PgConnection,
    connection::InstrumentationEvent,
    pg::Pg,
    r2d2::{ConnectionManager, CustomizeConnection, Pool},
};
use larder::{Larder, Writes};
use larder_redis::RedisStore;

use crate::{Result, naive::DeleteAfterCommit};

/// How long after its last statement a transaction may be committed, and how long COMMIT may take: short, so that markers expire within
/// a run.
pub(crate) const COMMIT_WITHIN: Duration = Duration::from_millis(300);
pub(crate) const COMMIT_TAKES: Duration = Duration::from_millis(700);
/// So long are markers held.
pub(crate) const HOLD: Duration = Duration::from_secs(1);

/// How a worker reaches the servers, and what it does with them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Site {
    pub(crate) database_url: String,
    pub(crate) redis_url: String,
    pub(crate) cache: Cache,
}

/// What stands before the database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cache {
    Larder,
    /// What people write by hand, for comparison.
    Naive,
}

impl Site {
    /// A handle as an application would have it, for so many threads.
    pub(crate) fn larder(&self, n_threads: u32) -> Result<Larder<Pg>> {
        let pool = Pool::builder()
            .max_size(n_threads)
            .min_idle(Some(0))
            .test_on_check_out(false)
            .connection_timeout(Duration::from_secs(1))
            .connection_customizer(Box::new(Counted))
            .error_handler(Box::new(diesel::r2d2::NopErrorHandler))
            .build(ConnectionManager::new(&self.database_url))?;
        // The database of the shop has an outbox, and by default writes would go on without Redis.
        let builder =
            Larder::builder(pool).writes(Writes::Strict).commit_within(COMMIT_WITHIN).commit_takes(COMMIT_TAKES);
        Ok(match self.cache {
            Cache::Larder => builder.shared(self.store()?).build(),
            Cache::Naive => builder.shared(DeleteAfterCommit::connect(&self.redis_url)?).build(),
        })
    }

    fn store(&self) -> Result<RedisStore> {
        let store = RedisStore::builder(&self.redis_url);
        // Of its own accord it would not be shorter than the 15 s for which others may hold markers, of whom there are none here.
        Ok(store
            .quarantine(HOLD)
            .io_timeout(Duration::from_millis(200))
            .connect_timeout(Duration::from_millis(300))
            .build()?)
    }

    /// A connection past every cache.
    pub(crate) fn connect(&self) -> Result<PgConnection> {
        Ok(PgConnection::establish(&self.database_url)?)
    }
}

thread_local! {
    static STATEMENTS: Cell<u64> = const { Cell::new(0) };
}

/// How many statements this thread has sent to the database.
pub(crate) fn n_statements() -> u64 {
    STATEMENTS.get()
}

/// Counts the statements of each connection, for the thread that sends them.
#[derive(Debug)]
struct Counted;

impl CustomizeConnection<PgConnection, diesel::r2d2::Error> for Counted {
    fn on_acquire(&self, connection: &mut PgConnection) -> Result<(), diesel::r2d2::Error> {
        connection.set_instrumentation(|event: InstrumentationEvent<'_>| {
            if matches!(event, InstrumentationEvent::StartQuery { .. }) {
                STATEMENTS.set(STATEMENTS.get() + 1);
            }
        });
        Ok(())
    }
}
