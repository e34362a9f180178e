//! What the planner makes of a lookup.

use super::{
    Examined, Plan, Probe, Proof,
    fit::{Wanted, fit},
    visit::Visit,
};
use crate::{
    catalogue::Table,
    models::{Columns, Model},
};

/// Asks for the plan of the statement for one key, and, where that goes by the order rather than by the key, of the same without an order.
pub(super) fn ask<DB: Examined>(
    visit: &mut Visit<'_>,
    connection: &mut DB::Connection,
    model: &Model<DB>,
    table: &Table,
    pattern: &Columns,
    sql: &str,
) -> Plan {
    let database = visit.catalogue.database;
    let wanted = Wanted { by: pattern.names, order: &[], is_null: model.deleted_at };
    let searches = |name: &String| {
        let index = table.indexes.iter().find(|index| index.name == *name);
        // A partition's index has a name of its own.
        index.is_none_or(|index| fit(index, table, database, wanted).is_some())
    };
    let mut plan = Plan::NotAsked;
    for text in texts(sql) {
        plan = match DB::plan(connection, &Probe { text }) {
            Ok(Some(planned)) => {
                let indexes: Vec<String> = planned.indexes.into_iter().filter(searches).collect();
                if !indexes.is_empty() {
                    return Plan::Searches { indexes, how: planned.how };
                }
                Plan::Scans { how: planned.how }
            }
            Ok(None) => Plan::Unknown { why: "the database does not tell".to_owned() },
            Err(error) => {
                let named = visit.mender.table(table);
                visit.note(format!("{named}: no plan for {}: {error}", pattern.names.join(", ")));
                return Plan::Unknown { why: error.to_string() };
            }
        };
    }
    plan
}

/// Asks whether the index that was proposed last would be searched, and writes it down with the last finding.
pub(super) fn prove<DB: Examined>(visit: &mut Visit<'_>, connection: &mut DB::Connection, table: &Table, sql: &str) {
    let Some((_, index)) = visit.proposed.last() else { return };
    let supposed = visit.mender.supposed(table, index);
    let mut proof = Proof::NotAsked;
    for text in texts(sql) {
        proof = DB::suppose(connection, &supposed, &Probe { text })
            .unwrap_or_else(|error| Proof::Unknown { why: error.to_string() });
        if !matches!(proof, Proof::NotSearched { .. }) {
            break;
        }
    }
    if let Proof::Unknown { why } = &proof {
        visit.note(format!("that the planner would search what is advised is not proven: {why}"));
    }
    if let Some(finding) = visit.report.findings.last_mut() {
        finding.proof = proof;
    }
}

/// The statement, and the same without an order, by which it may go rather than by the key.
fn texts(sql: &str) -> impl Iterator<Item = &str> {
    [Some(sql), sql.rfind(" ORDER BY ").map(|at| &sql[..at])].into_iter().flatten()
}
