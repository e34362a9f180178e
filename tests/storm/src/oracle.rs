//! Whether what the workers saw could have been.
//!
//! The rule is that of registers whose writes come in a known order (P. Gibbons and E. Korach, "Testing shared memories", SIAM Journal
//! on Computing 26, 1997: with the order of the writes given, a history can be checked in time that grows with its length, where
//! it is NP-complete without). The database gives the order: it numbers the versions of each row. Then a history of a row can be
//! put in one sequence that agrees with real time if and only if
//!
//! - no operation sees less than what an operation saw or wrote that had returned before it began,
//! - no read returns what nobody had begun to write when the read ended, or what was rolled back,
//! - no write gets a number that is not above all that had been seen when it began.
//!
//! A list is taken apart: of each order it says "here, at version n" or "not here", and both are reads of that order's register. So is
//! an address: "this user, at version n" or "nobody". A row that is not where it should be is stale too, since there
//! must be a version of it that a read may return and that is elsewhere.
//!
//! Records come as a stream, and what no operation to come may see is forgotten: a history of any length is checked in little memory.

mod merge;
mod register;
mod tally;

use std::collections::BTreeMap;

pub(crate) use self::tally::Tally;
use self::{
    merge::Merge,
    register::{Register, Wrong},
};
use crate::{
    clock::{Moment, between},
    record::{Asked, Event, Key, Outcome, Place, Record, Version},
};

/// After so many operations what can't be seen any more is forgotten.
const FORGET_EVERY: u64 = 1_024;

#[derive(Debug)]
pub(crate) struct Oracle {
    merge: Merge,
    registers: BTreeMap<Key, Register>,
    /// What each thread has announced and not ended.
    announced: BTreeMap<u64, Vec<Key>>,
    /// When the last operation was done, after any other.
    progress: Option<Moment>,
    tally: Tally,
}

impl Oracle {
    /// An oracle over rows that begin as these versions.
    pub(crate) fn new(first: &[Version]) -> Self {
        let registers = first.iter().map(|version| (version.key, Register::new(version))).collect();
        Self { merge: Merge::default(), registers, announced: BTreeMap::new(), progress: None, tally: Tally::default() }
    }

    /// A thread that was not there yet; nothing of it began before.
    pub(crate) fn start(&mut self, thread: u64, at: Moment) {
        self.merge.start(thread, at);
    }

    /// Takes a record of a thread, in the order in which that thread wrote them.
    pub(crate) fn push(&mut self, thread: u64, record: Record) {
        self.merge.push(thread, record);
    }

    /// Judges what can be judged by now.
    pub(crate) fn judge(&mut self) {
        while let Some((thread, record)) = self.merge.next() {
            self.take(thread, &record);
            if self.tally.n_operations().is_multiple_of(FORGET_EVERY) {
                let watermark = self.merge.watermark();
                self.registers.values_mut().for_each(|register| register.forget(watermark));
            }
        }
    }

    /// Judges what the database has in the end, when nobody writes any more: all rows that are there.
    pub(crate) fn database(&mut self, at: Moment, rows: &[Version]) {
        for (key, register) in &mut self.registers {
            let row = rows.iter().find(|row| row.key == *key);
            let judged = match row {
                Some(row) => register.found(at, at, row),
                None => register.missing(at, at, |place| place != Place::Gone),
            };
            if judged.is_err() {
                self.tally.lost(at, *key, format!("the database has {row:?} in the end, {judged:?}"));
            }
        }
    }

    pub(crate) fn tally(&self) -> &Tally {
        &self.tally
    }

    pub(crate) fn into_tally(self) -> Tally {
        self.tally
    }

