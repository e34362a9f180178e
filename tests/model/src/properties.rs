//! What is promised, and how each broken promise is named.

use std::fmt;

use crate::{
    cell::{Cell, GARBAGE, Value},
    database::Transaction,
    reader::token,
    rules::Rule,
    setup::{Policy, Setup},
    state::{Load, Phase, Relay, Repair, State},
};

/// Something that a search has come upon.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Finding {
    /// The cell serves a value that is older than the database, but only until a writer has its answer.
    Gap,
    /// The same, until the relay has settled what an outsider wrote.
    Lag,
    /// The cell serves a value that is older than a write whose caller has its answer, until something settles it.
    Timer,
    /// The cell serves an old value, and nothing is under way that would ever change that but its time to live.
    Unbounded,
    /// The cell serves what is not committed.
    Dirty,
    /// A process serves a value that is older than what it has itself committed.
    Own,
    /// The verifier reports a cell that was not wrong when it looked.
    FalseAlarm,
    /// The verifier passes over a cell that was wrong all the time.
    Missed,
    /// A near read returns something older than what was committed when the server gave the last proof.
    TooOld,
    /// A near read returns something older than what a read of the same process has returned before it began.
    Backwards,
    /// A strict near read, or one of a cached query, returns something older than what was committed when it began, or, of a query, what
    /// has not been the database's answer at any moment since.
    Stale,
    /// A near read returns something older than the write whose token it was given.
    TokenMissed,
    /// A value gets more time to live although it was wrong when somebody set out to look whether it may have that.
    Prolonged,
    /// Transactions wait for each other, each for another, and the database has to end one: no broken promise, but a cost.
    Deadlock,
    /// The verifier reports a cell that was wrong: no broken promise, but a kept one.
    Reported,
    /// A cached query is served that shows a write, and rightly: another promise that is kept.
    Served,
}

impl Finding {
    /// All of them.
    pub const ALL: &[Self] = &[
        Self::Gap,
        Self::Lag,
        Self::Timer,
        Self::Unbounded,
        Self::Dirty,
        Self::Own,
        Self::FalseAlarm,
        Self::Missed,
        Self::TooOld,
        Self::Backwards,
        Self::Stale,
        Self::TokenMissed,
        Self::Prolonged,
        Self::Deadlock,
        Self::Reported,
        Self::Served,
    ];

    /// How stale a cell may be, from the mildest on.
    const STALENESS: &[Self] = &[Self::Gap, Self::Lag, Self::Timer, Self::Unbounded];

    pub(crate) const fn bit(self) -> u16 {
        1 << self as u16
    }

    pub(crate) fn is_in(self, set: u16) -> bool {
        set & self.bit() != 0
    }
}

/// What a search has found, in all of its states: of the kinds of staleness only the worst.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub struct Verdict(u16);

impl Verdict {
    /// Every promise holds.
    pub const NONE: Self = Self(0);

    /// Exactly these.
    #[must_use]
    pub const fn of(findings: &[Finding]) -> Self {
        let (mut set, mut n) = (0, 0);
        while n < findings.len() {
            set |= findings[n].bit();
            n += 1;
        }
        Self(set)
    }

    pub(crate) fn of_set(set: u16) -> Self {
        let staleness = Verdict::of(Finding::STALENESS).0;
        let worst = Finding::STALENESS.iter().rev().find(|finding| finding.is_in(set));
        Self((set & !staleness) | worst.map_or(0, |worst| worst.bit()))
    }

    /// Whether everything that was found is in the other verdict too, or something worse.
    #[must_use]
    pub fn is_within(self, other: Self) -> bool {
        Self::of_set(self.0 | other.0) == other
    }

    /// Whether this is among what was found.
    #[must_use]
    pub fn has(self, finding: Finding) -> bool {
        finding.is_in(self.0)
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> =
            Finding::ALL.iter().filter(|finding| self.has(**finding)).map(|finding| name(*finding)).collect();
        f.pad(&if names.is_empty() { "none".to_owned() } else { names.join(" + ") })
    }
}

impl fmt::Debug for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

fn name(finding: Finding) -> &'static str {
    match finding {
        Finding::Gap => "gap",
        Finding::Lag => "lag",
        Finding::Timer => "timer",
        Finding::Unbounded => "UNBOUNDED",
        Finding::Dirty => "DIRTY",
        Finding::Own => "OWN",
        Finding::FalseAlarm => "FALSE ALARM",
        Finding::Missed => "MISSED",
        Finding::TooOld => "TOO OLD",
        Finding::Backwards => "BACKWARDS",
        Finding::Stale => "STALE",
        Finding::TokenMissed => "TOKEN MISSED",
        Finding::Prolonged => "PROLONGED",
        Finding::Deadlock => "deadlock",
        Finding::Reported => "reported",
        Finding::Served => "served",
    }
}

