//! What was written, what was not, and what the code needs.

use std::{
    collections::BTreeSet,
    io::{self, Write as _},
    path::PathBuf,
};

use super::{Options, plan::Plan, schema::Note};

/// Tells on standard error what became nothing, and why.
pub(super) fn tell(notes: &[Note]) {
    let mut err = io::stderr().lock();
    for note in notes {
        // There is nobody left to tell if this fails.
        let _ = writeln!(err, "{}: {}", note.of, note.text);
    }
}

/// What goes to standard output.
pub(super) fn summary(plan: &Plan<'_>, options: &Options, files: &[(PathBuf, String)]) -> String {
    let n_relations: usize = plan.models.iter().map(|model| model.relations.len() + model.parents.len()).sum();
    let n_patterns: usize = plan.models.iter().map(|model| model.patterns.len()).sum();
    let verb = if options.is_dry { "would write" } else { "wrote" };
    let mut out = format!(
        "{verb} {} to {}: {}, {} and {} by indexes{}\n",
        count(files.len(), "file"),
        options.out.display(),
        count(plan.models.len(), "model"),
        count(n_relations, "relation"),
        count(n_patterns, "finder"),
        match plan.notes.len() {
            0 => String::new(),
            n => format!("; {} above", count(n, "note")),
        }
    );
    out.push_str("\nThe code needs these, or other features of them besides:\n\n");
    out.push_str(&dependencies(plan));
    out
}

fn count(n: usize, what: &str) -> String {
    if n == 1 { format!("1 {what}") } else { format!("{n} {what}s") }
}

/// A block for Cargo.toml.
pub(super) fn dependencies(plan: &Plan<'_>) -> String {
    let used: BTreeSet<&str> = plan
        .models
        .iter()
        .flat_map(|model| &model.fields)
        .flat_map(|field| {
            ["BigDecimal", "DateTime", "IpNet", "Naive", "Uuid", "Value"]
                .into_iter()
                .filter(|name| field.rust.contains(name))
        })
        .collect();
    let backend = plan.schema.backend.feature();
    let (mut of_diesel, mut of_larder) = (vec![backend, "r2d2"], vec![backend]);
    match plan.widest() {
        65.. => of_diesel.push("128-column-tables"),
        33.. => of_diesel.push("64-column-tables"),
        _ => of_diesel.push("32-column-tables"),
    }
    let mut crates = Vec::new();
    if used.contains("BigDecimal") {
        of_diesel.push("numeric");
        of_larder.push("bigdecimal");
        crates.push(r#"bigdecimal = { version = "0.4", features = ["serde"] }"#.to_owned());
    }
    if used.contains("DateTime") || used.contains("Naive") {
        of_diesel.push("chrono");
        of_larder.push("chrono");
        crates.push(r#"chrono = { version = "0.4", features = ["serde"] }"#.to_owned());
    }
    if used.contains("IpNet") {
        of_diesel.push("ipnet-address");
        of_larder.push("ipnet");
        crates.push(r#"ipnet = { version = "2", features = ["serde"] }"#.to_owned());
    }
    if used.contains("Value") {
        of_diesel.push("serde_json");
        of_larder.push("serde_json");
        crates.push(r#"serde_json = "1""#.to_owned());
    }
    if used.contains("Uuid") {
        of_diesel.push("uuid");
        of_larder.push("uuid");
        crates.push(r#"uuid = { version = "1", features = ["serde"] }"#.to_owned());
    }
    crates.push(r#"serde = { version = "1", features = ["derive"] }"#.to_owned());
    crates.push(format!(r#"diesel = {{ version = "2.3", default-features = false, features = {of_diesel:?} }}"#));
    let version = env!("CARGO_PKG_VERSION");
    crates.push(format!(r#"larder = {{ version = "{version}", default-features = false, features = {of_larder:?} }}"#));
    crates.sort_unstable();
    format!("[dependencies]\n{}\n", crates.join("\n"))
}
