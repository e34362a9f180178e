//! The repository of an entity: what the generated one is made of.

mod find;
mod list;
mod write;

use crate::{
    backend::Backend,
    session::{Access, Consistency, Session},
    shape::{Extend, Of},
};

pub use self::{list::List, write::Records};

/// Finds and writes rows of an entity on a session, and gives each in a shape.
///
/// `#[derive(Repository)]` on a model makes a type around this one, with a finder for each declared access pattern.
pub struct Repository<'s, DB: Backend, S> {
    access: Access<'s, DB>,
    shape: S,
}

impl<DB: Backend, S: Clone> Clone for Repository<'_, DB, S> {
    fn clone(&self) -> Self {
        Self { access: self.access, shape: self.shape.clone() }
    }
}

impl<'s, DB: Backend, E> Repository<'s, DB, Of<E>> {
    /// A repository of whole rows.
    #[doc(hidden)]
    pub fn new<Sn: Session<Backend = DB>>(session: &'s Sn) -> Self {
        Self { access: session.access(), shape: Of::new() }
    }
}

impl<'s, DB: Backend, S> Repository<'s, DB, S> {
    /// The same rows, of which only `T` is loaded.
    #[must_use]
    pub fn select<T>(self) -> Repository<'s, DB, Of<T>> {
        Repository { access: self.access, shape: Of::new() }
    }

    /// The same rows, read from there: rows of relations too. In a transaction it changes nothing.
    #[must_use]
    pub fn reading(self, consistency: Consistency) -> Self {
        Self { access: self.access.reading(consistency), shape: self.shape }
    }

    /// The same rows, and a relation of each.
    #[must_use]
    pub fn with<R>(self, relation: R) -> Repository<'s, DB, S::Extended>
    where
        S: Extend<R>,
    {
        Repository { access: self.access, shape: self.shape.extend(relation) }
    }
}
