//! A read past the near cache, and what it inserts.

use super::{
    moves::Moves,
    process::{Entry, Load, Reader},
    setup::{Entries, MAX, Near},
    state::State,
};
use crate::{
    cell::{Cell, Request, Value},
    moves::Actor,
    rules::Rule,
};

pub(super) fn steps(moves: &mut Moves<'_>, p: usize) {
    for r in 0..usize::from(moves.setup.n_readers[p]) {
        let reader = moves.from.processes[p].readers[r];
        let actor = Actor::Reader(MAX * p + r);
        match reader.load {
            Load::Idle if reader.n_loads == moves.setup.n_loads => {}
            Load::Idle => moves.step(actor, "notes the slot's counters", |state| {
                let reader = &mut state.processes[p].readers[r];
                *reader = Reader { load: Load::Noted, is_unchanged: true, age: 0, ..*reader };
            }),
            Load::Noted => ask(moves, p, r, actor),
            Load::Leased => {
                let value = Value(moves.from.committed);
                moves.step(actor, "queries the database", |state| {
                    state.processes[p].readers[r].load = Load::Queried(value);
                });
            }
            Load::Queried(value) => fill(moves, p, r, actor, value),
            Load::Cached(value) => insert(moves, p, r, actor, value),
            Load::Passed(value) if moves.setup.has(Rule::InsertOnlyCached) => {
                moves.step(actor, "ends the entries, and returns", |state| pass(state, p, r, value, moves.setup));
            }
            Load::Passed(value) => insert(moves, p, r, actor, value),
            Load::Inserting(value) => {
                let setup = moves.setup;
                moves.step(actor, "puts the entry into the map, and returns", |state| {
                    put(state, p, r, value, setup);
                });
            }
        }
    }
}

fn ask(moves: &mut Moves<'_>, p: usize, r: usize, actor: Actor) {
    let (state, token) = (moves.from, token(p, r, moves.from.processes[p].readers[r]));
    match state.cell {
        Cell::Value { value, .. } => moves.step(actor, "finds the value in the cell", |state| {
            state.processes[p].readers[r].load = Load::Cached(value);
        }),
        Cell::Nothing if !state.is_quarantined() => moves.step(actor, "misses the cell, and takes a lease", |state| {
            state.execute(Request::Lease(token));
            state.processes[p].readers[r].load = Load::Leased;
        }),
        _ => {
            let value = Value(state.committed);
            moves.step(actor, "may not fill the cell, and queries the database", |state| {
                state.processes[p].readers[r].load = Load::Passed(value);
            });
        }
    }
}

fn fill(moves: &mut Moves<'_>, p: usize, r: usize, actor: Actor, value: Value) {
    let token = token(p, r, moves.from.processes[p].readers[r]);
    let is_leased = matches!(moves.from.cell, Cell::Lease { token: theirs, .. } if theirs == token);
    moves.step(actor, if is_leased { "fills the cell" } else { "fills, and is refused" }, |state| {
        state.execute(Request::Fill(token, value));
        let load = if is_leased { Load::Cached(value) } else { Load::Passed(value) };
        state.processes[p].readers[r].load = load;
    });
}

fn insert(moves: &mut Moves<'_>, p: usize, r: usize, actor: Actor, value: Value) {
    let (setup, process) = (moves.setup, &moves.from.processes[p]);
    let reader = process.readers[r];
    let may_insert = reader.is_unchanged || !setup.has(Rule::CompareCounters);
    match setup.entries {
        // While it is off, nothing is inserted.
        Entries::Removed if may_insert && process.is_listening => moves.step(actor, "inserts, and returns", |state| {
            let process = &mut state.processes[p];
            if setup.has(Rule::InsertionsCount) {
                process.count_insertion();
            }
            process.readers[r].age = 0;
            put(state, p, r, value, setup);
        }),
        Entries::Stamped if may_insert => {
            // One at a time: the next one waits until the map has the entry.
            let is_held = process.readers.iter().any(|other| matches!(other.load, Load::Inserting(_)));
            if !is_held || !setup.has(Rule::InsertOneByOne) {
                moves.step(actor, "finds the counters as noted, and moves one on", |state| {
                    let process = &mut state.processes[p];
                    if setup.has(Rule::InsertionsCount) {
                        process.count_insertion();
                    }
                    process.readers[r].load = Load::Inserting(value);
                });
            }
        }
        Entries::Removed | Entries::Stamped => {
            moves.step(actor, "finds the counters changed, ends the entries, and returns", |state| {
                pass(state, p, r, value, setup);
            });
        }
    }
}

/// Nothing may be inserted: what is there may be older than what this read returns.
fn pass(state: &mut State, p: usize, r: usize, value: Value, setup: &Near) {
    if setup.has(Rule::PassingEndsEntries) {
        state.processes[p].end_entries(setup);
    }
    done(state, p, r, value, setup);
}

fn put(state: &mut State, p: usize, r: usize, value: Value, setup: &Near) {
    let process = &mut state.processes[p];
    let age = if setup.has(Rule::StampIsNoted) { process.readers[r].age } else { 0 };
    process.entry = Some(Entry { value, age });
    process.has_inserted |= !setup.has(Rule::MemberBeforeInsert);
    process.bury(setup);
    done(state, p, r, value, setup);
}

fn done(state: &mut State, p: usize, r: usize, value: Value, setup: &Near) {
    let process = &mut state.processes[p];
    process.sees(value, setup);
    process.readers[r] = Reader { n_loads: process.readers[r].n_loads + 1, ..Reader::default() };
}

/// The token of a reader's present load.
fn token(p: usize, r: usize, reader: Reader) -> u8 {
    4 * u8::try_from(MAX * p + r).expect("readers are few") + reader.n_loads
}
