//! The bodies of the functions that triggers call.

use super::{
    Plan,
    names::{identifier, literal},
};
use crate::{codec::Fingerprint, statement::mark};

/// The most that the keys of one entry may have together.
const MAX_BYTES: usize = 16 << 20;

/// What the function of a model does.
pub(super) fn body(plan: &Plan<'_>) -> String {
    let declare = declarations(plan);
    let (work, at_most) = (if plan.by_row { by_row(plan) } else { by_statement(plan) }, plan.at_most);
    let (skip, counter) = (skip_own(plan), literal(&counter(plan)));
    let outbox = format!("{}.larder_outbox", identifier(plan.outbox_schema));
    let name = literal(plan.model.name);
    format!(
        "
DECLARE
{declare}BEGIN
    -- This transaction has told already that any row may have changed.
    IF told > {at_most} THEN RETURN NULL; END IF;
{skip}{work}    PERFORM set_config({counter}, told::text, true);
    INSERT INTO {outbox} (model, rows) VALUES ({name}, changed);
    RETURN NULL;
END
"
    )
}

/// The setting in which a transaction counts the rows that it has told of. A savepoint that is rolled back takes its rows back.
fn counter(plan: &Plan<'_>) -> String {
    format!("larder.n_{:016x}", Fingerprint::of(plan.model.name).bits())
}

fn declarations(plan: &Plan<'_>) -> String {
    let counter = literal(&counter(plan));
    let mut lines = vec![
        format!("told bigint := coalesce(nullif(current_setting({counter}, true), '')::bigint, 0);"),
        "changed jsonb;".to_owned(),
    ];
    if plan.by_row {
        lines.push("was record;".to_owned());
    } else {
        lines.push("n_rows bigint;".to_owned());
        lines.push("n_bytes bigint;".to_owned());
        if !plan.model.left_out.is_empty() {
            lines.push("compared text;".to_owned());
        }
    }
    lines.iter().map(|line| format!("    {line}\n")).collect()
}

/// Leaves larder's own statements on this table alone.
///
/// Only they begin with that comment, and only what they do themselves happens in a trigger of the first level. A foreign key's cascade
/// does as well: from another table it has that one's comment; where a table refers to itself, nothing is left alone.
fn skip_own(plan: &Plan<'_>) -> String {
    let mark = literal(mark(plan.model.name).trim_end());
    format!(
        "    -- What larder writes it tells of itself, and knows nothing of what follows from it.
    IF pg_trigger_depth() = 1 AND starts_with(current_query(), {mark})
        AND (TG_OP = 'INSERT' OR NOT EXISTS (
            SELECT FROM pg_constraint AS c
            WHERE c.conrelid = TG_RELID AND c.contype = 'f' AND (c.confdeltype IN ('c', 'n', 'd') OR c.confupdtype IN ('c', 'n', 'd'))
            AND (c.confrelid = TG_RELID OR c.confrelid IN (SELECT a.relid FROM pg_partition_ancestors(TG_RELID) AS a))
        ))
    THEN RETURN NULL; END IF;
"
    )
}

fn by_row(plan: &Plan<'_>) -> String {
    let at_most = plan.at_most;
    let assign: String = plan
        .model
        .left_out
        .iter()
        .map(|column| identifier(column))
        .map(|column| format!("        was.{column} := NEW.{column};\n"))
        .collect();
    let [old, new] = ["OLD", "NEW"].map(|row| keys_of(plan, |column| format!("{row}.{column}")));
    format!(
        "    IF TG_OP = 'UPDATE' THEN
        was := OLD;
{assign}        IF was *= NEW THEN RETURN NULL; END IF;
    END IF;
    told := told + 1;
    IF TG_OP = 'TRUNCATE' THEN
        told := {at_most} + 1;
    ELSIF told > {at_most} THEN
        -- Any row.
        changed := NULL;
    ELSIF TG_OP = 'INSERT' THEN
        changed := jsonb_build_array({new});
    ELSIF TG_OP = 'DELETE' THEN
        changed := jsonb_build_array({old});
    ELSE
        changed := jsonb_build_array({old}, {new});
    END IF;
"
    )
}

