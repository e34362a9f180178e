//! Readers of rows, to whom a stub is nothing.

use super::{
    moves::Moves,
    setup::each,
    state::{Line, ROWS, State, counts_as_vacant},
};
use crate::{
    cell::{Cell, Request, Value},
    moves::Actor,
};

pub(super) fn steps(moves: &mut Moves<'_>) {
    for n in 0..moves.setup.lines.len() {
        let cell = each(moves.setup.lines[n]).next().expect("a reader of rows has a cell");
        let actor = Actor::Reader(n);
        let token = ROWS + u8::try_from(n).expect("readers are few");
        match moves.from.lines[n] {
            Line::Idle => {
                let now = moves.from.cell(cell, moves.setup);
                if !counts_as_vacant(now, token, moves.setup) || moves.from.is_quarantined(moves.setup) {
                    continue;
                }
                let what = if now == Cell::Nothing {
                    ["leases A", "leases B"]
                } else {
                    ["leases A over the stub or its lease", "leases B over the stub or its lease"]
                };
                let request = (cell, Request::Lease(token));
                moves.ask_cell(actor, what, request, |state| state.lines[n] = Line::Leased);
                let what = ["gets no lease on A in time", "gets no lease on B in time"];
                moves.ask_cell_in_vain(actor, what, request, |state| state.lines[n] = Line::Done);
            }
            Line::Leased => {
                let value = State::answer(moves.from.committed, moves.setup)[cell];
                moves.step(actor, ["queries the rows of A", "queries the rows of B"][cell], |state| {
                    state.lines[n] = Line::Loaded(value);
                });
            }
            Line::Loaded(value) => {
                let request = (cell, Request::Fill(token, Value(value)));
                moves.ask_cell(actor, ["fills A", "fills B"], request, |state| state.lines[n] = Line::Done);
                let what = ["fills A, and gets no answer", "fills B, and gets no answer"];
                moves.ask_cell_in_vain(actor, what, request, |state| state.lines[n] = Line::Done);
            }
            Line::Done => {}
        }
    }
}
