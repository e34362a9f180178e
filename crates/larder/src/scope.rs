//! The session of one request or client.

use std::{fmt, sync::Arc, time::Duration};

use crate::{
    backend::Backend,
    error::Result,
    handle::{Larder, TransactionOptions},
    patience::Patience,
    queries::{CachedQuery, Dependencies, Version},
    session::{Access, Client, Consistency, Session, Terms},
    token::Token,
    trail::{Follower, Trail},
    transaction::Tx,
};

/// A [`Session`] for one request or one client: repositories are made on it as on the handle, read as it says, and see at least what
/// it has written.
///
/// [`Larder::scope`] makes it. Clones are of the same client: what one writes, the others see.
///
/// ```no_run
/// # use std::time::Duration;
/// # use larder::{Consistency, Larder, Patience, Result, Token};
/// # fn handle<DB: larder::Backend>(larder: &Larder<DB>, cookie: &str) -> Result<String> {
/// let scope = larder
///     .scope()
///     .at_least_as_fresh_as(cookie.parse().unwrap_or_default())
///     .patience(Patience::new().hard(Duration::from_secs(1)));
/// // .. repositories on `&scope` ..
/// let cookie = scope.token().to_string();
/// # Ok(cookie)
/// # }
/// ```
///
/// Costs two small allocations. As long as the near cache is not found to be as fresh as its token, each read takes a lock or two for a
/// moment, and asks the store.
pub struct Scope<DB: Backend> {
    larder: Larder<DB>,
    reading: Option<Consistency>,
    client: Arc<Client>,
    terms: Arc<Terms>,
}

impl<DB: Backend> Clone for Scope<DB> {
    fn clone(&self) -> Self {
        let Self { larder, reading, client, terms } = self;
        let (client, terms) = (Arc::clone(client), Arc::clone(terms));
        Self { larder: larder.clone(), reading: *reading, client, terms }
    }
}

impl<DB: Backend> fmt::Debug for Scope<DB> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scope").field("reading", &self.reading).field("token", &self.token()).finish_non_exhaustive()
    }
}

impl<DB: Backend> Scope<DB> {
    pub(crate) fn larder(&self) -> &Larder<DB> {
        &self.larder
    }

    pub(crate) fn new(larder: Larder<DB>) -> Self {
        let client = Arc::<Client>::default();
        let terms = Arc::new(Terms::of(Some(Arc::clone(&client))));
        Self { larder, reading: None, client, terms }
    }

    /// Reads from there. Defaults to what each model says, and to [`Consistency::Near`] for those that say nothing.
    #[must_use]
    pub fn reading(mut self, consistency: Consistency) -> Self {
        self.reading = Some(consistency);
        self
    }

    /// Reads see at least what that write has done, and all that was committed and announced before it. May be called for several.
    ///
    /// A row that is near is given only if this handle was told of that write; else the store is asked, which costs a round trip. A write that
    /// the store was not told of is seen in the database only.
    #[must_use]
    pub fn at_least_as_fresh_as(self, token: Token) -> Self {
        self.client.raise(token);
        self
    }

    /// Reads are waited for so long. Defaults to as long as it takes.
    #[must_use]
    pub fn patience(mut self, patience: Patience) -> Self {
        self.terms = Arc::new(self.terms.patience(patience));
        self
    }

    /// Takes down from now on what reads touch and cost: see [`Scope::trail`]. Clones made before are not followed.
    ///
    /// Costs each read some 100 ns a key.
    #[must_use]
    pub fn followed(mut self) -> Self {
        self.client = Arc::new(self.client.followed());
        self.terms = Arc::new(self.terms.for_client(Arc::clone(&self.client)));
        self
    }

    /// What reads of this scope, and of its clones, have touched and cost so far: nothing unless it is [followed](Self::followed).
    ///
    /// Reads in its transactions are not among them, nor is what a call with [patience](Self::patience) has had loaded on another thread.
    #[must_use]
    pub fn trail(&self) -> Trail {
        self.client.follower().map(Follower::trail).unwrap_or_default()
    }

    /// As [`Larder::version`].
    #[must_use]
    pub fn version(&self, of: &Dependencies<DB>) -> Option<Version> {
        of.version(self.access())
    }

    /// As [`Larder::near_version`]; `None` too where this scope's reads go past what is near.
    #[must_use]
    pub fn near_version(&self, of: &Dependencies<DB>) -> Option<Version> {
        of.near_version(self.access())
    }

    /// What sees all that this scope, and what it had to be as fresh as, has written so far: for the client's next request.
    ///
    /// A transaction whose COMMIT is not known to have happened counts as one that has. What was done by [`Tx::run`] without a word to
    /// larder does not count.
    #[must_use]
    pub fn token(&self) -> Token {
        self.client.token()
    }

    /// How old the oldest value was that a read was given in place of one that failed or was too slow ([`Patience::stale_for`]): `None`
    /// if there was none so far.
    #[must_use]
    pub fn gave_stale(&self) -> Option<Duration> {
        self.client.stalest()
    }

    /// As [`Larder::query`].
    pub fn query<'l>(&'l self, name: &'l str) -> CachedQuery<'l, DB> {
        CachedQuery::new(self.access(), name)
    }

    /// As [`Larder::transaction`]; reads of this scope see it from then on.
    ///
    /// # Errors
    /// As [`Larder::transaction`].
    pub fn transaction<T>(&self, work: impl FnOnce(&Tx<DB>) -> Result<T>) -> Result<T> {
        self.client.writing(|token| Tx::run_to_end(&self.larder, TransactionOptions::default(), token, work))
    }

    /// As [`Larder::transaction_with`]; reads of this scope see it from then on.
    ///
    /// # Errors
    /// As [`Larder::transaction_with`].
    pub fn transaction_with<T>(
        &self,
        options: TransactionOptions,
        work: impl FnMut(&Tx<DB>) -> Result<T>,
    ) -> Result<T> {
        self.client.writing(|token| self.larder.run_to_end(options, token, work))
    }
}

impl<DB: Backend> Session for Scope<DB> {
    type Backend = DB;

    fn access(&self) -> Access<'_, DB> {
        Access::scope(&self.larder, self.reading, &self.terms)
    }

    fn transaction<T>(&self, work: impl FnOnce(&Tx<DB>) -> Result<T>) -> Result<T> {
        Self::transaction(self, work)
    }
}
