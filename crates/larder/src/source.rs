//! Services and stores of other kinds behind a cached repository, where a Diesel table would stand.
//!
//! A search engine, a document store, a catalogue behind HTTP: whatever answers for several keys at once is a [`Source`].
//! [`Larder::source`](crate::Larder::source) puts the layers of a handle before it.

mod entry;
mod repository;

use std::{error, time::Duration};

pub(crate) use self::entry::{ByKey, Entry};
pub use self::repository::Sourced;
pub(crate) use self::repository::{Sources, ask};
use crate::{codec::Codec, key::Key, near::Near};

/// Where values come from that are in no table of the handle's database.
///
/// ```
/// use std::{collections::HashMap, convert::Infallible, sync::Mutex};
///
/// use larder::source::Source;
///
/// /// Prices by article, as a service has them.
/// struct Prices(Mutex<HashMap<String, i64>>);
///
/// impl Source for Prices {
///     const NAME: &'static str = "prices";
///     type Key = String;
///     type Value = i64;
///     type Error = Infallible;
///
///     fn load(&self, keys: &[String]) -> Result<Vec<Option<i64>>, Infallible> {
///         let prices = self.0.lock().expect("nobody panics with it");
///         Ok(keys.iter().map(|key| prices.get(key).copied()).collect())
///     }
/// }
/// ```
///
/// What is promised of tables holds of a source under two conditions. [`load`](Self::load) sees what a write has done that has returned: it
/// does not ask a replica, or an index that shows changes a second later. And every write is done in [`Sourced::write`], or told of afterwards by
/// [`Sourced::invalidate`].
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no source",
    note = "implement `larder::source::Source` for `{Self}`"
)]
pub trait Source: Send + Sync + 'static {
    /// What the keys of its cells begin with: letters, digits and `_`, or it does not compile. No other source and no table of the application's has it.
    const NAME: &'static str;

    /// What a value is found by. Two keys that the source takes for one are equal, or only one of them is emptied by a write.
    type Key: Key + Codec;

    /// A value, as it lies in cells: a struct with `#[derive(larder::Codec)]`, or [`Json`](crate::types::Json) of a serde struct.
    type Value: Codec + Clone + Send + Sync + 'static;

    /// Why a call of it failed.
    type Error: error::Error + Send + Sync + 'static;

    /// How long its cells live. Defaults to what the handle says.
    const TTL: Option<Duration> = None;

    /// Whether its values are kept in the near cache. Defaults to [`Near::Bounded`].
    const NEAR: Near = Near::Bounded;

    /// How many keys one call of [`load`](Self::load) is given at most. Defaults to 1,000.
    const MAX_KEYS: usize = 1_000;

    /// The values of `keys`, which are all different, in their order: `None` where there is none.
    ///
    /// Runs on the thread of the caller, or of the handle where the caller has [patience](crate::Patience), and so on several at once. What
    /// takes longer than the handle's leases last (4 s) is given to the caller, and not kept.
    ///
    /// # Errors
    /// Its own. They are not kept; callers get them as [`Error::Source`](crate::Error::Source), or an old value where they allow one.
    fn load(&self, keys: &[Self::Key]) -> Result<Vec<Option<Self::Value>>, Self::Error>;
}
