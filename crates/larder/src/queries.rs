//! Results of any queries, kept in the store for as long as nothing that they depend on is written.

mod aggregate;
mod aside;
mod dependency;
mod form;
mod rows;
mod slot;
mod turn;

use std::{fmt, time::Duration};

use diesel::result::QueryResult;
use serde::{Serialize, de::DeserializeOwned};

pub(crate) use self::{
    aggregate::{Aggregate, aggregate_by},
    dependency::tag_key,
};
pub use self::{
    aside::Aside,
    dependency::{Dependencies, KeyOf, Version},
    rows::CachedRows,
    turn::{Looked, Turn},
};
use self::{
    form::{Form, Parameters},
    slot::{Settings, Slot},
};
use crate::{
    backend::Backend,
    entity::{Entity, Pattern},
    error::Result,
    figures::Bypass,
    inline::may_wait,
    key::KeyPart,
    session::{Access, Consistency},
    store::CellKey,
    tenant::Common,
};

/// What the keys of results begin with.
const KIND: &str = "query";
const KIND_OF_ROWS: &str = "rows";

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
    /// The model whose rows it gives, or nothing: names of queries of models are theirs.
    of: &'static str,
    parameters: Parameters,
    /// The digest of whose result it is, if it is a tenant's.
    tenant: Parameters,
    settings: Settings,
    depends_on: Dependencies<DB>,
}

impl<DB: Backend> fmt::Debug for CachedQuery<'_, DB> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CachedQuery")
            .field("name", &self.name)
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}

impl<'s, DB: Backend> CachedQuery<'s, DB> {
    pub(crate) fn new(access: Access<'s, DB>, name: &'s str) -> Self {
        let (parameters, settings) = (form::digest(&()), Settings::default());
        Self { access, name, of: "", parameters, tenant: None, settings, depends_on: Dependencies::new() }
    }

    /// The same, of a tenant who has results of its own.
    pub(crate) fn of_tenant(self, tenant: &impl KeyPart) -> Self {
        let mut id = Vec::new();
        tenant.write_part(&mut id);
        Self { tenant: Some(form::digest_of(&id)), ..self }
    }

    /// The same, of a model that has its own names, and is read from where it says.
    pub(crate) fn of<E: Entity>(self) -> Self {
        Self { access: self.access.reading_as::<E>(), of: E::cells_name(), ..self }
    }

    /// What the result differs by: a value or a tuple of all that goes into the query. Defaults to nothing.
    ///
    /// Only a digest of them stands in the key, so what they are is not seen in the store. One whose `serde` implementation fails makes the
    /// query run each time; so, among processes, does a `HashMap` or `HashSet`, since each has an order of its own.
    pub fn params(mut self, parameters: &impl Serialize) -> Self {
        self.parameters = form::digest(parameters);
        self
    }

    /// How long the result is kept at most, less up to a tenth. Defaults to the handle's [`ttl`](crate::Builder::ttl).
    ///
    /// It is not kept for longer than the rows and lists that it depends on, whose models have times to live of their own.
    pub fn ttl(mut self, ttl: Duration) -> Self {
        self.settings.ttl = Some(ttl);
        self
    }

    /// The version of the result's form. Defaults to 0.
    ///
    /// A result is read by its fields' names: one that an earlier release has stored and that can't be read as the type is computed anew. One that *can*
    /// be read, since only an optional field has come or a meaning has changed, is served for its time to live unless the version is another one.
    pub fn version(mut self, version: u32) -> Self {
        self.settings.version = version;
        self
    }

    /// How long the query may take for its result to be stored, and others keep off. Defaults to 30 seconds.
    ///
    /// If the process that runs it dies, others wait for two seconds before they run it too, for that long.
    pub fn may_take(mut self, time: Duration) -> Self {
        self.settings.lease = time;
        self
    }

    /// The result changes with any row of this model.
    ///
    /// Of a table's columns that a model leaves out, what is written past larder does not count: triggers and the log compare those that it has.
    pub fn depends_on<E: Entity>(self) -> Self {
        self.depending(Dependencies::table::<E>)
    }

    /// The result changes with the row that has this primary key, there or not.
    pub fn depends_on_row<E: Common>(self, key: impl Into<E::Key>) -> Self {
        self.depending(|all| all.row::<E>(key))
    }

