//! What the derives write, in a library that denies whatever a careful one does.
#![deny(missing_docs, nonstandard_style, unused, unreachable_pub)]
#![deny(clippy::all, clippy::pedantic, clippy::allow_attributes_without_reason, clippy::unwrap_used)]

use diesel::prelude::*;
use larder::{Codec, KeyPart, Repository, View};

/// The tables.
#[allow(missing_docs, clippy::pedantic, reason = "Diesel's")]
mod schema {
    diesel::table! { authors (id) { id -> Integer, name -> Text, } }
    diesel::table! { books (id) { id -> Integer, author_id -> Nullable<Integer>, title -> Text, } }
}

/// Somebody who writes.
#[derive(Debug, Clone, Queryable, Selectable, Identifiable, Repository)]
#[diesel(table_name = schema::authors, check_for_backend(diesel::sqlite::Sqlite))]
#[larder(unique(name), has_many(books: Book, on_delete = set_null))]
pub struct Author {
    /// The primary key.
    pub id: i32,
    /// Unique.
    pub name: String,
}

/// What somebody wrote.
#[derive(Debug, Clone, Queryable, Selectable, Identifiable, Associations, Repository)]
#[diesel(table_name = schema::books, belongs_to(Author))]
#[diesel(check_for_backend(diesel::sqlite::Sqlite, diesel::pg::Pg))]
#[larder(index(author_id, title; order = id.desc()), many_to_many(twins: Book, through = Book, foreign_key = id, target_key = id))]
pub struct Book {
    /// The primary key.
    pub id: i32,
    /// Who wrote it, if that is known.
    pub author_id: Option<i32>,
    /// What it is called.
    pub title: String,
}

/// An author with their books.
#[derive(Debug, View)]
#[larder(of = Author)]
pub struct Shelf {
    /// Unique.
    pub name: String,
    /// The first of them.
    #[larder(with = books, filter = title.ne("").and(id.gt(0)), order = (title.asc(), id.desc()), limit = 3)]
    pub books: Vec<Title>,
    /// How many there are.
    #[larder(count = books, filter = title.ne(""))]
    pub n_books: i64,
}

/// A book's title.
#[derive(Debug, View)]
#[larder(of = Book)]
#[diesel(check_for_backend(diesel::sqlite::Sqlite, diesel::pg::Pg))]
pub struct Title {
    /// What it is called.
    pub title: String,
}

/// What may be written in a margin.
#[derive(Debug, Codec)]
pub enum Note<T> {
    /// Nothing.
    Empty,
    /// A word.
    Word(T),
    /// A mark at a line.
    Mark {
        /// The line.
        line: u32,
    },
}

/// The colour of a cover.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, KeyPart)]
pub enum Color {
    /// As blood.
    Red,
    /// As grass.
    Green,
}

/// What nobody outside sees, and not all of which is used.
mod private {
    use diesel::prelude::*;
    use larder::{Repository, View};

    use super::schema;

    #[derive(Debug, Clone, Queryable, Selectable, Identifiable, Repository)]
    #[diesel(table_name = schema::authors, check_for_backend(diesel::sqlite::Sqlite))]
    #[larder(unique(name), index(id, name), has_many(books: super::Book, foreign_key = author_id))]
    pub(super) struct Writer {
        pub(super) id: i32,
        pub(super) name: String,
    }

    #[derive(Debug, Clone, View)]
    #[larder(of = Writer)]
    pub(super) struct Name {
        pub(super) name: String,
    }
}

/// The name of a writer.
///
/// # Errors
/// The database's.
pub fn name(larder: &larder::Larder<diesel::sqlite::Sqlite>) -> larder::Result<Option<String>> {
    let writer = private::Writer::repository(larder).select::<private::Name>().find(1)?;
    Ok(writer.map(|writer| writer.name))
}
