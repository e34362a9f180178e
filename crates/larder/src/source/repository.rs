//! The repository of a source: reads through the layers of a handle, and writes that they are told of.

use std::{
    any::Any,
    collections::HashMap,
    fmt, ptr,
    sync::{Arc, Mutex, PoisonError, Weak},
};

use super::{ByKey, Entry, Source};
use crate::{
    backend::Backend,
    effect::Effects,
    error::{Error, Result},
    handle::Larder,
    inline::may_wait,
    layers::{Begun, Layers},
    load,
    patience::Patience,
    queries::{Dependencies, KeyOf},
    scope::Scope,
    session::{Access, Consistency, Source as Reader},
    token::Token,
};

/// The cached repository of a [`Source`], on a handle or a scope. [`Larder::source`] and [`Scope::source`] make it.
///
/// Reads are those of a table's repository: from the near cache, the shared store, another caller who loads the same, and then the source. There is
/// none in a transaction, since what a source has written can't be rolled back with it.
pub struct Sourced<'s, DB: Backend, S> {
    reader: Reader<'s, DB>,
    source: &'s Arc<S>,
    is_first: bool,
}

impl<DB: Backend, S> Clone for Sourced<'_, DB, S> {
    fn clone(&self) -> Self {
        Self { reader: self.reader.clone(), source: self.source, is_first: self.is_first }
    }
}

impl<DB: Backend, S: Source> fmt::Debug for Sourced<'_, DB, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sourced").field("source", &S::NAME).finish_non_exhaustive()
    }
}

impl<DB: Backend> Larder<DB> {
    /// The cached repository of a source that is in no table: a service, a document store, a search engine.
    ///
    /// A handle has one source of a name. As long as that is there, a second one would be given its values, and whatever is asked of it is an
    /// [`Error::Source`]. Two regions of a service are two types, each with a name of its own, or one type with the region in its key.
    pub fn source<'s, S: Source>(&'s self, source: &'s Arc<S>) -> Sourced<'s, DB, S> {
        const { assert!(is_name(S::NAME), "the name of a source is of letters, digits and `_`") };
        Sourced { reader: Reader::of(self), source, is_first: self.sources().admit(source) }
    }
}

impl<DB: Backend> Scope<DB> {
    /// As [`Larder::source`], read as this scope reads.
    pub fn source<'s, S: Source>(&'s self, source: &'s Arc<S>) -> Sourced<'s, DB, S> {
        const { assert!(is_name(S::NAME), "the name of a source is of letters, digits and `_`") };
        Sourced { reader: Reader::of(self), source, is_first: self.larder().sources().admit(source) }
    }
}

