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
            Load::Idle if moves.setup.hands_out_early && !moves.setup.has(Rule::LookInTurn) => {
                let had_entry = moves.from.processes[p].entry.is_some_and(|entry| entry.age == 0);
                let what = if had_entry { "finds an entry, and does not use it" } else { "finds no entry" };
                moves.step(actor, what, |state| state.processes[p].readers[r].load = Load::Looked { had_entry });
            }
            Load::Idle => note(moves, p, r, actor, false),
            Load::Looked { had_entry } => note(moves, p, r, actor, had_entry),
            Load::Noted => ask(moves, p, r, actor),
            Load::Leased => {
                let value = Value(moves.from.committed);
                moves.step(actor, "queries the database", |state| {
                    state.processes[p].readers[r].load = Load::Queried(value);
                });
            }
            Load::Queried(value) | Load::Passed(value) if moves.setup.hands_out_early && !reader.is_handed_out => {
                hand_out(moves, p, r, actor, value);
            }
            Load::Passed(_) if reader.is_handed_out => moves.step(actor, "is done", |state| {
                finish(&mut state.processes[p].readers[r]);
            }),
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

fn note(moves: &mut Moves<'_>, p: usize, r: usize, actor: Actor, had_entry: bool) {
    moves.step(actor, "notes the slot's counters", |state| {
        let reader = &mut state.processes[p].readers[r];
        *reader = Reader { load: Load::Noted, had_entry, ..*reader };
        reader.note();
    });
}

/// Sees to it that nothing older is served from now on, notes the counters once more, and hands out what the database has answered.
fn hand_out(moves: &mut Moves<'_>, p: usize, r: usize, actor: Actor, value: Value) {
    let (setup, process) = (moves.setup, &moves.from.processes[p]);
    let reader = process.readers[r];
    let is_held = process.readers.iter().any(|other| matches!(other.load, Load::Inserting(_)));
    let in_turn = setup.has(Rule::LookInTurn);
    if in_turn && is_held {
        return;
    }
    let ends = if in_turn { process.entry.is_some() } else { reader.had_entry || !reader.is_unchanged };
    let what =
        if ends { "ends the entries, and hands out the value" } else { "moves a counter on, and hands out the value" };
    moves.step(actor, what, |state| {
        let process = &mut state.processes[p];
        if ends {
            process.end_entries(setup);
        } else {
            process.count_insertion();
        }
        process.sees(value, setup);
        process.readers[r].note();
        process.readers[r].is_handed_out = true;
    });
}

fn finish(reader: &mut Reader) {
    *reader = Reader { n_loads: reader.n_loads + 1, ..Reader::default() };
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
    finish(&mut process.readers[r]);
}

/// The token of a reader's present load.
fn token(p: usize, r: usize, reader: Reader) -> u8 {
    4 * u8::try_from(MAX * p + r).expect("readers are few") + reader.n_loads
}
