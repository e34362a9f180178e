//! What stands where, in a trace.

use super::{
    setup::{Queries, each},
    state::{ROWS, STUB, State},
};
use crate::{
    cell::{Cell, Stamp},
    database::tell_writers,
    trace,
};

/// What the cells, the entry and the database hold.
pub(super) fn tell(state: &State, setup: &Queries) -> String {
    let cells = [0, 1].map(|cell| tell_cell(state.cell(cell, setup)));
    let truth = State::answer(state.committed, setup);
    let entry = match state.memory.entry {
        None => "-".to_owned(),
        Some(entry) => {
            let stamps: Vec<_> =
                each(entry.declared).map(|cell| entry.stamps[cell].map_or_else(String::new, tell_stamp)).collect();
            format!("{} if {}", tell_answer(entry.answer), stamps.join(", "))
        }
    };
    format!("A: {}; B: {}; entry: {entry}; database: {}", cells[0], cells[1], tell_answer(truth))
}

fn tell_cell(cell: Cell) -> String {
    match cell {
        Cell::Value { value, stamp, .. } if value == STUB => format!("stub {}", tell_stamp(stamp)),
        Cell::Value { stamp, .. } => format!("value {}", tell_stamp(stamp)),
        Cell::Lease { token, .. } => format!("lease {}", tell_stamp(Stamp::Token(token))),
        cell => trace::tell_cell(cell, |_| String::new()),
    }
}

fn tell_stamp(stamp: Stamp) -> String {
    match stamp {
        Stamp::First => "s0".to_owned(),
        Stamp::Nonce(nonce) => format!("w{}{}", nonce / 2 + 1, ["", "'"][usize::from(nonce % 2)]),
        Stamp::Token(token) if token >= ROWS => format!("r{}", token - ROWS + 1),
        Stamp::Token(token) => format!("q{}.{}", token / 4 + 1, token % 4 + 1),
    }
}

fn tell_answer(answer: [u8; 2]) -> String {
    let sets = answer.map(tell_writers);
    format!("({})", sets.map(|set| if set.is_empty() { "0".to_owned() } else { set }).join(", "))
}
