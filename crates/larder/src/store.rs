//! The door to a shared store: keys, bytes, leases, markers and their times to live.
//!
//! A store keeps one *cell* a key. A cell holds nothing, a value, a lease (somebody may fill it) or a marker (a write is in
//! doubt). Every grant is a compare-and-set on a fresh random [`Nonce`] and every revocation is unconditional, so a lost, late
//! or repeated message can only take away the permission to cache. `docs/architecture.md` tells the whole protocol;
//! the module `conformance` (feature of that name) checks an implementation of it.

mod breaker;
mod clock;
#[cfg(any(feature = "conformance", test))]
pub mod conformance;
mod ended;
mod error;
mod forward;
mod key;
mod listen;
mod memory;
mod nonce;
mod scan;
mod watched;

use std::{sync::Arc, time::Duration};

pub use bytes::Bytes;

pub(crate) use self::{breaker::Breaker, key::prefix_of};
pub use self::{
    breaker::{BreakerOptions, BreakerState, BreakerStats},
    clock::{Clock, ManualClock, SystemClock},
    ended::Ended,
    error::StoreError,
    forward::forward,
    key::{CellKey, Layout},
    listen::{Announcement, Line, Listener, Listening, Position, Recall, Subscription},
    memory::MemoryStore,
    nonce::{Fence, Lease, Nonce},
    scan::{Cursor, Scanned},
    watched::{Operation, Watched},
};

/// What a store knows under a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cell {
    /// Nothing, or nothing that may be used.
    Vacant(Vacancy),
    /// The value that the database holds.
    Value(Bytes),
    /// Somebody may fill the cell, and has not yet.
    Leased(Nonce),
    /// A write of this key is in doubt: neither serve nor fill it.
    InDoubt,
}

/// Why a cell counts as vacant. [`Store::lease`] takes it back, since what lies there decides how a lease is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Vacancy {
    /// There is nothing under the key.
    Nothing,
    /// There is a value or a lease of an earlier life of the server, or of another [`Layout`].
    Foreign,
    /// There is a value with this stamp, of which the caller knows that it is of no use any more.
    Outdated(Nonce),
}

/// A cell, and what [`Store::inspect`] tells of it besides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inspected {
    /// What [`Store::read`] says.
    pub cell: Cell,
    /// Of a value only: the nonce of the write that stored it, or the token of the fill. No two values ever have the same one.
    pub stamp: Option<Nonce>,
    /// How long what lies under the key, whatever it is, still has to live: `None` where there is nothing, or nothing that ends.
    pub expires_in: Option<Duration>,
}

/// What [`Store::read_stamped`] tells: cells, and the stamps of others.
pub type Stamped = (Vec<Cell>, Vec<Option<Nonce>>);

/// A cell that [`Store::fill`] is to hold, if the lease on it is still in place.
#[derive(Debug, Clone)]
pub struct Fill<'a> {
    /// The key.
    pub key: &'a CellKey,
    /// What [`Store::lease`] granted for that key.
    pub lease: Lease,
    /// The bytes to hold.
    pub value: Bytes,
    /// How long the value may live.
    pub ttl: Duration,
}

/// How a write that [`Store::begin`] announced has ended for one cell.
#[derive(Debug, Clone)]
pub enum Ending {
    /// Committed, and this is now the database's value. It is stored only if no other write came near; else the cell is emptied.
    Value {
        /// The bytes to hold.
        value: Bytes,
        /// How long the value may live.
        ttl: Duration,
    },
    /// Committed; the cell is emptied.
    Emptied,
    /// Rolled back: what was true before is still true.
    RolledBack,
}

/// The number of keys that go into one round trip of a [`Store`].
pub const BATCH: usize = 512;

