//! Settles what waits in the [`outbox`](crate::outbox).
//!
//! A relay takes rows of the outbox, settles their cells in the store of its handle, and deletes them; a crash at any step repeats some of
//! that and loses nothing. It can run in every process of an application: one leads, by an advisory lock, and another takes over within
//! some two seconds after it has gone.
//!
//! ```no_run
//! # #[cfg(feature = "postgres")]
//! # fn example(larder: &larder::Larder<diesel::pg::Pg>) -> Result<(), larder::relay::Error> {
//! use larder::relay::Relay;
//!
//! let relay = Relay::builder(larder).start()?; // runs until it is dropped
//! println!("{} rows wait", Relay::lag(larder)?.n_rows);
//! relay.stop();
//! # Ok(())
//! # }
//! ```
//!
//! # What it costs
//! The leader keeps one connection of the pool for as long as it leads, and a thread. At rest that looks for a notification every five
//! milliseconds, since Diesel gives no socket to wait on; it is a system call, and no statement. A notification only wakes it up: it looks
//! at the table every second in any case, and every ten milliseconds for a second after it found something. A look is one statement in a
//! transaction. Others take a connection once a second, for two statements.
//!
//! Rows are settled and deleted up to 256 at a time, in three statements and a COMMIT; cells 512 a call of the store, with as long a rest
//! after each call for others to use it.
//!
//! While the store is away it tries again after a tenth of a second, and then twice as long each time, up to one second. Writers never
//! wait for it.

mod batch;
mod bound;
mod figures;
mod leader;
mod work;

use std::{fmt, io, sync::Arc, time::Duration};

use diesel::{
    PgConnection, QueryableByName, RunQueryDsl,
    pg::Pg,
    r2d2::{ConnectionManager, Pool},
    sql_query,
    sql_types::{BigInt, Nullable},
};

pub use self::figures::Figures;
use self::figures::Ledger;
use crate::{
    handle::Larder,
    layers::Layers,
    leader::CONNECT_WITHIN,
    models::Models,
    stop::{Running, Stop},
    store::StoreError,
};

/// What can go wrong with a relay. It goes on after all of them; [`Relay::run_once`] returns them.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A statement failed: the table is not there, the role lacks a right to it, or the connection is lost.
    #[error("the database refused a statement")]
    Database(#[from] diesel::result::Error),
    /// No connection was to be had from the pool.
    #[error("no database connection is to be had")]
    Pool(#[from] r2d2::Error),
    /// The store could not settle cells. Their rows stay in the outbox.
    #[error("the shared store could not settle cells")]
    Store(#[from] StoreError),
    /// The relay's handle has no store, so there is nothing to settle.
    #[error("the handle has no shared store")]
    NoStore,
    /// The relay's thread could not be started.
    #[error("the relay's thread could not be started")]
    Thread(#[source] io::Error),
}

/// Settles what waits in the outbox.
pub struct Relay {
    inner: Arc<Inner>,
}

struct Inner {
    larder: Larder<Pg>,
    pool: Pool<ConnectionManager<PgConnection>>,
    models: Models<Pg>,
    max_rows: i64,
    ledger: Ledger,
}

/// Builds a [`Relay`].
#[derive(Debug)]
pub struct Builder {
    larder: Larder<Pg>,
    pool: Pool<ConnectionManager<PgConnection>>,
    models: Models<Pg>,
    max_rows: u32,
}

/// How far the outbox is behind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lag {
    /// How many rows wait in it.
    pub n_rows: u64,
    /// How long ago the oldest of them was noted, by the clock of the database; `None` if there is none.
    pub oldest: Option<Duration>,
}

impl Relay {
    /// Starts to build a relay for the store of this handle, on connections of its pool.
    pub fn builder(larder: &Larder<Pg>) -> Builder {
        let pool = larder.pool().clone();
        Builder { larder: larder.clone(), pool, models: Models::new(), max_rows: 100_000 }
    }

    /// Settles and deletes what is in the outbox now, on this thread and whoever leads: how many rows they were.
    ///
    /// Rows that another relay has in its hands are left to it.
    ///
    /// # Errors
    /// [`Error::Pool`], [`Error::Database`] and [`Error::Store`]: what was deleted before that is settled.
    pub fn run_once(&self) -> Result<usize, Error> {
        let mut connection = self.inner.pool.get_timeout(CONNECT_WITHIN)?;
        let stop = Stop::default();
        let mut n_rows = 0;
        while let Some(taken) = self.inner.batch(&mut connection, &stop)? {
            n_rows += taken;
        }
        Ok(n_rows)
    }

    /// How far the outbox is behind, whether or not a relay runs in this process. Costs one statement, which counts the rows.
    ///
    /// # Errors
    /// [`Error::Pool`] and [`Error::Database`].
    pub fn lag(larder: &Larder<Pg>) -> Result<Lag, Error> {
        lag(larder.pool())
    }
}

impl fmt::Debug for Relay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Relay").field("models", &self.inner.models).finish_non_exhaustive()
    }
}

