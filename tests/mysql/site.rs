//! A database of one test, and the statements that larder sends to it.

use std::{
    env, process,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use diesel::{
    Connection, MysqlConnection,
    connection::{InstrumentationEvent, SimpleConnection},
    mysql::Mysql,
    r2d2::{ConnectionManager, CustomizeConnection, Pool},
};
use larder::{Builder, Larder, MemoryStore};

use crate::models::{NewAuthor, NewBook, TABLES};

pub(crate) struct Site {
    pub(crate) larder: Larder<Mysql>,
    pub(crate) pool: Pool<ConnectionManager<MysqlConnection>>,
    statements: Statements,
    server: String,
    name: String,
}

#[derive(Debug, Clone, Default)]
struct Statements(Arc<Mutex<Vec<String>>>);

impl Site {
    /// The tables of the models, without rows.
    pub(crate) fn empty() -> Self {
        Self::built(|builder| builder)
    }

    /// The same, with a handle that is set up otherwise.
    pub(crate) fn built(set_up: impl FnOnce(Builder<Mysql>) -> Builder<Mysql>) -> Self {
        let url = env::var("MARIADB_URL").expect("MARIADB_URL names a server, as `cargo xtask services` does");
        Self::on(&url, set_up)
    }

    /// The same on another server.
    pub(crate) fn on(url: &str, set_up: impl FnOnce(Builder<Mysql>) -> Builder<Mysql>) -> Self {
        static N: AtomicU32 = AtomicU32::new(0);
        let server = url.rsplit_once('/').expect("the URL names a database").0.to_owned();
        let name = format!("larder_test_{}_{}", process::id(), N.fetch_add(1, Ordering::Relaxed));
        let mut admin = MysqlConnection::establish(url).unwrap();
        // As most are who never think of it: texts are equal whatever their case, their accents, and the spaces at their end.
        let create = format!("CREATE DATABASE {name} CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci");
        admin.batch_execute(&create).unwrap();
        let statements = Statements::default();
        let pool = Pool::builder()
            .max_size(8)
            .min_idle(Some(1))
            .test_on_check_out(false)
            .connection_customizer(Box::new(statements.clone()))
            .build(ConnectionManager::<MysqlConnection>::new(format!("{server}/{name}")))
            .unwrap();
        pool.get().unwrap().batch_execute(TABLES).unwrap();
        let larder = set_up(Larder::builder(pool.clone()).shared(MemoryStore::new()).cursor_key([7; 32])).build();
        Self { larder, pool, statements, server, name }
    }

    /// Goes on with caches that have nothing.
    pub(crate) fn forget(&mut self) {
        self.larder = Larder::builder(self.pool.clone()).shared(MemoryStore::new()).cursor_key([7; 32]).build();
    }

    /// Three authors: Ada with two books, Bob with three, Cyd with none.
    pub(crate) fn filled() -> Self {
        let site = Self::empty();
        site.fill();
        site
    }

    pub(crate) fn fill(&self) {
        let authors = [(1, "ada@x", "Ada"), (2, "bob@x", "Bob"), (3, "cyd@x", "Cyd")]
            .map(|(id, email, name)| NewAuthor { id: Some(id), email, name: Some(name) });
        crate::models::Author::repository(&self.larder).insert_many(&authors).unwrap();
        let books: Vec<_> = (1..6).map(|n| book(n, 1 + n % 2)).collect();
        crate::models::Book::repository(&self.larder).insert_many(&books).unwrap();
    }

    pub(crate) fn url(&self) -> String {
        format!("{}/{}", self.server, self.name)
    }

    /// A connection that larder does not know of.
    pub(crate) fn outside(&self) -> MysqlConnection {
        MysqlConnection::establish(&self.url()).unwrap()
    }

    /// What `work` gives, which must send `n` statements. Where it does not, they are shown.
    #[track_caller]
    pub(crate) fn costs<T>(&self, n: usize, work: impl FnOnce(&Larder<Mysql>) -> larder::Result<T>) -> T {
        assert!(self.larder.flush(Duration::from_secs(30)), "what was loaded before is stored");
        self.statements.take();
        let value = work(&self.larder).unwrap();
        let sent = self.statements.take();
        let shown: Vec<String> = sent.iter().map(|sql| sql.chars().take(300).collect()).collect();
        assert_eq!(sent.len(), n, "{:#?}", &shown[..shown.len().min(10)]);
        value
    }

    /// The statements of `work`.
    pub(crate) fn sent<T>(&self, work: impl FnOnce(&Larder<Mysql>) -> larder::Result<T>) -> Vec<String> {
        self.statements.take();
        work(&self.larder).unwrap();
        self.statements.take()
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        if let Ok(mut connection) = MysqlConnection::establish(&self.url()) {
            // What can't be dropped goes with the server.
            let _ = connection.batch_execute(&format!("DROP DATABASE {}", self.name));
        }
    }
}

/// A book of a genre that it has with every third.
pub(crate) fn book(n: i64, author_id: i64) -> NewBook<'static> {
    use larder::types::{Id, Moment, Money};
    NewBook {
        id: Id::from_u128(u128::try_from(n).unwrap()),
        author_id,
        genre: ["crime", "verse", "maths"][usize::try_from(n).unwrap() % 3],
        price: Money::from_minor(n * 1_000),
        made_at: Moment::from_micros(1_700_000_000_000_000 + n).unwrap(),
        seen_at: (n % 2 == 0).then(|| Moment::from_micros(n).unwrap()),
    }
}

impl Statements {
    fn take(&self) -> Vec<String> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl CustomizeConnection<MysqlConnection, diesel::r2d2::Error> for Statements {
    fn on_acquire(&self, connection: &mut MysqlConnection) -> Result<(), diesel::r2d2::Error> {
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
