//! What the diesel CLI prints of the same tables.

use std::{collections::BTreeMap, env, fs, process::Command};

use crate::{BUSINESS, init, text};

/// What larder passes over: no primary key, which the CLI refuses; larder's own; and partitions.
const OTHERS: [&str; 4] = ["audit_log", "larder_behind_dead", "stock_movements_2024", "stock_movements_rest"];

/// The columns in a schema's `table!`s, by table: each as one line with its attributes. Tables come with their keys.
fn columns(schema: &str) -> BTreeMap<String, Vec<String>> {
    let mut tables = BTreeMap::new();
    let (mut table, mut attributes) = (None, String::new());
    for line in schema.lines().map(str::trim) {
        if line.starts_with("///") || line.starts_with("use ") {
            continue;
        }
        if line.starts_with("#[sql_name") || line.starts_with("#[max_length") {
            attributes.push_str(line);
        } else if let Some(head) = line.strip_suffix(") {").filter(|head| head.contains(" (")) {
            let head = format!("{}{head})", std::mem::take(&mut attributes));
            tables.insert(head.clone(), Vec::new());
            table = Some(head);
        } else if line.contains(" -> ") && line.ends_with(',') {
            let column = format!("{}{line}", std::mem::take(&mut attributes));
            tables.get_mut(table.as_ref().expect("columns are of a table")).unwrap().push(column);
        }
    }
    tables
}

#[test]
fn the_schema_has_the_columns_that_the_diesel_cli_prints() {
    let database = BUSINESS.database();
    let folder = tempfile::tempdir().unwrap();
    let program = env::var("DIESEL_BIN").expect("DIESEL_BIN is set: `cargo xtask test` does it");
    for schema in ["public", "crm"] {
        assert!(init(database.url(), folder.path(), &["--schema", schema, "--overwrite"]).status.success());
        let mut ours = columns(&fs::read_to_string(folder.path().join("src/models/schema.rs")).unwrap());
        let output = Command::new(&program)
            .args(["print-schema", "--schema", schema, "--except-tables"])
            .args(OTHERS)
            .env("DATABASE_URL", database.url())
            .current_dir(folder.path())
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", text(&output.stderr));
        let theirs = columns(&text(&output.stdout));
        // The CLI prints no views.
        ours.retain(|table, _| !table.starts_with("user_stats "));
        assert!(ours.len() > 2);
        assert_eq!(ours, theirs);
    }
}
