//! A database of one test, and the statements that it is sent.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use diesel::{
    Connection, SqliteConnection,
    connection::{InstrumentationEvent, SimpleConnection},
    r2d2::{ConnectionManager, CustomizeConnection, Pool},
    sqlite::Sqlite,
};
use larder::{Larder, MemoryStore};
use tempfile::TempDir;

pub(crate) struct Database {
    pub(crate) larder: Larder<Sqlite>,
    statements: Statements,
    _file: TempDir,
}

#[derive(Debug, Clone, Default)]
struct Statements(Arc<Mutex<Vec<String>>>);

impl Database {
    pub(crate) fn new(tables: &str) -> Self {
        let file = TempDir::new().expect("a folder can be made");
        let url = file.path().join("test.sqlite");
        let statements = Statements::default();
        let pool = Pool::builder()
            .max_size(2)
            .test_on_check_out(false)
            .connection_customizer(Box::new(statements.clone()))
            .build(ConnectionManager::<SqliteConnection>::new(url.to_str().expect("a temporary path is text")))
            .expect("a file can be opened");
        pool.get().expect("there is a connection").batch_execute(tables).expect("the tables can be made");
        Self { larder: Larder::builder(pool).shared(MemoryStore::new()).build(), statements, _file: file }
    }

    /// What `work` gives, which must send `n` statements. Where it does not, they are shown.
    #[track_caller]
    pub(crate) fn costs<T>(&self, n: usize, work: impl FnOnce(&Larder<Sqlite>) -> larder::Result<T>) -> T {
        // A row that is stored between a reader's look at its cell and its look into the queue is loaded once more.
        assert!(self.larder.flush(Duration::from_secs(30)), "what was loaded before is stored");
        self.statements.0.lock().expect("no test holds it").clear();
        let value = work(&self.larder).expect("the database does what it is told");
        let sent = self.statements.0.lock().expect("no test holds it").clone();
        assert_eq!(sent.len(), n, "{sent:#?}");
        value
    }
}

impl CustomizeConnection<SqliteConnection, diesel::r2d2::Error> for Statements {
    fn on_acquire(&self, connection: &mut SqliteConnection) -> Result<(), diesel::r2d2::Error> {
        connection
            .batch_execute("PRAGMA journal_mode = WAL; PRAGMA foreign_keys = ON")
            .map_err(diesel::r2d2::Error::QueryError)?;
        let statements = self.clone();
        connection.set_instrumentation(move |event: InstrumentationEvent<'_>| {
            if let InstrumentationEvent::StartQuery { query, .. } = event {
                let query = query.to_string();
                if ["SELECT", "INSERT", "UPDATE", "DELETE"].iter().any(|word| query.starts_with(word)) {
                    statements.0.lock().expect("no test holds it").push(query);
                }
            }
        });
        Ok(())
    }
}
