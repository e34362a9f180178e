//! What a repository works on: the handle, a scope of it, or a transaction.

mod access;
mod source;
mod terms;

pub use self::access::Access;
pub(crate) use self::{
    access::{Target, Wait},
    source::Source,
    terms::{Client, Terms},
};
use crate::{backend::Backend, error::Result, handle::Larder, transaction::Tx};

/// The handle, a scope of it, or a transaction: whatever repositories can be made on.
///
/// Functions that are generic over it work in all. On the handle and on a scope, reads go through the caches and every write is a transaction
/// of its own; in a transaction, reads see the transaction's own rows and no cache, and writes belong to it. Sealed.
pub trait Session: sealed::Sealed {
    /// The database.
    type Backend: Backend;

    #[doc(hidden)]
    fn access(&self) -> Access<'_, Self::Backend>;

    /// Runs `work` in a transaction: a new one on the handle and on a scope, a savepoint in a transaction.
    ///
    /// # Errors
    /// Those of `work`, after which what it did is rolled back, and those of [`Larder::transaction`].
    fn transaction<T>(&self, work: impl FnOnce(&Tx<Self::Backend>) -> Result<T>) -> Result<T>;
}

impl<DB: Backend> Session for Larder<DB> {
    type Backend = DB;

    fn access(&self) -> Access<'_, DB> {
        Access::handle(self)
    }

    fn transaction<T>(&self, work: impl FnOnce(&Tx<DB>) -> Result<T>) -> Result<T> {
        Larder::transaction(self, work)
    }
}

impl<DB: Backend> Session for Tx<DB> {
    type Backend = DB;

    fn access(&self) -> Access<'_, DB> {
        Access::transaction(self)
    }

    fn transaction<T>(&self, work: impl FnOnce(&Tx<DB>) -> Result<T>) -> Result<T> {
        self.savepoint(work)
    }
}

mod sealed {
    pub trait Sealed {}

    impl<DB: crate::backend::Backend> Sealed for crate::handle::Larder<DB> {}
    impl<DB: crate::backend::Backend> Sealed for crate::scope::Scope<DB> {}
    impl<DB: crate::backend::Backend> Sealed for crate::transaction::Tx<DB> {}
    impl<Sn: super::Session, T> Sealed for crate::tenant::Tenanted<'_, Sn, T> {}
}

/// Where a read may take its answer from. Each is as fresh as the one before it, or fresher.
///
/// In a transaction reads go to the database whatever is asked for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Consistency {
    /// The near cache, if the handle has one: never older than its [horizon](crate::NearOptions::horizon), own writes seen, and for a
    /// key never older than what this handle gave out before. A read with a
    /// [token](crate::Token) looks there only if it is as fresh. Rows of [strict](crate::Near::Strict) models are as fresh as shared
    /// ones.
    #[default]
    Near,
    /// The shared store: whatever was committed before the read began is seen, key by key.
    Shared,
    /// The database.
    Database,
}
