//! Cache-aside: values of the application's own in the store, by typed keys.

use std::{fmt, marker::PhantomData, time::Duration};

use serde::{Serialize, de::DeserializeOwned};

use super::{
    form::{self, Form},
    slot::{self, Settings, Slot},
};
use crate::{
    backend::Backend,
    error::{Error, Result},
    figures::Bypass,
    handle::Larder,
    inline::may_wait,
    store::CellKey,
};

/// What the keys of such values begin with.
const KIND: &str = "aside";

/// Values of a kind that larder knows nothing of, kept in the shared store by the application itself. [`Larder::aside`] makes it.
///
/// ```no_run
/// # use serde::{Serialize, Deserialize};
/// # use larder::{Aside, Larder, Result};
/// # use diesel::pg::Pg;
/// # #[derive(Serialize, Deserialize)] struct Weather;
/// # fn ask_the_service(city: &str) -> std::result::Result<Weather, std::io::Error> { unimplemented!() }
/// # fn example(larder: &Larder<Pg>) -> std::result::Result<(), std::io::Error> {
/// use std::time::Duration;
///
/// let weather: Aside<'_, Pg, String, Weather> = larder.aside("weather").ttl(Duration::from_secs(600));
/// let here = weather.load(&"Graz".to_owned(), || ask_the_service("Graz"))?;
/// weather.forget(&"Graz".to_owned());
/// # Ok(())
/// # }
/// ```
///
/// It is the pattern *cache-aside* without its race: what [`load`](Self::load) computes is put under a lease, which
/// [`forget`](Self::forget), [`put`](Self::put) and [`update`](Self::update) take away, so that nothing computed before one of them is
/// stored after it. A key stands in the store as a digest.
pub struct Aside<'l, DB: Backend, K, T> {
    larder: &'l Larder<DB>,
    name: &'l str,
    settings: Settings,
    types: PhantomData<fn(&K) -> T>,
}

impl<DB: Backend, K, T> Clone for Aside<'_, DB, K, T> {
    fn clone(&self) -> Self {
        let Self { larder, name, settings, types } = *self;
        Self { larder, name, settings, types }
    }
}

impl<DB: Backend, K, T> fmt::Debug for Aside<'_, DB, K, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Aside").field("name", &self.name).field("settings", &self.settings).finish_non_exhaustive()
    }
}

impl<'l, DB, K, T> Aside<'l, DB, K, T>
where
    DB: Backend,
    K: Serialize,
    T: Serialize + DeserializeOwned,
{
    pub(crate) fn new(larder: &'l Larder<DB>, name: &'l str) -> Self {
        Self { larder, name, settings: Settings::default(), types: PhantomData }
    }

    /// How long a value is kept, less up to a tenth. Defaults to the handle's [`ttl`](crate::Builder::ttl).
    #[must_use]
    pub fn ttl(mut self, ttl: Duration) -> Self {
        self.settings.ttl = Some(ttl);
        self
    }

    /// The version of the values' form, as [`CachedQuery::version`](super::CachedQuery::version). Defaults to 0.
    #[must_use]
    pub fn version(mut self, version: u32) -> Self {
        self.settings.version = version;
        self
    }

    /// How long it may take to compute a value, as [`CachedQuery::may_take`](super::CachedQuery::may_take). Defaults to 30 seconds.
    #[must_use]
    pub fn may_take(mut self, time: Duration) -> Self {
        self.settings.lease = time;
        self
    }

    /// The value of a key, if it is stored. One round trip; a store that fails has none.
    #[must_use]
    pub fn get(&self, key: &K) -> Option<T> {
        may_wait().ok()?;
        self.slot(key).ok()?.get(Form::SERDE)
    }

    /// The value of a key: as it is stored, or as `compute` gives it, which is then stored.
    ///
    /// One thread of all processes computes it, while others wait: those of this process for up to 30 s, those of others for up to 2 s.
    /// Costs one round trip if it is stored, and three if not.
    ///
    /// # Errors
    /// Those of `compute`. They are not kept, and a store that fails is none.
    pub fn load<E>(&self, key: &K, compute: impl FnOnce() -> Result<T, E>) -> Result<T, E> {
        match self.slot(key) {
            Ok(slot) => slot.load(Form::SERDE, compute),
            Err(why) => slot::passed_by(&self.larder.lookout().figures.asides, why, compute),
        }
    }

    /// Stores a value that the caller knows to be the newest, in place of any other. Two round trips.
    ///
    /// Of two that are put at the same time none is stored, since nobody knows which is the newer one. Who writes it somewhere else,
    /// and not alone, wants [`update`](Self::update).
    ///
    /// # Errors
    /// [`Error::Store`] if the store fails: the old value may then be served, at once or after a while. [`Error::Other`] if the key or the
    /// value can't be written.
    pub fn put(&self, key: &K, value: &T) -> Result<()> {
        let Some(layers) = self.larder.layers() else { return Ok(()) };
        let key = self.key(key).ok_or_else(|| Error::other("the key can't be written"))?;
        let bytes = (Form::SERDE.write)(value).ok_or_else(|| Error::other("the value can't be written"))?;
        layers.write_aside(&key, self.settings.ttl, || Ok(((), Some(bytes))))
    }

    /// Writes a value wherever it has its home, and stores what was written: as larder's own writes are done.
    ///
    /// While `write` runs nobody is served a stored value of the key, and nobody stores one; where several write at the same time, none
    /// is stored. `None` empties the place. If `write` fails, which may have been done or may yet be, nobody is served or stores one for as long
    /// as writes are held (15 s). It should not take longer than that, or others may store what was there before. Where the value's home lets two write at once, and Redis is
    /// restarted between them while one of them dies, or fails and is written later, the older value may stay for its `ttl`. In a transaction of larder's
    /// it is no part of that: what is rolled back stays stored. Two round trips.
    ///
    /// # Errors
    /// [`Error::Store`] if the store could not be told before `write`, which is not called then. Those of `write`.
    pub fn update(&self, key: &K, write: impl FnOnce() -> Result<Option<T>>) -> Result<Option<T>> {
        let Some(layers) = self.larder.layers() else { return write() };
        let key = self.key(key).ok_or_else(|| Error::other("the key can't be written"))?;
        layers.write_aside(&key, self.settings.ttl, || {
            let value = write()?;
            let bytes = value.as_ref().and_then(Form::SERDE.write);
            Ok((value, bytes))
        })
    }

    /// Takes the value of a key out of the store, in every process, and the permission to store what was computed before. One round trip.
    ///
    /// Whether it was done; where the store fails, `tracing` and the event handler are told.
    pub fn forget(&self, key: &K) -> bool {
        if may_wait().is_err() {
            return false;
        }
        let (Some(layers), Some(key)) = (self.larder.layers(), self.key(key)) else { return true };
        layers.settle(&[&key])
    }

    fn key(&self, key: &K) -> Option<CellKey> {
        Some(form::key::<T>(KIND, self.name, &form::digest(key)?, (self.settings.version, &[])))
    }

    fn slot(&self, key: &K) -> Result<Slot<'l, 'static>, Bypass> {
        let layers = self.larder.layers().ok_or(Bypass::NoStore)?;
        if layers.is_store_spared() {
            return Err(Bypass::Failed);
        }
        let key = self.key(key).ok_or(Bypass::Failed)?;
        Ok(Slot {
            layers,
            figures: &self.larder.lookout().figures.asides,
            key,
            depends_on: &[],
            settings: self.settings,
        })
    }
}