    /// The result changes with the rows that have this key, had it or come to have it: `Order::key_by_user_id(id)`.
    ///
    /// A write of a row that has not had the key, and does not get it, leaves the result alone.
    pub fn depends_on_key<P: Pattern>(self, key: KeyOf<P>) -> Self {
        self.depending(|all| all.key(key))
    }

    /// The result goes with [`Larder::invalidate_tag`](crate::Larder::invalidate_tag) of this tag. A tag stands in the store as it is.
    pub fn tagged(self, tag: &str) -> Self {
        self.depending(|all| all.tag(tag))
    }

    /// The result changes with all of these, too.
    pub fn depends_on_all(self, of: &Dependencies<DB>) -> Self {
        self.depending(|all| of.cells().iter().cloned().fold(all, Dependencies::cell))
    }

    fn depending(self, more: impl FnOnce(Dependencies<DB>) -> Dependencies<DB>) -> Self {
        Self { depends_on: more(self.depends_on), ..self }
    }

    /// The result: as it is stored, or what `query` gives.
    ///
    /// `query` only reads; it may be several statements. One thread of all processes runs it, while others that ask for the same wait:
    /// those of this process for up to 30 s, those of others for up to 2 s, after which they run it too. While something that it depends on is being
    /// written or loaded, and in a transaction, it is run each time and nothing is stored; so it is for a result with an `Option` right in an `Option`,
    /// which the form does not tell apart. A scope's [patience](crate::Patience) does not bound the wait. `query` must not ask for its own result.
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
        self.here().load_from(|access| access.with_connection(query))
    }

    /// The same, called from the line that has called the caller.
    #[track_caller]
    fn here(self) -> Self {
        Self { access: self.access.here(), ..self }
    }

    /// As [`load`](Self::load), of whatever reads the database.
    pub(crate) fn load_from<T>(self, query: impl FnOnce(Access<'s, DB>) -> Result<T>) -> Result<T>
    where
        T: Serialize + DeserializeOwned,
    {
        may_wait()?;
        let access = self.access;
        let _entered = tracing::debug_span!("larder.query", larder.query.name = self.name).entered();
        let figures = &access.lookout().figures.queries;
        access.follower().into_iter().for_each(|follower| follower.depends_on(self.depends_on.cells()));
        let compute = || query(access);
        match self.slot::<T>() {
            Ok(slot) => slot.load(Form::SERDE, compute),
            Err(why) => slot::passed_by(figures, why, compute),
        }
    }

    /// Takes the result out of the store: whoever asks next, in whatever process, runs the query. One round trip.
    ///
    /// `T` is what [`load`](Self::load) gives. Whether it was done; where the store fails, `tracing` and the event handler are told.
    pub fn forget<T>(self) -> bool {
        if may_wait().is_err() {
            return false;
        }
        let (Some(layers), Some(key)) = (self.access.layers(), self.key::<T>()) else { return true };
        layers.settle(&[&key])
    }

    /// The place of the result in the store.
    fn slot<T>(&self) -> Result<Slot<'s, '_>, Bypass> {
        let access = self.access;
        let Some(layers) = access.layers().filter(|layers| !layers.is_store_spared()) else {
            return Err(access.bypass());
        };
        if access.asked_of_queries() == Consistency::Database {
            return Err(Bypass::Asked);
        }
        let key = self.key::<T>().ok_or(Bypass::Failed)?;
        let figures = &access.lookout().figures.queries;
        Ok(Slot { layers, figures, key, depends_on: self.depends_on.cells(), settings: self.settings })
    }

    fn key<T>(&self) -> Option<CellKey> {
        let form = (self.settings.version, self.depends_on.cells());
        let parameters = self.parameters.as_ref()?;
        let of_tenant = self.tenant.map(|tenant| form::digest_of(&[tenant, *parameters].concat()));
        let digest = of_tenant.as_ref().unwrap_or(parameters);
        Some(match self.of {
            "" => form::key::<T>(KIND, self.name, digest, form),
            of => form::key::<T>(KIND_OF_ROWS, &format!("{of}:{}", self.name), digest, form),
        })
    }
}
