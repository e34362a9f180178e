//! Results of any queries, kept in the store for as long as nothing that they depend on is written.

mod dependency;
mod form;

use std::{
    fmt, thread,
    time::{Duration, Instant},
};

use diesel::result::QueryResult;
use serde::{Serialize, de::DeserializeOwned};

pub use self::dependency::KeyOf;
pub(crate) use self::dependency::tag_key;
use self::form::Parameters;
use crate::{
    backend::Backend,
    entity::{Entity, Pattern},
    error::Result,
    failpoints::{Point, waits},
    figures::{Bypass, ModelFigures},
    key::Key as _,
    layers::{Crew, Dependent, Layers},
    payload,
    session::{Access, Consistency},
    store::{CellKey, Lease, Nonce},
};

/// How long others are waited for that compute the same in this process.
const PATIENCE: Duration = Duration::from_secs(30);

/// How long, if they do in another one, and how often the store is asked meanwhile at least.
const PATIENCE_ELSEWHERE: Duration = Duration::from_secs(2);
const LONGEST_POLL: Duration = Duration::from_millis(50);

/// After so many others have come to nothing, the query is made in any case.
const ROUNDS: usize = 16;

/// The result of a query of any kind, kept by a name and parameters. [`Larder::query`](crate::Larder::query) makes it.
///
/// ```no_run
/// # use std::time::Duration;
/// # use diesel::prelude::*;
/// # diesel::table! { orders (id) { id -> BigInt, user_id -> BigInt, total -> BigInt, } }
/// # fn example<Order: larder::Entity>(larder: larder::Larder<diesel::pg::Pg>) -> larder::Result<()> {
/// let best: Vec<(i64, Option<i64>)> = larder
///     .query("top-buyers")
///     .params(&10)
///     .ttl(Duration::from_secs(3_600))
///     .depends_on::<Order>()
///     .load(|connection| {
///         use diesel::dsl::sum;
///         # let _ = sum(orders::total);
///         orders::table.select((orders::user_id, orders::total.nullable())).limit(10).load(connection)
///     })?;
/// # Ok(())
/// # }
/// ```
///
/// It is served from the store for as long as nothing that it depends on has been written: a row, the rows with a key, or any row of a
/// table. What it depends on must be said here; what is left out is not noticed. A read that begins after a write has returned never
/// gets a result from before that write, in no process: the store keeps with the result the *stamps* that the cells of its
/// dependencies had before the query was sent, and compares them with those that they have when it is read. A write changes the stamps
/// of the cells that it marks in any case, and does not know how many results there are.
#[must_use = "a result is had by `load`"]
pub struct CachedQuery<'s, DB: Backend> {
    access: Access<'s, DB>,
    name: &'s str,
    parameters: Parameters,
    ttl: Option<Duration>,
    depends_on: Vec<CellKey>,
}

impl<DB: Backend> fmt::Debug for CachedQuery<'_, DB> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CachedQuery").field("name", &self.name).field("ttl", &self.ttl).finish_non_exhaustive()
    }
}

impl<'s, DB: Backend> CachedQuery<'s, DB> {
    pub(crate) fn new(access: Access<'s, DB>, name: &'s str) -> Self {
        Self { access, name, parameters: form::digest(&()), ttl: None, depends_on: Vec::new() }
    }

    /// What the result differs by: a value or a tuple of all that goes into the query. Defaults to nothing.
    ///
    /// Only a digest of them stands in the key, so what they are is not seen in the store. One whose `serde` implementation fails makes the
    /// query run each time.
    pub fn params(mut self, parameters: &impl Serialize) -> Self {
        self.parameters = form::digest(parameters);
        self
    }

    /// How long the result is kept at most, less up to a tenth. Defaults to the handle's [`ttl`](crate::Builder::ttl).
    ///
    /// It is not kept for longer than the rows and lists that it depends on, whose models have times to live of their own.
    pub fn ttl(mut self, ttl: Duration) -> Self {
        self.ttl = Some(ttl);
        self
    }

    /// The result changes with any row of this model.
    pub fn depends_on<E: Entity>(self) -> Self {
        self.depends_on_cell(payload::table_key(E::cells_name()))
    }

    /// The result changes with the row that has this primary key, there or not.
    pub fn depends_on_row<E: Entity>(self, key: impl Into<E::Key>) -> Self {
        self.depends_on_key(KeyOf::<E::Primary>::new(key.into()))
    }

    /// The result changes with the rows that have this key, had it or come to have it: `Order::key_by_user_id(id)`.
    ///
    /// A write of a row that has not had the key, and does not get it, leaves the result alone.
    pub fn depends_on_key<P: Pattern>(self, key: KeyOf<P>) -> Self {
        let key = key.into_key().canonical(DB::KEEPS_NANOSECONDS);
        self.depends_on_cell(payload::cell_key::<P>(&key))
    }

    /// The result goes with [`Larder::invalidate_tag`](crate::Larder::invalidate_tag) of this tag. A tag stands in the store as it is.
    pub fn tagged(self, tag: &str) -> Self {
        self.depends_on_cell(tag_key(tag))
    }

    fn depends_on_cell(mut self, cell: CellKey) -> Self {
        if !self.depends_on.contains(&cell) {
            self.depends_on.push(cell);
        }
        self
    }

