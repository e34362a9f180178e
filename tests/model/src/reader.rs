//! A read that misses, and fills: `layers.rs` of larder and its courier.
//!
//! A hit takes no step: at each state the properties ask what it would be.

use crate::{
    cell::{Cell, Request, Stamp, Value, after_load},
    moves::{Actor, Moves},
    rules::Rule,
    setup::Refresh,
    state::{Load, Reader, State},
};

pub(crate) fn steps(moves: &mut Moves<'_>) {
    for n in 0..usize::from(moves.setup.n_readers) {
        let reader = moves.from.readers[n];
        match reader.load {
            Load::Idle if reader.n_loads == moves.setup.n_loads => {}
            Load::Idle if moves.setup.has(Rule::QueryAfterLease) => {
                lease(moves, n, Load::Leased);
                see(moves, n);
            }
            Load::Idle => {
                let value = moves.from.database.value();
                moves.step(Actor::Reader(n), "takes a snapshot of the database", |state| {
                    state.readers[n].load = Load::Snapshot(value);
                });
            }
            Load::Snapshot(value) => lease(moves, n, Load::Loaded(value)),
            Load::Leased => query(moves, n),
            Load::Loaded(value) => fill(moves, n, value),
            Load::Queried(value) => see_late(moves, n, value),
            Load::Seen(stamp) => refresh(moves, n, stamp),
            Load::Refreshed(stamp, value) => refill(moves, n, stamp, value),
            Load::Found { value, stamp, then } => compare(moves, n, value, (stamp, then)),
            Load::Compared { is_same, stamp, then } => extend(moves, n, is_same, (stamp, then)),
        }
    }
}

/// The token of a reader's present load.
pub(crate) fn token(n: usize, reader: Reader) -> u8 {
    4 * u8::try_from(n).expect("readers are few") + reader.n_loads
}

fn lease(moves: &mut Moves<'_>, n: usize, then: Load) {
    let (setup, reader) = (moves.setup, moves.from.readers[n]);
    let is_bypassed = moves.from.is_noted(setup.process(n), setup) && !setup.fills_while_noted;
    if moves.from.cell(setup) != Cell::Nothing || is_quarantined(moves) || is_bypassed {
        return;
    }
    if !setup.protocol.has_leases() {
        moves.step(Actor::Reader(n), "misses", |state| state.readers[n].load = then);
        return;
    }
    let request = Request::Lease(token(n, reader));
    moves.ask(Actor::Reader(n), "misses, and takes a lease", request, |state| state.readers[n].load = then);
    if setup.has(Rule::FillOnlyUnderLease) {
        moves.ask_in_vain(Actor::Reader(n), "misses, and gets no lease in time", request, |state| next(state, n));
    } else {
        let what = "misses, gets no lease in time, and goes on";
        moves.ask_in_vain(Actor::Reader(n), what, request, |state| state.readers[n].load = then);
    }
}

/// A write that is still in doubt was marked in another life of the server, which may have forgotten it.
fn is_quarantined(moves: &Moves<'_>) -> bool {
    let life = moves.from.server.life;
    let is_forgotten = |marked_in: Option<u8>| marked_in.is_some_and(|marked_in| marked_in != life);
    moves.setup.has(Rule::Quarantine)
        && moves.from.writers.iter().any(|w| w.transaction.is_in_doubt() && is_forgotten(w.marked_in))
}

fn query(moves: &mut Moves<'_>, n: usize) {
    let database = &moves.from.database;
    if moves.setup.has(Rule::QueryPrimary) {
        let value = database.value();
        moves.step(Actor::Reader(n), "queries the database", |state| state.readers[n].load = Load::Loaded(value));
    } else {
        for value in database.replica_values() {
            let load = Load::Loaded(value);
            moves.step(Actor::Reader(n), "queries a replica", |state| state.readers[n].load = load);
        }
    }
}

