//! A cached query in two halves, for results that no closure can compute: those of async code, say.

use std::{
    fmt,
    marker::PhantomData,
    time::{Duration, Instant},
};

use serde::{Serialize, de::DeserializeOwned};

use super::{CachedQuery, Form, Slot};
use crate::{
    backend::Backend,
    figures::Bypass,
    handle::Larder,
    inline::may_wait,
    layers::Dependent,
    session::Target,
    store::{CellKey, Lease, Nonce},
    trail::Follower,
};

/// How often the store is asked: once, and again after garbage was thrown away and after somebody was quicker.
const ROUNDS: usize = 3;

/// What [`CachedQuery::look`] has found.
#[derive(Debug)]
#[must_use = "a turn that is dropped is given back"]
pub enum Looked<DB: Backend, T> {
    /// The result, as it is stored.
    Stored(T),
    /// It is the caller's to compute, beginning now, and to [store](Turn::store).
    Turn(Turn<DB, T>),
    /// Somebody else computes it: it may be looked for again in a moment.
    Elsewhere,
    /// It is the caller's to compute, and is not to be stored: the store is away, or something that it depends on is being written.
    PassedBy,
}

/// The turn of one who computes a result. Dropped before it is [stored](Self::store), it is the next one's.
///
/// To drop it costs one round trip, as to store does; so neither belongs on a thread that may not wait. One that is leaked ends with the
/// time that its query [may take](CachedQuery::may_take).
#[must_use = "a turn that is dropped is given back"]
pub struct Turn<DB: Backend, T> {
    larder: Larder<DB>,
    key: CellKey,
    /// Of what the result depends on, as they were before it is computed.
    stamps: Vec<Nonce>,
    lease: Option<Lease>,
    ttl: Option<Duration>,
    value: PhantomData<fn(&T)>,
}

impl<DB: Backend, T> fmt::Debug for Turn<DB, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Turn").field("key", &self.key).finish_non_exhaustive()
    }
}

impl<DB: Backend> CachedQuery<'_, DB> {
    /// Looks for the result, and waits for nobody: the first half of [`load`](Self::load), where the second is [`Turn::store`].
    ///
    /// Whoever gets a turn reads what the result is made of *after* this has returned. What is near of the rows and keys that it depends on, and
    /// older than its stamps, is dropped; rows that only a dependency on their whole table stands for are to be read with
    /// [`Consistency::Shared`](crate::Consistency::Shared).
    ///
    /// Threads of this process that `load` the same take a turn for another process's. Costs one round trip if the result is stored,
    /// and two more if not: for stamps that nobody has put yet, and for the lease.
    pub fn look<T: Serialize + DeserializeOwned>(self) -> Looked<DB, T> {
        let Target::Handle(larder) = self.access.target() else { return Looked::PassedBy };
        if may_wait().is_err() {
            return Looked::PassedBy;
        }
        let slot = match self.slot::<T>() {
            Ok(slot) => slot,
            Err(why) => {
                larder.lookout().figures.queries.bypassed(why).one();
                return Looked::PassedBy;
            }
        };
        let follower = self.access.follower();
        follower.into_iter().for_each(|follower| follower.depends_on(slot.depends_on));
        let mut was_refused = false;
        for _ in 0..ROUNDS {
            let begun = Instant::now();
            let dependent = slot.layers.dependent(&slot.key, slot.depends_on);
            follower.into_iter().for_each(|follower| follower.round_trip(1 + slot.depends_on.len(), begun));
            let (vacancy, found) = match dependent {
                Dependent::Good(bytes) => match slot.read(&bytes) {
                    Some(value) => {
                        follower.into_iter().for_each(Follower::stored);
                        return Looked::Stored(value);
                    }
                    None if slot.layers.discard(&[&slot.key]).is_some() => continue,
                    None => return slot.passed_by(Bypass::Failed),
                },
                // There are no leases to be had.
                Dependent::Lacking(..) if was_refused => return slot.passed_by(Bypass::Elsewhere),
                Dependent::Lacking(vacancy, found) => (vacancy, found),
                Dependent::UnderWay(_) | Dependent::Elsewhere => return Looked::Elsewhere,
                Dependent::PassedBy(why) => return slot.passed_by(why),
            };
            let Some(stamps) = slot.layers.stamps(slot.depends_on, found) else {
                return slot.passed_by(Bypass::InDoubt);
            };
            match slot.layers.lease_dependent(&slot.key, vacancy, slot.settings.lease) {
                Ok(Some((lease, _))) => {
                    slot.figures.leases_granted.one();
                    slot.figures.misses.one();
                    self.depends_on.catch_up_near(slot.layers, &stamps);
                    let (larder, key, ttl) = (larder.clone(), slot.key.clone(), slot.settings.ttl);
                    return Looked::Turn(Turn { larder, key, stamps, lease: Some(lease), ttl, value: PhantomData });
                }
                Ok(None) => {
                    slot.figures.leases_refused.one();
                    was_refused = true;
                }
                Err(()) => return slot.passed_by(Bypass::Failed),
            }
        }
        slot.passed_by(Bypass::Elsewhere)
    }
}

impl Slot<'_, '_> {
    fn read<T: Serialize + DeserializeOwned>(&self, bytes: &[u8]) -> Option<T> {
        let value = (Form::SERDE.read)(bytes);
        let counter = if value.is_some() { &self.figures.shared_hits } else { &self.figures.corrupt };
        counter.one();
        value
    }

    fn passed_by<DB: Backend, T>(&self, why: Bypass) -> Looked<DB, T> {
        self.figures.bypassed(why).one();
        Looked::PassedBy
    }
}

impl<DB: Backend, T: Serialize + DeserializeOwned> Turn<DB, T> {
    /// How long the result is kept at most, in place of what was said before it was looked for.
    pub fn ttl(mut self, ttl: Duration) -> Self {
        self.ttl = Some(ttl);
        self
    }

    /// Stores the result, unless the turn has lasted for too long: whether it was stored. One round trip.
    ///
    /// If anything that it depends on was written since the turn was given, it is stored and served to nobody.
    pub fn store(mut self, value: &T) -> bool {
        let Some(layers) = self.larder.layers() else { return false };
        let figures = &self.larder.lookout().figures.queries;
        let Some(value) = (Form::SERDE.write)(value) else { return false };
        let Some(lease) = self.lease.take() else { return false };
        match layers.fill_dependent(&self.key, lease, &self.stamps, &value, self.ttl) {
            Ok(true) => {
                figures.fills_stored.one();
                true
            }
            Ok(false) => {
                figures.fills_refused.one();
                false
            }
            Err(()) => {
                figures.fills_failed.one();
                false
            }
        }
    }
}

impl<DB: Backend, T> Drop for Turn<DB, T> {
    fn drop(&mut self) {
        if let (Some(lease), Some(layers)) = (self.lease.take(), self.larder.layers()) {
            layers.give_back(&self.key, lease);
        }
    }
}
