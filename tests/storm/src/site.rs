//! Where the servers are, and handles on them.

use std::{cell::Cell, time::Duration};

use diesel::{
    Connection as _, PgConnection,
    connection::InstrumentationEvent,
    pg::Pg,
    r2d2::{ConnectionManager, CustomizeConnection, Pool},
};
use larder::{
    Larder, NearOptions, Writes,
    store::{Operation, Store, Watched},
};
use larder_redis::RedisStore;

use crate::{
    Result,
    flawed::{Flaw, Flawed},
    naive::DeleteAfterCommit,
};

/// How long after its last statement a transaction may be committed, and how long COMMIT may take: short, so that markers expire within
/// a run.
pub(crate) const COMMIT_WITHIN: Duration = Duration::from_millis(300);
pub(crate) const COMMIT_TAKES: Duration = Duration::from_millis(700);
/// So long are markers held.
pub(crate) const HOLD: Duration = Duration::from_secs(1);

/// How old what is served near may be.
pub(crate) const HORIZON: Duration = Duration::from_millis(250);
/// How long copies of strict models may be served without news. A write waits for somebody who is silent for a tenth of a second more,
/// which must be over well before it has to be committed.
const STRICT_HORIZON: Duration = Duration::from_millis(60);
/// What the clocks of the near cache and of the oracle may differ by in that time: a processor's counter is right to much less.
pub(crate) const CLOCK_ERROR: Duration = Duration::from_millis(1);

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
    /// The same, with a near cache in each process.
    Near(Flaw),
    /// The same, of models of which nothing old may be served near either.
    Strict(Flaw),
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
            Cache::Near(Flaw::None) | Cache::Strict(Flaw::None) => builder.shared(self.store()?).near(near()).build(),
            Cache::Near(flaw) | Cache::Strict(flaw) => {
                builder.shared(Flawed::new(self.store()?, flaw)).near(near()).build()
            }
            Cache::Naive => builder.shared(DeleteAfterCommit::connect(&self.redis_url)?).build(),
        })
    }

    fn store(&self) -> Result<impl Store> {
        let store = RedisStore::builder(&self.redis_url);
        // Of its own accord it would not be shorter than the 15 s for which others may hold markers, of whom there are none here.
        let store = store
            .quarantine(HOLD)
            .io_timeout(Duration::from_millis(200))
            .connect_timeout(Duration::from_millis(300))
            .strict_horizon(STRICT_HORIZON)
            .build()?;
        Ok(Watched::new(store, |operation, _| {
            if operation == Operation::Read {
                LOOKS.set(LOOKS.get() + 1);
            }
        }))
    }

    /// A connection past every cache.
    pub(crate) fn connect(&self) -> Result<PgConnection> {
        Ok(PgConnection::establish(&self.database_url)?)
    }
}

impl Cache {
    /// How old what it serves may be, where that is allowed: `None` if it never is.
    pub(crate) fn may_be_old(self) -> Option<Duration> {
        matches!(self, Self::Near(_)).then_some(HORIZON + CLOCK_ERROR)
    }

    /// Whether rows are kept in the memory of each process.
    pub(crate) fn keeps_near(self) -> bool {
        matches!(self, Self::Near(_) | Self::Strict(_))
    }

    /// Its name among the arguments of a worker.
    pub(crate) fn word(self) -> String {
        let end = |flaw| Flaw::ALL.into_iter().find(|(other, _)| *other == flaw).expect("each flaw has its word").1;
        match self {
            Self::Larder => "larder".to_owned(),
            Self::Naive => "naive".to_owned(),
            Self::Near(flaw) => format!("near{}", end(flaw)),
            Self::Strict(flaw) => format!("strict{}", end(flaw)),
        }
    }

    pub(crate) fn from_word(word: &str) -> Option<Self> {
        match word {
            "larder" => Some(Self::Larder),
            "naive" => Some(Self::Naive),
            _ => {
                let (end, is_strict) = match word.strip_prefix("strict") {
                    Some(end) => (end, true),
                    None => (word.strip_prefix("near")?, false),
                };
                let (flaw, _) = Flaw::ALL.into_iter().find(|(_, other)| *other == end)?;
                Some(if is_strict { Self::Strict(flaw) } else { Self::Near(flaw) })
            }
        }
    }
}

fn near() -> NearOptions {
    NearOptions::bytes(16 << 20).horizon(HORIZON)
}

thread_local! {
    static STATEMENTS: Cell<u64> = const { Cell::new(0) };
    static LOOKS: Cell<u64> = const { Cell::new(0) };
}

/// How often this thread has read cells.
pub(crate) fn n_looks() -> u64 {
    LOOKS.get()
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
