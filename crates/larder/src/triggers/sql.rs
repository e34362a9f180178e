//! The statements of a migration.

use super::{
    Plan,
    function::body,
    names::{dollar_quoted, identifier, literal, name_for},
};

/// What can happen to a table, in the order in which its triggers are made, with the rows that a statement's trigger sees.
pub(super) const OPERATIONS: [(&str, &str); 4] = [
    ("insert", "REFERENCING NEW TABLE AS larder_new"),
    ("update", "REFERENCING OLD TABLE AS larder_old NEW TABLE AS larder_new"),
    ("delete", "REFERENCING OLD TABLE AS larder_old"),
    ("truncate", ""),
];

/// Fails at once where the first write would: a function's text is not looked at until it runs.
pub(super) fn guard_of_outbox(schema: &str) -> String {
    let outbox = format!("{}.larder_outbox", identifier(schema));
    let (name, reason) =
        (literal(&outbox), literal(&format!("there is no table {outbox}: make it first, or name its schema")));
    block(&format!("    IF to_regclass({name}) IS NULL THEN RAISE EXCEPTION USING MESSAGE = {reason}; END IF;\n"))
}

/// Refuses a table of which the triggers would not see all rows.
fn guard_of_table(plan: &Plan<'_>) -> String {
    let table = literal(&plan.model.table);
    let (condition, reason) = if plan.by_row {
        let condition = format!(
            "EXISTS (SELECT FROM pg_inherits AS i JOIN pg_class AS c ON c.oid = i.inhparent
        WHERE c.oid = to_regclass({table}) AND c.relkind <> 'p')"
        );
        (condition, "other tables inherit from it: changes of their rows are not told of")
    } else {
        let condition = format!(
            "EXISTS (SELECT FROM pg_class AS c WHERE c.oid = to_regclass({table}) AND c.relkind = 'p')
        OR EXISTS (SELECT FROM pg_inherits AS i WHERE to_regclass({table}) IN (i.inhrelid, i.inhparent))"
        );
        (condition, "it is partitioned or inherits: its rows must be told of one by one, Triggers::by_row")
    };
    let message = literal(&format!("{}: {reason}", plan.model.table));
    block(&format!("    IF {condition}\n    THEN RAISE EXCEPTION USING MESSAGE = {message}; END IF;\n"))
}

fn block(statements: &str) -> String {
    format!("DO {};\n", dollar_quoted(&format!("\nBEGIN\n{statements}END\n")))
}

pub(super) fn up(plan: &Plan<'_>) -> String {
    let (table, function) = (&plan.model.table, function_name(plan));
    let mut sql = guard_of_table(plan);
    sql.push_str(&format!(
        "CREATE OR REPLACE FUNCTION {function}() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
    AS {};
REVOKE ALL ON FUNCTION {function}() FROM PUBLIC;
COMMENT ON FUNCTION {function}() IS {};
",
        dollar_quoted(&body(plan)),
        literal(&description(plan)),
    ));
    for (operation, transition) in OPERATIONS {
        let trigger = trigger_name(plan, operation);
        let after = operation.to_uppercase();
        let each = match (plan.by_row, operation) {
            (_, "truncate") => "FOR EACH STATEMENT".to_owned(),
            (true, _) => "FOR EACH ROW".to_owned(),
            (false, _) => format!("{transition} FOR EACH STATEMENT"),
        };
        let trigger = identifier(&trigger);
        sql.push_str(&format!(
            "CREATE OR REPLACE TRIGGER {trigger} AFTER {after} ON {table}
    {each} EXECUTE FUNCTION {function}();
ALTER TABLE {table} ENABLE ALWAYS TRIGGER {trigger};
"
        ));
    }
    sql
}

pub(super) fn down(plan: &Plan<'_>) -> String {
    let table = &plan.model.table;
    let mut sql = String::new();
    for (operation, _) in OPERATIONS {
        let trigger = identifier(&trigger_name(plan, operation));
        sql.push_str(&format!("DROP TRIGGER IF EXISTS {trigger} ON {table};\n"));
    }
    sql.push_str(&format!("DROP FUNCTION IF EXISTS {}();\n", function_name(plan)));
    sql
}

/// What the function is for: its comment in the database, by which an old one is known.
pub(super) fn description(plan: &Plan<'_>) -> String {
    let model = plan.model;
    let each = if plan.by_row { "row" } else { "statement" };
    let mut text = format!("larder: {}, by {each}, at most {}", model.name, plan.at_most);
    text.push_str(&format!("; keys: {}", model.key_columns().join(", ")));
    if !model.left_out.is_empty() {
        text.push_str(&format!("; without: {}", model.left_out.join(", ")));
    }
    text
}

pub(super) fn trigger_name(plan: &Plan<'_>, operation: &str) -> String {
    name_for(plan.model.name, operation)
}

fn function_name(plan: &Plan<'_>) -> String {
    format!("{}.{}", identifier(plan.outbox_schema), identifier(&name_for(plan.model.name, "changed")))
}