    /// The result: as it is stored, or what `query` gives.
    ///
    /// `query` only reads; it may be several statements. One thread of all processes runs it, while others that ask for the same wait:
    /// those of this process for up to 30 s, those of others for up to 2 s, after which they run it too. While something that it depends on is being
    /// written, and in a transaction, it is run each time and nothing is stored.
    ///
    /// Costs one round trip if the result is stored. If not, three more: for stamps that nobody has put yet, for the lease, and to store it;
    /// and the query.
    ///
    /// # Errors
    /// [`Error::Database`](crate::Error::Database) if `query` fails, [`Error::Pool`](crate::Error::Pool) if there is no connection
    /// for it. They are not kept.
    #[track_caller]
    pub fn load<T>(self, query: impl FnOnce(&mut DB::Connection) -> QueryResult<T>) -> Result<T>
    where
        T: Serialize + DeserializeOwned,
    {
        let access = self.access.here();
        let _entered = tracing::debug_span!("larder.query", larder.query.name = self.name).entered();
        let figures = &access.lookout().figures.queries;
        let turn = match self.look::<T>() {
            Looked::Result(result) => return Ok(result),
            Looked::Turn(turn) => Some(turn),
            Looked::PassedBy(why) => {
                figures.bypassed(why).one();
                None
            }
        };
        let begun = Instant::now();
        let result = access.with_connection(query);
        figures.statements.add(begun.elapsed());
        match &result {
            Ok(result) => turn.into_iter().for_each(|turn| turn.end(figures, result, self.ttl)),
            Err(_) => figures.statements_failed.one(),
        }
        result
    }

    /// Takes the result out of the store: whoever asks next, in whatever process, runs the query. One round trip.
    ///
    /// `T` is what [`load`](Self::load) gives. Whether it was done; where the store fails, `tracing` and the event handler are told.
    pub fn forget<T>(self) -> bool {
        let (Some(layers), Some(digest)) = (self.access.layers(), &self.parameters) else { return true };
        layers.settle(&[&form::key::<T>(self.name, digest)])
    }

    /// Looks for the result, and waits while others compute it.
    fn look<T: DeserializeOwned>(&self) -> Looked<'s, T> {
        let access = self.access;
        let Some(layers) = access.layers().filter(|layers| !layers.is_store_spared()) else {
            return Looked::PassedBy(access.bypass());
        };
        if access.asked_of_queries() == Consistency::Database {
            return Looked::PassedBy(Bypass::Asked);
        }
        let Some(digest) = &self.parameters else { return Looked::PassedBy(Bypass::Failed) };
        let (key, figures) = (form::key::<T>(self.name, digest), &access.lookout().figures.queries);
        let (begun, mut poll, mut n_rounds) = (Instant::now(), Duration::from_millis(1), 0);
        while n_rounds < ROUNDS && begun.elapsed() < PATIENCE {
            n_rounds += 1;
            match layers.dependent(&key, &self.depends_on) {
                Dependent::Good(value) => {
                    if let Some(result) = form::read(&value) {
                        figures.shared_hits.one();
                        return Looked::Result(result);
                    }
                    figures.corrupt.one();
                    layers.discard(&[&key]);
                }
                Dependent::Lacking(vacancy, found) => {
                    let Some(stamps) = layers.stamps(&self.depends_on, found) else {
                        return Looked::PassedBy(Bypass::InDoubt);
                    };
                    match layers.lease_dependent(&key, vacancy) {
                        Ok(Some((lease, crew))) => {
                            figures.leases_granted.one();
                            figures.misses.one();
                            return Looked::Turn(Turn { layers, key, stamps, lease: Some(lease), _crew: crew });
                        }
                        // Somebody was quicker, who is waited for.
                        Ok(None) => figures.leases_refused.one(),
                        Err(()) => return Looked::PassedBy(Bypass::Failed),
                    }
                }
                Dependent::UnderWay(token) => {
                    let waiting = Instant::now();
                    // What comes of it is looked at as everything else is: what it depends on may have been written meanwhile.
                    let _ = layers.wait_for(&key, token, begun + PATIENCE);
                    figures.lease_waits.add(waiting.elapsed());
                }
                Dependent::Elsewhere if begun.elapsed() < PATIENCE_ELSEWHERE => {
                    if !waits(Point::Polling) {
                        thread::sleep(poll);
                    }
                    figures.lease_waits.add(poll);
                    poll = (poll * 3).min(LONGEST_POLL);
                    n_rounds -= 1;
                }
                Dependent::Elsewhere => break,
                Dependent::PassedBy(why) => return Looked::PassedBy(why),
            }
        }
        Looked::PassedBy(Bypass::Elsewhere)
    }
}

/// What came of looking for a result.
enum Looked<'l, T> {
    Result(T),
    /// It is the caller's to compute, and to store.
    Turn(Turn<'l>),
    /// It is the caller's to compute, and nothing is to be stored.
    PassedBy(Bypass),
}

/// The turn of one who computes a result. Dropped before its end, it is the next one's.
struct Turn<'l> {
    layers: &'l Layers,
    key: CellKey,
    /// Of what the result depends on, as they were before the query is sent.
    stamps: Vec<Nonce>,
    lease: Option<Lease>,
    /// Goes last: whoever waits is told when all is stored.
    _crew: Crew<'l>,
}

impl Turn<'_> {
    fn end(mut self, figures: &ModelFigures, result: &impl Serialize, ttl: Option<Duration>) {
        // What can't be written is not kept.
        let Some((value, lease)) = form::write(result).zip(self.lease) else { return };
        self.lease = None;
        match self.layers.fill_dependent(&self.key, lease, &self.stamps, &value, ttl) {
            Ok(true) => figures.fills_stored.one(),
            Ok(false) => figures.fills_refused.one(),
            Err(()) => figures.fills_failed.one(),
        }
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        if let Some(lease) = self.lease.take() {
            self.layers.give_back(&self.key, lease);
        }
    }
}
