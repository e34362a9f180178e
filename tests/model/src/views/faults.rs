//! What goes wrong by itself: crashes, late requests, expiry, and the lives of the server.

use super::{
    moves::Moves,
    setup::{N_CELLS, Views, names},
    state::{Phase, Repair, State},
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
        let members = || setup.writers().filter(|n| !setup.is_outsider(*n) && Views::process(*n) == process);
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
        writer.abort();
    }
    writer.phase = Phase::Crashed;
    writer.repair = Repair::Nothing;
    state.notes &= !(1 << n);
}

/// A request that had timed out arrives, or is lost.
fn deliver(moves: &mut Moves<'_>) {
    let setup = moves.setup;
    for (n, late) in moves.from.late.iter().enumerate() {
        let Some((cell, request)) = *late else { continue };
        let taken = |state: &mut State| {
            state.late[n] = None;
            state.late.sort_unstable_by(|one, other| other.cmp(one));
        };
        moves.step(Actor::Network, request.arrives(), |state| {
            taken(state);
            state.execute(usize::from(cell), request, setup);
        });
        moves.step(Actor::Network, "loses a late request", taken);
    }
}

/// Values and leases end at any time, records of markers when their write is no longer in doubt.
fn expire(moves: &mut Moves<'_>) {
    let from = moves.from;
    for cell in 0..N_CELLS {
        match from.cells[cell] {
            Cell::Nothing => {}
            Cell::Value { .. } | Cell::Lease { .. } => {
                moves.step(Actor::Store, names!("evicts")[cell], |state| state.cells[cell] = Cell::Nothing);
            }
            Cell::Marker { records, .. } => {
                let is_held = |nonce: u8| {
                    let transaction = from.writers[usize::from(nonce / 2)].transaction;
                    let is_late = moves.setup.late_commits && transaction == Transaction::Committing;
                    transaction.is_in_doubt() && !is_late
                };
                let ends: Vec<_> = (0..8).filter(|nonce| records >> nonce & 1 == 1 && !is_held(*nonce)).collect();
                for nonce in ends {
                    moves.step(Actor::Store, names!("lets a marker expire in")[cell], |state| {
                        state.cells[cell] = state.cells[cell].expired(nonce);
                    });
                }
            }
        }
    }
}

/// What the server itself does.
fn lose(moves: &mut Moves<'_>) {
    let from = moves.from;
    let nothing = [Cell::Nothing; N_CELLS];
    let is_marker = |cell: &usize| matches!(from.cells[*cell], Cell::Marker { .. });
    if from.faults.restarts > 0 && ((0..N_CELLS).any(|cell| is_marker(&cell)) || moves.setup.has(Rule::Fence)) {
        moves.step(Actor::Store, "RESTARTS empty", |state| {
            state.faults.restarts -= 1;
            state.cells = nothing;
            state.life += 1;
        });
    }
    if from.faults.evictions > 0 {
        for cell in (0..N_CELLS).filter(is_marker) {
            moves.step(Actor::Store, names!("EVICTS the marker in")[cell], |state| {
                state.faults.evictions -= 1;
                state.cells[cell] = Cell::Nothing;
            });
        }
    }
    if from.faults.failovers > 0 {
        if from.replica != from.cells {
            moves.step(Actor::Store, "is followed by its replica", |state| state.replica = state.cells);
        }
        moves.step(Actor::Store, "FAILS OVER to its replica, and loses the latest writes", |state| {
            state.faults.failovers -= 1;
            state.cells = state.replica;
            state.replica = nothing;
            state.life += 1;
        });
    }
}
