//! What a process does for its writes after their callers have their answers: `layers/repair.rs` of larder.

use crate::{
    cell::Request,
    moves::{Actor, Moves},
    rules::Rule,
    setup::Setup,
    state::{Repair, State},
    writer::ending,
};

pub(crate) fn steps(moves: &mut Moves<'_>) {
    for n in moves.setup.writers() {
        match moves.from.writers[n].repair {
            Repair::Nothing => {}
            Repair::Finish => finish(moves, n),
            Repair::Settle => settle(moves, n),
        }
    }
}

fn finish(moves: &mut Moves<'_>, n: usize) {
    let request = ending(moves.setup, n, moves.from.writers[n]);
    moves.ask(Actor::Writer(n), "finishes once more", request, |state| state.writers[n].repair = Repair::Nothing);
    moves.ask_in_vain(Actor::Writer(n), "finishes once more, and gets no answer", request, |_| {});
    moves.step(Actor::Writer(n), "gives up finishing, since the hold is over", |state| {
        state.writers[n].repair = Repair::Nothing;
    });
}

fn settle(moves: &mut Moves<'_>, n: usize) {
    let (setup, writer) = (moves.setup, moves.from.writers[n]);
    let is_noted = moves.from.notes >> n & 1 == 1;
    // It waits until the hold is over, by when the database has decided.
    let waits =
        writer.transaction.is_in_doubt() && !setup.late_commits && (!is_noted || setup.has(Rule::NoteOutlivesDoubt));
    if !waits {
        let request = Request::Settle(None);
        moves.ask(Actor::Writer(n), "settles the cell", request, |state| {
            state.writers[n].repair = Repair::Nothing;
            take_note_back(state, n, setup);
        });
        moves.ask_in_vain(Actor::Writer(n), "settles the cell, and gets no answer", request, |state| {
            if !setup.has(Rule::NoteUntilSettled) {
                state.writers[n].repair = Repair::Nothing;
                take_note_back(state, n, setup);
            }
        });
    }
    if !is_noted {
        moves.step(Actor::Writer(n), "gives up settling", |state| state.writers[n].repair = Repair::Nothing);
    }
}

/// The process serves and fills the cell again, unless another of its writes keeps it from that.
pub(crate) fn take_note_back(state: &mut State, n: usize, setup: &Setup) {
    let others = setup.writers().filter(|other| setup.process(*other) == setup.process(n));
    let taken_back = if setup.has(Rule::NotePerWrite) { 1 << n } else { others.fold(0, |set, other| set | 1 << other) };
    state.notes &= !taken_back;
}
