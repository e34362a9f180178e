//! What goes wrong by itself: crashes, late requests, expiry, and the lives of the server.

use crate::{
    cell::{Cell, GARBAGE},
    database::Transaction,
    moves::{Actor, Moves},
    rules::Rule,
    state::{Phase, Repair, Server, State},
};

pub(crate) fn steps(moves: &mut Moves<'_>) {
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
    let setup = moves.setup;
    let is_own = |n: &usize| !setup.is_outsider(*n);
    let mut crashed = Vec::new();
    for process in setup.writers().filter(is_own).map(|n| setup.process(n)) {
        let members = || setup.writers().filter(is_own).filter(|n| setup.process(*n) == process);
        let is_busy = |n: usize| {
            let writer = moves.from.writers[n];
            writer.repair != Repair::Nothing || !matches!(writer.phase, Phase::Idle | Phase::Done | Phase::Crashed)
        };
        if crashed.contains(&process) || !members().any(is_busy) {
            continue;
        }
        crashed.push(process);
        moves.step(Actor::Process(process), "CRASHES", |state| {
            state.faults.crashes -= 1;
            members().for_each(|n| end(state, n));
        });
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
    for (n, request) in moves.from.late.iter().enumerate() {
        let Some(request) = *request else { continue };
        let taken = |state: &mut State| {
            state.late[n] = None;
            state.late.sort_unstable_by(|one, other| other.cmp(one));
        };
        moves.step(Actor::Network, request.arrives(), |state| {
            taken(state);
            state.execute(request, setup);
        });
        moves.step(Actor::Network, "loses a late request", taken);
    }
}

/// Values and leases end at any time, records of markers when their write is no longer in doubt.
fn expire(moves: &mut Moves<'_>) {
    let setup = moves.setup;
    match moves.from.server.cell {
        Cell::Value { .. } | Cell::Lease { .. } if setup.expiry => {
            moves.step(Actor::Store, "lets the cell expire, or evicts it", |state| state.server.cell = Cell::Nothing);
        }
        Cell::Marker { records, .. } => {
            for nonce in (0..8).filter(|nonce| records >> nonce & 1 == 1) {
                let mut writers = moves.from.writers.iter();
                let is_held = if setup.has(Rule::MarkersJoin) {
                    moves.from.writers[usize::from(nonce / 2)].transaction.is_in_doubt()
                } else {
                    // The one marker that there is counts from the latest `begin`.
                    writers.any(|writer| writer.transaction.is_in_doubt())
                };
                if !is_held || setup.late_commits {
                    moves.step(Actor::Store, "lets a marker expire", |state| {
                        state.server.cell = state.server.cell.expired(nonce);
                    });
                }
            }
        }
        _ => {}
    }
}

/// What the server itself does to a cell.
fn lose(moves: &mut Moves<'_>) {
    let (faults, server) = (moves.from.faults, moves.from.server);
    let is_marker = matches!(server.cell, Cell::Marker { .. });
    if faults.restarts > 0 && (is_marker || moves.setup.has(Rule::Fence)) {
        moves.step(Actor::Store, "RESTARTS empty", |state| {
            state.faults.restarts -= 1;
            state.server = Server { cell: Cell::Nothing, life: server.life + 1, ..server };
        });
    }
    if faults.evictions > 0 && is_marker {
        moves.step(Actor::Store, "EVICTS the marker", |state| {
            state.faults.evictions -= 1;
            state.server.cell = Cell::Nothing;
        });
    }
    if faults.failovers > 0 {
        if server.replica != server.cell {
            moves.step(Actor::Store, "is followed by its replica", |state| state.server.replica = server.cell);
        }
        moves.step(Actor::Store, "FAILS OVER to its replica, and loses the latest writes", |state| {
            state.faults.failovers -= 1;
            state.server = Server { cell: server.replica, life: server.life + 1, replica: Cell::Nothing };
        });
    }
    if faults.corruptions > 0
        && let Cell::Value { stamp, life, .. } = server.cell
    {
        moves.step(Actor::Store, "holds GARBAGE in place of the value", |state| {
            state.faults.corruptions -= 1;
            // Who overwrites the bytes only leaves the stamp as it is.
            state.server.cell = Cell::Value { value: GARBAGE, stamp, life };
        });
    }
}
