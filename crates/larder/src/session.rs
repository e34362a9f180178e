//! What a repository works on: the handle, a scope of it, or a transaction.

mod source;
mod terms;

use std::{
    panic::Location,
    time::{Duration, Instant},
};

use diesel::result::QueryResult;

pub(crate) use self::{
    source::Source,
    terms::{Client, Terms},
};

use crate::{
    backend::{Backend, throw_away_if_lost},
    cursor::CursorKey,
    entity::{Entity, Pattern},
    error::Result,
    explain::Plan,
    failpoints::{Point, reach},
    figures::{Bypass, ModelFigures},
    handle::{Larder, TransactionOptions},
    inline::may_wait,
    layers::Layers,
    lookout::{Lookout, Sent, Site},
    near::{Near, NearCache},
    patience::Patience,
    payload,
    repeats::{self, Verb},
    row::FromRow,
    statement::Statement,
    trail::Follower,
    transaction::Tx,
};

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

/// A borrowed session of either kind, and how it reads.
#[doc(hidden)]
pub struct Access<'s, DB: Backend> {
    target: Target<'s, DB>,
    reading: Option<Consistency>,
    terms: Option<&'s Terms>,
    /// When the call has begun, if it will not be waited for as long as it takes.
    since: Option<Instant>,
    /// The line that has called the repository.
    site: Option<Site>,
    /// What is only to be explained, and not to be done.
    explaining: Option<&'s Plan>,
}