impl<DB: Backend, S: Source> Sourced<'_, DB, S> {
    /// The same values, read from there: [`Consistency::Database`] is the source.
    #[must_use]
    pub fn reading(self, consistency: Consistency) -> Self {
        Self { reader: self.reader.reading(consistency), ..self }
    }

    /// The same values, as fresh as that write at least.
    #[must_use]
    pub fn at_least_as_fresh_as(self, token: Token) -> Self {
        Self { reader: self.reader.at_least_as_fresh_as(token), ..self }
    }

    /// The same values, waited for so long: where it allows old values, they are given for a source that fails or is slow.
    ///
    /// Loads that may be left run on the same threads of the handle as those of tables do.
    #[must_use]
    pub fn patience(self, patience: Patience) -> Self {
        Self { reader: self.reader.patience(patience), ..self }
    }

    /// The value of a key, if there is one. Costs as [`find_many`](Self::find_many).
    ///
    /// # Errors
    /// As there.
    #[track_caller]
    pub fn find(&self, key: impl Into<S::Key>) -> Result<Option<S::Value>> {
        Ok(self.load(&[key.into()])?.pop().flatten())
    }

    /// The value of a key. Costs as [`find_many`](Self::find_many).
    ///
    /// # Errors
    /// As there, and [`Error::NotFound`] if there is none.
    #[track_caller]
    pub fn get(&self, key: impl Into<S::Key>) -> Result<S::Value> {
        self.find(key)?.ok_or(Error::NotFound { table: S::NAME })
    }

    /// The values of `keys`, in their order: `None` where there is none. Repeated keys are loaded once.
    ///
    /// What is near costs nothing. For the other keys: one round trip of the store, one more for leases on what is missing, one call of
    /// [`Source::load`] for each [`Source::MAX_KEYS`] of that, and as many round trips to fill it in. That there is none is kept, too. Copies
    /// are not refreshed before they expire.
    ///
    /// # Errors
    /// [`Error::Source`] if the source fails, or gives another number of values than it was asked for; [`Error::TimedOut`] where the caller's
    /// [`Patience`] ends. A store that fails is no error.
    #[track_caller]
    pub fn find_many(&self, keys: &[S::Key]) -> Result<Vec<Option<S::Value>>> {
        self.load(keys)
    }

    #[track_caller]
    fn load(&self, keys: &[S::Key]) -> Result<Vec<Option<S::Value>>> {
        self.is_the_first()?;
        let mut places = HashMap::with_capacity(keys.len());
        let mut different = Vec::with_capacity(keys.len());
        for key in keys {
            places.entry(key).or_insert_with(|| {
                different.push(key.clone());
                different.len() - 1
            });
        }
        let entries = load::values_by(self.reader.access().here(), self.source, &different)?;
        Ok(keys.iter().map(|key| entries[places[key]].as_ref().map(|entry| entry.value.clone())).collect())
    }

    /// Writes values of `keys` where they have their home, by `work`: a read of any process that begins after this has returned sees that write,
    /// or a later one.
    ///
    /// The cells of `keys` are marked before `work` runs: nobody is served an older value from then on, readers ask the source, and what they
    /// have loaded before is not stored. Afterwards they are emptied, and the next reader fills them. `keys` are all that `work` changes. Costs
    /// two round trips of the store, and one more if `work` fails, or takes longer than writes are held (15 s).
    ///
    /// If `work` fails or panics, it may have been done, or may yet be: the cells are marked once more, passed by for as long as writes are held from
    /// then on, and settled then. If the store can't be told of that, the time counts from the beginning of the write. A `work` that takes longer
    /// than that, and then ends well, is as good as any: while it runs on, readers may store what the source gives, and its end marks and empties the cells (if the store can't
    /// be told even then, that is tried in the background for a minute). Of
    /// one that takes effect later than that after it has failed (a request that a proxy holds back, say) an older value may be stored until
    /// its [`Source::TTL`].
    ///
    /// # Errors
    /// [`Error::Store`] if the store could not be told before `work`, which is not called then: there is no outbox that could tell it later.
    /// [`Error::TooManyCells`], as of a transaction. [`Error::Source`] if `work` fails.
    pub fn write<T>(&self, keys: &[S::Key], work: impl FnOnce(&S) -> Result<T, S::Error>) -> Result<T> {
        may_wait()?;
        self.is_the_first()?;
        let access = self.reader.access();
        let work = || work(self.source).map_err(failed::<S>);
        match access.client() {
            Some(client) => client.writing(|token| write::<DB, S, T>(access, keys, token, work)),
            None => write::<DB, S, T>(access, keys, &mut Token::default(), work),
        }
    }

    /// Takes the values of `keys` out of every layer of every process, after something else has written them. Reads that begin after this has
    /// returned see that write. Those between the write and this call may see, and store, what was there before. One round trip a 512 keys.
    ///
    /// # Errors
    /// [`Error::Store`]: it may or may not have been done, and may be repeated.
    pub fn invalidate(&self, keys: &[S::Key]) -> Result<()> {
        may_wait()?;
        self.is_the_first()?;
        let Some(layers) = self.reader.access().layers() else { return Ok(()) };
        let effects = touched::<DB, S>(keys);
        layers.settle_written(&effects.keys())
    }

    /// The values of these keys, as what a [`CachedQuery`](crate::CachedQuery) or a version is made of.
    #[must_use]
    pub fn dependencies(&self, keys: &[S::Key]) -> Dependencies<DB> {
        keys.iter().fold(Dependencies::new(), |all, key| all.key(KeyOf::<ByKey<DB, S>>::new(key.clone())))
    }
}

impl<DB: Backend, S: Source> Sourced<'_, DB, S> {
    fn is_the_first(&self) -> Result<()> {
        if self.is_first {
            return Ok(());
        }
        Err(Error::Source { name: S::NAME, source: Box::new(SecondSource) })
    }
}