fn by_statement(plan: &Plan<'_>) -> String {
    let at_most = plan.at_most;
    let measured = |tables: &[&str]| {
        let measures: Vec<String> = tables.iter().map(|table| measure(plan, table)).collect();
        let measures = measures.join("\n            UNION ALL\n            ");
        format!("SELECT max(m.n), sum(m.bytes) INTO n_rows, n_bytes FROM (\n            {measures}\n        ) AS m;")
    };
    let (insert, update, delete) =
        (measured(&["larder_new"]), measured(&["larder_old", "larder_new"]), measured(&["larder_old"]));
    let keys = keys_of(plan, |column| format!("r.{column}"));
    let difference = difference(plan);
    format!(
        "    IF TG_OP = 'INSERT' THEN
        {insert}
    ELSIF TG_OP = 'UPDATE' THEN
        {update}
    ELSIF TG_OP = 'DELETE' THEN
        {delete}
    END IF;
    IF n_rows = 0 THEN RETURN NULL; END IF;
    IF TG_OP = 'TRUNCATE' OR told + n_rows > {at_most} OR n_bytes > {MAX_BYTES} THEN
        -- Any row.
        told := {at_most} + 1;
    ELSE
        IF TG_OP = 'INSERT' THEN
            SELECT jsonb_agg({keys}) INTO changed FROM larder_new AS r;
        ELSIF TG_OP = 'DELETE' THEN
            SELECT jsonb_agg({keys}) INTO changed FROM larder_old AS r;
        ELSE
{difference}        END IF;
        -- The UPDATE has left every row as it was.
        IF changed IS NULL THEN RETURN NULL; END IF;
        told := told + n_rows;
    END IF;
"
    )
}

/// How many rows a statement has changed, and how large their keys are: only as far as it matters.
fn measure(plan: &Plan<'_>, table: &str) -> String {
    let columns = key_columns(plan).map(|column| format!("r.{column}")).collect::<Vec<_>>().join(", ");
    format!(
        "SELECT count(*) AS n, sum(octet_length(ROW({columns})::text)) AS bytes \
         FROM (SELECT r.* FROM {table} AS r LIMIT {} - told) AS r",
        u64::from(plan.at_most) + 1
    )
}

/// The keys of the rows that are not the same, byte by byte, before and after an UPDATE.
///
/// Any type can be compared so, in whatever schema its operators are. That both sides are sorted once keeps it quick: a plan that was
/// made for an UPDATE of one row is used again for one of ten thousand.
fn difference(plan: &Plan<'_>) -> String {
    let keys = keys_of(plan, |column| format!("coalesce(o.{column}, n.{column})"));
    let columns: String = key_columns(plan).map(|column| format!("r.{column}, ")).collect();
    let side = |table: &str, image: &str| {
        format!("(SELECT {columns}{image} AS larder_image, 1 AS larder_side FROM {table} AS r)")
    };
    let select = |image: &str| {
        let (old, new) = (side("larder_old", image), side("larder_new", image));
        [
            format!("SELECT jsonb_agg(DISTINCT {keys})"),
            format!("FROM {old} AS o"),
            format!("FULL JOIN {new} AS n ON o.larder_image *= n.larder_image"),
            "WHERE o.larder_side IS NULL OR n.larder_side IS NULL".to_owned(),
        ]
    };
    if plan.model.left_out.is_empty() {
        let [what, from, join, condition] = select("coalesce(r.*)");
        return format!(
            "            {what} INTO changed
            {from}
            {join}
            {condition};
"
        );
    }
    // Columns that the table gets later count, so the others are named, and not these.
    let left_out: Vec<String> = plan.model.left_out.iter().map(|column| literal(column)).collect();
    let left_out = left_out.join(", ");
    let query = literal(&select("ROW(%1$s)").join("\n                ").replace('%', "%%").replace("%%1$s", "%1$s"));
    format!(
        "            -- Of what the model leaves out nothing is cached.
            SELECT string_agg(format('r.%I', a.attname), ', ' ORDER BY a.attnum) INTO compared FROM pg_attribute AS a
            WHERE a.attrelid = TG_RELID AND a.attnum > 0 AND NOT a.attisdropped AND a.attname NOT IN ({left_out});
            EXECUTE format({query}, compared) INTO changed;
"
    )
}

fn key_columns(plan: &Plan<'_>) -> impl Iterator<Item = String> {
    plan.model.key_columns().into_iter().map(identifier)
}

/// The most columns of one object: a function takes a hundred arguments.
const MAX_PAIRS: usize = 40;

/// The key columns of one row, as an object.
fn keys_of(plan: &Plan<'_>, value: impl Fn(String) -> String) -> String {
    let pair = |column: &&str| format!("{}, {}", literal(column), value(identifier(column)));
    let object =
        |columns: &[&str]| format!("jsonb_build_object({})", columns.iter().map(pair).collect::<Vec<_>>().join(", "));
    plan.model.key_columns().chunks(MAX_PAIRS).map(object).collect::<Vec<_>>().join(" || ")
}
