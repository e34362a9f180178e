//! The repository of an entity: what the generated one is made of.

mod batches;
mod find;
mod graph;
mod list;
mod page;
#[cfg(feature = "postgres")]
mod search;
mod stream;
mod tree;
mod walk;
mod write;

#[cfg(feature = "behind")]
use crate::session::Target;
use crate::{
    backend::Backend,
    patience::Patience,
    session::{Access, Consistency, Session, Source},
    shape::{Extend, Load, Of},
    tenant::Common,
    token::Token,
};

#[cfg(feature = "postgres")]
pub use self::search::Search;
#[cfg(feature = "postgres")]
pub(crate) use self::search::Whose;
#[cfg(feature = "behind")]
pub(crate) use self::write::{Joined, joined_update, update_joined};
pub(crate) use self::write::{delete_softly, push_columns, register, write_of};
pub use self::{
    batches::{Batch, Batches},
    graph::Graph,
    list::{InAnotherOrder, InOwnOrder, List},
    page::{Page, Rest},
    stream::Stream,
    tree::{Node, Tree},
    write::{EachColumns, Records},
};

/// Finds and writes rows of an entity on a session, and gives each in a shape.
///
/// `#[derive(Repository)]` on a model makes a type around this one, with a finder for each declared access pattern.
pub struct Repository<'s, DB: Backend, S> {
    source: Source<'s, DB>,
    shape: S,
}

impl<DB: Backend, S: Clone> Clone for Repository<'_, DB, S> {
    fn clone(&self) -> Self {
        Self { source: self.source.clone(), shape: self.shape.clone() }
    }
}

impl<'s, DB: Backend, E> Repository<'s, DB, Of<E>> {
    /// A repository of whole rows.
    #[doc(hidden)]
    pub fn new<Sn: Session<Backend = DB>>(session: &'s Sn) -> Self
    where
        E: Common,
    {
        Self::of_any(session)
    }

    /// A repository of rows that may be somebody's.
    pub(crate) fn of_any<Sn: Session<Backend = DB>>(session: &'s Sn) -> Self {
        Self { source: Source::of(session), shape: Of::new() }
    }
}

impl<'s, DB: Backend, S> Repository<'s, DB, S> {
    /// What it works on.
    #[cfg(feature = "behind")]
    pub(crate) fn target(&self) -> Target<'s, DB> {
        self.source.target()
    }

    /// The same rows, of which only `T` is loaded.
    #[must_use]
    pub fn select<T>(self) -> Repository<'s, DB, Of<T>>
    where
        T: Load<DB, Entity: Common>,
    {
        self.reshaped(|_| Of::new())
    }

    /// The same rows in another shape.
    pub(crate) fn reshaped<T>(self, reshape: impl FnOnce(S) -> T) -> Repository<'s, DB, T> {
        Repository { source: self.source, shape: reshape(self.shape) }
    }

    pub(crate) fn shape(&self) -> &S {
        &self.shape
    }

    /// For one call, which begins now.
    pub(crate) fn access(&self) -> Access<'_, DB> {
        self.source.access()
    }

    /// The same rows, read from there: rows of relations too. In a transaction it changes nothing.
    #[must_use]
    pub fn reading(self, consistency: Consistency) -> Self {
        Self { source: self.source.reading(consistency), shape: self.shape }
    }

    /// The same rows, and those that are deleted [softly](crate::SoftDelete): rows of relations too.
    ///
    /// Every read of it goes to the database, and none takes from a cache or fills one: no cell has a deleted row. It is waited for as long
    /// as it takes, whatever the [`Patience`]. Writes are not changed by it.
    #[must_use]
    pub fn with_deleted(self) -> Self {
        Self { source: self.source.with_deleted(), shape: self.shape }
    }

    /// The same rows, as fresh as that write at least, as [`Scope::at_least_as_fresh_as`](crate::Scope::at_least_as_fresh_as) says: rows of
    /// relations too. In a transaction it changes nothing.
    #[must_use]
    pub fn at_least_as_fresh_as(self, token: Token) -> Self {
        Self { source: self.source.at_least_as_fresh_as(token), shape: self.shape }
    }

    /// The same rows, waited for so long, in place of what the scope says: rows of relations too. In a transaction it changes nothing.
    #[must_use]
    pub fn patience(self, patience: Patience) -> Self {
        Self { source: self.source.patience(patience), shape: self.shape }
    }

    /// The same rows, and a relation of each.
    #[must_use]
    pub fn with<R>(self, relation: R) -> Repository<'s, DB, S::Extended>
    where
        S: Extend<R>,
    {
        Repository { source: self.source, shape: self.shape.extend(relation) }
    }
}
