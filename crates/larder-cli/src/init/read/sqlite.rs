//! What SQLite's types mean, of which the catalogue has the names.

use diesel::{QueryableByName, RunQueryDsl as _, SqliteConnection, result::QueryResult, sql_query, sql_types::Text};
use larder::catalogue::Catalogue;

use super::{About, Beside, More};
use crate::init::{schema::ColumnType, types};

#[derive(QueryableByName)]
struct TriggerRow {
    #[diesel(sql_type = Text)]
    table: String,
}

/// One statement: SQLite has no comments, and no types beside those that were written.
pub(super) fn beside(connection: &mut SqliteConnection, catalogue: &Catalogue) -> QueryResult<Beside> {
    let mut beside = Beside::default();
    for table in &catalogue.tables {
        for column in &table.columns {
            let unknown = || ColumnType { diesel: "Binary".into(), max_length: None, custom: None, rust: None };
            let ty = types::sqlite(&column.sql_type).unwrap_or_else(unknown);
            let place = (table.schema.clone(), table.name.clone(), column.name.clone());
            beside.columns.insert(place, More { ty, comment: None, is_refused: false });
        }
    }
    // What RETURNING gives is the row before any trigger has seen it.
    let triggers = sql_query("SELECT DISTINCT tbl_name AS \"table\" FROM sqlite_master WHERE type = 'trigger'");
    for row in triggers.load::<TriggerRow>(connection)? {
        let about = About { comment: None, is_changed_after: true };
        beside.tables.insert(("main".to_owned(), row.table), about);
    }
    Ok(beside)
}
