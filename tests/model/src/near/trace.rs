//! What stands where, in a trace.

use super::{
    process::Process,
    setup::{Near, Promise},
    state::{Number, State},
};
use crate::{cell::Value, setup::Kind, trace};

/// What the cell, the database and the near caches hold.
pub(super) fn tell(state: &State, setup: &Near) -> String {
    let value = |value: Value| crate::database::Database::new(Kind::Row).tell(value);
    let mut told =
        format!("cell: {}; database: {}", trace::tell_cell(state.cell, value), value(Value(state.committed)));
    for p in setup.processes() {
        let Process { entry, reached, .. } = &state.processes[p];
        let process = &state.processes[p];
        let near = match entry {
            None => "-".to_owned(),
            Some(entry) if entry.age == 0 => value(entry.value),
            Some(entry) => format!("{} (ended)", value(entry.value)),
        };
        let off = if process.is_on(setup) { "" } else { ", off" };
        told += &format!("; near: {near}{off}");
        match process.channel.len() {
            0 => {}
            n => told += &format!(", {n} on the way"),
        }
        if let Some(Number { id, n }) = reached {
            told += &format!(", number {n} of {id}");
        }
    }
    if setup.promise == Promise::Acknowledged {
        let members: Vec<_> = (0..2).filter(|p| state.registry.members >> p & 1 == 1).map(|p| p + 1).collect();
        let age = match state.registry {
            registry if !registry.exists => "gone",
            registry if registry.is_young => "young",
            _ => "old",
        };
        told += &format!("; members: {members:?}, {age}");
    }
    told
}
