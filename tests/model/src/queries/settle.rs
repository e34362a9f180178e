//! What comes after a write has returned: its own repairs, and the relay.

use super::{
    moves::Moves,
    setup::{Queries, each},
    state::{Relay, Repair, State},
    writer::ending,
};
use crate::{cell::Request, database::Transaction, moves::Actor};

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
    let done = |state: &mut State| mended(state, n, cell);
    moves.ask_cell(Actor::Writer(n), ["finishes A once more", "finishes B once more"], request, done);
    moves.step(Actor::Writer(n), "gives up finishing, since the hold is over", |state| {
        state.writers[n].repair = Repair::Nothing;
    });
}

fn settle(moves: &mut Moves<'_>, n: usize, cell: usize) {
    // It waits until the hold is over, by when the database has decided.
    if moves.from.writers[n].transaction.is_in_doubt() {
        return;
    }
    let request = (cell, Request::Settle(None));
    let what = ["settles A", "settles B"];
    moves.ask_cell(Actor::Writer(n), what, request, |state| mended(state, n, cell));
    moves.ask_cell_in_vain(Actor::Writer(n), what, request, |_| {});
    if moves.from.notes >> n & 1 == 0 {
        moves.step(Actor::Writer(n), "gives up settling", |state| state.writers[n].repair = Repair::Nothing);
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
    if matches!(repair, Repair::Finish(0) | Repair::Settle(0)) {
        state.writers[n].repair = Repair::Nothing;
    }
}

/// It takes a row, settles each cell that the row is about, and deletes the row.
fn relay(moves: &mut Moves<'_>) {
    let (setup, actor) = (moves.setup, Actor::Relay(0));
    match moves.from.relay {
        Relay::Idle => {
            for n in setup.writers().filter(|n| moves.from.outbox >> n & 1 == 1) {
                let row = u8::try_from(n).expect("writers are few");
                moves.step(actor, "takes a row of the outbox", |state| {
                    state.relay = Relay::Holding(row, setup.settles(n));
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
                let request = (cell, Request::Settle(nonce(moves.from, setup, usize::from(row))));
                moves.ask_cell(actor, ["settles A", "settles B"], request, |state| {
                    state.relay = Relay::Holding(row, cells & !(1 << cell));
                });
                let what = ["settles A, and gets no answer", "settles B, and gets no answer"];
                moves.ask_cell_in_vain(actor, what, request, |_| {});
            }
        }
    }
    if moves.from.faults.relay_crashes > 0 && moves.from.relay != Relay::Idle {
        moves.step(actor, "CRASHES", |state| {
            state.faults.relay_crashes -= 1;
            state.relay = Relay::Idle;
        });
    }
}

fn nonce(state: &State, setup: &Queries, n: usize) -> Option<u8> {
    let writer = state.writers[n];
    writer.is_marked.then(|| setup.nonce(n, writer.attempt))
}

/// The relay is in the first process.
fn take_note_back(state: &mut State, n: usize) {
    if Queries::process(n) == 0 && state.writers[n].transaction == Transaction::Committed {
        state.notes &= !(1 << n);
    }
}
