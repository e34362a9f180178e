//! A database of one test, and the statements that it is sent.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use diesel::{
    Connection, RunQueryDsl, SqliteConnection,
    connection::{InstrumentationEvent, SimpleConnection},
    r2d2::{ConnectionManager, CustomizeConnection, Pool},
    sqlite::Sqlite,
};
use larder::{Larder, MemoryStore};
use tempfile::TempDir;

use crate::models::{NewOrder, NewUser, TABLES, orders, users};

pub(crate) struct Database {
    pub(crate) larder: Larder<Sqlite>,
    pub(crate) pool: Pool<ConnectionManager<SqliteConnection>>,
    statements: Statements,
    path: String,
    _folder: TempDir,
}

#[derive(Debug, Clone, Default)]
struct Statements(Arc<Mutex<Vec<String>>>);

impl Database {
    /// The tables of the models, without rows.
    pub(crate) fn empty() -> Self {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("shop.sqlite").to_str().unwrap().to_owned();
        let statements = Statements::default();
        // One connection: one that is not given back is missed at once.
        let pool = Pool::builder()
            .max_size(1)
            .test_on_check_out(false)
            .connection_customizer(Box::new(statements.clone()))
            .build(ConnectionManager::<SqliteConnection>::new(&path))
            .unwrap();
        pool.get().unwrap().batch_execute(TABLES).unwrap();
        let larder = Larder::builder(pool.clone()).shared(MemoryStore::new()).build();
        Self { larder, pool, statements, path, _folder: folder }
    }

    /// Where the database is.
    pub(crate) fn path(&self) -> &str {
        &self.path
    }

    /// Three users: Ada with two orders, Bob with three, Cyd with none.
    pub(crate) fn filled() -> Self {
        let database = Self::empty();
        let connection = &mut *database.pool.get().unwrap();
        for (id, email, name) in [(1, "ada@x", "Ada"), (2, "bob@x", "Bob"), (3, "cyd@x", "Cyd")] {
            let user = NewUser { id, email: email.into(), name: name.into() };
            diesel::insert_into(users::table).values(user).execute(connection).unwrap();
        }
        for id in 1..6 {
            let order = NewOrder { id, user_id: 1 + id % 2, status: "paid", total: id * 10 };
            diesel::insert_into(orders::table).values(order).execute(connection).unwrap();
        }
        database
    }

    /// What `work` gives, which must send `n` statements. Where it does not, they are shown.
    #[track_caller]
    pub(crate) fn costs<T>(&self, n: usize, work: impl FnOnce(&Larder<Sqlite>) -> larder::Result<T>) -> T {
        // A row that is stored between a reader's look at its cell and its look into the queue is loaded once more.
        assert!(self.larder.flush(Duration::from_secs(30)), "what was loaded before is stored");
        self.statements.take();
        let value = work(&self.larder).unwrap();
        let sent = self.statements.take();
        let shown: Vec<String> = sent.iter().map(|sql| sql.chars().take(200).collect()).collect();
        assert_eq!(sent.len(), n, "{:#?}", &shown[..shown.len().min(10)]);
        value
    }
}

impl Statements {
    fn take(&self) -> Vec<String> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl CustomizeConnection<SqliteConnection, diesel::r2d2::Error> for Statements {
    fn on_acquire(&self, connection: &mut SqliteConnection) -> Result<(), diesel::r2d2::Error> {
        connection
            .batch_execute("PRAGMA journal_mode = WAL; PRAGMA synchronous = OFF; PRAGMA foreign_keys = ON")
            .map_err(diesel::r2d2::Error::QueryError)?;
        let statements = self.clone();
        connection.set_instrumentation(move |event: InstrumentationEvent<'_>| {
            if let InstrumentationEvent::StartQuery { query, .. } = event {
                let query = query.to_string();
                if ["SELECT", "INSERT", "UPDATE", "DELETE"].iter().any(|word| query.starts_with(word)) {
                    statements.0.lock().unwrap_or_else(PoisonError::into_inner).push(query);
                }
            }
        });
        Ok(())
    }
}