/// A shared store that follows the lease-and-marker protocol.
///
/// Each method is **one round trip** at most for up to [`BATCH`] keys, and one for each further batch. Every method gives
/// up after a time-out of the store's own; none blocks for good, and none panics on what the server sends. Keys are independent
/// of each other: no method promises that several cells change together.
///
/// No error of a store reaches a reader: a read that fails is a miss that nobody may fill. Errors of `begin` do reach the writer.
pub trait Store: Send + Sync + 'static {
    /// Is told by each handle that is built on the store, before the handle's first operation, for how long the handle's writes
    /// hold their markers.
    ///
    /// A store that can lose markers must grant no leases after such a loss until the longest `hold` is over, or a write that
    /// was in doubt then leaves an old value behind. One that wraps another passes it on. Defaults to doing nothing, which is
    /// right where markers are lost only together with the process.
    fn attach(&self, hold: Duration) {
        let _ = hold;
    }

    /// Reads cells, in the order of `keys`.
    ///
    /// # Errors
    /// The store is away, slow, or answers with something other than cells. Bytes that are no cell are not an error but
    /// [`Vacancy::Foreign`].
    fn read(&self, keys: &[CellKey]) -> Result<Vec<Cell>, StoreError>;

    /// Reads cells as [`Store::read`] does, and after them the stamps of others, whatever those hold: in the order of `keys` and of
    /// `stamped`, one round trip for [`BATCH`] of both together.
    ///
    /// A stamp is the nonce of the write that stored a value, or the token of its fill; values of every [`Layout`] have one, and leases,
    /// markers and values of an earlier life of the server have none. No two values ever have the same one, so whoever finds it again
    /// knows that no write of the cell has begun in between.
    ///
    /// # Errors
    /// As [`Store::read`].
    fn read_stamped(&self, keys: &[CellKey], stamped: &[CellKey]) -> Result<Stamped, StoreError>;

    /// Takes leases on vacant cells: `None` where somebody else has been there since, or where leases are not to be had now.
    ///
    /// All leases of a call share one fresh [`Nonce`]. The caller must have the answer in hand **before** it sends the query
    /// whose result it is going to fill in.
    ///
    /// # Errors
    /// As [`Store::read`]. After an error the leases may or may not stand; nobody holds them, and they expire.
    fn lease(&self, keys: &[(&CellKey, Vacancy)], ttl: Duration) -> Result<Vec<Option<Lease>>, StoreError>;

    /// Puts a value without bytes, of [`Layout::STAMP`], into every cell that holds nothing of this life of the server: the stamps of all
    /// values that are there then, of whatever layout. `None` where there is a lease or a marker, or where leases are not to be had now.
    ///
    /// # Errors
    /// As [`Store::read`]. After an error the values may or may not have been put; nobody knows their stamps.
    fn stamp(&self, keys: &[&CellKey], ttl: Duration) -> Result<Vec<Option<Nonce>>, StoreError>;

    /// Puts values into leased cells: `true` where the lease was still in place and the value is now served.
    ///
    /// # Errors
    /// As [`Store::read`]. After an error each fill may or may not have happened; either is safe.
    fn fill(&self, fills: &[Fill<'_>]) -> Result<Vec<bool>, StoreError>;

    /// Marks cells as in doubt for at most `hold`, and takes every value and lease out of them.
    ///
    /// Called with all row locks held and before COMMIT is sent. `nonce` must be fresh for every attempt. When all markers are set, the
    /// write is announced to the [listeners](Store::listen), in the same round trip: its place among the announcements comes
    /// back, if the store numbers them. `recall` says whether to wait until nobody serves a copy of a cell.
    ///
    /// # Errors
    /// As [`Store::read`]. After an error the outcome is unknown: the caller never ends that nonce, its markers expire.
    fn begin(
        &self,
        nonce: Nonce,
        keys: &[&CellKey],
        hold: Duration,
        recall: Recall,
    ) -> Result<Option<Position>, StoreError>;

    /// Ends what [`Store::begin`] began with the same nonce.
    ///
    /// # Errors
    /// As [`Store::read`]. The markers keep the cells out of use until they expire, so an error costs speed and no truth. It may
    /// be called again with the same arguments until then.
    fn finish(&self, nonce: Nonce, endings: &[(&CellKey, Ending)]) -> Result<(), StoreError>;

    /// Takes the word of somebody who wrote without markers, or whose markers may be gone: after this no older value is served.
    ///
    /// With the nonce of a write, what that very write stored through [`Store::finish`] is kept.
    ///
    /// # Errors
    /// As [`Store::read`]. It may be called again.
    fn settle(&self, nonce: Option<Nonce>, keys: &[&CellKey]) -> Result<(), StoreError>;

    /// Reads cells as [`Store::read`] does, in the order of `keys`, with the stamps of their values and the time that is left to
    /// them.
    ///
    /// A cell and its stamp belong together. The time may be that of what has come under the key a moment later.
    ///
    /// # Errors
    /// As [`Store::read`].
    fn inspect(&self, keys: &[CellKey]) -> Result<Vec<Inspected>, StoreError>;

    /// Gives values more time to live, each from now on: `true` where the cell still holds the value with that stamp, `false` where it holds
    /// anything else, which is left as it is.
    ///
    /// # Errors
    /// As [`Store::read`]. After an error each may or may not have it; either is safe.
    fn extend(&self, values: &[(&CellKey, Nonce, Duration)]) -> Result<Vec<bool>, StoreError>;

    /// Finds the keys that begin with `prefix`, a page a call: values, leases and markers alike, in no order. One round trip.
    ///
    /// The first call is made with [`Cursor::START`], each further one with [`Scanned::next`] of the one before, until that is
    /// `None`. A key that is there from before the first call until after the last one is in some page. One that comes or goes in
    /// between may be or not, a key may come twice, and a page may be empty. Pages have some hundred keys where the store can
    /// stop there. The cost may be that of all keys of the server, so this is for maintenance and for nobody who waits.
    ///
    /// What the values' layouts are is not known: the keys have [`Layout::UNKNOWN`], which is good for [`Store::settle`].
    ///
    /// # Errors
    /// As [`Store::read`]. The same cursor may be tried again, unless [`StoreError::is_refused`]: a server that was replaced in
    /// the middle of a scan refuses cursors of the one before, and the scan has to begin anew.
    fn scan(&self, prefix: &[u8], from: Cursor) -> Result<Scanned, StoreError>;

    /// Tells `listener` from now on of every write that begins, and of every other change that takes a value out of a cell: `None` if
    /// this store can't, so that nobody may hold copies of its cells.
    ///
    /// Returns at once; what reaches the listener, and when, it says itself. Whatever the store gives out in [`Store::read`] after
    /// [`Listener::joined`] was called is announced when it changes. One that wraps another passes it on. Defaults to `None`.
    fn listen(&self, listener: Arc<dyn Listener>, wanted: Listening) -> Option<Subscription> {
        let _ = (listener, wanted);
        None
    }

    /// Whether operations may fail, or take long, for reasons outside of this process. Where they may not, handles have no
    /// [breaker](crate::Builder::breaker) before the store. One that wraps another passes it on. Defaults to `true`.
    fn may_be_away(&self) -> bool {
        true
    }

    /// How many operations it works on at once, while others wait: `None` if it does on as many as are asked of it. One that wraps another passes
    /// it on. Defaults to `None`.
    fn at_once(&self) -> Option<usize> {
        None
    }
}
