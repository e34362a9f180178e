//! A unique index over two rows, seen from one of its values: which row has it, if any.

use super::{Activity, Change, Statement, Transaction, tell_writers};
use crate::{
    cell::Value,
    setup::{Kind, MAX_WRITERS, Setup},
};

/// No row has the value.
const ABSENT: Value = Value(0);
/// Set where a row has the value; the lowest bits are the row's writes, and those between say which row it is.
const PRESENT: u8 = 0x80;
const ROW_SHIFT: u8 = 4;
const WRITES: u8 = 0x0f;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Unique {
    rows: [Row; 2],
    /// What the cell should have held after each commit, with its writer, in the order of the commits.
    log: [Option<(Value, u8)>; MAX_WRITERS],
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Row {
    /// It has the watched value; else another one, or the row is not there: for the watched value that is the same.
    is_here: bool,
    /// The writes that made it what it is.
    writes: u8,
}

impl Default for Unique {
    fn default() -> Self {
        Self { rows: [Row { is_here: true, writes: 0 }, Row { is_here: false, writes: 0 }], log: [None; MAX_WRITERS] }
    }
}

impl Unique {
    pub(super) fn statements(&self, writer: usize, setup: &Setup, activity: &Activity) -> Vec<Statement> {
        let is_open = |(transaction, _): &&(Transaction, Change)| transaction.is_in_doubt();
        let is_locked = |row: u8| activity.iter().filter(is_open).any(|(_, change)| change.rows().contains(&row));
        // The index entry of a row that comes or goes is in doubt, and whoever wants the value waits for it.
        let is_value_in_doubt = activity.iter().filter(is_open).any(|(_, change)| !matches!(change, Change::Touch(_)));
        let is_taken = self.rows.iter().any(|row| row.is_here);
        let mut statements = Vec::new();
        for row in [0, 1] {
            if is_locked(row) {
                continue;
            }
            let changed = Value(self.encode(row).0 | 1 << writer);
            if self.rows[usize::from(row)].is_here {
                statements.push(Statement { change: Change::Leave(row), value: ABSENT });
                statements.push(Statement { change: Change::Touch(row), value: changed });
                if setup.kind == Kind::Deferrable && setup.swaps && !is_locked(1 - row) {
                    // The row that gives the value up is told last, and takes the other one's effect with it.
                    statements.push(Statement { change: Change::Swap(row), value: ABSENT });
                }
            } else if setup.kind == Kind::Deferrable || !(is_taken || is_value_in_doubt) {
                statements.push(Statement { change: Change::Arrive(row), value: changed });
            }
        }
        statements
    }

    /// At COMMIT at the latest the value belongs to one row; those who give it up in other transactions are waited for.
    pub(super) fn may_commit(&self, change: Change) -> bool {
        match change {
            Change::Arrive(row) => !self.rows[usize::from(1 - row)].is_here,
            _ => true,
        }
    }

    pub(super) fn commit(&mut self, writer: usize, change: Change) {
        for &row in change.rows() {
            let row_now = &mut self.rows[usize::from(row)];
            row_now.writes |= 1 << writer;
            row_now.is_here = match change {
                Change::Arrive(_) | Change::Touch(_) => true,
                Change::Swap(leaves) => row != leaves,
                Change::Leave(_) | Change::Update => false,
            };
        }
        let entry = Some((self.value(), u8::try_from(writer).expect("writers are few")));
        if let Some(free) = self.log.iter_mut().find(|entry| entry.is_none()) {
            *free = entry;
        }
    }

    pub(super) fn value(&self) -> Value {
        let holder = [0, 1].into_iter().find(|row| self.rows[usize::from(*row)].is_here);
        holder.map_or(ABSENT, |row| self.encode(row))
    }

    /// The writers since the value was the right one; all if it never was.
    pub(super) fn missing(&self, value: Value) -> u8 {
        let log = self.log.iter().flatten();
        let mut missing = 0;
        for (truth, writer) in log {
            missing = if *truth == value { 0 } else { missing | 1 << writer };
        }
        missing
    }

    pub(super) fn is_dirty(&self, value: Value) -> bool {
        let committed = self.log.iter().flatten().fold(0, |set, (_, writer)| set | 1 << writer);
        value != ABSENT && value.0 & WRITES & !committed != 0
    }

    fn encode(&self, row: u8) -> Value {
        Value(PRESENT | row << ROW_SHIFT | self.rows[usize::from(row)].writes)
    }
}

impl Change {
    fn rows(&self) -> &[u8] {
        match self {
            Self::Update => &[],
            Self::Arrive(row) | Self::Leave(row) | Self::Touch(row) => std::slice::from_ref(row),
            Self::Swap(_) => &[0, 1],
        }
    }
}

pub(super) fn tell(value: Value) -> String {
    if value == ABSENT {
        return "no row".to_owned();
    }
    let (row, writes) = ((value.0 >> ROW_SHIFT & 1) + 1, value.0 & WRITES);
    if writes == 0 { format!("row {row}") } else { format!("row {row}+{}", tell_writers(writes)) }
}
