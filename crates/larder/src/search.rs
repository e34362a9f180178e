//! Full-text search of PostgreSQL: whole words in any of their forms, ranked, with what was found marked.
//!
//! A model that is [`Searched`] has [`Repository::search`](crate::Repository::search). What is searched is a `tsvector` column that the database
//! makes itself, with a GIN index: [`up`] gives the statement that adds both.

mod highlight;
mod typed;

use diesel::pg::Pg;

pub use self::highlight::{Highlight, Piece};
pub(crate) use self::{
    highlight::{END, START},
    typed::Typed,
};
pub use crate::repository::Search;
use crate::{entity::Table, load};

/// A model whose rows can be searched.
///
/// ```
/// # use diesel::prelude::*;
/// # diesel::table! { articles (id) { id -> BigInt, title -> Text, body -> Text, } }
/// # #[derive(Debug, Clone, PartialEq, Queryable, Selectable, Identifiable, larder::Repository)]
/// # #[diesel(table_name = articles, check_for_backend(diesel::pg::Pg))]
/// # struct Article { id: i64, title: String, body: String }
/// use larder::search::{Hit, Searched};
///
/// impl Searched for Article {
///     const DOCUMENT: &'static str = "searched";
///     const LANGUAGE: &'static str = "english";
///     const TEXT: &'static [&'static str] = &["title", "body"];
/// }
///
/// # fn example(larder: &larder::Larder<diesel::pg::Pg>, typed: &str) -> larder::Result<()> {
/// let found: Vec<Hit<Article>> = Article::repository(larder).search(typed).limit(10).load()?;
/// for hit in &found {
///     println!("{}: {}", hit.row.title, hit.highlight.to_html());
/// }
/// # Ok(())
/// # }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` can't be searched",
    label = "it is not said what of it is searched",
    note = "implement `larder::search::Searched` for `{Self}`, and add its column by `larder::search::up`"
)]
pub trait Searched: Table<Pg> {
    /// The `tsvector` column. The model has no field of it.
    const DOCUMENT: &'static str;

    /// The configuration by which words are cut and reduced to their stems: `english`, `german`, `simple` and so on, as `\dF` lists them. The
    /// column was made with the same.
    const LANGUAGE: &'static str;

    /// The text columns, NULL or not, that are searched: what is found in an earlier one weighs more (1, 0.4, 0.2, and 0.1 from the fourth on).
    const TEXT: &'static [&'static str];
}

/// A row that was found.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Hit<T> {
    /// The row, in the shape of the repository.
    pub row: T,
    /// How well it fits, by `ts_rank`: how often the words stand there, and in which columns. Comparable within one search.
    pub rank: f32,
    /// The parts of its text with the words in them.
    pub highlight: Highlight,
}

/// The SQL that adds what a model's search needs: the column, which rewrites the table under a lock, and its index.
///
/// For a migration. On a large table add the column there, and the index by `CREATE INDEX CONCURRENTLY` outside of a transaction.
///
/// # Errors
/// Diesel's, if the table's name can't be written.
pub fn up<E: Searched>() -> diesel::QueryResult<String> {
    let table = load::table_sql::<Pg, E>()?;
    let weights = ["A", "B", "C"].into_iter().chain(std::iter::repeat("D"));
    let parts = E::TEXT.iter().zip(weights).map(|(column, weight)| {
        format!("setweight(to_tsvector('{}', coalesce({}, '')), '{weight}')", literal(E::LANGUAGE), identifier(column))
    });
    let document = parts.collect::<Vec<_>>().join(" || ");
    let column = identifier(E::DOCUMENT);
    Ok(format!(
        "ALTER TABLE {table} ADD COLUMN {column} tsvector NOT NULL GENERATED ALWAYS AS ({document}) STORED;\n\
         CREATE INDEX ON {table} USING gin ({column});\n"
    ))
}

/// The SQL that takes away what [`up`] has added.
///
/// # Errors
/// As [`up`].
pub fn down<E: Searched>() -> diesel::QueryResult<String> {
    Ok(format!("ALTER TABLE {} DROP COLUMN {};\n", load::table_sql::<Pg, E>()?, identifier(E::DOCUMENT)))
}

fn identifier(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

fn literal(text: &str) -> String {
    text.replace('\'', "''")
}
