//! What comes after a write has returned: its own repairs, and the relay.

use super::{
    moves::Moves,
    path,
    setup::{Cells, Views, each, names},
    state::{Relay, Repair, State},
    writer::{ending, forget},
};
use crate::{cell::Request, database::Transaction, moves::Actor, rules::Rule};

pub(super) fn steps(moves: &mut Moves<'_>) {
    for n in moves.setup.writers() {
        match moves.from.writers[n].repair {
            Repair::Nothing => {}
            Repair::Finish(cells) => each(cells).for_each(|cell| finish(moves, n, cell)),
            Repair::Settle(cells) => each(cells).for_each(|cell| settle(moves, n, cell)),
        }
    }
    relay(moves);
}

fn finish(moves: &mut Moves<'_>, n: usize, cell: usize) {
    let request = (cell, ending(moves.setup, n, moves.from.writers[n], cell));
    moves.ask_cell(Actor::Writer(n), names!("finishes", "once more"), request, |state| mended(state, n, cell));
    moves.step(Actor::Writer(n), "gives up finishing, since the hold is over", |state| {
        state.writers[n].repair = Repair::Nothing;
        forget(state, n);
    });
}

fn settle(moves: &mut Moves<'_>, n: usize, cell: usize) {
    // It waits until the hold is over, by when the database has decided.
    if moves.from.writers[n].transaction.is_in_doubt() {
        return;
    }
    let request = (cell, Request::Settle(None));
    moves.ask_cell(Actor::Writer(n), names!("settles"), request, |state| mended(state, n, cell));
    moves.ask_cell_in_vain(Actor::Writer(n), names!("settles", ", and gets no answer"), request, |_| {});
    if moves.from.notes >> n & 1 == 0 {
        moves.step(Actor::Writer(n), "gives up settling", |state| {
            state.writers[n].repair = Repair::Nothing;
            forget(state, n);
        });
    }
}

fn mended(state: &mut State, n: usize, cell: usize) {
    let repair = &mut state.writers[n].repair;
    match repair {
        Repair::Nothing => {}
        Repair::Finish(cells) | Repair::Settle(cells) => *cells &= !(1 << cell),
    }
    if matches!(repair, Repair::Settle(0)) {
        state.notes &= !(1 << n);
    }
    if matches!(state.writers[n].repair, Repair::Finish(0) | Repair::Settle(0)) {
        state.writers[n].repair = Repair::Nothing;
        forget(state, n);
    }
}

/// It takes a row, finds the roots of what the row is about, settles the cell of each, and deletes the row.
fn relay(moves: &mut Moves<'_>) {
    let (setup, from, actor) = (moves.setup, moves.from, Actor::Relay(0));
    match from.relay {
        Relay::Idle => {
            for n in setup.writers().filter(|n| from.outbox >> n & 1 == 1) {
                let row = u8::try_from(n).expect("writers are few");
                let cells = told(n, from, setup);
                moves.step(actor, "takes a row of the outbox, and finds the roots", |state| {
                    state.relay = Relay::Holding(row, cells);
                });
            }
        }
        Relay::Holding(row, 0) => moves.step(actor, "deletes the row", |state| {
            state.outbox &= !(1 << row);
            state.relay = Relay::Idle;
            take_note_back(state, usize::from(row));
        }),
        Relay::Holding(row, cells) => {
            for cell in each(cells) {
                let request = (cell, Request::Settle(nonce(from, setup, usize::from(row))));
                moves.ask_cell(actor, names!("settles"), request, |state| {
                    state.relay = Relay::Holding(row, cells & !(1 << cell));
                });
                moves.ask_cell_in_vain(actor, names!("settles", ", and gets no answer"), request, |_| {});
            }
        }
    }
    if from.faults.relay_crashes > 0 && from.relay != Relay::Idle {
        moves.step(actor, "CRASHES", |state| {
            state.faults.relay_crashes -= 1;
            state.relay = Relay::Idle;
        });
    }
}

/// The cells of which a row tells: those that larder's writers have found, or the ways that go on from what a trigger has seen.
fn told(n: usize, state: &State, setup: &Views) -> Cells {
    if setup.is_outsider(n) && setup.has(Rule::PathWhenSettled) {
        let roots = path::whole(state.writers[n].path, n, &state.rows, setup).roots;
        return roots | state.marks(n, setup);
    }
    state.marks(n, setup)
}

fn nonce(state: &State, setup: &Views, n: usize) -> Option<u8> {
    let writer = state.writers[n];
    writer.is_marked.then(|| setup.nonce(n, writer.attempt))
}

/// The relay is in the first process.
fn take_note_back(state: &mut State, n: usize) {
    if Views::process(n) == 0 && state.writers[n].transaction == Transaction::Committed {
        state.notes &= !(1 << n);
    }
}
