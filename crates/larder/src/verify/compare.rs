use std::collections::HashSet;

use super::Difference;
use crate::entity::Entity;

/// How the rows of a cell differ from those of the database, both in their order.
///
/// Of the database there is at least one row more than the cell has, if it has that many. `is_whole` says whether the cell claims to
/// have all of them.
pub(super) fn difference<E: Entity>(cell: &[E], is_whole: bool, database: &[E]) -> Option<Difference> {
    let expected = if is_whole { database } else { &database[..database.len().min(cell.len())] };
    if cell.len() == expected.len() && cell.iter().zip(expected).all(|(one, other)| bytes(one) == bytes(other)) {
        // The head of a list says that there is more.
        return (!is_whole && database.len() == cell.len()).then_some(Difference::Gone);
    }
    let keys = |rows: &[E]| rows.iter().map(E::key).collect::<HashSet<_>>();
    let (in_cell, in_database) = (keys(cell), keys(database));
    if !in_cell.is_subset(&in_database) {
        Some(Difference::Gone)
    } else if !keys(expected).is_subset(&in_cell) {
        Some(Difference::Missing)
    } else {
        let versions = |rows: &[E]| rows.iter().map(bytes).collect::<HashSet<_>>();
        let outdated = !versions(cell).is_subset(&versions(database));
        Some(if outdated { Difference::Outdated } else { Difference::Reordered })
    }
}

/// Rows are compared in the form in which they lie in cells: a model needs no equality.
fn bytes<E: Entity>(row: &E) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(64);
    row.encode(&mut bytes);
    bytes
}
