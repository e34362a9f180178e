use std::path::PathBuf;

use larder::doctor::Report;
use serde_json::json;

pub(super) fn text(report: &Report, written: &[PathBuf]) -> String {
    let written: String = written.iter().map(|folder| format!("written: {}\n", folder.display())).collect();
    format!("{report}{written}")
}

/// One object: that of the report, as its fields are called.
pub(super) fn json(report: &Report) -> String {
    format!("{}\n", json!(report))
}