/// Everything that is found in one state.
pub(crate) fn found(state: &State, setup: &Setup) -> u16 {
    let mut set = state.reported;
    match state.cell(setup) {
        Cell::Value { value, .. } if value != GARBAGE => {
            set |= staleness(state, setup, value);
            if state.database.is_dirty(value) {
                set |= Finding::Dirty.bit();
            }
            if state.database.is_stale(value) && is_quiet(state, setup) {
                set |= Finding::Unbounded.bit();
            }
            for process in [0, 1] {
                set |= own(state, setup, value, process);
            }
        }
        // A lease under which a value was loaded is as good as that value, in the process that has loaded it.
        Cell::Lease { token: theirs, .. } => {
            for (n, reader) in state.readers.iter().enumerate() {
                if let Load::Loaded(value) = reader.load
                    && token(n, *reader) == theirs
                {
                    set |= joined(state, setup, value, setup.process(n));
                }
            }
        }
        _ => {}
    }
    set
}

fn joined(state: &State, setup: &Setup, value: Value, process: usize) -> u16 {
    if state.is_noted(process, setup) && setup.has(Rule::BypassWhileNoted) {
        return 0;
    }
    staleness(state, setup, value) | own(state, setup, value, process)
}

fn staleness(state: &State, setup: &Setup, value: Value) -> u16 {
    if !state.database.is_stale(value) {
        return 0;
    }
    let missing = state.database.missing(value);
    let outsiders = setup.writers().filter(|n| setup.is_outsider(*n)).fold(0, |set, n| set | 1 << n);
    if missing & state.acknowledged != 0 {
        Finding::Timer.bit()
    } else if missing != 0 && missing & !outsiders == 0 {
        Finding::Lag.bit()
    } else {
        Finding::Gap.bit()
    }
}

/// Whether a process would serve a value that is older than what it has itself committed.
fn own(state: &State, setup: &Setup, value: Value, process: usize) -> u16 {
    let is_watched = setup.policy == Policy::Available;
    if !is_watched || (state.is_noted(process, setup) && setup.has(Rule::BypassWhileNoted)) {
        return 0;
    }
    let missing = state.database.missing(value);
    let is_missed = |n: usize| {
        let is_alive = !setup.is_outsider(n) && state.writers[n].phase != Phase::Crashed;
        is_alive && setup.process(n) == process && missing >> n & 1 == 1
    };
    if setup.writers().any(is_missed) { Finding::Own.bit() } else { 0 }
}

/// Nothing is under way that would still touch the cell.
fn is_quiet(state: &State, setup: &Setup) -> bool {
    let is_at_rest = |n: usize| {
        let writer = &state.writers[n];
        matches!(writer.phase, Phase::Idle | Phase::Done | Phase::Crashed)
            && !matches!(writer.transaction, Transaction::Open | Transaction::Committing)
            && writer.repair == Repair::Nothing
    };
    setup.writers().all(is_at_rest)
        && state.late.iter().all(Option::is_none)
        && state.outbox == 0
        && state.relays.iter().all(|relay| *relay == Relay::Idle)
}

/// Takes down what the verifier did.
pub(crate) fn remember(state: &mut State, finding: Finding) {
    state.reported |= finding.bit();
}

#[cfg(test)]
mod tests {
    use super::*;

    const GAP: Verdict = Verdict::of(&[Finding::Gap]);
    const TIMER: Verdict = Verdict::of(&[Finding::Timer]);

    #[test]
    fn of_what_is_stale_the_worst_is_told_and_of_all_else_everything() {
        let all = Finding::ALL.iter().fold(0, |set, finding| set | finding.bit());
        let told = Verdict::of_set(all).to_string();
        assert_eq!(
            told,
            "UNBOUNDED + DIRTY + OWN + FALSE ALARM + MISSED + TOO OLD + BACKWARDS + STALE + TOKEN MISSED + PROLONGED + deadlock + reported + served"
        );
        assert_eq!(Verdict::of_set(Finding::Gap.bit() | Finding::Timer.bit()), TIMER);
        assert_eq!(Verdict::NONE.to_string(), "none");
    }

    #[test]
    fn a_verdict_is_within_another_that_is_as_bad_or_worse() {
        assert!(Verdict::NONE.is_within(GAP) && GAP.is_within(GAP) && GAP.is_within(TIMER));
        assert!(!TIMER.is_within(GAP) && !GAP.is_within(Verdict::NONE));
        assert!(!Verdict::of(&[Finding::Own]).is_within(TIMER));
    }
}
