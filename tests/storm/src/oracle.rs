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
//! A read that may be answered from the memory of its process may be as old as the horizon of the copies there: it sees no less than what
//! had been seen, or written, so long before it began. In one cell it may see nothing older than what its process had written there
//! or had read there before. Other reads of the same process are judged as ever.
//!
//! Records come as a stream, and what no operation to come may see is forgotten: a history of any length is checked in little memory.

mod floors;
mod merge;
mod register;
mod session;
mod tally;

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

pub(crate) use self::tally::Tally;
use self::{
    merge::Merge,
    register::{Register, Wrong},
    session::{Cell, Session},
};
use crate::{
    clock::{Moment, between},
    record::{Asked, Event, Key, Layer, Outcome, Place, Record, Version},
};

/// After so many operations what can't be seen any more is forgotten.
const FORGET_EVERY: u64 = 1_024;

/// A thread's number is that of its process, and these bits.
pub(crate) const THREAD_BITS: u32 = 8;

#[derive(Debug)]
pub(crate) struct Oracle {
    merge: Merge,
    registers: BTreeMap<Key, Register>,
    /// What each thread has announced and not ended.
    announced: BTreeMap<u64, Vec<Key>>,
    /// How old a read may be that is answered from the memory of its process, if there is such a thing.
    near: Option<Moment>,
    /// What each process owes itself.
    sessions: BTreeMap<u64, Session>,
    /// The threads that have said that nobody writes any more.
    quiet: BTreeSet<u64>,
    /// When the last operation was done, after any other.
    progress: Option<Moment>,
    tally: Tally,
}

impl Oracle {
    /// An oracle over rows that begin as these versions. Reads that may be answered from the memory of their process may be so old.
    pub(crate) fn new(first: &[Version], near: Option<Duration>) -> Self {
        let registers = first.iter().map(|version| (version.key, Register::new(version))).collect();
        let near = near.map(|age| u64::try_from(age.as_nanos()).expect("no run takes so long"));
        Self {
            merge: Merge::default(),
            registers,
            announced: BTreeMap::new(),
            near,
            sessions: BTreeMap::new(),
            quiet: BTreeSet::new(),
            progress: None,
            tally: Tally::default(),
        }
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
                let oldest = watermark.saturating_sub(self.near.unwrap_or(0));
                self.registers.values_mut().for_each(|register| register.forget(oldest));
                self.sessions.values_mut().for_each(|session| session.forget(watermark));
            }
        }
    }

    /// Judges what the database has in the end, when nobody writes any more: all rows that are there.
    pub(crate) fn database(&mut self, at: Moment, rows: &[Version]) {
        for (key, register) in &mut self.registers {
            let row = rows.iter().find(|row| row.key == *key);
            let judged = match row {
                Some(row) => register.found(register.floor(at), at, at, row),
                None => register.missing(register.floor(at), at, at, |place| place != Place::Gone).map(drop),
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
                            let was = register.place_before(version.number);
                            if register.committed(thread, *began, at, version).is_err() {
                                let text = format!("a write got {version:?} although that or more had been seen");
                                self.tally.lost(at, version.key, text);
                            }
                            let session = self.sessions.entry(process(thread)).or_default();
                            session.wrote(at, version, was);
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
            Event::Read { began, asked, found, from, to } => {
                self.done(at);
                let is_hit = *to < Layer::Database;
                self.tally.n_reads += 1;
                self.tally.n_hits += u64::from(is_hit);
                self.tally.n_near += u64::from(*to == Layer::Near);
                if self.quiet.contains(&thread) {
                    self.tally.n_quiet.0 += 1;
                    self.tally.n_quiet.1 += u64::from(is_hit);
                }
                self.read(thread, (*began, at), asked, found, *from);
            }
            // A transaction that only reads is no more than a transaction.
            Event::ReadFailed { from: Layer::Database, .. } => self.tally.n_failed += 1,
            Event::ReadFailed { began, why, .. } => {
                self.tally.read_failed(format!("{thread} from {began} to {at}: {why}"))
            }
            Event::Quiet => {
                self.quiet.insert(thread);
            }
            Event::Ended => {
                self.quiet.remove(&thread);
                if self.merge.is_last_of(|other| process(other) == process(thread)) {
                    self.sessions.remove(&process(thread));
                }
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

    fn read(&mut self, thread: u64, (began, at): (Moment, Moment), asked: &Asked, found: &[Version], from: Layer) {
        let is_there = |key: Key, place: Place| match asked {
            Asked::Rows(keys) => keys.contains(&key) && place != Place::Gone,
            Asked::List(user) => matches!(key, Key::Order(_)) && place == Place::At(*user),
            Asked::Address(user, address) => key == Key::User(*user) && place == Place::At(*address),
        };
        let cell = Cell::of(asked);
        let may_be_old = self.near.filter(|_| from == Layer::Near);
        let session = self.sessions.entry(process(thread)).or_default();
        for version in found {
            let text = || format!("{asked:?} of {thread}, asked at {began}, gave {version:?}");
            let Version { key, number, place, .. } = *version;
            let Some(register) = self.registers.get_mut(&key).filter(|_| is_there(key, place)) else {
                self.tally.uncommitted(at, key, text());
                continue;
            };
            let least = register.floor(began.saturating_sub(may_be_old.unwrap_or(0)));
            match register.found(least, began, at, version) {
                Ok(()) => {}
                Err(Wrong::Stale(age)) => {
                    self.tally.stale(at, key, age, text());
                    continue;
                }
                Err(Wrong::Uncommitted | Wrong::Lost) => {
                    self.tally.uncommitted(at, key, text());
                    continue;
                }
            }
            if may_be_old.is_some() {
                let owed = session.owes(began, cell, key);
                if number < owed.written {
                    self.tally.missed(at, key, text());
                } else if number < owed.read {
                    self.tally.backward(at, key, text());
                }
                if number < register.floor(began) {
                    self.tally.old(register.age(began, number));
                }
            }
            if from != Layer::Database {
                session.read(at, cell, key, number);
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
            let is_there = |place| is_there(key, place);
            let least = register.floor(began.saturating_sub(may_be_old.unwrap_or(0)));
            let text = |least| {
                format!(
                    "{asked:?} of {thread}, asked at {began}, lacks it: from version {least} on it was always there"
                )
            };
            let mut lowest = match register.missing(least, began, at, is_there) {
                Ok(lowest) => lowest,
                Err(Wrong::Stale(age)) => {
                    self.tally.stale(at, key, age, text(least));
                    continue;
                }
                Err(Wrong::Uncommitted | Wrong::Lost) => continue,
            };
            if may_be_old.is_some() {
                let owed = session.owes(began, cell, key);
                match register.explains(least.max(owed.written), is_there) {
                    None => self.tally.missed(at, key, text(owed.written)),
                    Some(_) => match register.explains(least.max(owed.written).max(owed.read), is_there) {
                        None => self.tally.backward(at, key, text(owed.read)),
                        Some(number) => lowest = number,
                    },
                }
                let newest = register.floor(began);
                if register.explains(newest, is_there).is_none() {
                    self.tally.old(register.age(began, newest.saturating_sub(1)));
                }
            }
            if from != Layer::Database {
                session.read(at, cell, key, lowest);
            }
        }
    }
}

/// The process that a thread is of: see the judge.
fn process(thread: u64) -> u64 {
    thread >> THREAD_BITS
}

#[cfg(test)]
mod tests;
