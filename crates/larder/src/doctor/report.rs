//! What was found.

use serde::Serialize;

use super::Mend;
use crate::catalogue::Database;

/// What an examination has found.
#[derive(Debug, Clone, Serialize)]
#[non_exhaustive]
#[must_use = "a report is to be read"]
pub struct Report {
    /// Which database it is.
    pub database: Database,
    /// What is wrong, the worst first.
    pub findings: Vec<Finding>,
    /// Each way in which rows are found, and by which index.
    pub lookups: Vec<Lookup>,
    /// What could not be known, and why.
    pub notes: Vec<String>,
}

impl Report {
    /// Whether there is nothing but advice.
    #[must_use]
    pub fn is_healthy(&self) -> bool {
        self.findings.iter().all(|finding| finding.severity == Severity::Advice)
    }

    /// Leaves out what is less than that.
    pub fn at_least(mut self, severity: Severity) -> Self {
        self.findings.retain(|finding| finding.severity >= severity);
        self
    }

    pub(super) fn sort(&mut self) {
        let key = |finding: &Finding| (std::cmp::Reverse(finding.severity), finding.table.clone(), finding.kind);
        self.findings.sort_by(|one, other| (key(one), &one.object).cmp(&(key(other), &other.object)));
        self.notes.sort();
        self.notes.dedup();
    }
}

/// Something that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Finding {
    /// What kind of thing.
    pub kind: Kind,
    /// How bad it is.
    pub severity: Severity,
    /// The table, as SQL names it.
    pub table: String,
    /// The columns, index or constraint of it.
    pub object: String,
    /// What was found, in words.
    pub what: String,
    /// What comes of it.
    pub why: String,
    /// What mends it, in this order; nothing where that has to be thought of.
    pub mend: Vec<Mend>,
    /// Whether an index that is advised for a lookup would be searched.
    pub proof: Proof,
}

/// What the planner says of an index that there is not yet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Proof {
    /// It was not asked: no index is advised for a lookup, or the database knows none that are only supposed.
    NotAsked,
    /// It would search it.
    Searched {
        /// How it was asked.
        how: &'static str,
    },
    /// It would not search it.
    NotSearched {
        /// How it was asked.
        how: &'static str,
    },
    /// It could not be asked.
    Unknown {
        /// Why.
        why: String,
    },
}

/// How bad something is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Severity {
    /// It costs something, or may.
    Advice,
    /// Reads or writes are slow, or will be.
    Warning,
    /// Statements fail, or answers are wrong.
    Error,
}

/// What kind of thing is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Kind {
    /// The model's table isn't there.
    TableMissing,
    /// Nothing keeps two rows from having one primary key.
    PrimaryKeyMissing,
    /// Nothing keeps two rows from having one key of a `unique(..)`.
    UniqueMissing,
    /// Two rows may have one unique key until COMMIT, and the model does not say so.
    UniqueDeferrable,
    /// The table lacks a column of the model's.
    ColumnMissing,
    /// The column has another type.
    ColumnType,
    /// The column may be NULL and the model's can't.
    ColumnMayBeNull,
    /// The model's may be NULL and the column can't.
    ColumnNeverNull,
    /// A column without which no row can be inserted is unknown to the model.
    ColumnRequired,
    /// Texts that differ are equal in a column of a key.
    TextLenient,
    /// The table's engine knows no transactions.
    NotTransactional,
    /// Foreign keys are declared and not enforced.
    ForeignKeysOff,
    /// Rows are found by no index.
    IndexMissing,
    /// Rows are found by an index that has not all of the columns.
    IndexPartly,
    /// Rows are found by an index that does not have them in their order.
    OrderUnserved,
    /// There is an index, and the planner can't use it.
    IndexIgnored,
    /// An index is broken.
    IndexInvalid,
    /// Rows that refer to another are found by no index when that is deleted.
    ForeignKeyUnindexed,
    /// Rows that were there before a constraint were never checked.
    ConstraintUnvalidated,
    /// Numbers for keys are running out.
    CounterNearEnd,
    /// Another index does all that this one does.
    IndexRedundant,
    /// An index was never used.
    IndexUnused,
    /// Every write pays for many indexes.
    TooManyIndexes,
}

/// A way in which rows are found, by what a model declares.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Lookup {
    /// The model: what its cells' keys begin with.
    pub model: &'static str,
    /// The columns by which its rows are looked up.
    pub by: &'static [&'static str],
    /// The statement for one key, with places for the values.
    pub sql: Option<String>,
    /// The index that serves it best, by the catalogue.
    pub index: Option<String>,
    /// What the planner makes of the statement.
    pub plan: Plan,
}

/// What a planner makes of a statement.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Plan {
    /// It was not asked: there is no index, or the table has errors.
    NotAsked,
    /// It searches these indexes.
    Searches {
        /// Their names.
        indexes: Vec<String>,
        /// How it was asked.
        how: &'static str,
    },
    /// It searches none that has the columns.
    Scans {
        /// How it was asked.
        how: &'static str,
    },
    /// It could not be asked.
    Unknown {
        /// What it said.
        why: String,
    },
}
