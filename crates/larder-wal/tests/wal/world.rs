//! A database of one test on a server with a logical log, a store in process, and models.

use std::{
    sync::{Arc, LazyLock, Mutex},
    time::Duration,
};

use diesel::{Connection as _, PgConnection, connection::SimpleConnection as _, pg::Pg, prelude::*};
use larder::{
    Larder, MemoryStore, Models, Repository,
    store::{CellKey, Operation, Store, Watched},
};
use larder_wal::{Builder, Follower, Status, setup};
use servers::PostgresOptions;
use tests::{Faults, Faulty, Meter, OwnPostgres, eventually, pool, psql};

/// Long enough for a busy machine.
pub(crate) const LONG: Duration = Duration::from_secs(60);

/// A server whose log has what followers need.
pub(crate) fn server() -> OwnPostgres {
    server_with(&[])
}

/// As [`server`], with further settings.
pub(crate) fn server_with(more: &[(&str, &str)]) -> OwnPostgres {
    let settings = [("wal_level", "logical"), ("max_replication_slots", "40"), ("max_wal_senders", "40")];
    let settings = settings.iter().chain(more).map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    OwnPostgres::with(PostgresOptions { durable: false, settings })
}

static SERVER: LazyLock<OwnPostgres> = LazyLock::new(server);
static N_WORLDS: Mutex<u32> = Mutex::new(0);

const TABLES: &str = "
    CREATE TABLE authors (id bigint PRIMARY KEY, name text UNIQUE NOT NULL);
    CREATE TABLE books (
        id bigint PRIMARY KEY, author_id bigint REFERENCES authors ON DELETE CASCADE,
        title text NOT NULL, n_reads bigint DEFAULT 0 NOT NULL
    );
    CREATE TABLE pages (
        book_id bigint REFERENCES books ON DELETE CASCADE, number integer, words text NOT NULL, PRIMARY KEY (book_id, number)
    );
    INSERT INTO authors VALUES (1, 'Ada'), (2, 'Bob');
    INSERT INTO books VALUES (10, 1, 'Notes'), (11, 1, 'Letters'), (20, 2, 'Essays');
    INSERT INTO pages VALUES (10, 1, 'one'), (10, 2, 'two');
";

diesel::table! { authors (id) { id -> BigInt, name -> Text, } }
diesel::table! { books (id) { id -> BigInt, author_id -> Nullable<BigInt>, title -> Text, n_reads -> BigInt, } }
diesel::table! { pages (book_id, number) { book_id -> BigInt, number -> Integer, words -> Text, } }

#[derive(Debug, Clone, PartialEq, Queryable, Selectable, Insertable, AsChangeset, Repository)]
#[diesel(table_name = authors, check_for_backend(Pg))]
#[larder(unique(name))]
pub(crate) struct Author {
    pub(crate) id: i64,
    pub(crate) name: String,
}

/// `n_reads` is no column of the model.
#[derive(Debug, Clone, PartialEq, Queryable, Selectable, Insertable, Repository)]
#[diesel(table_name = books, check_for_backend(Pg))]
#[larder(index(author_id))]
pub(crate) struct Book {
    pub(crate) id: i64,
    pub(crate) author_id: Option<i64>,
    pub(crate) title: String,
}

#[derive(Debug, Clone, PartialEq, Queryable, Selectable, Insertable, Repository)]
#[diesel(table_name = pages, primary_key(book_id, number), check_for_backend(Pg))]
pub(crate) struct Page {
    pub(crate) book_id: i64,
    pub(crate) number: i32,
    pub(crate) words: String,
}

pub(crate) fn models() -> Models<Pg> {
    Models::new().with::<Author>().with::<Book>().with::<Page>()
}

pub(crate) struct World {
    pub(crate) url: String,
    pub(crate) larder: Larder<Pg>,
    pub(crate) store: Arc<dyn Store>,
    /// Disturbs the store.
    pub(crate) faults: Faults,
    /// Which cells were settled.
    pub(crate) settled: Arc<Mutex<Vec<CellKey>>>,
    slot: String,
    server: OwnPostgres,
}

impl World {
    pub(crate) fn new() -> Self {
        Self::on(SERVER.clone())
    }

