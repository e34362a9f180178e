//! The code, as text that rustfmt leaves alone.

mod enums;
mod imports;
mod model;
mod root;
mod table;

use super::plan::Plan;

/// How wide a line is in rustfmt's default style.
const WIDTH: usize = 100;

/// A file to write: its path below the folder of the models, and what is in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct File {
    /// `None` is the module that has all others.
    pub(crate) module: Option<String>,
    pub(crate) text: String,
}

/// Writes all files. `schema` is the path of a schema that is there already; without one it is written too.
pub(crate) fn files(plan: &Plan<'_>, schema: Option<&str>) -> Vec<File> {
    let mut files = vec![File { module: None, text: root::root(plan, schema) }];
    if schema.is_none() {
        files.push(File { module: Some("schema".into()), text: table::schema(plan) });
    }
    let of = schema.unwrap_or("super::schema");
    if !plan.enums.is_empty() {
        files.push(File { module: Some("enums".into()), text: enums::enums(plan, of) });
    }
    for model in &plan.models {
        files.push(File { module: Some(model.module.clone()), text: model::model(plan, model, of) });
    }
    files
}

/// Appends a comment of the database's as documentation.
fn document(out: &mut String, indent: &str, comment: &str) {
    // What looks like a link or a tag to rustdoc was meant as it stands.
    let escaped = comment.replace('\r', " ").replace('[', "\\[").replace(']', "\\]").replace('<', "\\<");
    for line in escaped.trim().lines() {
        let line = line.trim_end();
        out.push_str(indent);
        out.push_str(if line.is_empty() { "///" } else { "/// " });
        out.push_str(line);
        out.push('\n');
    }
}

/// `#[derive(..)]`, broken as rustfmt breaks it.
fn derive(names: &[&str]) -> String {
    let listed = names.join(", ");
    if "#[derive()]".len() + listed.len() <= WIDTH {
        return format!("#[derive({listed})]\n");
    }
    if "    ".len() + listed.len() <= WIDTH {
        return format!("#[derive(\n    {listed},\n)]\n");
    }
    let lines: String = names.iter().map(|name| format!("    {name},\n")).collect();
    format!("#[derive(\n{lines})]\n")
}

/// Texts with quotes around them, as Rust has them.
fn quoted(text: &str) -> String {
    format!("{text:?}")
}
