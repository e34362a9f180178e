//! How well an index serves a lookup.

use crate::{
    catalogue::{Column, Database, Index, IndexKey, IndexPart, Table},
    relation::Term,
};

/// What an index does for a lookup by some columns, in an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Fit {
    /// Whether it is searched by all of the columns.
    pub(super) is_full: bool,
    /// Whether it has the rows in their order.
    pub(super) is_ordered: bool,
    /// By how many of the columns it is searched.
    pub(super) n_columns: usize,
}

/// A lookup: by these columns, in this order, of rows of which this column is NULL.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wanted<'a> {
    pub(super) by: &'a [&'a str],
    pub(super) order: &'a [Term],
    pub(super) is_null: Option<&'a str>,
}

/// None if the index is not even searched by one of the columns.
pub(super) fn fit(index: &Index, table: &Table, database: Database, wanted: Wanted<'_>) -> Option<Fit> {
    let Wanted { by, order, .. } = wanted;
    if !serves_all_rows(index, wanted) || !index.is_valid {
        return None;
    }
    // A hash finds whole keys only, and has no order.
    if index.method == "hash" {
        let is_full = index.parts.len() == by.len() && index.columns().iter().all(|column| by.contains(column));
        return is_full.then_some(Fit { n_columns: by.len(), is_full, is_ordered: false });
    }
    if !matches!(index.method.as_str(), "btree" | "rowid") {
        return None;
    }
    let parts = parts(index, table, database);
    let searched: Vec<&IndexPart> =
        parts.iter().copied().take_while(|part| !part.has_other_collation && is_one_of(part, by)).collect();
    let n_columns = by.iter().filter(|column| searched.iter().any(|part| is_column(part, column))).count();
    let is_full = n_columns == by.len();
    let has_prefix = searched.iter().any(|part| part.prefix.is_some());
    let is_ordered = is_full && !has_prefix && has_order(&parts[searched.len()..], database, by, order);
    (n_columns > 0).then_some(Fit { n_columns, is_full, is_ordered })
}

/// Whether no two rows may have the same values in these columns, at COMMIT or ever.
pub(super) fn is_unique(index: &Index, wanted: Wanted<'_>) -> bool {
    index.is_unique
        && index.is_valid
        && serves_all_rows(index, wanted)
        && !index.parts.is_empty()
        && index.parts.iter().all(|part| is_one_of(part, wanted.by))
}

/// Whether no two rows that are not deleted may have the same values in these columns, some of which a generated column stands in for: what
/// is done where an index can't leave rows out.
///
/// The index itself finds no row by the columns.
pub(super) fn is_unique_by_stand_ins(index: &Index, table: &Table, wanted: Wanted<'_>) -> bool {
    let Some(is_null) = wanted.is_null else { return false };
    let is_one = |part: &IndexPart| {
        let IndexKey::Column(name) = &part.key else { return false };
        let generated = table.column(name).filter(|column| column.is_generated);
        is_one_of(part, wanted.by)
            || generated.is_some_and(|column| wanted.by.iter().any(|of| stands_in(column, of, is_null)))
    };
    index.is_unique
        && index.is_valid
        && index.predicate.is_none()
        && !index.parts.is_empty()
        && index.parts.iter().all(is_one)
}

/// Whether a generated column is another one where a third is NULL, and NULL elsewhere: `IF(deleted_at IS NULL, email, NULL)`.
fn stands_in(column: &Column, of: &str, is_null: &str) -> bool {
    // Each server writes it down in its own way.
    let bare = |sql: &str| -> String {
        let kept = sql.chars().filter(|c| !c.is_whitespace() && !"`\"()".contains(*c));
        kept.flat_map(char::to_lowercase).collect()
    };
    let Some(sql) = column.default.as_deref().map(bare) else { return false };
    let (of, is_null) = (bare(of), bare(is_null));
    let case = format!("casewhen{is_null}isnullthen{of}");
    sql == format!("if{is_null}isnull,{of},null")
        || sql == format!("iif{is_null}isnull,{of},null")
        || sql == format!("{case}end")
        || sql == format!("{case}elsenullend")
}

