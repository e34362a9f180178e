//! Prints what goes to the database and to the store.

use std::time::Duration;

use diesel::{
    SqliteConnection,
    connection::{Connection as _, InstrumentationEvent, SimpleConnection as _},
    r2d2::{CustomizeConnection, Error},
};
use larder::store::{Cell, CellKey, Ending, Fill, Lease, Nonce, Store, StoreError, Vacancy};

/// Sets connections up, and prints each statement that they send.
#[derive(Debug)]
pub(crate) struct WatchedConnections;

impl CustomizeConnection<SqliteConnection, Error> for WatchedConnections {
    fn on_acquire(&self, connection: &mut SqliteConnection) -> Result<(), Error> {
        connection
            .batch_execute("PRAGMA busy_timeout = 5000; PRAGMA journal_mode = WAL; PRAGMA foreign_keys = ON;")
            .map_err(Error::QueryError)?;
        connection.set_instrumentation(|event: InstrumentationEvent<'_>| {
            if let InstrumentationEvent::StartQuery { query, .. } = event {
                println!("    sql    {}", query.to_string().replace('\n', " "));
            }
        });
        Ok(())
    }
}

/// A store that prints what it is asked: one line, one round trip if it were a remote one.
#[derive(Debug)]
pub(crate) struct WatchedStore<S>(pub(crate) S);

fn tell<'a>(operation: &str, keys: impl Iterator<Item = &'a CellKey>) {
    let keys: Vec<String> = keys.map(ToString::to_string).collect();
    println!("    store  {operation:<6} {}", keys.join("  "));
}

impl<S: Store> Store for WatchedStore<S> {
    fn read(&self, keys: &[CellKey]) -> Result<Vec<Cell>, StoreError> {
        tell("read", keys.iter());
        self.0.read(keys)
    }

    fn lease(&self, keys: &[(&CellKey, Vacancy)], ttl: Duration) -> Result<Vec<Option<Lease>>, StoreError> {
        tell("lease", keys.iter().map(|(key, _)| *key));
        self.0.lease(keys, ttl)
    }

    fn fill(&self, fills: &[Fill<'_>]) -> Result<Vec<bool>, StoreError> {
        tell("fill", fills.iter().map(|fill| fill.key));
        self.0.fill(fills)
    }

    fn begin(&self, nonce: Nonce, keys: &[&CellKey], hold: Duration) -> Result<(), StoreError> {
        tell("begin", keys.iter().copied());
        self.0.begin(nonce, keys, hold)
    }

    fn finish(&self, nonce: Nonce, endings: &[(&CellKey, Ending)]) -> Result<(), StoreError> {
        tell("finish", endings.iter().map(|(key, _)| *key));
        self.0.finish(nonce, endings)
    }

    fn settle(&self, nonce: Option<Nonce>, keys: &[&CellKey]) -> Result<(), StoreError> {
        tell("settle", keys.iter().copied());
        self.0.settle(nonce, keys)
    }
}
