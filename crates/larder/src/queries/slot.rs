//! The place of a value in the store: looked at, waited for, computed by one, and filled.

use std::{
    thread,
    time::{Duration, Instant},
};

use super::form::Form;
use crate::{
    failpoints::{Point, waits},
    figures::{Bypass, ModelFigures},
    layers::{Crew, Dependent, Layers},
    store::{CellKey, Lease, Nonce},
};

/// How long others are waited for that compute the same in this process.
const PATIENCE: Duration = Duration::from_secs(30);

/// How often the store is asked whether they are done in another one, after pauses that grow: some two seconds in all.
const POLLS: usize = 40;
const LONGEST_POLL: Duration = Duration::from_millis(50);

/// After so many others have come to nothing, the value is computed in any case.
const ROUNDS: usize = 16;

/// After so many turns of others whose values were overtaken by writes, one's own is taken without storing it.
const TURNS: usize = 3;

/// What the user says of a value.
#[derive(Debug, Clone, Copy)]
pub(super) struct Settings {
    pub(super) ttl: Option<Duration>,
    pub(super) version: u32,
    /// How long it may take to compute.
    pub(super) lease: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self { ttl: None, version: 0, lease: Duration::from_secs(30) }
    }
}

/// The place of a value, and what it depends on.
pub(super) struct Slot<'l, 'd> {
    pub(super) layers: &'l Layers,
    pub(super) figures: &'l ModelFigures,
    pub(super) key: CellKey,
    pub(super) depends_on: &'d [CellKey],
    pub(super) settings: Settings,
}

impl<'l> Slot<'l, '_> {
    /// The value, as it is stored: nobody is waited for.
    pub(super) fn get<T>(&self, form: Form<T>) -> Option<T> {
        let Dependent::Good(bytes) = self.layers.dependent(&self.key, self.depends_on) else { return None };
        let value = (form.read)(&bytes);
        let counter = if value.is_some() { &self.figures.shared_hits } else { &self.figures.corrupt };
        counter.one();
        value
    }

    /// The value: as it is stored, or as `compute` gives it, which is then stored.
    pub(super) fn load<T, E>(&self, form: Form<T>, compute: impl FnOnce() -> Result<T, E>) -> Result<T, E> {
        match self.look(form) {
            Looked::Value(value) => Ok(value),
            Looked::PassedBy(why) => passed_by(self.figures, why, compute),
            Looked::Turn(turn) => {
                let value = timed(self.figures, compute)?;
                turn.end(self.figures, (form.write)(&value), self.settings.ttl);
                Ok(value)
            }
        }
    }

    /// Looks for the value, and waits while others compute it.
    fn look<T>(&self, form: Form<T>) -> Looked<'l, T> {
        let Self { layers, figures, key, depends_on, settings } = self;
        let (mut was_refused, mut n_turns) = (false, 0);
        let (begun, mut poll, mut n_polls, mut n_rounds) = (Instant::now(), Duration::from_millis(1), 0, 0);
        while n_rounds < ROUNDS && begun.elapsed() < PATIENCE {
            n_rounds += 1;
            match layers.dependent(key, depends_on) {
                Dependent::Good(bytes) => {
                    if let Some(value) = (form.read)(&bytes) {
                        figures.shared_hits.one();
                        return Looked::Value(value);
                    }
                    figures.corrupt.one();
                    if layers.discard(&[key]).is_none() {
                        break;
                    }
                }
                // There are no leases to be had.
                Dependent::Lacking(..) if was_refused => break,
                Dependent::Lacking(vacancy, found) => {
                    let Some(stamps) = layers.stamps(depends_on, found) else {
                        return Looked::PassedBy(Bypass::InDoubt);
                    };
                    match layers.lease_dependent(key, vacancy, settings.lease) {
                        Ok(Some((lease, crew))) => {
                            figures.leases_granted.one();
                            figures.misses.one();
                            return Looked::Turn(Turn {
                                layers,
                                key: key.clone(),
                                stamps,
                                lease: Some(lease),
                                _crew: crew,
                            });
                        }
                        // Somebody was quicker, who is waited for.
                        Ok(None) => {
                            figures.leases_refused.one();
                            was_refused = true;
                        }
                        Err(()) => return Looked::PassedBy(Bypass::Failed),
                    }
                }
                Dependent::UnderWay(_) if n_turns == TURNS => break,
                Dependent::UnderWay(token) => {
                    (n_turns, was_refused) = (n_turns + 1, false);
                    let waiting = Instant::now();
                    // What comes of it is looked at as everything else is: what it depends on may have been written meanwhile.
                    let _ = layers.wait_for(key, token, begun + PATIENCE);
                    figures.lease_waits.add(waiting.elapsed());
                }
                Dependent::Elsewhere if n_polls < POLLS => {
                    // Nobody tells when another process is done.
                    if !waits(Point::Polling) {
                        thread::sleep(poll);
                    }
                    figures.lease_waits.add(poll);
                    poll = (poll * 3).min(LONGEST_POLL);
                    (n_polls, n_rounds, was_refused) = (n_polls + 1, n_rounds - 1, false);
                }
                Dependent::Elsewhere => break,
                Dependent::PassedBy(why) => return Looked::PassedBy(why),
            }
        }
        Looked::PassedBy(Bypass::Elsewhere)
    }
}

/// What came of looking for a value.
enum Looked<'l, T> {
    Value(T),
    /// It is the caller's to compute, and to store.
    Turn(Turn<'l>),
    /// It is the caller's to compute, and nothing is to be stored.
    PassedBy(Bypass),
}

/// The turn of one who computes a value. Dropped before its end, it is the next one's.
struct Turn<'l> {
    layers: &'l Layers,
    key: CellKey,
    /// Of what the value depends on, as they were before the query is sent.
    stamps: Vec<Nonce>,
    lease: Option<Lease>,
    /// Goes last: whoever waits is told when all is stored.
    _crew: Crew<'l>,
}

impl Turn<'_> {
    fn end(mut self, figures: &ModelFigures, value: Option<Vec<u8>>, ttl: Option<Duration>) {
        // What can't be written is not kept.
        let Some((value, lease)) = value.zip(self.lease) else { return };
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

/// Computes a value that is not stored.
pub(super) fn passed_by<T, E>(
    figures: &ModelFigures,
    why: Bypass,
    compute: impl FnOnce() -> Result<T, E>,
) -> Result<T, E> {
    figures.bypassed(why).one();
    timed(figures, compute)
}

fn timed<T, E>(figures: &ModelFigures, compute: impl FnOnce() -> Result<T, E>) -> Result<T, E> {
    let begun = Instant::now();
    let computed = compute();
    figures.statements.add(begun.elapsed());
    figures.statements_failed.add(u64::from(computed.is_err()));
    computed
}
