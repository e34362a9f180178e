//! The database: what is committed of the watched cell, and who has to wait for whom.

mod register;
mod unique;

use self::{register::Register, unique::Unique};
use crate::{
    cell::Value,
    setup::{Kind, MAX_WRITERS, Setup},
};

/// How far a writer's transaction has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub(crate) enum Transaction {
    #[default]
    None,
    Open,
    /// COMMIT is on its way.
    Committing,
    Committed,
    Aborted,
}

impl Transaction {
    pub(crate) fn is_in_doubt(self) -> bool {
        matches!(self, Self::Open | Self::Committing)
    }
}

/// What a statement does to the watched value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub(crate) enum Change {
    /// The row, or the list, is changed.
    #[default]
    Update,
    /// A row takes the unique value, leaves it, or has it and is changed otherwise.
    Arrive(u8),
    Leave(u8),
    Touch(u8),
    /// The other row takes the value, and then this one, which has it, gives it up.
    Swap(u8),
}

/// A statement that may run now.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Statement {
    pub(crate) change: Change,
    /// What the writer would store in the cell.
    pub(crate) value: Value,
}

/// Who does what at the moment: by writer.
pub(crate) type Activity = [(Transaction, Change); MAX_WRITERS];

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Database {
    Register(Register),
    Unique(Unique),
}

impl Database {
    pub(crate) fn new(kind: Kind) -> Self {
        match kind {
            Kind::Row | Kind::List => Self::Register(Register::default()),
            Kind::Unique | Kind::Deferrable => Self::Unique(Unique::default()),
        }
    }

    /// The statements with which a writer may begin now; the others have to wait, or would fail.
    pub(crate) fn statements(&self, writer: usize, setup: &Setup, activity: &Activity) -> Vec<Statement> {
        match self {
            Self::Register(register) => register.statement(writer, setup, activity).into_iter().collect(),
            Self::Unique(unique) => unique.statements(writer, setup, activity),
        }
    }

    /// Whether the database lets a writer commit now.
    pub(crate) fn may_commit(&self, change: Change) -> bool {
        match self {
            Self::Register(_) => true,
            Self::Unique(unique) => unique.may_commit(change),
        }
    }

    pub(crate) fn commit(&mut self, writer: usize, change: Change) {
        match self {
            Self::Register(register) => register.commit(writer),
            Self::Unique(unique) => unique.commit(writer, change),
        }
    }

    /// What a query answers.
    pub(crate) fn value(&self) -> Value {
        match self {
            Self::Register(register) => register.value(),
            Self::Unique(unique) => unique.value(),
        }
    }

    /// What a query to a replica may answer.
    pub(crate) fn replica_values(&self) -> Vec<Value> {
        match self {
            Self::Register(register) => register.history(),
            Self::Unique(unique) => vec![unique.value()],
        }
    }

    pub(crate) fn is_stale(&self, value: Value) -> bool {
        match self {
            Self::Register(register) => register.missing(value) != 0,
            Self::Unique(unique) => unique.value() != value,
        }
    }

    /// The committed writes that a value does not show: a set of writers.
    pub(crate) fn missing(&self, value: Value) -> u8 {
        match self {
            Self::Register(register) => register.missing(value),
            Self::Unique(unique) => unique.missing(value),
        }
    }

    /// Whether a value shows a write that is not committed.
    pub(crate) fn is_dirty(&self, value: Value) -> bool {
        match self {
            Self::Register(register) => register.is_dirty(value),
            Self::Unique(unique) => unique.is_dirty(value),
        }
    }

    /// A value as one would say it.
    pub(crate) fn tell(&self, value: Value) -> String {
        match self {
            Self::Register(_) => register::tell(value),
            Self::Unique(_) => unique::tell(value),
        }
    }
}

/// The writers of a set: `W1+W2`.
pub(crate) fn tell_writers(set: u8) -> String {
    let names: Vec<_> = (0..8).filter(|n| set >> n & 1 == 1).map(|n| format!("W{}", n + 1)).collect();
    names.join("+")
}
