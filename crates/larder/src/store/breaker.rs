//! A breaker before a store that may be away: while it fails or is slow, nobody waits for it.
//!
//! What only spares the database work (`read`, `lease`, `stamp`, `fill`, `inspect`, `extend`) fails at once while the breaker is open. What the truth of a
//! write depends on (`begin`, `finish`, `settle`), and scans, always reach the store. To the protocol an open breaker is a store that
//! can't be reached: a read that fails goes to the database and fills nothing, a lease that fails is nobody's, a fill that fails leaves a
//! lease to expire. So it changes speed, and no answer.

mod circuit;
mod options;
mod ramp;
mod watch;

use std::{sync::Arc, time::Duration};

use serde::Serialize;

use self::circuit::{Call, Circuit, Outcome};
pub use self::options::BreakerOptions;
use super::{
    BATCH, Cell, CellKey, Cursor, Ending, Fill, Inspected, Lease, Listener, Listening, Nonce, Position, Recall,
    Scanned, Stamped, Store, StoreError, Subscription, Vacancy,
};
use crate::event::HandleEvent;

/// What a breaker lets through.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum BreakerState {
    /// Everything.
    Closed,
    /// Writes and scans. Reads go to the database, and a thread tries the store.
    Open,
    /// Everything, but for leases on some of what is missing: the store is back, and is filled again little by little.
    Recovering,
}

/// What a breaker has done so far. [`Larder::breaker`](crate::Larder::breaker) gives it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct BreakerStats {
    /// What it lets through now.
    pub state: BreakerState,
    /// How often it has opened.
    pub n_opened: u64,
    /// How many calls failed without asking the store.
    pub n_spared: u64,
    /// How often the store was tried.
    pub n_probes: u64,
    /// How many misses were refused a lease in recoveries.
    pub n_held_back: u64,
}

/// A store, and the breaker before it.
pub(crate) struct Breaker {
    desk: Arc<Desk>,
}

/// What callers and the watch share.
struct Desk {
    store: Arc<dyn Store>,
    events: Arc<dyn HandleEvent>,
    circuit: Circuit,
}

/// Why a call failed that was never made.
#[derive(Debug, thiserror::Error)]
enum Spared {
    #[error("it failed or was slow too often just before")]
    Failing,
    #[error("it has only just come back, and is filled again little by little")]
    JustBack,
}

/// Whether an operation that is refused is of no use.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Refusal {
    Counts,
    IsAnAnswer,
}

impl Breaker {
    pub(crate) fn new(store: Arc<dyn Store>, options: BreakerOptions, events: Arc<dyn HandleEvent>) -> Self {
        Self { desk: Arc::new(Desk { store, events, circuit: Circuit::new(options) }) }
    }

    /// Whether the breaker is open, and nothing was heard of the store when it was asked last.
    pub(crate) fn is_silent(&self) -> bool {
        self.desk.circuit.is_silent()
    }

    /// Whether a call that the store may be spared must not be made; it counts as one.
    pub(crate) fn is_sparing(&self) -> bool {
        self.desk.circuit.admit().is_none()
    }

    pub(crate) fn stats(&self) -> BreakerStats {
        self.desk.circuit.stats()
    }

    /// Makes a call that the store may be spared.
    fn try_ask<T>(
        &self,
        n_keys: usize,
        refusal: Refusal,
        ask: impl FnOnce(&dyn Store) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        self.ask(self.admit()?, Some(self.slow_for(n_keys)), refusal, ask)
    }

    fn admit(&self) -> Result<Call, StoreError> {
        self.desk.circuit.admit().ok_or_else(|| StoreError::not_asked(Spared::Failing))
    }

    /// Makes a call, and takes down how it ends. Without a time for it to be slow, it is never slow, and it is no sign either that the store
    /// is not.
    fn ask<T>(
        &self,
        call: Call,
        slow: Option<Duration>,
        refusal: Refusal,
        ask: impl FnOnce(&dyn Store) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        self.ask_for(call, slow, refusal, |_| true, ask)
    }

    /// As [`Breaker::ask`], where not every answer comes from the store itself.
    fn ask_for<T>(
        &self,
        call: Call,
        slow: Option<Duration>,
        refusal: Refusal,
        is_the_stores: impl FnOnce(&T) -> bool,
        ask: impl FnOnce(&dyn Store) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let circuit = &self.desk.circuit;
        let sent = circuit.now();
        let answer = ask(self.desk.store.as_ref());
        let took = circuit.now().saturating_sub(sent);
        let outcome = match &answer {
            Err(error) if refusal == Refusal::Counts || !error.is_refused() => Outcome::Failed(error),
            answer => match slow {
                Some(slow) if took > slow => Outcome::Slow(took),
                Some(_) if answer.as_ref().map_or(true, is_the_stores) => Outcome::Good,
                _ => Outcome::Answered,
            },
        };
        if circuit.note(call, outcome) {
            watch::start(&self.desk);
        }
        answer
    }