/// Whether every row that has values in these columns is in the index.
fn serves_all_rows(index: &Index, wanted: Wanted<'_>) -> bool {
    let Some(predicate) = &index.predicate else { return true };
    let bare = predicate.trim_matches(['(', ')', ' ']).replace('"', "");
    let is = |word: &str| Some(bare.get(bare.len().checked_sub(word.len())?..)?.eq_ignore_ascii_case(word));
    let column = |word: &str| bare.get(..bare.len() - word.len()).unwrap_or_default();
    let (not_null, null) = (" IS NOT NULL", " IS NULL");
    if is(not_null) == Some(true) {
        wanted.by.contains(&column(not_null))
    } else {
        is(null) == Some(true) && wanted.is_null == Some(column(null))
    }
}

/// What the rows in the index are ordered by. InnoDB and SQLite put the table's key behind it.
fn parts<'a>(index: &'a Index, table: &'a Table, database: Database) -> Vec<&'a IndexPart> {
    let mut parts: Vec<&IndexPart> = index.parts.iter().collect();
    let has_key_behind = match database {
        Database::PostgreSql => false,
        Database::MySql => table.engine.as_deref() == Some("InnoDB"),
        Database::SQLite => true,
    };
    if has_key_behind && !index.is_primary {
        let key = table
            .indexes
            .iter()
            .find(|index| index.is_primary && (database == Database::MySql || index.method == "rowid"));
        let behind = key.into_iter().flat_map(|key| &key.parts);
        let behind: Vec<_> = behind.filter(|part| !parts.iter().any(|other| other.key == part.key)).collect();
        parts.extend(behind);
    }
    parts
}

fn has_order(rest: &[&IndexPart], database: Database, by: &[&str], order: &[Term]) -> bool {
    // What is the same in all rows of a key orders nothing.
    let mut terms = order.iter().filter(|term| !by.contains(&term.column));
    let mut rest = rest.iter();
    let mut backwards = None;
    terms.all(|term| {
        rest.next().is_some_and(|part| {
            let is_backwards = part.descending != term.descending;
            is_column(part, term.column)
                && !part.has_other_collation
                && !part.has_other_order
                // PostgreSQL takes NULL for the largest of all, unless the index says otherwise.
                && (database != Database::PostgreSql || part.nulls_first == part.descending)
                && part.prefix.is_none()
                && *backwards.get_or_insert(is_backwards) == is_backwards
        })
    })
}

fn is_one_of(part: &IndexPart, columns: &[&str]) -> bool {
    columns.iter().any(|column| is_column(part, column))
}

fn is_column(part: &IndexPart, column: &str) -> bool {
    matches!(&part.key, IndexKey::Column(name) if name == column)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalogue::Strictness;

    #[test]
    fn a_column_stands_in_for_another_where_a_third_is_null() {
        let generated = |sql: &str| Column {
            name: "free_email".into(),
            sql_type: "varchar(120)".into(),
            type_id: None,
            is_nullable: true,
            default: Some(sql.into()),
            is_generated: true,
            strictness: Strictness::Exact,
            counter: None,
            n_distinct: None,
        };
        for sql in [
            "if(`deleted_at` is null,`email`,NULL)",
            "if((`deleted_at` is null),`email`,NULL)",
            "(case when (`deleted_at` is null) then `email` end)",
            "CASE WHEN deleted_at IS NULL THEN email ELSE NULL END",
            "iif(\"deleted_at\" IS NULL, \"email\", NULL)",
        ] {
            assert!(stands_in(&generated(sql), "email", "deleted_at"), "{sql}");
        }
        for sql in [
            "if(`deleted_at` is null,`name`,NULL)",
            "if(`hidden_at` is null,`email`,NULL)",
            "if(`deleted_at` is not null,`email`,NULL)",
            "if(`deleted_at` is null,lower(`email`),NULL)",
            "if(`deleted_at` is null,`email`,'')",
            "`email`",
        ] {
            assert!(!stands_in(&generated(sql), "email", "deleted_at"), "{sql}");
        }
    }
}