    fn take(&mut self, thread: u64, record: &Record) {
        let at = record.at;
        match &record.event {
            Event::Announced(attempts) => {
                for attempt in attempts {
                    if let Some(register) = self.registers.get_mut(&attempt.key) {
                        register.announced(thread, attempt);
                        self.announced.entry(thread).or_default().push(attempt.key);
                    }
                }
            }
            Event::Wrote { began, outcome } => {
                let announced = self.announced.remove(&thread).unwrap_or_default();
                match outcome {
                    Outcome::Done(versions) => {
                        self.done(at);
                        self.tally.n_writes += 1;
                        for key in announced.iter().filter(|key| versions.iter().all(|version| version.key != **key)) {
                            self.failed(at, thread, *key);
                        }
                        for version in versions {
                            let Some(register) = self.registers.get_mut(&version.key) else { continue };
                            if register.committed(thread, *began, at, version).is_err() {
                                let text = format!("a write got {version:?} although that or more had been seen");
                                self.tally.lost(at, version.key, text);
                            }
                        }
                    }
                    Outcome::Failed => {
                        self.tally.n_failed += 1;
                        announced.into_iter().for_each(|key| self.failed(at, thread, key));
                    }
                    Outcome::Unknown => {
                        self.tally.n_unknown += 1;
                        self.unknown(at, thread, &announced);
                    }
                }
            }
            Event::Read { began, asked, found, is_hit } => {
                self.done(at);
                self.tally.n_reads += 1;
                self.tally.n_hits += u64::from(*is_hit);
                self.read(*began, at, asked, found);
            }
            Event::ReadFailed { .. } => self.tally.n_failed += 1,
            Event::Ended => {
                let announced = self.announced.remove(&thread).unwrap_or_default();
                self.unknown(at, thread, &announced);
            }
        }
    }

    fn done(&mut self, at: Moment) {
        if let Some(before) = self.progress.replace(at) {
            self.tally.longest_gap = self.tally.longest_gap.max(between(before, at));
        }
    }

    fn failed(&mut self, at: Moment, thread: u64, key: Key) {
        let Some(register) = self.registers.get_mut(&key) else { return };
        if register.failed(thread).is_err() {
            self.tally.uncommitted(at, key, "a read had returned what was then rolled back".to_owned());
        }
    }

    fn unknown(&mut self, at: Moment, thread: u64, keys: &[Key]) {
        for key in keys {
            if let Some(register) = self.registers.get_mut(key) {
                register.unknown(thread, at);
            }
        }
    }

    fn read(&mut self, began: Moment, at: Moment, asked: &Asked, found: &[Version]) {
        let is_there = |key: Key, place: Place| match asked {
            Asked::Rows(keys) => keys.contains(&key) && place != Place::Gone,
            Asked::List(user) => matches!(key, Key::Order(_)) && place == Place::At(*user),
            Asked::Address(user, address) => key == Key::User(*user) && place == Place::At(*address),
        };
        for version in found {
            let judged = self.registers.get_mut(&version.key).map(|register| register.found(began, at, version));
            let text = || format!("{asked:?}, asked at {began}, gave {version:?}");
            match judged {
                Some(Ok(())) if is_there(version.key, version.place) => {}
                Some(Err(Wrong::Stale(age))) => self.tally.stale(at, version.key, age, text()),
                _ => self.tally.uncommitted(at, version.key, text()),
            }
        }
        let looked_for: Vec<Key> = match asked {
            Asked::Rows(keys) => keys.clone(),
            Asked::Address(user, _) => vec![Key::User(*user)],
            Asked::List(_) => self.registers.keys().filter(|key| matches!(key, Key::Order(_))).copied().collect(),
        };
        for key in looked_for {
            if found.iter().any(|version| version.key == key) {
                continue;
            }
            let Some(register) = self.registers.get_mut(&key) else { continue };
            if let Err(Wrong::Stale(age)) = register.missing(began, at, |place| is_there(key, place)) {
                let floor = register.floor(began);
                let text =
                    format!("{asked:?}, asked at {began}, lacks it: from version {floor} on it was always there");
                self.tally.stale(at, key, age, text);
            }
        }
    }
}

#[cfg(test)]
mod tests;
