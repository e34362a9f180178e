//! The module that has all others.

use super::WIDTH;
use crate::init::plan::Plan;

pub(super) fn root(plan: &Plan<'_>, schema: Option<&str>) -> String {
    let mut out = String::from(
        "//! Models of the database, written by `larder init`. Change them as you like: nothing reads them back.\n\n",
    );
    out.push_str("#![allow(dead_code, unused_imports, reason = \"not all of it is used yet\")]\n");
    let is_snake = |name: &str| name.chars().all(|character| !character.is_ascii_uppercase());
    if plan.models.iter().flat_map(|model| &model.fields).any(|field| !is_snake(&field.name)) {
        out.push_str("#![allow(non_snake_case, reason = \"columns are called so\")]\n");
    }
    out.push('\n');
    let mut modules: Vec<&str> = plan.models.iter().map(|model| model.module.as_str()).collect();
    if !plan.enums.is_empty() {
        modules.push("enums");
    }
    modules.sort_unstable();
    for module in modules {
        out.push_str(&format!("mod {module};\n"));
    }
    if schema.is_none() {
        out.push_str("\npub mod schema;\n");
    }
    let mut exports = Vec::new();
    if !plan.enums.is_empty() {
        exports.push(("enums", plan.enums.iter().map(|of_database| of_database.ident.clone()).collect::<Vec<_>>()));
    }
    for model in &plan.models {
        let mut names = vec![model.ident.clone(), format!("{}Repository", model.ident)];
        if !model.inserted().is_empty() {
            names.push(model.new_ident());
        }
        if !model.changed().is_empty() {
            names.push(model.changes_ident());
        }
        exports.push((&model.module, names));
    }
    exports.sort_unstable();
    out.push('\n');
    for (module, mut names) in exports {
        names.sort_unstable();
        out.push_str(&export(module, &names));
    }
    out
}

fn export(module: &str, names: &[String]) -> String {
    if let [name] = names {
        return format!("pub use self::{module}::{name};\n");
    }
    let listed = names.join(", ");
    let line = format!("pub use self::{module}::{{{listed}}};\n");
    if line.len() <= WIDTH + 1 {
        return line;
    }
    let mut out = format!("pub use self::{module}::{{\n");
    let mut width = 0;
    for name in names {
        if width > 0 && width + name.len() + 2 > WIDTH {
            out.push('\n');
            width = 0;
        }
        let space = if width == 0 { "    " } else { " " };
        out.push_str(&format!("{space}{name},"));
        width += space.len() + name.len() + 1;
    }
    out.push_str("\n};\n");
    out
}
