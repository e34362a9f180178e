//! What a catalogue has of each table.

use serde::Serialize;

/// A table, or a view.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Table {
    /// The schema; on MariaDB and MySQL the database, on SQLite `main`.
    pub schema: String,
    /// Its name, not quoted.
    pub name: String,
    /// What it is.
    pub kind: Kind,
    /// Its columns, in the order of the table.
    pub columns: Vec<Column>,
    /// The columns of the primary key, in its order: none where there is no such key.
    pub primary_key: Vec<String>,
    /// Its indexes, by name.
    pub indexes: Vec<Index>,
    /// What it refers to.
    pub foreign_keys: Vec<ForeignKey>,
    /// Its check constraints. SQLite does not tell of them.
    pub checks: Vec<Check>,
    /// About how many rows it has: `None` where nobody has counted yet.
    pub n_rows: Option<u64>,
    /// How many bytes its rows take, without indexes. SQLite does not say.
    pub bytes: Option<u64>,
    /// Whether somebody holds it, so that its size, indexes and expressions could not be asked for without waiting: on PostgreSQL only.
    pub is_locked: bool,
    /// How often it was read, by whichever way. PostgreSQL only.
    pub n_reads: Option<u64>,
    /// MariaDB's and MySQL's storage engine.
    pub engine: Option<String>,
}

/// What a table is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Kind {
    /// A table.
    Table,
    /// A table that has its rows in partitions. On MariaDB, MySQL and SQLite there are no tables for these.
    Partitioned,
    /// A partition, and the table that it is of.
    PartitionOf {
        /// That table's schema.
        schema: String,
        /// Its name.
        name: String,
        /// What the partition is itself: a table, one that has partitions in turn, or a table of another server.
        kind: Box<Kind>,
    },
    /// A view.
    View,
    /// A materialized view.
    MaterializedView,
    /// A table of another server.
    Foreign,
}

/// A column.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Column {
    /// Its name, not quoted.
    pub name: String,
    /// Its type, as the database writes it.
    pub sql_type: String,
    /// PostgreSQL's number of that type, or of the one that it is a domain of.
    pub type_id: Option<u32>,
    /// Whether it may be NULL. PostgreSQL says so of every column of a view.
    pub is_nullable: bool,
    /// The default, as SQL: also that of a serial or identity column, and what a generated column is made of.
    pub default: Option<String>,
    /// Whether the database computes it.
    pub is_generated: bool,
    /// Whether texts that are not the same may be equal in it, as by `utf8mb4_general_ci` or `citext`.
    pub strictness: Strictness,
    /// What gives it numbers, if something does.
    pub counter: Option<Counter>,
    /// About how many values it has: `None` where nobody has counted. On SQLite, of the first column of an index only, on MariaDB and MySQL
    /// of that of a whole key.
    pub n_distinct: Option<u64>,
}

/// How a column compares texts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Strictness {
    /// Only the same are equal, or it has no texts.
    Exact,
    /// Others are too.
    Lenient,
}

/// What gives numbers to a column.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Counter {
    /// The sequence, if it is one with a name.
    pub name: Option<String>,
    /// The latest number, if any was given.
    pub last: Option<u64>,
    /// The largest that it can give and the column can hold.
    pub largest: u64,
}

/// An index.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Index {
    /// Its name, not quoted. On SQLite `rowid` is that of a table's own order.
    pub name: String,
    /// Of what kind it is: `btree`, `gin`, `rowid`, ..
    pub method: String,
    /// What it is ordered by.
    pub parts: Vec<IndexPart>,
    /// The columns that it has besides.
    pub included: Vec<String>,
    /// Whether no two rows may have the same key.
    pub is_unique: bool,
    /// Whether it is that of the primary key.
    pub is_primary: bool,
    /// Whether it belongs to a constraint, or a foreign key leans on it: then it can't be dropped by itself.
    pub is_constraint: bool,
    /// Whether uniqueness may be looked at only when a transaction ends.
    pub is_deferrable: bool,
    /// Whether it is whole: `CREATE INDEX CONCURRENTLY` leaves one that is not where it fails.
    pub is_valid: bool,
    /// Whether NULLs are taken for equal in a unique one.
    pub nulls_are_equal: bool,
    /// Whether PostgreSQL tells replicas by it which row was changed (`REPLICA IDENTITY USING INDEX`).
    pub is_replica_identity: bool,
    /// Whether it is a partition of another index.
    pub is_inherited: bool,
    /// Which rows are in it, as SQL; `None` if all are.
    pub predicate: Option<String>,
    /// The statement that makes it, where the database keeps it.
    pub definition: Option<String>,
    /// How many bytes it takes: on PostgreSQL only.
    pub bytes: Option<u64>,
    /// How often it was used.
    pub used: Use,
}

