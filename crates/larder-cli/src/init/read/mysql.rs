//! What MariaDB and MySQL say beyond the catalogue: comments and triggers.

use diesel::{MysqlConnection, QueryableByName, RunQueryDsl as _, result::QueryResult, sql_query, sql_types::Text};
use larder::catalogue::Catalogue;

use super::{About, Beside, More};
use crate::init::{names, types};

#[derive(QueryableByName)]
struct CommentRow {
    #[diesel(sql_type = Text)]
    table_name: String,
    #[diesel(sql_type = Text)]
    column_name: String,
    #[diesel(sql_type = Text)]
    comment: String,
}

/// Two statements, whatever the number of tables.
pub(super) fn beside(connection: &mut MysqlConnection, catalogue: &Catalogue) -> QueryResult<Beside> {
    let mut beside = Beside::default();
    for table in &catalogue.tables {
        let about = About::default();
        beside.tables.insert((table.schema.clone(), table.name.clone()), about);
        for column in &table.columns {
            let ident = names::in_schema(&table.name, None);
            let ty = types::mysql(&column.sql_type, &ident, &names::in_schema(&column.name, Some(&ident)));
            let place = (table.schema.clone(), table.name.clone(), column.name.clone());
            beside.columns.insert(place, More { ty, comment: None, is_refused: false });
        }
    }
    let rows: Vec<CommentRow> = sql_query(
        "SELECT table_name AS table_name, column_name AS column_name, column_comment AS comment
         FROM information_schema.columns WHERE table_schema = database() AND column_comment <> ''
         UNION ALL
         SELECT table_name, '', table_comment FROM information_schema.tables
         WHERE table_schema = database() AND table_comment <> '' AND table_type = 'BASE TABLE'",
    )
    .load(connection)?;
    let database = catalogue.search_path.first().cloned().unwrap_or_default();
    for row in rows {
        let place = (database.clone(), row.table_name.clone());
        if row.column_name.is_empty() {
            beside.tables.entry(place).or_default().comment = Some(row.comment);
        } else if let Some(more) = beside.columns.get_mut(&(place.0, row.table_name, row.column_name)) {
            more.comment = Some(row.comment);
        }
    }
    Ok(beside)
}
