//! How a call of a repository comes to the database and to the caches.

use std::{
    panic::Location,
    time::{Duration, Instant},
};

use diesel::result::QueryResult;

use super::{Client, Consistency, Terms};
use crate::{
    backend::{Backend, throw_away_if_lost},
    cursor::CursorKey,
    entity::{Entity, Pattern},
    error::Result,
    explain::Plan,
    failpoints::{Point, reach},
    figures::{Bypass, ModelFigures},
    handle::{Larder, TransactionOptions, pause},
    inline::may_wait,
    layers::Layers,
    lookout::{Lookout, Sent, Site},
    near::{Near, NearCache},
    patience::Patience,
    payload,
    repeats::{self, Verb},
    row::FromRow,
    statement::Statement,
    tenant,
    trail::Follower,
    transaction::Tx,
};

/// How often a single write is begun at the most.
const WRITE_TRIES: u32 = 8;

/// A borrowed session of either kind, and how it reads.
#[doc(hidden)]
pub struct Access<'s, DB: Backend> {
    pub(super) target: Target<'s, DB>,
    pub(super) reading: Option<Consistency>,
    /// Whether rows are read too that are deleted softly. No cell has those.
    pub(super) with_deleted: bool,
    pub(super) terms: Option<&'s Terms>,
    /// When the call has begun, if it will not be waited for as long as it takes.
    pub(super) since: Option<Instant>,
    /// The line that has called the repository.
    pub(super) site: Option<Site>,
    /// What is only to be explained, and not to be done.
    pub(super) explaining: Option<&'s Plan>,
    /// The tenant that the database is told of.
    pub(super) tenant: Option<&'s str>,
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
        Self {
            target,
            reading: None,
            with_deleted: false,
            terms: None,
            since: None,
            site: None,
            explaining: None,
            tenant: None,
        }
    }

    /// The same, reading from there.
    pub(crate) fn reading(self, reading: Consistency) -> Self {
        Self { reading: Some(reading), ..self }
    }

    /// The same, with rows that are deleted softly: from the database, and past every cell.
    pub(crate) fn reading_deleted(self) -> Self {
        Self { with_deleted: true, reading: Some(Consistency::Database), ..self }
    }

    /// Whether rows are read too that are deleted softly.
    pub(crate) fn with_deleted(self) -> bool {
        self.with_deleted
    }

    /// The same, for a tenant of whom the database is told.
    pub(crate) fn of_tenant(self, tenant: Option<&'s str>) -> Self {
        Self { tenant, ..self }
    }

    pub(crate) fn tenant(self) -> Option<&'s str> {
        self.tenant
    }

    /// Whether the database is told of tenants.
    pub(crate) fn names_tenants(self) -> bool {
        match self.target {
            Target::Handle(larder) => larder.names_tenants(),
            Target::Transaction(tx) => tx.names_tenants(),
        }
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
            Target::Handle(_) if self.with_deleted => Bypass::Asked,
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

    /// Whose writes are seen, if it is a scope's.
    pub(crate) fn client(self) -> Option<&'s Client> {
        self.terms?.client()
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
        // What else would be given in the place of such rows does not have them.
        if terms.waits_forever() || self.with_deleted {
            return None;
        }
        let (Patience { soft, hard, stale_for }, may_be_stale) = terms.wait();
        let may_be_stale = may_be_stale && E::NEAR == Near::Bounded && self.asked::<E>() == Consistency::Near;
        let after = |time: Option<Duration>| self.since.zip(time).and_then(|(since, time)| since.checked_add(time));
        let stale_for = stale_for.filter(|_| may_be_stale);
        Some(Wait {
            larder,
            soft: after(soft),
            hard: after(hard),
            stale_for,
            client: terms.client(),
            site: self.site,
            tenant: self.tenant,
        })
    }

    /// When the call has to end.
    fn end(self) -> Option<Instant> {
        self.since?.checked_add(self.terms?.wait().0.hard?)
    }

    /// The caches, unless they must be passed by.
    pub(crate) fn layers(self) -> Option<&'s Layers> {
        match self.target {
            Target::Handle(larder) if !self.with_deleted => larder.layers(),
            Target::Handle(_) | Target::Transaction(_) => None,
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
                    let done = tenant::read::<DB, _>(&mut connection, self.tenant, work);
                    if let Err(error) = &done {
                        throw_away_if_lost::<DB>(&mut connection, error);
                    }
                    Ok(done?)
                });
                reach(Point::AfterSelect);
                self.follower().into_iter().for_each(|follower| follower.statement(begun));
                done
            }
            Target::Transaction(tx) => {
                tx.name_tenant(self.tenant)?;
                tx.with_connection(work)
            }
        }
    }

    /// Runs a write of rows of `E`: in the transaction, or in one of its own, which begins again if it and others were in each other's way.
    pub(crate) fn write<E: Entity, T>(
        self,
        call: &'static str,
        mut work: impl FnMut(&Tx<DB>) -> Result<T>,
    ) -> Result<T> {
        for n_tries in 0..WRITE_TRIES - 1 {
            match self.write_once::<E, T>(call, &mut work) {
                // A transaction is its caller's, who alone can begin it again.
                Err(error) if error.is_collision() && matches!(self.target, Target::Handle(_)) => {
                    self.figures::<E>().writes_repeated.one();
                    pause(n_tries);
                }
                done => return done,
            }
        }
        self.write_once::<E, T>(call, work)
    }

    /// The same for what can be done only once.
    pub(crate) fn write_once<E: Entity, T>(
        self,
        call: &'static str,
        work: impl FnOnce(&Tx<DB>) -> Result<T>,
    ) -> Result<T> {
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
    pub(crate) tenant: Option<&'s str>,
}