    pub(crate) fn on(server: OwnPostgres) -> Self {
        let name = {
            let mut n_worlds = N_WORLDS.lock().unwrap();
            *n_worlds += 1;
            format!("world_{n_worlds}")
        };
        let _ = psql(&server.url(), &format!("CREATE DATABASE {name}"));
        let url = server.url().replace("/larder", &format!("/{name}"));
        let mut connection = PgConnection::establish(&url).unwrap();
        connection.batch_execute(TABLES).unwrap();
        connection.batch_execute(&setup::up(&models(), "larder")).unwrap();
        let settled = Arc::new(Mutex::new(Vec::new()));
        let noted = Arc::clone(&settled);
        let store = Faulty::new(Watched::new(MemoryStore::new(), move |operation, keys: &[&CellKey]| {
            if operation == Operation::Settle {
                noted.lock().unwrap().extend(keys.iter().map(|key| (*key).clone()));
            }
        }));
        let faults = store.faults();
        let store: Arc<dyn Store> = Arc::new(store);
        let larder = Larder::builder(pool(&url, &Meter::new(), 4)).shared_arc(Arc::clone(&store)).build();
        Self { url, larder, store, faults, settled, slot: name, server }
    }

    pub(crate) fn builder(&self) -> Builder {
        Follower::builder(&self.url, Arc::clone(&self.store), models()).slot(&self.slot)
    }

    /// A follower that is following.
    pub(crate) fn follow(&self) -> Follower {
        let follower = self.builder().start().unwrap();
        until(&follower, |status| status.is_following);
        follower
    }

    pub(crate) fn connect(&self) -> PgConnection {
        PgConnection::establish(&self.url).unwrap()
    }

    pub(crate) fn psql(&self, statements: &str) -> String {
        psql(&self.url, statements)
    }

    pub(crate) fn slot(&self) -> &str {
        &self.slot
    }

    pub(crate) fn server(&self) -> &OwnPostgres {
        &self.server
    }

    /// The keys of the cells that were settled since this was last asked.
    pub(crate) fn settled(&self) -> Vec<String> {
        let mut settled: Vec<String> =
            std::mem::take(&mut *self.settled.lock().unwrap()).iter().map(ToString::to_string).collect();
        settled.sort();
        settled.dedup();
        settled
    }

    /// What all finders answer, from wherever.
    fn answers(larder: &Larder<Pg>) -> larder::Result<Answers> {
        let (authors, books) = (Author::repository(larder), Book::repository(larder));
        Ok(Answers {
            authors: authors.find_many(&[1, 2, 3])?,
            named: ["Ada", "Bob", "Cyd", "Eve"]
                .iter()
                .map(|name| authors.find_by_name(*name))
                .collect::<Result<_, _>>()?,
            books: books.find_many(&[10, 11, 20, 30])?,
            lists: [1, 2, 3].iter().map(|author| books.list_by_author_id(*author).load()).collect::<Result<_, _>>()?,
            pages: Page::repository(larder).find_many(&[(10, 1), (10, 2), (10, 3)])?,
        })
    }

    /// Fills the cells of all finders.
    pub(crate) fn warm(&self) {
        Self::answers(&self.larder).unwrap();
        assert!(self.larder.flush(LONG));
    }

    /// Waits until every finder answers what the database has.
    #[track_caller]
    pub(crate) fn is_seen(&self) {
        let uncached = Larder::builder(pool(&self.url, &Meter::new(), 1)).build();
        let expected = Self::answers(&uncached).unwrap();
        // A server that was restarted has closed the handle's connections.
        eventually(LONG, || Self::answers(&self.larder).is_ok_and(|answers| answers == expected));
    }
}

#[derive(PartialEq)]
struct Answers {
    authors: Vec<Option<Author>>,
    named: Vec<Option<Author>>,
    books: Vec<Option<Book>>,
    lists: Vec<Vec<Book>>,
    pages: Vec<Option<Page>>,
}

/// Waits for a follower.
#[track_caller]
pub(crate) fn until(follower: &Follower, is_met: impl Fn(&Status) -> bool) {
    eventually(LONG, || is_met(&follower.status()));
}
