//! A row, or a list of rows: its value is the set of the writes that it shows.

use super::{Activity, Change, Statement, tell_writers};
use crate::{
    cell::Value,
    setup::{Kind, Setup},
};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Register {
    committed: u8,
    /// Which sets were once committed: bit `n` for the set `n`.
    history: u16,
}

impl Default for Register {
    fn default() -> Self {
        Self { committed: 0, history: 1 }
    }
}

impl Register {
    /// The writer of a row waits until nobody else has it; that of a list waits for nobody.
    pub(super) fn statement(&self, writer: usize, setup: &Setup, activity: &Activity) -> Option<Statement> {
        let is_locked = activity.iter().any(|(transaction, _)| transaction.is_in_doubt());
        let value = Value(self.committed | 1 << writer);
        (setup.kind == Kind::List || !is_locked).then_some(Statement { change: Change::Update, value })
    }

    pub(super) fn commit(&mut self, writer: usize) {
        self.committed |= 1 << writer;
        self.history |= 1 << self.committed;
    }

    pub(super) fn value(&self) -> Value {
        Value(self.committed)
    }

    pub(super) fn history(&self) -> Vec<Value> {
        (0..16).filter(|set| self.history >> set & 1 == 1).map(Value).collect()
    }

    pub(super) fn missing(&self, value: Value) -> u8 {
        self.committed & !value.0
    }

    pub(super) fn is_dirty(&self, value: Value) -> bool {
        value.0 & !self.committed != 0
    }
}

pub(super) fn tell(value: Value) -> String {
    if value.0 == 0 { "v0".to_owned() } else { format!("v0+{}", tell_writers(value.0)) }
}
