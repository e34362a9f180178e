//! One row as a register whose writes the database has put in order.

use std::time::Duration;

use super::floors::Floors;
use crate::{
    clock::{Moment, between},
    record::{Attempt, Place, Version},
};

/// For how long a register remembers when it rose: the age of an older value is known at least.
const MEMORY: Moment = 60_000_000_000;

/// What a read or a write of a register was that it may not be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wrong {
    /// Older than it may be: out of date for at least that time when the read began.
    Stale(Duration),
    /// No version that anybody wrote, or one of an attempt that was rolled back.
    Uncommitted,
    /// The database gave a write a number that had been seen before: it has lost one.
    Lost,
}

/// The versions of a row that a read may return, and since when older ones may not.
#[derive(Debug)]
pub(super) struct Register {
    /// What no operation may see less than, unless it may be old.
    floors: Floors,
    /// What was announced and may still be seen.
    states: Vec<State>,
}

#[derive(Debug)]
struct State {
    writer: u64,
    stamp: u32,
    number: Option<u64>,
    place: Option<Place>,
    /// Whether a read has returned it.
    is_seen: bool,
    fate: Fate,
    /// No number that this state can have is above it.
    at_most: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    /// The writer has not said yet.
    Pending,
    Committed,
    /// The writer does not know, or is no more, since that moment.
    Unknown(Moment),
}

impl Register {
    pub(super) fn new(first: &Version) -> Self {
        let state = State {
            writer: u64::MAX,
            stamp: first.stamp,
            number: Some(first.number),
            place: Some(first.place),
            is_seen: true,
            fate: Fate::Committed,
            at_most: first.number,
        };
        Self { floors: Floors::from_start(first.number), states: vec![state] }
    }

    pub(super) fn announced(&mut self, writer: u64, attempt: &Attempt) {
        let Attempt { stamp, number, place, .. } = *attempt;
        let at_most = number.unwrap_or(u64::MAX);
        self.states.push(State { writer, stamp, number, place, is_seen: false, fate: Fate::Pending, at_most });
    }

    /// The write that `writer` had announced has happened, and this is what it wrote.
    pub(super) fn committed(&mut self, writer: u64, began: Moment, at: Moment, version: &Version) -> Result<(), Wrong> {
        let floor = self.floor(began);
        let taken =
            self.states.iter().any(|state| state.number == Some(version.number) && state.fate == Fate::Committed);
        for state in &mut self.states {
            if state.writer == writer && state.fate == Fate::Pending {
                state.number = Some(version.number);
                state.at_most = version.number;
                state.place = Some(version.place);
                state.fate = Fate::Committed;
            } else if matches!(state.fate, Fate::Unknown(since) if since <= began) {
                // It had the row's lock before this write, or it never will.
                state.at_most = state.at_most.min(version.number.saturating_sub(1));
            }
        }
        self.floors.raise(at, version.number);
        if taken || version.number <= floor { Err(Wrong::Lost) } else { Ok(()) }
    }

    /// What `writer` had announced has not happened: wrong if somebody has seen it.
    pub(super) fn failed(&mut self, writer: u64) -> Result<(), Wrong> {
        let is_its = |state: &State| state.writer == writer && state.fate == Fate::Pending;
        let was_seen = self.states.iter().any(|state| is_its(state) && state.is_seen);
        self.states.retain(|state| !is_its(state));
        if was_seen { Err(Wrong::Uncommitted) } else { Ok(()) }
    }

    /// Nobody knows whether what `writer` had announced has happened or will.
    pub(super) fn unknown(&mut self, writer: u64, at: Moment) {
        for state in self.states.iter_mut().filter(|state| state.writer == writer && state.fate == Fate::Pending) {
            state.fate = Fate::Unknown(at);
        }
    }

    /// A read that may see nothing below `least` has returned the row.
    pub(super) fn found(&mut self, least: u64, began: Moment, at: Moment, version: &Version) -> Result<(), Wrong> {
        if version.number < least {
            return Err(Wrong::Stale(self.age(began, version.number)));
        }
        let is_it = |state: &State, number| state.stamp == version.stamp && state.number == number;
        let known = self.states.iter().position(|state| is_it(state, Some(version.number)));
        let Some(index) = known.or_else(|| self.states.iter().position(|state| is_it(state, None))) else {
            return Err(Wrong::Uncommitted);
        };
        let state = &mut self.states[index];
        state.number = Some(version.number);
        state.at_most = version.number;
        state.place = Some(version.place);
        state.is_seen = true;
        self.floors.raise(at, version.number);
        Ok(())
    }

    /// A read that may see nothing below `least` has looked where only rows are for which `is_there` holds, and has not found this one:
    /// the least number of those that may explain it.
    pub(super) fn missing(
        &mut self,
        least: u64,
        began: Moment,
        at: Moment,
        is_there: impl Fn(Place) -> bool,
    ) -> Result<u64, Wrong> {
        match self.explains(least, is_there) {
            Some(lowest) => {
                self.floors.raise(at, lowest);
                Ok(lowest)
            }
            // Since when it has been there can't be said: the last version that may not be seen any more is a lower bound.
            None => Err(Wrong::Stale(self.age(began, least.saturating_sub(1)))),
        }
    }

    /// The least number, from `least` on, of what may have been elsewhere.
    pub(super) fn explains(&self, least: u64, is_there: impl Fn(Place) -> bool) -> Option<u64> {
        let explains = |state: &&State| state.at_most >= least && state.place.is_some_and(|place| !is_there(place));
        // Of one whose number is not known it is only known that it is not below that.
        self.states.iter().filter(explains).map(|state| state.number.unwrap_or(least)).min()
    }

    /// Where the row was before it became that version, if that is known.
    pub(super) fn place_before(&self, number: u64) -> Option<Place> {
        let before = self.states.iter().filter(|state| state.number.is_some_and(|other| other < number));
        before.max_by_key(|state| state.number).and_then(|state| state.place)
    }

    /// Forgets what no operation that begins at or after `watermark` may see.
    pub(super) fn forget(&mut self, watermark: Moment) {
        let floor = self.floor(watermark);
        self.states.retain(|state| state.at_most >= floor);
        self.floors.forget(watermark.saturating_sub(MEMORY));
    }

    /// The least that an operation may see that began then.
    pub(super) fn floor(&self, began: Moment) -> u64 {
        self.floors.at(began)
    }

    /// For how long `number` had not been the newest any more at a moment.
    pub(super) fn age(&self, moment: Moment, number: u64) -> Duration {
        self.floors.since(number).map_or(Duration::ZERO, |since| between(since, moment))
    }

    /// How much is remembered.
    #[cfg(test)]
    pub(super) fn size(&self) -> usize {
        self.floors.len() + self.states.len()
    }
}
