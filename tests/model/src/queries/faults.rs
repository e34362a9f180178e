//! What goes wrong by itself: crashes, late requests, expiry, and the lives of the server.

use super::{
    moves::Moves,
    setup::{N_CELLS, Queries},
    state::{Late, Memory, Phase, Repair, State},
};
use crate::{cell::Cell, database::Transaction, moves::Actor, rules::Rule};

pub(super) fn steps(moves: &mut Moves<'_>) {
    crash(moves);
    deliver(moves);
    expire(moves);
    lose(moves);
}

/// A process dies, and with it all of its writers and what it had noted.
fn crash(moves: &mut Moves<'_>) {
    if moves.from.faults.crashes == 0 {
        return;
    }
    let (setup, from) = (moves.setup, moves.from);
    for process in [0, 1] {
        let members = || setup.writers().filter(|n| !setup.is_outsider(*n) && Queries::process(*n) == process);
        let is_busy = |n: usize| {
            let writer = from.writers[n];
            writer.repair != Repair::Nothing || !matches!(writer.phase, Phase::Idle | Phase::Done | Phase::Crashed)
        };
        if members().any(is_busy) {
            moves.step(Actor::Process(process), "CRASHES", |state| {
                state.faults.crashes -= 1;
                members().for_each(|n| end(state, n));
            });
        }
    }
}

fn end(state: &mut State, n: usize) {
    let writer = &mut state.writers[n];
    if writer.phase == Phase::Idle {
        return;
    }
    if writer.transaction == Transaction::Open {
        writer.transaction = Transaction::Aborted;
    }
    writer.phase = Phase::Crashed;
    writer.repair = Repair::Nothing;
    state.notes &= !(1 << n);
}

/// A request that had timed out arrives, or is lost.
fn deliver(moves: &mut Moves<'_>) {
    let setup = moves.setup;
    for (n, late) in moves.from.late.iter().enumerate() {
        let Some(late) = *late else { continue };
        let taken = |state: &mut State| {
            state.late[n] = None;
            state.late.sort_unstable_by(|one, other| other.cmp(one));
        };
        match late {
            Late::Cell(cell, request) => moves.step(Actor::Network, request.arrives(), |state| {
                taken(state);
                state.execute(usize::from(cell), request, setup);
            }),
            Late::Put(entry) => moves.step(Actor::Network, "delivers a late entry", |state| {
                taken(state);
                state.memory.entry = Some(entry);
            }),
        }
        moves.step(Actor::Network, "loses a late request", taken);
    }
}

/// Values, leases and entries end at any time, records of markers when their write is no longer in doubt.
fn expire(moves: &mut Moves<'_>) {
    let from = moves.from;
    for cell in 0..N_CELLS {
        match from.memory.cells[cell] {
            Cell::Nothing => {}
            Cell::Value { .. } | Cell::Lease { .. } => {
                moves.step(Actor::Store, ["evicts A", "evicts B"][cell], |state| {
                    state.memory.cells[cell] = Cell::Nothing;
                });
            }
            Cell::Marker { records, .. } => {
                let is_held = |nonce: u8| from.writers[usize::from(nonce / 2)].transaction.is_in_doubt();
                for nonce in (0..8).filter(|nonce| records >> nonce & 1 == 1 && !is_held(*nonce)) {
                    let what = ["lets a marker of A expire", "lets a marker of B expire"][cell];
                    moves.step(Actor::Store, what, |state| {
                        state.memory.cells[cell] = state.memory.cells[cell].expired(nonce);
                    });
                }
            }
        }
    }
    if from.memory.entry.is_some() {
        moves.step(Actor::Store, "evicts the entry", |state| state.memory.entry = None);
    }
}

/// What the server itself does.
fn lose(moves: &mut Moves<'_>) {
    let from = moves.from;
    let nothing = Memory { cells: [Cell::Nothing; N_CELLS], entry: None };
    let is_marker = |cell: &usize| matches!(from.memory.cells[*cell], Cell::Marker { .. });
    if from.faults.restarts > 0 && ((0..N_CELLS).any(|cell| is_marker(&cell)) || moves.setup.has(Rule::Fence)) {
        moves.step(Actor::Store, "RESTARTS empty", |state| {
            state.faults.restarts -= 1;
            state.memory = nothing;
            state.life += 1;
        });
    }
    if from.faults.evictions > 0 {
        for cell in (0..N_CELLS).filter(is_marker) {
            moves.step(Actor::Store, ["EVICTS the marker of A", "EVICTS the marker of B"][cell], |state| {
                state.faults.evictions -= 1;
                state.memory.cells[cell] = Cell::Nothing;
            });
        }
    }
    if from.faults.failovers > 0 {
        if from.replica != from.memory {
            moves.step(Actor::Store, "is followed by its replica", |state| state.replica = state.memory);
        }
        moves.step(Actor::Store, "FAILS OVER to its replica, and loses the latest writes", |state| {
            state.faults.failovers -= 1;
            state.memory = state.replica;
            state.replica = nothing;
            state.life += 1;
        });
    }
}