/// The sources of a handle, by their names.
#[derive(Default)]
pub(crate) struct Sources(Mutex<HashMap<&'static str, Weak<dyn Any + Send + Sync>>>);

impl Sources {
    /// Whether it is the one source of its name that is there.
    fn admit<S: Source>(&self, source: &Arc<S>) -> bool {
        let mut sources = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // As long as it is pointed at, however weakly, nothing else comes to lie where it lay.
        match sources.get(S::NAME).filter(|first| first.strong_count() > 0) {
            Some(first) => ptr::addr_eq(first.as_ptr(), Arc::as_ptr(source)),
            None => {
                let first: Weak<S> = Arc::downgrade(source);
                sources.insert(S::NAME, first);
                true
            }
        }
    }
}

/// Two sources with one name, whose cells would be the same.
#[derive(Debug, thiserror::Error)]
#[error(
    "the handle has another source of this name, whose cells these would be: give each a name of its own, or what tells them apart a place in the key"
)]
struct SecondSource;

/// Whether cells' keys can begin with it.
const fn is_name(name: &str) -> bool {
    let (bytes, mut at) = (name.as_bytes(), 0);
    while at < bytes.len() {
        if !(bytes[at].is_ascii_alphanumeric() || bytes[at] == b'_') {
            return false;
        }
        at += 1;
    }
    at > 0
}

fn failed<S: Source>(error: S::Error) -> Error {
    Error::Source { name: S::NAME, source: Box::new(error) }
}

fn touched<DB: Backend, S: Source>(keys: &[S::Key]) -> Effects {
    let mut effects = Effects::default();
    effects.touched_table::<Entry<DB, S>>();
    keys.iter().for_each(|key| effects.touched_key::<ByKey<DB, S>>(key));
    effects
}

fn write<DB: Backend, S: Source, T>(
    access: Access<'_, DB>,
    keys: &[S::Key],
    token: &mut Token,
    work: impl FnOnce() -> Result<T>,
) -> Result<T> {
    let Some(layers) = access.layers() else {
        *token = token.and(Token::of_unmarked());
        return work();
    };
    let effects = touched::<DB, S>(keys);
    let (n_cells, limit) = (effects.len(), layers.max_cells());
    if n_cells > limit {
        return Err(Error::TooManyCells { n_cells, limit });
    }
    // An attempt that failed is never ended: the next one has a nonce of its own.
    let begun =
        layers.begin(&effects.keys(), effects.recall()).or_else(|_| layers.begin(&effects.keys(), effects.recall()))?;
    *token = token.and(Token::of_marked(begun.place()));
    let mut writing = Writing { layers, begun, effects: Some(effects) };
    let done = work()?;
    if layers.is_over(&writing.begun) {
        // Without markers readers may have stored what was there before, and an end that fails would leave it to them.
        let effects = writing.effects.as_ref().map(|effects| (effects.keys(), effects.recall()));
        let Some(Ok(begun)) = effects.map(|(keys, recall)| layers.begin(&keys, recall)) else { return Ok(done) };
        *token = token.and(Token::of_marked(begun.place()));
        writing.begun = begun;
    }
    if let Some(effects) = writing.effects.take() {
        layers.committed(&writing.begun, effects);
    }
    Ok(done)
}

/// A write whose end is not known before it is said.
struct Writing<'l> {
    layers: &'l Layers,
    begun: Begun,
    /// What it changes, until it is certain that it has.
    effects: Option<Effects>,
}

impl Drop for Writing<'_> {
    fn drop(&mut self) {
        if let Some(effects) = self.effects.take() {
            // What has failed may take effect for a while from now on, however long ago it began.
            if let Ok(begun) = self.layers.begin(&effects.keys(), effects.recall()) {
                self.begun = begun;
            }
            self.layers.unknown(&self.begun, &effects);
            self.layers.drop_near(&effects.keys());
        }
    }
}

/// What a source gives that does not give as many values as it was asked for.
#[derive(Debug, thiserror::Error)]
#[error("{n_keys} keys were asked for, and {n_values} values came back")]
pub(crate) struct WrongNumber {
    pub(crate) n_keys: usize,
    pub(crate) n_values: usize,
}

/// Asks a source.
pub(crate) fn ask<S: Source>(source: &S, keys: &[S::Key]) -> Result<Vec<Option<S::Value>>> {
    let values = source.load(keys).map_err(failed::<S>)?;
    let (n_keys, n_values) = (keys.len(), values.len());
    if n_keys == n_values {
        Ok(values)
    } else {
        Err(Error::Source { name: S::NAME, source: Box::new(WrongNumber { n_keys, n_values }) })
    }
}
