//! Authors, their books, and the pages of those, with triggers.

use diesel::{PgConnection, connection::SimpleConnection as _, pg::Pg, prelude::*, sql_query, sql_types};
use larder::{Larder, MemoryStore, Models, Repository, outbox, triggers::Triggers};
use tests::{Database, Meter, Template, psql};

const TABLES: &str = "
    CREATE TABLE authors (id bigint PRIMARY KEY, name text UNIQUE NOT NULL, mentor_id bigint REFERENCES authors ON DELETE CASCADE);
    CREATE TABLE books (
        id bigint PRIMARY KEY, author_id bigint REFERENCES authors ON DELETE CASCADE ON UPDATE CASCADE,
        title text NOT NULL, n_reads bigint DEFAULT 0 NOT NULL
    );
    CREATE TABLE pages (
        book_id bigint REFERENCES books ON DELETE CASCADE, number integer, words text NOT NULL, PRIMARY KEY (book_id, number)
    );
";

/// The tables with an outbox and triggers.
pub(crate) static LIBRARY: Template = Template::new("library", |connection| {
    connection.batch_execute(&format!("{}; {TABLES}", outbox::UP)).expect("the tables can be made");
    connection.batch_execute(&triggers().up()).expect("the triggers can be made");
});

/// The tables and an outbox.
pub(crate) static UNTOLD: Template = Template::new("untold", |connection| {
    connection.batch_execute(&format!("{}; {TABLES}", outbox::UP)).expect("the tables can be made");
});

diesel::table! { authors (id) { id -> BigInt, name -> Text, mentor_id -> Nullable<BigInt>, } }
diesel::table! { books (id) { id -> BigInt, author_id -> Nullable<BigInt>, title -> Text, n_reads -> BigInt, } }
diesel::table! { pages (book_id, number) { book_id -> BigInt, number -> Integer, words -> Text, } }

/// Its relations say nothing of what goes with an author that is deleted.
#[derive(Debug, Clone, PartialEq, Queryable, Selectable, Insertable, Repository)]
#[diesel(table_name = authors, check_for_backend(Pg))]
#[larder(unique(name), has_many(books: Book))]
pub(crate) struct Author {
    pub(crate) id: i64,
    pub(crate) name: String,
    pub(crate) mentor_id: Option<i64>,
}

/// `n_reads` is no column of the model.
#[derive(Debug, Clone, PartialEq, Queryable, Selectable, Insertable, AsChangeset, Repository)]
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

pub(crate) fn triggers() -> Triggers {
    Triggers::of(models())
}

/// A handle with a store in process.
pub(crate) fn larder(database: &Database) -> Larder<Pg> {
    Larder::builder(database.pool(&Meter::new(), 2)).shared(MemoryStore::new()).build()
}

#[derive(QueryableByName)]
struct Entry {
    #[diesel(sql_type = sql_types::Text)]
    entry: String,
}

/// What stands in the outbox, which is empty afterwards: `model: rows`, one after the other, where `any` is any row.
pub(crate) fn told(connection: &mut PgConnection) -> Vec<String> {
    let take = "WITH taken AS (DELETE FROM larder_outbox RETURNING *)
        SELECT model || ': ' || coalesce(
            (SELECT string_agg(element::text, ' ' ORDER BY element::text) FROM jsonb_array_elements(rows) AS element), 'any'
        ) AS entry FROM taken ORDER BY id";
    sql_query(take).load::<Entry>(connection).unwrap().into_iter().map(|Entry { entry }| entry).collect()
}

/// What the triggers tell of statements that are typed into psql.
#[track_caller]
pub(crate) fn told_of(database: &Database, statements: &str) -> Vec<String> {
    let _ = psql(database.url(), statements);
    told(&mut database.connect())
}

/// Two authors, the second one a pupil of the first, with two books and one, and two pages in the first book. Not told of.
pub(crate) fn stocked(template: &Template) -> Database {
    let database = template.database();
    let stock = "
        INSERT INTO authors VALUES (1, 'Ada', NULL), (2, 'Bob', 1);
        INSERT INTO books VALUES (10, 1, 'Notes'), (11, 1, 'Letters'), (20, 2, 'Essays');
        INSERT INTO pages VALUES (10, 1, 'one'), (10, 2, 'two');
        TRUNCATE larder_outbox";
    database.connect().batch_execute(stock).unwrap();
    database
}
