//! Authors by a number that the database counts, their books by an id, and copies of those by two columns.

use diesel::{mysql::Mysql, prelude::*};
use larder::{
    Repository, View,
    types::{Id, Moment, Money},
};

pub(crate) const TABLES: &str = "
    CREATE TABLE authors (
        id BIGINT PRIMARY KEY AUTO_INCREMENT, email VARCHAR(120) NOT NULL UNIQUE, name VARCHAR(120) NOT NULL DEFAULT 'Nobody'
    );
    CREATE TABLE books (
        id BINARY(16) PRIMARY KEY, author_id BIGINT NOT NULL, genre VARCHAR(40) NOT NULL, price DECIMAL(19, 2) NOT NULL,
        made_at DATETIME(6) NOT NULL, seen_at DATETIME(6),
        FOREIGN KEY (author_id) REFERENCES authors (id) ON DELETE CASCADE, INDEX (genre)
    );
    CREATE TABLE copies (
        book_id BINARY(16) NOT NULL, shelf VARCHAR(40) NOT NULL, n INTEGER NOT NULL,
        PRIMARY KEY (book_id, shelf), FOREIGN KEY (book_id) REFERENCES books (id) ON DELETE CASCADE
    );
    CREATE TABLE notes (id VARCHAR(40) PRIMARY KEY DEFAULT (uuid()), text VARCHAR(40) NOT NULL);
    CREATE TABLE marks (id BIGINT PRIMARY KEY DEFAULT 0, text VARCHAR(40) NOT NULL);
    CREATE TRIGGER marks_have_an_id BEFORE INSERT ON marks FOR EACH ROW SET NEW.id = IF(NEW.id = 0, 8, NEW.id);
    CREATE TABLE names (name VARCHAR(40) PRIMARY KEY, n INTEGER NOT NULL);
    CREATE TABLE labels (label VARCHAR(40) COLLATE utf8mb4_nopad_bin PRIMARY KEY);
    CREATE TABLE replies (
        id BIGINT PRIMARY KEY, name VARCHAR(40), FOREIGN KEY (name) REFERENCES names (name) ON DELETE CASCADE
    );
";

diesel::table! { authors (id) { id -> BigInt, email -> Text, name -> Text, } }
diesel::table! {
    use diesel::sql_types::{BigInt, Nullable, Text};
    use larder::types::sql::{Id, Moment, Money};

    books (id) {
        id -> Id,
        author_id -> BigInt,
        genre -> Text,
        price -> Money,
        made_at -> Moment,
        seen_at -> Nullable<Moment>,
    }
}
diesel::table! {
    use diesel::sql_types::{Integer, Text};
    use larder::types::sql::Id;

    copies (book_id, shelf) { book_id -> Id, shelf -> Text, n -> Integer, }
}
diesel::table! { notes (id) { id -> Text, text -> Text, } }
diesel::table! { marks (id) { id -> BigInt, text -> Text, } }
diesel::table! { names (name) { name -> Text, n -> Integer, } }
diesel::table! { labels (label) { label -> Text, } }
diesel::table! { replies (id) { id -> BigInt, name -> Nullable<Text>, } }

#[derive(Debug, Clone, PartialEq, Queryable, Selectable, Identifiable, Repository)]
#[diesel(table_name = authors, check_for_backend(Mysql))]
#[larder(unique(email), has_many(books: Book, on_delete = cascade))]
pub(crate) struct Author {
    pub(crate) id: i64,
    pub(crate) email: String,
    pub(crate) name: String,
}

#[derive(Debug, Clone, PartialEq, Queryable, Selectable, Identifiable, Associations, Repository)]
#[diesel(table_name = books, belongs_to(Author), check_for_backend(Mysql))]
#[larder(index(genre; order = price.desc()), has_many(copies: Copies, on_delete = cascade))]
pub(crate) struct Book {
    pub(crate) id: Id,
    pub(crate) author_id: i64,
    pub(crate) genre: String,
    pub(crate) price: Money,
    pub(crate) made_at: Moment,
    pub(crate) seen_at: Option<Moment>,
}

