//! What stands where, in a trace.

use super::{
    load,
    setup::{Beside, ITEM_ROW, VERSION, Views},
    state::{State, shown},
};
use crate::{
    cell::{Cell, Value},
    database::tell_writers,
    trace,
};

/// What the cells hold, and what the database has for each tree.
pub(super) fn tell(state: &State, setup: &Views) -> String {
    let trees = [0, 1].map(|root| tell_writes(state.rows.tree(root, setup)));
    let cells = [0, 1].map(|root| {
        let is_old =
            matches!(state.cell(root, setup), Cell::Value { .. }) && load::served(state, setup, root).is_none();
        let cell = trace::tell_cell(state.cell(root, setup), |value| tell_writes(shown(value)));
        if is_old { format!("{cell} of an old version") } else { cell }
    });
    let plain = |value: Value| tell_writes(value.0);
    let beside = match setup.beside {
        Beside::Nothing => String::new(),
        Beside::Version => {
            format!("; version: {}", trace::tell_cell(state.cell(VERSION, setup), |_| "stub".to_owned()))
        }
        Beside::ItemRow => format!("; item's row: {}", trace::tell_cell(state.cell(ITEM_ROW, setup), plain)),
    };
    format!("A: {}; B: {}{beside}; database: ({}, {})", cells[0], cells[1], trees[0], trees[1])
}

fn tell_writes(set: u8) -> String {
    if set == 0 { "0".to_owned() } else { tell_writers(set) }
}
