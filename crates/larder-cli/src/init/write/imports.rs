//! What a file imports: a line for each, in the order that rustfmt keeps.

use std::collections::BTreeSet;

/// The types that columns have, and where they are from.
const TYPES: [(&str, &[&str]); 14] = [
    ("BigDecimal", &["bigdecimal::BigDecimal"]),
    ("DateTime<Utc>", &["chrono::DateTime", "chrono::Utc"]),
    ("NaiveDateTime", &["chrono::NaiveDateTime"]),
    ("NaiveDate", &["chrono::NaiveDate"]),
    ("NaiveTime", &["chrono::NaiveTime"]),
    ("Value", &["serde_json::Value"]),
    ("Uuid", &["uuid::Uuid"]),
    ("IpNet", &["ipnet::IpNet"]),
    ("(Bound<i32>, Bound<i32>)", &["std::ops::Bound"]),
    ("(Bound<i64>, Bound<i64>)", &["std::ops::Bound"]),
    ("(Bound<BigDecimal>, Bound<BigDecimal>)", &["bigdecimal::BigDecimal", "std::ops::Bound"]),
    ("(Bound<NaiveDate>, Bound<NaiveDate>)", &["chrono::NaiveDate", "std::ops::Bound"]),
    ("(Bound<NaiveDateTime>, Bound<NaiveDateTime>)", &["chrono::NaiveDateTime", "std::ops::Bound"]),
    ("(Bound<DateTime<Utc>>, Bound<DateTime<Utc>>)", &["chrono::DateTime", "chrono::Utc", "std::ops::Bound"]),
];

/// Imports, so far.
#[derive(Debug, Default)]
pub(super) struct Imports {
    of_crates: BTreeSet<String>,
    of_models: BTreeSet<String>,
}

impl Imports {
    pub(super) fn add(&mut self, paths: &[&str]) {
        self.of_crates.extend(paths.iter().map(|path| (*path).to_owned()));
    }

    /// What `super` has.
    pub(super) fn add_super(&mut self, name: &str) {
        self.of_models.insert(format!("super::{name}"));
    }

    /// A path that may begin with `super` or `crate`.
    pub(super) fn add_path(&mut self, path: String) {
        self.of_models.insert(path);
    }

    /// Whatever a column's type needs, but for enums.
    pub(super) fn add_type(&mut self, rust: &str) {
        let plain = rust.trim_start_matches("Vec<").trim_start_matches("Option<");
        let name = plain.trim_end_matches('>');
        for (ty, paths) in TYPES {
            if name == ty.trim_end_matches('>') {
                self.add(paths);
            }
        }
    }

    pub(super) fn text(&self) -> String {
        let lines = |paths: &BTreeSet<String>, prefix: &str| -> String {
            paths.iter().filter(|path| path.starts_with(prefix)).map(|path| format!("use {path};\n")).collect()
        };
        let groups = [lines(&self.of_crates, ""), lines(&self.of_models, "crate::"), lines(&self.of_models, "super::")];
        let groups: Vec<String> = groups.into_iter().filter(|group| !group.is_empty()).collect();
        groups.join("\n")
    }
}
