//! Foreign keys, constraints, and what gives numbers.

use super::{
    Kind, Severity,
    fit::{Wanted, fit},
    patterns,
    visit::Visit,
};
use crate::catalogue::{Database, ForeignKey, Kind as TableKind, Table};

pub(super) fn examine<'a>(visit: &mut Visit<'a>, tables: &[&'a Table]) {
    let catalogue = visit.catalogue;
    let is_ours = |table: &Table| tables.iter().any(|ours| std::ptr::eq(*ours, table));
    // Of one that somebody holds the indexes are not known.
    let known = catalogue.tables.iter().filter(|table| !table.is_locked);
    for table in known.filter(|table| !matches!(table.kind, TableKind::PartitionOf { .. })) {
        for key in &table.foreign_keys {
            let target = catalogue.table(Some(&key.schema), &key.table);
            // A deletion of a model's row has to look through every table that may refer to it.
            if is_ours(table) || target.is_some_and(is_ours) {
                served(visit, table, key);
            }
        }
        if is_ours(table) {
            unvalidated(visit, table);
            counters(visit, table);
        }
    }
    let has_keys = catalogue.tables.iter().any(|table| is_ours(table) && !table.foreign_keys.is_empty());
    if has_keys && !catalogue.enforces_foreign_keys {
        let mend = match catalogue.database {
            Database::SQLite => "PRAGMA foreign_keys = ON",
            _ => "SET foreign_key_checks = 1",
        };
        visit.find(
            (Kind::ForeignKeysOff, Severity::Warning),
            ("the connection".to_owned(), "foreign_keys"),
            "foreign keys are declared, and this connection does not enforce them",
            format!("rows may refer to none, and nothing goes with those that are deleted: send {mend} on each connection, as it is opened"),
            Vec::new(),
        );
    }
}

fn served<'a>(visit: &mut Visit<'a>, table: &'a Table, key: &ForeignKey) {
    let by: Vec<&str> = key.columns.iter().map(String::as_str).collect();
    // Deleted rows refer, too.
    let wanted = Wanted { by: &by, order: &[], is_null: None };
    let database = visit.catalogue.database;
    let is_full = |index| fit(index, table, database, wanted).is_some_and(|fit| fit.is_full);
    if let Some(index) = table.indexes.iter().find(|index| is_full(index)) {
        visit.needed.push((table, &index.name));
        return;
    }
    // A first column with few rows of each value is enough.
    let first = table.indexes.iter().find(|index| {
        fit(index, table, database, wanted).is_some() && {
            patterns::rows_by(table, &patterns::searched(index, &by)).is_some_and(|rows| rows <= visit.limits.few_rows)
        }
    });
    if let Some(index) = first {
        visit.needed.push((table, &index.name));
        return;
    }
    if visit.proposed.iter().any(|(of, index)| std::ptr::eq(*of, table) && is_full(index)) {
        return;
    }
    let (named, columns) = (visit.mender.table(table), by.join(", "));
    let (index, mend) = visit.mender.create(table, &by, &[], false);
    visit.proposed.push((table, index));
    visit.find(
        (Kind::ForeignKeyUnindexed, Severity::Warning),
        (named, key.name.clone().unwrap_or_else(|| columns.clone())),
        format!("no index finds the rows whose ({columns}) refer to {}", key.table),
        format!(
            "each row of {} that is deleted, or gets another key, has the whole table read, with its lock held",
            key.table
        ),
        mend,
    );
}

fn unvalidated(visit: &mut Visit<'_>, table: &Table) {
    let keys = table.foreign_keys.iter().filter(|key| !key.is_valid).filter_map(|key| key.name.as_ref());
    let checks = table.checks.iter().filter(|check| !check.is_valid).map(|check| &check.name);
    for name in keys.chain(checks) {
        let (named, mend) = (visit.mender.table(table), vec![visit.mender.validate(table, name)]);
        visit.find(
            (Kind::ConstraintUnvalidated, Severity::Warning),
            (named, name.as_str()),
            format!("rows that were there before {name} were never checked"),
            "the planner can't lean on it, and neither can you; checking takes no lock that writers wait for",
            mend,
        );
    }
}

fn counters(visit: &mut Visit<'_>, table: &Table) {
    for column in &table.columns {
        let Some(counter) = &column.counter else { continue };
        let Some(last) = counter.last else { continue };
        let percent = u128::from(last) * 100 / u128::from(counter.largest.max(1));
        if percent < 80 {
            continue;
        }
        let severity = if percent >= 95 { Severity::Error } else { Severity::Warning };
        let named = visit.mender.table(table);
        visit.find(
            (Kind::CounterNearEnd, severity),
            (named, column.name.as_str()),
            format!(
                "{percent} % of the numbers for {} ({}) are used: {last} of {}",
                column.name, column.sql_type, counter.largest
            ),
            "inserts fail when they are: move the column, and those that refer to it, to a larger type",
            Vec::new(),
        );
    }
}
