//! A way through the states, as one would tell it.

use std::fmt;

use crate::{
    cell::{Cell, GARBAGE, Value},
    moves::Step,
    setup::Setup,
    state::State,
};

/// Numbered steps, each with what the cell and the database hold after it.
#[derive(Debug, Default)]
pub struct Trace(Vec<(Step, String)>);

impl Trace {
    pub(crate) fn push(&mut self, step: Step, told: String) {
        self.0.push((step, told));
    }

    /// How many steps it has.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether it has none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Display for Trace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, (step, state)) in self.0.iter().enumerate() {
            let told = format!("{} {}", step.actor, step.what);
            writeln!(f, "{:>3}. {told:<60} {state}", number + 1)?;
        }
        Ok(())
    }
}

/// What the cell and the database hold.
pub(crate) fn tell(state: &State, setup: &Setup) -> String {
    let database = &state.database;
    let value = |value: Value| if value == GARBAGE { "garbage".to_owned() } else { database.tell(value) };
    let cell = match state.cell(setup) {
        Cell::Nothing if state.server.cell != Cell::Nothing => "nothing of this life".to_owned(),
        cell => tell_cell(cell, value),
    };
    let noted = if state.notes == 0 { "" } else { "; noted" };
    format!("cell: {cell}; database: {}{noted}", value(database.value()))
}

pub(crate) fn tell_cell(cell: Cell, value: impl Fn(Value) -> String) -> String {
    match cell {
        Cell::Nothing => "nothing".to_owned(),
        Cell::Value { value: served, .. } => format!("value {}", value(served)),
        Cell::Lease { token, .. } => format!("lease of R{}", token / 4 + 1),
        Cell::Marker { records, is_dirty, .. } => {
            let records = (0..8).filter(|nonce| records >> nonce & 1 == 1);
            let names: Vec<_> = records.map(|nonce| format!("W{}{}", nonce / 2 + 1, ["", "'"][nonce % 2])).collect();
            format!("{} marker {}", if is_dirty { "dirty" } else { "clean" }, names.join(" "))
        }
    }
}
