//! SQLite as the database of one process: a file, and nothing to install or to know.
//!
//! ```
//! # fn main() -> larder::Result<()> {
//! # let folder = tempfile::TempDir::new().map_err(larder::Error::other)?;
//! # let path = folder.path().join("shop.sqlite");
//! let larder = larder::embedded(&path)?.build();
//! # let _ = larder;
//! # Ok(())
//! # }
//! ```

use std::{path::Path, time::Duration};

use diesel::{
    Connection as _, QueryableByName, RunQueryDsl as _, SqliteConnection,
    connection::SimpleConnection as _,
    r2d2::{ConnectionManager, CustomizeConnection, Pool},
    result::{DatabaseErrorKind, Error as Diesel, QueryResult},
    sql_types::Text,
    sqlite::Sqlite,
};

use crate::{
    error::{Error, PoolError, Result},
    handle::{Builder, Larder},
    store::MemoryStore,
};

/// Threads that read at once need a connection each; those that write take turns anyway.
const CONNECTIONS: u32 = 8;

/// A handle on a SQLite file, which is made if there is none, with the cells in this process.
///
/// Any number of threads may read and write: readers see the last commit beside a writer, and writers take turns, in the order in which they
/// came. Who waits for his turn holds no connection, so that readers have the eight that there are; after 30 seconds it is an
/// [`Error::NoTurn`]. For **one process and one handle**, to be cloned: what another writes, or another call of this for the same file, this
/// one's caches don't hear of. Everything of the [`Builder`] can be set before it is built; [`Settings::pool`] is for those who want other settings or a store of their own, with
/// [`Builder::writers_take_turns`].
///
/// # Errors
/// [`Error::Pool`] if the file can't be opened, or lies where SQLite can't have a write-ahead log (a network's file system); and of
/// `:memory:`, which would be another database on each connection.
pub fn embedded(path: impl AsRef<Path>) -> Result<Builder<Sqlite>> {
    let settings = Settings::default();
    let pool = settings.pool(path, CONNECTIONS)?;
    // Reads wait for each other, and nothing is gained by giving them up before a write would be.
    let builder = Larder::builder(pool).shared(MemoryStore::new()).wait_for_connection(settings.busy_timeout);
    Ok(builder.writers_take_turns(settings.busy_timeout))
}

impl Builder<Sqlite> {
    /// Has the handle's transactions wait for each other in a line, and not each on a connection of its own, where they would keep readers
    /// from having one. Defaults to not doing so; [`embedded`] does.
    ///
    /// In the order in which they were begun; one that has waited for `at_most` fails with [`Error::NoTurn`], which is
    /// [retryable](Error::is_retryable). Whoever writes through the handle from within a transaction of its own, and not through that
    /// transaction, waits for itself, and gets this error. Others who write to the file, by another handle or from another process, are
    /// waited for on the connection, for its `busy_timeout`.
    #[must_use]
    pub fn writers_take_turns(self, at_most: Duration) -> Self {
        self.turns(at_most)
    }
}

/// What each connection to a SQLite file is told, so that several threads can work on it.
///
/// A write-ahead log, without which a reader and a writer lock each other out; foreign keys, which SQLite leaves unchecked unless it is told;
/// and these. As a connection customizer of a pool, or by [`Settings::apply`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Settings {
    /// For how long a write waits for others before it fails with `database is locked`. Defaults to 30 seconds.
    pub busy_timeout: Duration,
    /// Whether a commit waits for the disk. Defaults to `true`. Without it the last commits may be lost when the machine (not the process)
    /// stops; the file stays good.
    pub durable: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self { busy_timeout: Duration::from_secs(30), durable: true }
    }
}

impl Settings {
    /// The same with another time to wait.
    #[must_use]
    pub fn busy_timeout(self, busy_timeout: Duration) -> Self {
        Self { busy_timeout, ..self }
    }

    /// The same, and commits wait for the disk or not.
    #[must_use]
    pub fn durable(self, durable: bool) -> Self {
        Self { durable, ..self }
    }

