//! The columns that a model declares against those that the table has.

use super::{Examined, Kind, Mismatch, Severity, TypeOf, visit::Visit};
use crate::{
    catalogue::{self, Database, Strictness, Table},
    error::Result,
    models::Model,
};

pub(super) fn examine<DB: Examined>(
    visit: &mut Visit<'_>,
    connection: &mut DB::Connection,
    model: &Model<DB>,
    table: &Table,
) -> Result<()> {
    let named = visit.mender.table(table);
    let declared = model.columns.iter().map(|column| column.name);
    for name in declared.chain(model.embedded.iter().map(String::as_str)) {
        if table.column(name).is_none() {
            visit.find(
                (Kind::ColumnMissing, Severity::Error),
                (named.clone(), name),
                format!("the column {name} isn't there"),
                "the model selects it, so every read of it fails",
                Vec::new(),
            );
        }
    }
    if !model.embedded.is_empty() {
        visit.note(format!("{named}: types of columns in an embedded struct are not compared"));
    }
    for declared in &model.columns {
        let Some(column) = table.column(declared.name) else { continue };
        if let Some(mismatch) = DB::compare(connection, &TypeOf(declared), column)? {
            wrong_type(visit, &named, column, &mismatch);
        }
        // A view's columns may all be NULL, as far as the database knows.
        if !table.is_table() {
            continue;
        }
        let is_key = table.primary_key.iter().any(|name| name == declared.name);
        if column.is_nullable && !declared.is_nullable && !is_key {
            let mend = visit.mender.not_null(table, declared.name);
            visit.find(
                (Kind::ColumnMayBeNull, Severity::Error),
                (named.clone(), declared.name),
                format!("the column {} may be NULL, and the model's can't", declared.name),
                "a read of a row where it is NULL fails",
                mend,
            );
        } else if !column.is_nullable && declared.is_nullable {
            visit.find(
                (Kind::ColumnNeverNull, Severity::Warning),
                (named.clone(), declared.name),
                format!("the column {} can't be NULL, and the model's may", declared.name),
                "an insert of None fails, and code looks out for what never comes: write the type without Nullable",
                Vec::new(),
            );
        }
    }
    if table.is_table() {
        unknown(visit, &named, model, table);
        lenient(visit, &named, model, table);
    }
    if let Some(engine) = table.engine.as_deref().filter(|engine| !TRANSACTIONAL.contains(engine)) {
        let up = format!("ALTER TABLE {named} ENGINE=InnoDB");
        let mend = vec![super::Mend::new(up, Some(format!("ALTER TABLE {named} ENGINE={engine}")))];
        visit.find(
            (Kind::NotTransactional, Severity::Error),
            (named.clone(), engine),
            format!("the engine {engine} knows no transactions"),
            "a write that is rolled back stays, while the caches take it for undone",
            mend,
        );
    }
    Ok(())
}

const TRANSACTIONAL: [&str; 6] = ["InnoDB", "ROCKSDB", "RocksDB", "TokuDB", "ndbcluster", "SPIDER"];

fn wrong_type(visit: &mut Visit<'_>, named: &str, column: &catalogue::Column, mismatch: &Mismatch) {
    let Mismatch { declared, why, is_silent } = mismatch;
    let silent = if *is_silent { ", and nobody is told" } else { "" };
    visit.find(
        (Kind::ColumnType, Severity::Error),
        (named.to_owned(), column.name.as_str()),
        format!("the column {} is {}, and the model's {declared}", column.name, column.sql_type),
        format!("{why}{silent}"),
        Vec::new(),
    );
}

/// Columns that no insert can leave out, and that nobody knows.
fn unknown<DB: Examined>(visit: &mut Visit<'_>, named: &str, model: &Model<DB>, table: &Table) {
    for column in &table.columns {
        let is_known = model.columns.iter().any(|declared| declared.name == column.name)
            || model.embedded.contains(&column.name)
            || model.left_out.contains(&column.name);
        let has_value =
            column.is_nullable || column.default.is_some() || column.is_generated || column.counter.is_some();
        let is_rowid = table.indexes.iter().any(|index| index.method == "rowid" && index.columns() == [&column.name]);
        if !is_known && !has_value && !is_rowid {
            visit.find(
                (Kind::ColumnRequired, Severity::Error),
                (named.to_owned(), column.name.as_str()),
                format!("the column {} can't be NULL, has no default, and is not in Diesel's table", column.name),
                "every insert fails: run diesel print-schema, or give it a default",
                Vec::new(),
            );
        }
    }
}

/// Keys that are equal to the database and not to the caches.
fn lenient<DB: Examined>(visit: &mut Visit<'_>, named: &str, model: &Model<DB>, table: &Table) {
    // What larder sends to MariaDB and MySQL compares bytes besides.
    let (severity, why) = if visit.catalogue.database == Database::MySql {
        (
            Severity::Advice,
            "finders tell them apart, and a unique key does not: it refuses what they can't find; a binary collation has them agree",
        )
    } else {
        (
            Severity::Error,
            "a row that is looked up under another spelling than its own is cached under that, where no write of the row finds it: \
             give the column a binary collation",
        )
    };
    for name in model.key_columns() {
        if table.column(name).is_some_and(|column| column.strictness == Strictness::Lenient) {
            visit.find(
                (Kind::TextLenient, severity),
                (named.to_owned(), name),
                format!("the column {name} is part of a key, and takes texts for equal that are not the same"),
                why,
                Vec::new(),
            );
        }
    }
}
