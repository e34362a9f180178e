//! What the server needs: SQL for a migration of the application's own.

use diesel::pg::Pg;
use larder::{Described, Models};

/// The SQL that has the changes of the models' tables, not of materialized views, published under that name, with the old values of every key.
///
/// A table whose model has more keys than the primary one gets `REPLICA IDENTITY FULL`: each UPDATE and DELETE then writes the old row
/// to the log. Partitions of a partitioned table need it each for itself. Where a publication of that name is there, it is given these
/// tables. To be run by the tables' owner, who may create in the database.
#[must_use]
pub fn up(models: &Models<Pg>, publication: &str) -> String {
    let models = models.tables();
    let whole: String = models
        .describe()
        .filter(needs_whole_rows)
        .map(|model| format!("ALTER TABLE {} REPLICA IDENTITY FULL;\n", model.table))
        .collect();
    let tables = models.describe().map(|model| model.table).collect::<Vec<_>>().join(", ");
    let (name, literal) = (identifier(publication), literal(publication));
    format!(
        "{whole}DO $larder$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_publication WHERE pubname = {literal}) THEN
        CREATE PUBLICATION {name} WITH (publish_via_partition_root = true);
    END IF;
END
$larder$;
ALTER PUBLICATION {name} SET TABLE {tables};
"
    )
}

/// The SQL that takes it back, and the slot of that name along.
///
/// Not while a follower runs: it has the slot.
#[must_use]
pub fn down(models: &Models<Pg>, publication: &str, slot: &str) -> String {
    let models = models.tables();
    let default: String = models
        .describe()
        .filter(needs_whole_rows)
        .map(|model| format!("ALTER TABLE {} REPLICA IDENTITY DEFAULT;\n", model.table))
        .collect();
    format!(
        "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE slot_name = {} AND database = current_database();
DROP PUBLICATION IF EXISTS {};\n{default}",
        literal(slot),
        identifier(publication)
    )
}

pub(crate) fn needs_whole_rows(model: &Described<'_>) -> bool {
    model.key_columns.iter().any(|column| !model.primary_key.contains(column))
}

fn identifier(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}
