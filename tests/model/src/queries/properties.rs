//! What a read of a cached query must not return.

use super::{
    load,
    parts::stamps,
    setup::{Cells, Queries, each},
    state::{Answer, Entry, Phase, Relay, Repair, STUB, Stamps, State},
};
use crate::{
    cell::Cell,
    database::Transaction,
    properties::Finding,
    rules::Rule,
    setup::{Kind, Policy},
};

/// Everything that is found in one state.
pub(super) fn found(state: &State, setup: &Queries) -> u16 {
    state.reported | of_entry(state, setup) | of_joins(state, setup) | of_rows(state, setup)
}

/// Whether an entry is served to who finds these stamps, and says that the query depends on these cells.
pub(super) fn serves(entry: &Entry, declared: Cells, found: Stamps, setup: &Queries) -> bool {
    if !each(declared).all(|cell| found[cell].is_some()) {
        return false;
    }
    if !setup.has(Rule::CompareStamps) {
        return entry.declared == declared;
    }
    if setup.has(Rule::CompareDependencies) {
        return entry.declared == declared && each(declared).all(|cell| found[cell] == entry.stamps[cell]);
    }
    // The stamps alone, one after the other, as many as the entry has.
    let recorded = each(entry.declared).map(|cell| entry.stamps[cell]);
    let now: Vec<_> = each(declared).map(|cell| found[cell]).collect();
    recorded.enumerate().all(|(place, stamp)| now.get(place) == Some(&stamp))
}

pub(super) fn is_written_through(cell: usize, setup: &Queries) -> bool {
    setup.kinds[cell] == Kind::Row
}

/// What anybody would be served who read the entry and all stamps at this moment.
fn of_entry(state: &State, setup: &Queries) -> u16 {
    let Some(entry) = state.memory.entry else { return 0 };
    let stamps = stamps(state, setup);
    // Who has forgotten a dependency has asked for what he gets.
    let declares = setup.declares.iter().filter(|declared| setup.reads & !**declared == 0);
    let mut set = 0;
    for declared in declares.filter(|declared| serves(&entry, **declared, stamps, setup)) {
        set |= judge(state, setup, entry.answer, setup.reads);
        let is_old = is_old(state, setup, entry.answer, setup.reads);
        if is_old && is_quiet(state, setup) {
            set |= Finding::Unbounded.bit();
        }
        // That it is served at all, and after a write, is what the search would be idle without.
        if !is_old && state.committed != 0 {
            set |= Finding::Served.bit();
        }
        for process in [0, 1].into_iter().filter(|process| !is_noted(state, setup, *process, *declared)) {
            set |= own(state, setup, entry.answer, process);
        }
    }
    set
}

/// What a thread would be given that comes upon a load of its process.
fn of_joins(state: &State, setup: &Queries) -> u16 {
    let says_all = |n: &usize| setup.reads & !setup.declares[*n] == 0;
    (0..setup.declares.len()).filter(says_all).filter(|n| load::may_join(state, setup, *n)).fold(0, |set, n| {
        let answer = state.loaders[n].answer.map(Option::unwrap_or_default);
        let process = Queries::process(n);
        if is_noted(state, setup, process, setup.declares[n]) {
            return set;
        }
        set | judge(state, setup, answer, setup.reads) | own(state, setup, answer, process)
    })
}

/// What readers of rows find besides: stubs are nothing to them.
fn of_rows(state: &State, setup: &Queries) -> u16 {
    (0..setup.kinds.len()).fold(0, |set, cell| match state.cell(cell, setup) {
        Cell::Value { value, .. } if value != STUB => {
            let mut answer = [0; 2];
            answer[cell] = value.0;
            let is_old = is_old(state, setup, answer, 1 << cell) && is_quiet(state, setup);
            set | judge(state, setup, answer, 1 << cell) | if is_old { Finding::Unbounded.bit() } else { 0 }
        }
        _ => set,
    })
}

fn missing(state: &State, setup: &Queries, answer: Answer, reads: Cells) -> u8 {
    let truth = State::answer(state.committed, setup);
    each(reads).fold(0, |set, cell| set | truth[cell] & !answer[cell])
}

fn is_old(state: &State, setup: &Queries, answer: Answer, reads: Cells) -> bool {
    missing(state, setup, answer, reads) != 0
}

fn judge(state: &State, setup: &Queries, answer: Answer, reads: Cells) -> u16 {
    let is_dirty = each(reads).any(|cell| answer[cell] & !state.committed != 0);
    let dirty = if is_dirty { Finding::Dirty.bit() } else { 0 };
    let missing = missing(state, setup, answer, reads);
    let outsiders = setup.writers().filter(|n| setup.is_outsider(*n)).fold(0, |set, n| set | 1 << n);
    dirty
        | if missing == 0 {
            0
        } else if missing & state.acknowledged != 0 {
            Finding::Timer.bit()
        } else if missing & !outsiders == 0 {
            Finding::Lag.bit()
        } else {
            Finding::Gap.bit()
        }
}

/// Whether a process would serve what is older than what it has itself committed.
fn own(state: &State, setup: &Queries, answer: Answer, process: usize) -> u16 {
    if setup.policy != Policy::Available {
        return 0;
    }
    let missing = missing(state, setup, answer, setup.reads);
    let is_missed = |n: usize| {
        let is_alive = !setup.is_outsider(n) && state.writers[n].phase != Phase::Crashed;
        is_alive && Queries::process(n) == process && missing >> n & 1 == 1
    };
    if setup.writers().any(is_missed) { Finding::Own.bit() } else { 0 }
}

/// Whether a process passes by what depends on these cells, since it has a note that it could not mark one of them.
fn is_noted(state: &State, setup: &Queries, process: usize, cells: Cells) -> bool {
    let is_about =
        |n: usize| state.notes >> n & 1 == 1 && Queries::process(n) == process && setup.settles(n) & cells != 0;
    setup.has(Rule::BypassWhileNoted) && setup.writers().any(is_about)
}

/// Nothing is under way that would still touch a cell.
fn is_quiet(state: &State, setup: &Queries) -> bool {
    let is_at_rest = |n: usize| {
        let writer = &state.writers[n];
        matches!(writer.phase, Phase::Idle | Phase::Done | Phase::Crashed)
            && !matches!(writer.transaction, Transaction::Open | Transaction::Committing)
            && writer.repair == Repair::Nothing
    };
    setup.writers().all(is_at_rest)
        && state.late.iter().all(Option::is_none)
        && state.outbox == 0
        && state.relay == Relay::Idle
}
