//! The way through the models and their tables.

use super::{
    Examined, Finding, Kind, Limits, Mend, Proof, Report, Severity, columns, constraints, indexes, mend::Mender,
    patterns,
};
use crate::{
    catalogue::{Catalogue, Index, Table},
    error::Result,
    models::{Model, Models, quoted},
};

/// What is known of a model's table while it is looked at.
pub(super) struct Visit<'a> {
    pub(super) catalogue: &'a Catalogue,
    pub(super) limits: Limits,
    pub(super) mender: Mender<'a>,
    pub(super) report: Report,
    /// The indexes of which it was said that they should be made, and of which table.
    pub(super) proposed: Vec<(&'a Table, Index)>,
    /// The indexes that something declared needs.
    pub(super) needed: Vec<(&'a Table, &'a str)>,
}

impl Visit<'_> {
    pub(super) fn find(
        &mut self,
        (kind, severity): (Kind, Severity),
        (table, object): (String, impl Into<String>),
        what: impl Into<String>,
        why: impl Into<String>,
        mend: Vec<Mend>,
    ) {
        let (object, what, why) = (object.into(), what.into(), why.into());
        self.report.findings.push(Finding { kind, severity, table, object, what, why, mend, proof: Proof::NotAsked });
    }

    pub(super) fn note(&mut self, text: impl Into<String>) {
        self.report.notes.push(text.into());
    }
}

pub(super) fn visit<DB: Examined>(
    connection: &mut DB::Connection,
    catalogue: &Catalogue,
    models: &Models<DB>,
    limits: Limits,
) -> Result<Report> {
    let report = Report { database: catalogue.database, findings: Vec::new(), lookups: Vec::new(), notes: Vec::new() };
    let mender = Mender::new(catalogue);
    let mut visit = Visit { catalogue, limits, mender, report, proposed: Vec::new(), needed: Vec::new() };
    let mut tables: Vec<&Table> = Vec::new();
    for model in models.iter() {
        let Some(table) = table_of(catalogue, model) else {
            visit.find(
                (Kind::TableMissing, Severity::Error),
                (model.table.clone(), model.name),
                "the table isn't there",
                "every statement of this model fails",
                Vec::new(),
            );
            continue;
        };
        if table.is_locked {
            let named = visit.mender.table(table);
            visit.note(format!("{named}: not examined: somebody has locked it, and would be waited for"));
            continue;
        }
        let n_before = visit.report.findings.len();
        columns::examine(&mut visit, connection, model, table)?;
        let is_sound = visit.report.findings[n_before..].iter().all(|finding| finding.severity < Severity::Error);
        patterns::examine(&mut visit, connection, model, table, is_sound);
        if !tables.iter().any(|other| std::ptr::eq(*other, table)) {
            tables.push(table);
        }
    }
    constraints::examine(&mut visit, &tables);
    for table in tables {
        indexes::examine(&mut visit, table);
    }
    Ok(visit.report)
}

/// The table of a model, whose name is quoted as SQL has it.
fn table_of<'a, DB: Examined>(catalogue: &'a Catalogue, model: &Model<DB>) -> Option<&'a Table> {
    let (first, rest) = quoted(&model.table)?;
    match rest.strip_prefix('.').and_then(quoted) {
        Some((name, _)) => catalogue.table(Some(&first), &name),
        None => catalogue.table(None, &first),
    }
}