impl Builder {
    /// The models whose rows are changed past larder: rows of the outbox that name them are turned into the cells of those rows.
    /// Of a model that is not among them, all cells are settled. Defaults to none.
    #[must_use]
    pub fn models(mut self, models: Models<Pg>) -> Self {
        self.models = models;
        self
    }

    /// Another pool for the relay's own connection: one whose connections are sessions of the database, where those of the handle go
    /// through a pooler that gives them a session a transaction. Defaults to the handle's.
    #[must_use]
    pub fn pool(mut self, pool: Pool<ConnectionManager<PgConnection>>) -> Self {
        self.pool = pool;
        self
    }

    /// How many rows may wait, at least 1. The leader puts one row for each model in the place of more: all cells of that model are
    /// settled when the store is back. Defaults to 100,000.
    #[must_use]
    pub fn max_rows(mut self, n_rows: u32) -> Self {
        self.max_rows = n_rows.max(1);
        self
    }

    /// A relay that does nothing by itself: for [`Relay::run_once`].
    ///
    /// # Errors
    /// [`Error::NoStore`].
    pub fn build(self) -> Result<Relay, Error> {
        let Self { larder, pool, models, max_rows } = self;
        if larder.layers().is_none() {
            return Err(Error::NoStore);
        }
        let inner = Inner { larder, pool, models, max_rows: max_rows.into(), ledger: Ledger::default() };
        Ok(Relay { inner: Arc::new(inner) })
    }

    /// A relay on a thread of its own. It needs neither the store nor the database to be there yet.
    ///
    /// # Errors
    /// [`Error::NoStore`] and [`Error::Thread`].
    pub fn start(self) -> Result<RelayHandle, Error> {
        let inner = self.build()?.inner;
        let run = {
            let inner = Arc::clone(&inner);
            move |stop: &Stop| inner.run(stop)
        };
        let running = Running::start("larder-relay", run).map_err(Error::Thread)?;
        Ok(RelayHandle { inner, running })
    }
}

/// A relay that runs. It ends when this is dropped.
#[must_use = "the relay ends when this is dropped"]
pub struct RelayHandle {
    inner: Arc<Inner>,
    running: Running,
}

impl RelayHandle {
    /// Ends the relay, and returns what it has done when it has ended: at once, or when the call that it waits for has come back.
    ///
    /// What it had in its hands stays in the outbox.
    pub fn stop(mut self) -> Figures {
        self.running.end();
        self.figures()
    }

    /// As [`Relay::lag`].
    ///
    /// # Errors
    /// As [`Relay::lag`].
    pub fn lag(&self) -> Result<Lag, Error> {
        lag(&self.inner.pool)
    }

    /// What this relay has done so far. Costs nothing.
    #[must_use]
    pub fn figures(&self) -> Figures {
        self.inner.ledger.figures()
    }
}

impl fmt::Debug for RelayHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RelayHandle").field("figures", &self.figures()).finish_non_exhaustive()
    }
}

impl Inner {
    fn layers(&self) -> &Layers {
        self.larder.layers().expect("a relay is built on a handle with a store only")
    }
}

#[derive(QueryableByName)]
struct LagRow {
    #[diesel(sql_type = BigInt)]
    n_rows: i64,
    #[diesel(sql_type = Nullable<BigInt>)]
    oldest: Option<i64>,
}

fn lag(pool: &Pool<ConnectionManager<PgConnection>>) -> Result<Lag, Error> {
    let mut connection = pool.get_timeout(CONNECT_WITHIN)?;
    let oldest = "(extract(epoch FROM clock_timestamp() - min(noted_at)) * 1000000)::bigint AS oldest";
    let row: LagRow =
        sql_query(format!("SELECT count(*) AS n_rows, {oldest} FROM larder_outbox")).get_result(&mut connection)?;
    Ok(Lag { n_rows: row.n_rows.unsigned_abs(), oldest: row.oldest.map(microseconds) })
}

/// A time by the clock of the database, which may have been set back.
fn microseconds(n: i64) -> Duration {
    Duration::from_micros(u64::try_from(n).unwrap_or(0))
}
