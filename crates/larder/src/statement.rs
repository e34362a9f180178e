//! SQL under construction: text, and fragments and values that Diesel writes.
//!
//! Finders are made of few statements that differ in table and columns only. One type for all of them keeps what the compiler
//! does for each model small; the columns and values in it are Diesel's own, so quoting and binds are too.

use std::{borrow::Cow, marker::PhantomData};

use diesel::{
    query_builder::{AstPass, Query, QueryFragment, QueryId},
    result::QueryResult,
    serialize::ToSql,
    sql_types::{HasSqlType, Untyped},
};

use crate::backend::Backend;

/// The comment that larder's own writes of a model begin with: a trigger of that table knows them by it.
pub(crate) fn mark(model: &str) -> String {
    let mut mark = "/* larder:".to_owned();
    for c in model.chars() {
        // Nothing that would end the comment, or open another.
        if c.is_ascii_alphanumeric() || "_.-".contains(c) {
            mark.push(c)
        } else {
            mark.push_str(&format!("%{:X}", u32::from(c)))
        }
    }
    mark + " */ "
}

/// A piece of SQL that Diesel can write.
pub type Fragment<'q, DB> = Box<dyn QueryFragment<DB> + 'q>;

/// One SQL statement.
pub struct Statement<'q, DB: Backend> {
    pieces: Vec<Piece<'q, DB>>,
    cached: bool,
    exact: bool,
}

enum Piece<'q, DB: Backend> {
    Text(Cow<'static, str>),
    Identifier(&'static str),
    Fragment(Fragment<'q, DB>),
}

impl<'q, DB: Backend> Statement<'q, DB> {
    /// An empty statement.
    pub(crate) fn new() -> Self {
        Self { pieces: Vec::with_capacity(16), cached: true, exact: true }
    }

    /// Appends SQL.
    pub(crate) fn sql(&mut self, text: impl Into<Cow<'static, str>>) -> &mut Self {
        self.pieces.push(Piece::Text(text.into()));
        self
    }

    /// Appends a piece that Diesel writes.
    pub(crate) fn fragment(&mut self, fragment: Fragment<'q, DB>) -> &mut Self {
        self.pieces.push(Piece::Fragment(fragment));
        self
    }

    /// Appends a name, quoted as the back end does it.
    pub(crate) fn identifier(&mut self, name: &'static str) -> &mut Self {
        self.pieces.push(Piece::Identifier(name));
        self
    }

    /// Appends a value.
    pub(crate) fn bind<ST, T>(&mut self, value: T) -> &mut Self
    where
        ST: 'q,
        T: ToSql<ST, DB> + 'q,
        DB: HasSqlType<ST>,
    {
        self.fragment(Box::new(Bound { value, sql_type: PhantomData::<ST> }))
    }

    /// Appends pieces with `separator` between them.
    pub(crate) fn separated<T>(
        &mut self,
        separator: &'static str,
        items: impl IntoIterator<Item = T>,
        mut each: impl FnMut(&mut Self, T),
    ) -> &mut Self {
        for (at, item) in items.into_iter().enumerate() {
            if at > 0 {
                self.sql(separator);
            }
            each(self, item);
        }
        self
    }

    /// Has keys match whatever the database calls equal to them, as its constraints do: what is locked, or told of, may be more than what is
    /// meant.
    pub(crate) fn loosely(&mut self) -> &mut Self {
        self.exact = false;
        self
    }

    /// Whether keys match only what Rust calls equal to them.
    pub(crate) fn is_exact(&self) -> bool {
        self.exact
    }

    /// Keeps the statement out of the connection's cache of prepared ones: its text depends on the number of values.
    pub(crate) fn unprepared(&mut self) -> &mut Self {
        self.cached = false;
        self
    }
}

impl<DB: Backend> QueryFragment<DB> for Statement<'_, DB> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, DB>) -> QueryResult<()> {
        if !self.cached {
            out.unsafe_to_cache_prepared();
        }
        for piece in &self.pieces {
            match piece {
                Piece::Text(text) => out.push_sql(text),
                Piece::Identifier(name) => out.push_identifier(name)?,
                Piece::Fragment(fragment) => fragment.walk_ast(out.reborrow())?,
            }
        }
        Ok(())
    }
}

impl<DB: Backend> QueryId for Statement<'_, DB> {
    type QueryId = ();

    const HAS_STATIC_QUERY_ID: bool = false;
}

impl<DB: Backend> Query for Statement<'_, DB> {
    type SqlType = Untyped;
}

impl<Conn, DB: Backend> diesel::RunQueryDsl<Conn> for Statement<'_, DB> {}

struct Bound<ST, T> {
    value: T,
    sql_type: PhantomData<ST>,
}

impl<DB, ST, T> QueryFragment<DB> for Bound<ST, T>
where
    DB: Backend + HasSqlType<ST>,
    T: ToSql<ST, DB>,
{
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, DB>) -> QueryResult<()> {
        out.push_bind_param::<ST, T>(&self.value)
    }
}