#[derive(Debug, Clone, PartialEq, Queryable, Selectable, Identifiable, Associations, Repository)]
#[diesel(table_name = copies, primary_key(book_id, shelf), belongs_to(Book), check_for_backend(Mysql))]
pub(crate) struct Copies {
    pub(crate) book_id: Id,
    pub(crate) shelf: String,
    pub(crate) n: i32,
}

#[derive(Debug, Clone, PartialEq, Queryable, Selectable, Identifiable, Repository)]
#[diesel(table_name = notes, check_for_backend(Mysql))]
pub(crate) struct Note {
    pub(crate) id: String,
    pub(crate) text: String,
}

#[derive(Debug, Clone, PartialEq, Queryable, Selectable, Identifiable, Repository)]
#[diesel(table_name = marks, check_for_backend(Mysql))]
pub(crate) struct Mark {
    pub(crate) id: i64,
    pub(crate) text: String,
}

#[derive(Debug, Clone, PartialEq, Queryable, Selectable, Identifiable, Repository)]
#[diesel(table_name = names, primary_key(name), check_for_backend(Mysql))]
#[larder(has_many(replies: Reply, foreign_key = name, on_delete = cascade))]
pub(crate) struct Name {
    pub(crate) name: String,
    pub(crate) n: i32,
}

#[derive(Debug, Clone, PartialEq, Queryable, Selectable, Identifiable, Repository)]
#[diesel(table_name = replies, check_for_backend(Mysql))]
#[larder(index(name))]
pub(crate) struct Reply {
    pub(crate) id: i64,
    pub(crate) name: Option<String>,
}

/// A genre as it is spelled.
#[derive(Debug, Clone, PartialEq, Queryable, Selectable, Identifiable, Repository)]
#[diesel(table_name = labels, primary_key(label), check_for_backend(Mysql))]
#[larder(has_many(books: Book, foreign_key = genre))]
pub(crate) struct Label {
    pub(crate) label: String,
}

#[derive(Debug, Clone, PartialEq, View)]
#[larder(of = Label)]
pub(crate) struct LabelCard {
    #[larder(with = books, order = price.desc(), limit = 2)]
    pub(crate) dearest: Vec<Book>,
    #[larder(count = books)]
    pub(crate) n_books: i64,
}

#[derive(Debug, Clone, PartialEq, View)]
#[larder(of = Author)]
pub(crate) struct AuthorCard {
    pub(crate) email: String,
    #[larder(with = books, order = price.desc(), limit = 2)]
    pub(crate) dearest: Vec<BookCard>,
    #[larder(count = books)]
    pub(crate) n_books: i64,
}

#[derive(Debug, Clone, PartialEq, View)]
#[larder(of = Book)]
pub(crate) struct BookCard {
    pub(crate) author_id: i64,
    pub(crate) price: Money,
}

#[derive(Debug, Clone, Insertable)]
#[diesel(table_name = authors)]
pub(crate) struct NewAuthor<'a> {
    pub(crate) id: Option<i64>,
    pub(crate) email: &'a str,
    pub(crate) name: Option<&'a str>,
}

#[derive(Debug, Clone, Insertable)]
#[diesel(table_name = books)]
pub(crate) struct NewBook<'a> {
    pub(crate) id: Id,
    pub(crate) author_id: i64,
    pub(crate) genre: &'a str,
    pub(crate) price: Money,
    pub(crate) made_at: Moment,
    pub(crate) seen_at: Option<Moment>,
}

#[derive(Debug, Clone, Insertable)]
#[diesel(table_name = copies)]
pub(crate) struct NewCopies<'a> {
    pub(crate) book_id: Id,
    pub(crate) shelf: &'a str,
    pub(crate) n: i32,
}

#[derive(Debug, Clone, Insertable)]
#[diesel(table_name = names)]
pub(crate) struct NewName<'a> {
    pub(crate) name: &'a str,
    pub(crate) n: i32,
}

#[derive(Debug, Clone, Insertable)]
#[diesel(table_name = replies)]
pub(crate) struct NewReply<'a> {
    pub(crate) id: i64,
    pub(crate) name: Option<&'a str>,
}

#[derive(Debug, Default, AsChangeset)]
#[diesel(table_name = authors)]
pub(crate) struct AuthorChanges<'a> {
    pub(crate) email: Option<&'a str>,
    pub(crate) name: Option<&'a str>,
}