fn fill(moves: &mut Moves<'_>, n: usize, value: Value) {
    let setup = moves.setup;
    if moves.from.is_noted(setup.process(n), setup) && !setup.fills_while_noted {
        moves.step(Actor::Reader(n), "does not fill, since the cell is noted", |state| next(state, n));
        return;
    }
    let request = after_load(setup, token(n, moves.from.readers[n]), value);
    moves.ask(Actor::Reader(n), "fills", request, |state| next(state, n));
    moves.ask_in_vain(Actor::Reader(n), "fills, and gets no answer", request, |state| next(state, n));
}

/// Finds a value that will soon expire, and sets out to refresh it.
fn see(moves: &mut Moves<'_>, n: usize) {
    let setup = moves.setup;
    let Cell::Value { value, stamp, .. } = moves.from.cell(setup) else { return };
    if setup.refresh == Refresh::Nobody || moves.from.is_noted(setup.process(n), setup) {
        return;
    }
    let then = moves.from.database.value();
    if setup.has(Rule::RefreshQueriesLast) && setup.refresh != Refresh::Refill {
        moves.step(Actor::Reader(n), "hits, and will look whether it is still so", |state| {
            state.readers[n].load = Load::Found { value, stamp, then };
        });
    } else if setup.has(Rule::RefreshQueriesLast) {
        moves.step(Actor::Reader(n), "hits, and will refresh", |state| state.readers[n].load = Load::Seen(stamp));
    } else {
        moves.step(Actor::Reader(n), "queries the database, to refresh whatever it will find", |state| {
            state.readers[n].load = Load::Queried(then);
        });
    }
}

/// Where the query comes first: it finds the value only now.
fn see_late(moves: &mut Moves<'_>, n: usize, value: Value) {
    let setup = moves.setup;
    match moves.from.cell(setup) {
        Cell::Value { stamp, .. } if setup.refresh == Refresh::Refill => {
            moves.step(Actor::Reader(n), "hits, and will refresh", |state| {
                state.readers[n].load = Load::Refreshed(stamp, value);
            });
        }
        Cell::Value { value: found, stamp, .. } => {
            let then = moves.from.database.value();
            moves.step(Actor::Reader(n), "hits, and compares", |state| {
                state.readers[n].load = Load::Compared { is_same: found == value, stamp, then };
            });
        }
        _ => moves.step(Actor::Reader(n), "finds nothing to refresh", |state| next(state, n)),
    }
}

fn refresh(moves: &mut Moves<'_>, n: usize, stamp: Stamp) {
    let value = moves.from.database.value();
    moves.step(Actor::Reader(n), "queries the database, to refresh", |state| {
        state.readers[n].load = Load::Refreshed(stamp, value);
    });
}

fn refill(moves: &mut Moves<'_>, n: usize, stamp: Stamp, value: Value) {
    let request = Request::Refill(stamp, token(n, moves.from.readers[n]), value);
    moves.ask(Actor::Reader(n), "refills", request, |state| next(state, n));
    moves.ask_in_vain(Actor::Reader(n), "refills, and gets no answer", request, |state| next(state, n));
}

fn compare(moves: &mut Moves<'_>, n: usize, value: Value, (stamp, then): (Stamp, Value)) {
    let is_same = moves.from.database.value() == value || !moves.setup.has(Rule::ExtendComparesBytes);
    moves.step(Actor::Reader(n), "queries the database, and compares", |state| {
        state.readers[n].load = Load::Compared { is_same, stamp, then };
    });
}

fn extend(moves: &mut Moves<'_>, n: usize, is_same: bool, (stamp, then): (Stamp, Value)) {
    let (request, what, in_vain) = if is_same {
        (Request::Extend(stamp, then), "extends", "extends, and gets no answer")
    } else {
        (Request::Settle(None), "finds another value, and settles", "finds another value, and settles in vain")
    };
    moves.ask(Actor::Reader(n), what, request, |state| next(state, n));
    moves.ask_in_vain(Actor::Reader(n), in_vain, request, |state| next(state, n));
}

fn next(state: &mut State, n: usize) {
    state.readers[n] = Reader { load: Load::Idle, n_loads: state.readers[n].n_loads + 1 };
}