/// How often an index was used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Use {
    /// The database does not count it.
    Unknown,
    /// So many scans.
    Scans(u64),
    /// So many rows were read by it.
    Rows(u64),
}

/// A part of an index's key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct IndexPart {
    /// What it is.
    pub key: IndexKey,
    /// Largest first.
    pub descending: bool,
    /// NULLs before all others.
    pub nulls_first: bool,
    /// How many characters or bytes of a value are in it; `None` if all.
    pub prefix: Option<u32>,
    /// Whether it compares texts otherwise than its column does.
    pub has_other_collation: bool,
    /// Whether it is for searching only, or in another order than the column's: PostgreSQL's `text_pattern_ops` and the like.
    pub has_other_order: bool,
}

/// What an index is ordered by.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum IndexKey {
    /// A column.
    Column(String),
    /// An expression, as SQL.
    Expression(String),
}

/// A foreign key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct ForeignKey {
    /// Its name; SQLite's have none.
    pub name: Option<String>,
    /// The columns that refer.
    pub columns: Vec<String>,
    /// The schema of the table that is referred to.
    pub schema: String,
    /// That table.
    pub table: String,
    /// Its columns, one for each that refers. None where SQLite was told of none: those of the primary key.
    pub target: Vec<String>,
    /// What happens when a row that is referred to is deleted.
    pub on_delete: Action,
    /// What happens when its key is changed.
    pub on_update: Action,
    /// Whether rows that were there before it have been looked at.
    pub is_valid: bool,
}

/// What a foreign key does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Action {
    /// It refuses, at the statement or at COMMIT.
    Refuse,
    /// It does the same to the rows that refer.
    Cascade,
    /// It sets the columns that refer to NULL.
    SetNull,
    /// It sets them to their defaults.
    SetDefault,
}

/// A check constraint.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Check {
    /// Its name.
    pub name: String,
    /// What it checks, as SQL.
    pub expression: String,
    /// Whether rows that were there before it have been looked at.
    pub is_valid: bool,
}

impl Index {
    /// The columns that it is ordered by, in that order, up to the first expression.
    #[must_use]
    pub fn columns(&self) -> Vec<&str> {
        let name = |part: &'_ IndexPart| matches!(part.key, IndexKey::Column(_));
        let columns = self.parts.iter().take_while(|part| name(part));
        columns
            .filter_map(|part| match &part.key {
                IndexKey::Column(name) => Some(name.as_str()),
                IndexKey::Expression(_) => None,
            })
            .collect()
    }
}

impl IndexPart {
    /// A column, smallest first.
    #[cfg(any(feature = "sqlite", feature = "mysql"))]
    pub(super) fn column(name: String) -> Self {
        Self {
            key: IndexKey::Column(name),
            descending: false,
            nulls_first: true,
            prefix: None,
            has_other_collation: false,
            has_other_order: false,
        }
    }
}

impl Action {
    /// As the databases name them.
    #[cfg(any(feature = "sqlite", feature = "mysql"))]
    pub(super) fn named(name: &str) -> Self {
        match name {
            "CASCADE" => Self::Cascade,
            "SET NULL" => Self::SetNull,
            "SET DEFAULT" => Self::SetDefault,
            _ => Self::Refuse,
        }
    }
}
