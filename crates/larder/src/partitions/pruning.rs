//! Which finders know in which partition to look.

use std::fmt;

use diesel::pg::Pg;

use crate::models::Models;

/// Columns by which rows of a partitioned table are looked up.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Pruning {
    /// What the cells of the model are called.
    pub table: &'static str,
    /// The columns.
    pub columns: &'static [&'static str],
    /// The column by which the table is cut.
    pub by: &'static str,
    /// Whether a lookup by them comes to the partitions of the values that it is given, and to no others.
    pub prunes: bool,
}

impl fmt::Display for Pruning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { table, columns, by, prunes } = self;
        let columns = columns.join(", ");
        if *prunes {
            write!(f, "{table} by {columns} looks into the partition of each {by}")
        } else {
            write!(f, "{table} by {columns} looks into every partition, since that does not have {by}")
        }
    }
}

/// Tells of each way in which rows of partitioned tables are found whether PostgreSQL can leave out partitions: the primary key first. What can't
/// costs a look into an index for each partition where the caches do not answer, and its plan grows with their number.
#[must_use]
pub fn pruning(models: &Models<Pg>) -> Vec<Pruning> {
    let partitioned = models.iter().filter_map(|model| Some((model, model.partition?)));
    let patterns = partitioned.flat_map(|(model, partition)| {
        model.patterns.iter().map(move |pattern| Pruning {
            table: model.name,
            columns: pattern.names,
            by: partition.column,
            prunes: pattern.names.contains(&partition.column),
        })
    });
    patterns.collect()
}