    /// Tells a connection.
    ///
    /// # Errors
    /// Diesel's, if the file can't have a write-ahead log.
    pub fn apply(&self, connection: &mut SqliteConnection) -> QueryResult<()> {
        // First: what comes after it waits for others.
        // SQLite takes more milliseconds than it can count for none.
        let millis = i32::try_from(self.busy_timeout.as_millis()).unwrap_or(i32::MAX);
        connection.batch_execute(&format!("PRAGMA busy_timeout = {millis}"))?;
        let mode = diesel::sql_query("PRAGMA journal_mode = WAL").get_result::<Mode>(connection)?;
        if mode.journal_mode != "wal" {
            let reason = format!("the database can't have a write-ahead log: its journal is `{}`", mode.journal_mode);
            return Err(Diesel::DatabaseError(DatabaseErrorKind::Unknown, Box::new(reason)));
        }
        let synchronous = if self.durable { "FULL" } else { "NORMAL" };
        connection.batch_execute(&format!("PRAGMA synchronous = {synchronous}; PRAGMA foreign_keys = ON"))
    }

    /// A pool of so many connections to a file, which is made if there is none.
    ///
    /// # Errors
    /// As [`embedded`].
    pub fn pool(&self, path: impl AsRef<Path>, max_size: u32) -> Result<Pool<ConnectionManager<SqliteConnection>>> {
        let none = |cause: String| Error::Pool(PoolError::Away { cause: Some(cause) });
        let path = path.as_ref().to_str().ok_or_else(|| none("the path is not UTF-8".to_owned()))?;
        if path.is_empty() || path == ":memory:" || path.contains("mode=memory") {
            return Err(none("a database in memory would be another one on each connection".to_owned()));
        }
        // Alone: the first one makes the log, and others who come then would not wait for it.
        let mut first = SqliteConnection::establish(path).map_err(|error| none(error.to_string()))?;
        self.apply(&mut first).map_err(|error| none(error.to_string()))?;
        let pool = Pool::builder().max_size(max_size.max(1)).min_idle(Some(1)).test_on_check_out(false);
        // Nothing that lies in a file of this machine becomes reachable by waiting.
        let pool = pool.connection_timeout(Duration::from_secs(2)).connection_customizer(Box::new(*self));
        pool.build(ConnectionManager::new(path)).map_err(|error| none(error.to_string()))
    }
}

impl CustomizeConnection<SqliteConnection, diesel::r2d2::Error> for Settings {
    fn on_acquire(&self, connection: &mut SqliteConnection) -> Result<(), diesel::r2d2::Error> {
        self.apply(connection).map_err(diesel::r2d2::Error::QueryError)
    }
}

#[derive(QueryableByName)]
struct Mode {
    #[diesel(sql_type = Text)]
    journal_mode: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_can_not_be_shared_is_refused() {
        for path in ["", ":memory:", "file:x?mode=memory&cache=shared", "/nowhere/at/all.sqlite"] {
            let refused = embedded(path);
            assert!(matches!(&refused, Err(Error::Pool(error)) if error.is_away()), "{path}: {refused:?}");
        }
    }

    #[test]
    fn a_connection_is_told_all_of_it() {
        #[derive(QueryableByName)]
        struct Told {
            #[diesel(sql_type = diesel::sql_types::BigInt)]
            timeout: i64,
            #[diesel(sql_type = diesel::sql_types::BigInt)]
            foreign_keys: i64,
            #[diesel(sql_type = diesel::sql_types::BigInt)]
            synchronous: i64,
        }
        let folder = tempfile::TempDir::new().unwrap();
        let told = |settings: Settings| {
            let pool = settings.pool(folder.path().join("a.sqlite"), 1).unwrap();
            let all = "SELECT timeout, foreign_keys, synchronous FROM pragma_busy_timeout, pragma_foreign_keys, pragma_synchronous";
            let told: Told = diesel::sql_query(all).get_result(&mut pool.get().unwrap()).unwrap();
            (told.timeout, told.foreign_keys, told.synchronous)
        };
        assert_eq!(told(Settings::default()), (30_000, 1, 2));
        assert_eq!(told(Settings::default().durable(false).busy_timeout(Duration::from_millis(7))), (7, 1, 1));
        assert_eq!(told(Settings::default().busy_timeout(Duration::MAX)), (i32::MAX.into(), 1, 2), "not none");
    }
}