pub(crate) enum Target<'s, DB: Backend> {
    Handle(&'s Larder<DB>),
    Transaction(&'s Tx<DB>),
}

impl<DB: Backend> Clone for Target<'_, DB> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<DB: Backend> Copy for Target<'_, DB> {}

impl<DB: Backend> Clone for Access<'_, DB> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<DB: Backend> Copy for Access<'_, DB> {}

impl<'s, DB: Backend> Access<'s, DB> {
    pub(crate) fn handle(larder: &'s Larder<DB>) -> Self {
        Self::on(Target::Handle(larder))
    }

    pub(crate) fn transaction(tx: &'s Tx<DB>) -> Self {
        Self::on(Target::Transaction(tx))
    }

    pub(crate) fn scope(larder: &'s Larder<DB>, reading: Option<Consistency>, terms: &'s Terms) -> Self {
        Self { reading, terms: Some(terms), ..Self::on(Target::Handle(larder)) }
    }

    fn on(target: Target<'s, DB>) -> Self {
        Self { target, reading: None, terms: None, since: None, site: None, explaining: None }
    }

    /// The same, reading from there.
    pub(crate) fn reading(self, reading: Consistency) -> Self {
        Self { reading: Some(reading), ..self }
    }

    /// The same, called from the line that has called the caller.
    #[inline]
    #[track_caller]
    pub(crate) fn here(self) -> Self {
        self.at(Some(Location::caller()))
    }

    /// The same, called from that line.
    pub(crate) fn at(self, site: Option<Site>) -> Self {
        Self { site, ..self }
    }

    /// The same for a single call of a finder, which is taken note of.
    #[inline]
    #[track_caller]
    pub(crate) fn single<P: Pattern>(self, verb: Verb) -> Self {
        let site = Location::caller();
        repeats::note::<P>(self.lookout(), verb, site);
        self.at(Some(site))
    }

    /// The same, of which everything is taken down in a plan, and nothing is done.
    pub(crate) fn explained<'p>(self, plan: &'p Plan) -> Access<'p, DB>
    where
        's: 'p,
    {
        Access { explaining: Some(plan), ..self }
    }

    /// The plan to take everything down in, if nothing is to be done.
    #[inline]
    pub(crate) fn explaining(self) -> Option<&'s Plan> {
        self.explaining
    }

    /// Runs `work`, which goes on from rows to those of their relations.
    pub(crate) fn go_on<T>(self, work: impl FnOnce() -> T) -> T {
        match self.explaining {
            Some(plan) => plan.deeper(work),
            None => work(),
        }
    }

    /// The line that has called the repository, if it is known.
    pub(crate) fn site(self) -> Option<Site> {
        self.site
    }

    /// What watches over the handle or the transaction.
    #[inline]
    pub(crate) fn lookout(self) -> &'s Lookout {
        match self.target {
            Target::Handle(larder) => larder.lookout(),
            Target::Transaction(tx) => tx.lookout(),
        }
    }

    /// What makes cursors, and knows them again.
    pub(crate) fn cursors(self) -> &'s CursorKey {
        match self.target {
            Target::Handle(larder) => larder.cursors(),
            Target::Transaction(tx) => tx.cursors(),
        }
    }

    /// What is counted of a model.
    #[inline]
    pub(crate) fn figures<E: Entity>(self) -> &'s ModelFigures {
        self.lookout().figures.of::<E>()
    }

    /// Why nothing but the database is asked, where the store is not.
    pub(crate) fn bypass(self) -> Bypass {
        match self.target {
            Target::Handle(larder) if larder.layers().is_some() => Bypass::Failed,
            Target::Handle(_) => Bypass::NoStore,
            Target::Transaction(_) => Bypass::Transaction,
        }
    }

    /// Runs a SELECT of rows of `E`.
    pub(crate) fn select<E: Entity, T: FromRow<DB> + 'static>(
        self,
        sent: Sent,
        statement: Statement<'_, DB>,
    ) -> Result<Vec<T>> {
        may_wait()?;
        self.lookout().send::<DB, E, T>(sent, self.site, statement, |statement| self.load(statement))
    }

    /// Who takes down what is read, if anybody does.
    #[inline]
    pub(crate) fn follower(self) -> Option<&'s Follower> {
        self.terms?.client()?.follower()
    }

    /// Has it taken down that the rows with these keys are read, wherever they come from.
    pub(crate) fn touches<P: Pattern>(self, keys: &[P::Key]) {
        if let Some(follower) = self.follower() {
            follower.depends_on(&payload::cell_keys::<P>(keys.iter()));
        }
    }

    /// Where rows of `E` are read from, with this near cache. To be asked **before** anything is looked for in it.
    #[inline]
    pub(crate) fn consistency<E: Entity>(self, near: Option<&NearCache>) -> Consistency {
        let asked = self.asked::<E>();
        self.terms.map_or(asked, |terms| asked.max(terms.least(near, E::NEAR)))
    }

    /// Where what is kept near like that is read from, whatever its models are.
    pub(crate) fn consistency_of(self, near: &NearCache, kept: Near) -> Consistency {
        let asked = self.reading.unwrap_or_default();
        self.terms.map_or(asked, |terms| asked.max(terms.least(Some(near), kept)))
    }

    /// The same, reading from where the model says, if nothing else was asked for.
    pub(crate) fn reading_as<E: Entity>(self) -> Self {
        Self { reading: self.reading.or(E::READS), ..self }
    }

    /// Where results of queries are taken from, which are never near. To be asked at the beginning.
    pub(crate) fn asked_of_queries(self) -> Consistency {
        let asked = self.reading.unwrap_or(Consistency::Shared);
        self.terms.map_or(asked, |terms| asked.max(terms.least(None, Near::Off)))
    }

    fn asked<E: Entity>(self) -> Consistency {
        self.reading.or(E::READS).unwrap_or_default()
    }

    /// For how long a load of rows of `E` is waited for: `None` if for as long as it takes.
    pub(crate) fn wait<E: Entity>(self) -> Option<Wait<'s, DB>> {
        let (Target::Handle(larder), Some(terms)) = (self.target, self.terms) else { return None };
        if terms.waits_forever() {
            return None;
        }
        let (Patience { soft, hard, stale_for }, may_be_stale) = terms.wait();
        let may_be_stale = may_be_stale && E::NEAR == Near::Bounded && self.asked::<E>() == Consistency::Near;
        let after = |time: Option<Duration>| self.since.zip(time).and_then(|(since, time)| since.checked_add(time));
        let stale_for = stale_for.filter(|_| may_be_stale);
        Some(Wait { larder, soft: after(soft), hard: after(hard), stale_for, client: terms.client(), site: self.site })
    }

    /// When the call has to end.
    fn end(self) -> Option<Instant> {
        self.since?.checked_add(self.terms?.wait().0.hard?)
    }

    /// The caches, unless they must be passed by.
    pub(crate) fn layers(self) -> Option<&'s Layers> {
        match self.target {
            Target::Handle(larder) => larder.layers(),
            Target::Transaction(_) => None,
        }
    }

    pub(crate) fn target(self) -> Target<'s, DB> {
        self.target
    }

    /// Runs a SELECT.
    pub(crate) fn load<T: FromRow<DB> + 'static>(self, statement: Statement<'_, DB>) -> Result<Vec<T>> {
        self.with_connection(|connection| DB::load(connection, statement))
    }

    /// Does something with a connection of the handle, or with that of the transaction.
    pub(crate) fn with_connection<T>(self, work: impl FnOnce(&mut DB::Connection) -> QueryResult<T>) -> Result<T> {
        match self.target {
            Target::Handle(larder) => {
                reach(Point::BeforeSelect);
                let begun = Instant::now();
                let done = larder.connection_until(self.end()).and_then(|mut connection| {
                    let done = work(&mut connection);
                    if let Err(error) = &done {
                        throw_away_if_lost::<DB>(&mut connection, error);
                    }
                    Ok(done?)
                });
                reach(Point::AfterSelect);
                self.follower().into_iter().for_each(|follower| follower.statement(begun));
                done
            }
            Target::Transaction(tx) => tx.with_connection(work),
        }
    }

    /// Runs a write of rows of `E`: in the transaction, or in one of its own.
    pub(crate) fn write<E: Entity, T>(self, call: &'static str, work: impl FnOnce(&Tx<DB>) -> Result<T>) -> Result<T> {
        let _watch = self.lookout().watch::<E>(call, self.site);
        match self.target {
            Target::Handle(larder) => match self.terms.and_then(Terms::client) {
                Some(client) => {
                    client.writing(|token| Tx::run_to_end(larder, TransactionOptions::default(), token, work))
                }
                None => larder.transaction(work),
            },
            Target::Transaction(tx) => work(tx),
        }
    }
}

/// For how long a load is waited for, and what may be given in its place.
pub(crate) struct Wait<'s, DB: Backend> {
    pub(crate) larder: &'s Larder<DB>,
    pub(crate) soft: Option<Instant>,
    pub(crate) hard: Option<Instant>,
    /// How old it may be.
    pub(crate) stale_for: Option<Duration>,
    pub(crate) client: Option<&'s Client>,
    pub(crate) site: Option<Site>,
}
