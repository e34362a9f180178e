//! Safe writes on SQLite: versions, soft deletion, time columns, batches, and what is done once.

mod batches;
mod each;
mod once;
mod soft;
mod versions;

use std::time::Duration;

use diesel::{
    SqliteConnection,
    connection::SimpleConnection,
    prelude::*,
    r2d2::{ConnectionManager, CustomizeConnection, Pool},
    sqlite::Sqlite,
};
use larder::{Larder, MemoryStore, NearOptions, Repository};
use tempfile::TempDir;

const TABLES: &str = "
    CREATE TABLE authors (
        id BIGINT PRIMARY KEY, email TEXT NOT NULL, name TEXT NOT NULL, version BIGINT NOT NULL DEFAULT 1, deleted_at TIMESTAMP,
        made_at TIMESTAMP NOT NULL DEFAULT (strftime('%Y-%m-%d %H:%M:%f', 'now')),
        changed_at TIMESTAMP NOT NULL DEFAULT (strftime('%Y-%m-%d %H:%M:%f', 'now'))
    );
    CREATE UNIQUE INDEX authors_email ON authors (email) WHERE deleted_at IS NULL;
    CREATE TABLE books (
        id BIGINT PRIMARY KEY, author_id BIGINT NOT NULL REFERENCES authors ON DELETE CASCADE, title TEXT NOT NULL, pages BIGINT NOT NULL,
        deleted_at TIMESTAMP
    );
    CREATE TABLE letters (id BIGINT PRIMARY KEY, author_id BIGINT NOT NULL REFERENCES authors ON DELETE CASCADE);
";

diesel::table! {
    authors (id) {
        id -> BigInt, email -> Text, name -> Text, version -> BigInt, deleted_at -> Nullable<Timestamp>, made_at -> Timestamp,
        changed_at -> Timestamp,
    }
}
diesel::table! {
    books (id) { id -> BigInt, author_id -> BigInt, title -> Text, pages -> BigInt, deleted_at -> Nullable<Timestamp>, }
}
diesel::table! { letters (id) { id -> BigInt, author_id -> BigInt, } }

#[derive(Debug, Clone, PartialEq, Queryable, Selectable, Identifiable, Repository)]
#[diesel(table_name = authors, check_for_backend(Sqlite))]
#[larder(unique(email), soft_delete = deleted_at)]
#[larder(has_many(books: Book, on_delete = cascade), has_many(letters: Letter, on_delete = cascade))]
pub(crate) struct Author {
    pub(crate) id: i64,
    pub(crate) email: String,
    pub(crate) name: String,
    #[larder(version)]
    pub(crate) version: i64,
    pub(crate) deleted_at: Option<chrono::NaiveDateTime>,
    #[larder(created_at)]
    pub(crate) made_at: chrono::NaiveDateTime,
    #[larder(updated_at)]
    pub(crate) changed_at: chrono::NaiveDateTime,
}

#[derive(Debug, Clone, PartialEq, Queryable, Selectable, Identifiable, Associations, Repository)]
#[diesel(table_name = books, belongs_to(Author), check_for_backend(Sqlite))]
#[larder(index(author_id; order = pages.desc()), soft_delete = deleted_at)]
pub(crate) struct Book {
    pub(crate) id: i64,
    pub(crate) author_id: i64,
    pub(crate) title: String,
    pub(crate) pages: i64,
    pub(crate) deleted_at: Option<chrono::NaiveDateTime>,
}

#[derive(Debug, Clone, PartialEq, Queryable, Selectable, Identifiable, Associations, Repository)]
#[diesel(table_name = letters, belongs_to(Author), check_for_backend(Sqlite))]
pub(crate) struct Letter {
    pub(crate) id: i64,
    pub(crate) author_id: i64,
}

#[derive(Insertable, Clone)]
#[diesel(table_name = authors)]
pub(crate) struct NewAuthor {
    pub(crate) id: i64,
    pub(crate) email: String,
    pub(crate) name: String,
}

#[derive(Insertable, Clone)]
#[diesel(table_name = books)]
pub(crate) struct NewBook {
    pub(crate) id: i64,
    pub(crate) author_id: i64,
    pub(crate) title: String,
    pub(crate) pages: i64,
}

/// A library of three authors, of whom the first has three books and a letter.
pub(crate) struct Library {
    pub(crate) larder: Larder<Sqlite>,
    /// Of another process, as it were: nothing of this one's caches.
    pub(crate) pool: Pool<ConnectionManager<SqliteConnection>>,
    _folder: TempDir,
}

#[derive(Debug)]
struct Settings;

impl CustomizeConnection<SqliteConnection, diesel::r2d2::Error> for Settings {
    fn on_acquire(&self, connection: &mut SqliteConnection) -> Result<(), diesel::r2d2::Error> {
        connection
            .batch_execute(
                "PRAGMA busy_timeout = 20000; PRAGMA journal_mode = WAL; PRAGMA synchronous = OFF; PRAGMA foreign_keys = ON",
            )
            .map_err(diesel::r2d2::Error::QueryError)
    }
}

impl Library {
    pub(crate) fn open() -> Self {
        let folder = TempDir::new().unwrap();
        let pool = Pool::builder()
            .max_size(8)
            .min_idle(Some(1))
            .test_on_check_out(false)
            .connection_timeout(Duration::from_secs(30))
            .connection_customizer(Box::new(Settings))
            .build(ConnectionManager::<SqliteConnection>::new(folder.path().join("library.sqlite").to_str().unwrap()))
            .unwrap();
        pool.get().unwrap().batch_execute(TABLES).unwrap();
        let larder =
            Larder::builder(pool.clone()).shared(MemoryStore::new()).near(NearOptions::bytes(16 << 20)).build();
        let library = Self { larder, pool, _folder: folder };
        let authors: Vec<_> =
            [(1, "ann"), (2, "ben"), (3, "cat")].map(|(id, name)| author(id, name)).into_iter().collect();
        Author::repository(&library.larder).insert_many(&authors).unwrap();
        for id in 1..4 {
            Book::repository(&library.larder)
                .insert(NewBook { id, author_id: 1, title: format!("volume {id}"), pages: 100 * id })
                .unwrap();
        }
        Letter::repository(&library.larder).insert((letters::id.eq(1), letters::author_id.eq(1))).unwrap();
        library
    }

    /// Has everything in the cells that is read by `read`, which is called until that is so.
    pub(crate) fn warm<T>(&self, read: impl Fn(&Larder<Sqlite>) -> larder::Result<T>) -> T {
        read(&self.larder).unwrap();
        assert!(self.larder.flush(Duration::from_secs(30)));
        read(&self.larder).unwrap()
    }
}

pub(crate) fn author(id: i64, name: &str) -> NewAuthor {
    NewAuthor { id, email: format!("{name}@x"), name: name.to_owned() }
}
