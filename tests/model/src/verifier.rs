//! The verifier: a cell, the database, the cell once more.

use crate::{
    cell::{Cell, GARBAGE, Stamp, Value},
    moves::{Actor, Moves},
    properties::{self, Finding},
    rules::Rule,
    setup::Setup,
    state::Verifier,
};

pub(crate) fn steps(moves: &mut Moves<'_>) {
    if !moves.setup.verifier {
        return;
    }
    let (setup, cell) = (moves.setup, moves.from.cell(moves.setup));
    match (moves.from.verifier, cell) {
        (Verifier::Idle, Cell::Value { value, stamp, .. }) => {
            moves.step(Actor::Verifier, "reads the cell", |state| state.verifier = Verifier::Read { value, stamp });
        }
        (Verifier::Read { value, stamp }, _) => {
            let answer = moves.from.database.value();
            let is_wrong = matches!(cell, Cell::Value { value, .. } if differs(setup, value, answer));
            moves.step(Actor::Verifier, "queries the database", |state| {
                state.verifier = Verifier::Queried { value, stamp, answer, is_wrong };
            });
        }
        (Verifier::Queried { value, stamp, answer, is_wrong }, _) => {
            let is_same = !setup.has(Rule::VerifyReadsTwice) || is_same(setup, (value, stamp), cell);
            let is_reported = is_same && differs(setup, value, answer);
            let was_there = matches!(cell, Cell::Value { stamp: now, .. } if now == stamp);
            let what = if is_reported { "REPORTS a mismatch" } else { "finds nothing to report" };
            moves.step(Actor::Verifier, what, |state| {
                state.verifier = Verifier::Done;
                if is_reported && !is_wrong {
                    properties::remember(state, Finding::FalseAlarm);
                } else if is_reported {
                    properties::remember(state, Finding::Reported);
                } else if was_there && value == GARBAGE {
                    properties::remember(state, Finding::Missed);
                }
            });
        }
        (Verifier::Idle | Verifier::Done, _) => {}
    }
}

/// Whether the cell is still what it was, as far as the verifier can tell.
fn is_same(setup: &Setup, (value, stamp): (Value, Stamp), cell: Cell) -> bool {
    match cell {
        Cell::Value { stamp: now, .. } if setup.has(Rule::VerifyComparesStamps) => now == stamp,
        Cell::Value { value: now, .. } => !differs(setup, now, value),
        _ => false,
    }
}

/// Whether two values have different bytes. Where they recur, so do those of every second version.
fn differs(setup: &Setup, one: Value, other: Value) -> bool {
    if setup.bytes_recur && one != GARBAGE && other != GARBAGE {
        one.0.count_ones() % 2 != other.0.count_ones() % 2
    } else {
        one != other
    }
}