    /// How long a call with so many keys may take.
    fn slow_for(&self, n_keys: usize) -> Duration {
        let n_batches = u32::try_from(n_keys.div_ceil(BATCH).max(1)).unwrap_or(u32::MAX);
        self.desk.circuit.options().slow.saturating_mul(n_batches)
    }
}

impl Drop for Breaker {
    fn drop(&mut self) {
        self.desk.circuit.go();
    }
}

impl Store for Breaker {
    fn attach(&self, hold: Duration) {
        self.desk.store.attach(hold);
    }

    fn read(&self, keys: &[CellKey]) -> Result<Vec<Cell>, StoreError> {
        self.try_ask(keys.len(), Refusal::Counts, |store| store.read(keys))
    }

    fn read_stamped(&self, keys: &[CellKey], stamped: &[CellKey]) -> Result<Stamped, StoreError> {
        self.try_ask(keys.len() + stamped.len(), Refusal::Counts, |store| store.read_stamped(keys, stamped))
    }

    fn lease(&self, keys: &[(&CellKey, Vacancy)], ttl: Duration) -> Result<Vec<Option<Lease>>, StoreError> {
        if self.desk.circuit.holds_back(keys.len()) {
            return Err(StoreError::not_asked(Spared::JustBack));
        }
        // In its quarantine a store refuses leases without asking its server, so that says nothing of how that is.
        let has_granted = |leases: &Vec<Option<Lease>>| leases.iter().any(Option::is_some);
        let (slow, refusal) = (Some(self.slow_for(keys.len())), Refusal::IsAnAnswer);
        let leases = self.ask_for(self.admit()?, slow, refusal, has_granted, |store| store.lease(keys, ttl))?;
        self.desk.circuit.leased(has_granted(&leases));
        Ok(leases)
    }

    fn stamp(&self, keys: &[&CellKey], ttl: Duration) -> Result<Vec<Option<Nonce>>, StoreError> {
        self.try_ask(keys.len(), Refusal::IsAnAnswer, |store| store.stamp(keys, ttl))
    }

    fn fill(&self, fills: &[Fill<'_>]) -> Result<Vec<bool>, StoreError> {
        self.try_ask(fills.len(), Refusal::IsAnAnswer, |store| store.fill(fills))
    }

    fn begin(
        &self,
        nonce: Nonce,
        keys: &[&CellKey],
        hold: Duration,
        recall: Recall,
    ) -> Result<Option<Position>, StoreError> {
        // One that waits for others is not slow.
        let slow = (recall == Recall::Announced).then(|| self.slow_for(keys.len()));
        let call = self.desk.circuit.pass();
        self.ask(call, slow, Refusal::IsAnAnswer, |store| store.begin(nonce, keys, hold, recall))
    }

    fn finish(&self, nonce: Nonce, endings: &[(&CellKey, Ending)]) -> Result<(), StoreError> {
        let call = self.desk.circuit.pass();
        self.ask(call, Some(self.slow_for(endings.len())), Refusal::IsAnAnswer, |store| store.finish(nonce, endings))
    }

    fn settle(&self, nonce: Option<Nonce>, keys: &[&CellKey]) -> Result<(), StoreError> {
        let call = self.desk.circuit.pass();
        self.ask(call, Some(self.slow_for(keys.len())), Refusal::IsAnAnswer, |store| store.settle(nonce, keys))
    }

    fn inspect(&self, keys: &[CellKey]) -> Result<Vec<Inspected>, StoreError> {
        self.try_ask(keys.len(), Refusal::Counts, |store| store.inspect(keys))
    }

    fn extend(&self, values: &[(&CellKey, Nonce, Duration)]) -> Result<Vec<bool>, StoreError> {
        self.try_ask(values.len(), Refusal::IsAnAnswer, |store| store.extend(values))
    }

    fn listen(&self, listener: Arc<dyn Listener>, wanted: Listening) -> Option<Subscription> {
        self.desk.store.listen(listener, wanted)
    }

    fn scan(&self, prefix: &[u8], from: Cursor) -> Result<Scanned, StoreError> {
        let call = self.desk.circuit.pass();
        // It may walk over all keys of the server.
        self.ask(call, None, Refusal::IsAnAnswer, |store| store.scan(prefix, from))
    }

    fn may_be_away(&self) -> bool {
        self.desk.store.may_be_away()
    }

    fn at_once(&self) -> Option<usize> {
        self.desk.store.at_once()
    }
}

#[cfg(test)]
mod tests;
