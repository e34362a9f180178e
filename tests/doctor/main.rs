//! What the doctor finds in schemas with faults, what it does not find in those without, and whether its advice helps.

#![expect(clippy::unwrap_used, reason = "a test that fails here should")]

mod mariadb;
mod postgres;
mod shop;
mod sqlite;

use larder::doctor::{Finding, Report};

/// What was found, in the order of the report.
fn found(report: &Report) -> Vec<String> {
    report.findings.iter().map(line).collect()
}

fn line(finding: &Finding) -> String {
    let Finding { kind, severity, table, object, .. } = finding;
    format!("{severity} {kind:?} {table} {object}")
}
