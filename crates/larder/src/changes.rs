//! Rows that were changed past larder, as the cells that they are in.

use diesel::{
    Connection as _, PgConnection,
    connection::TransactionManager as _,
    pg::Pg,
    result::{Error, QueryResult},
    sql_types::{Array, Text},
};

use crate::{
    backend::Manager,
    models::{Model, Models},
    payload,
    statement::Statement,
    store::CellKey,
};

impl Models<Pg> {
    /// The cells of rows of a table that were changed past larder, and the table's own: `None` if those of any row may be meant.
    ///
    /// `model` is one of [`Models::names`]; of any other, nothing is known. `rows` is JSON, an array of objects with the columns of the
    /// model's keys as PostgreSQL's `to_jsonb` writes them: a row as it was, a row as it is, or both. Objects that lack a column or can't be
    /// read leave any row of the model in question.
    ///
    /// One statement and a savepoint around it, or a transaction where none is open.
    ///
    /// # Errors
    /// The database's, if the connection or the transaction around it are of no use any more.
    pub fn cells_of(
        &self,
        connection: &mut PgConnection,
        model: &str,
        rows: &str,
    ) -> QueryResult<Option<Vec<CellKey>>> {
        self.named(model).map_or(Ok(None), |model| cells(connection, model, rows))
    }
}

/// As [`Models::cells_of`].
///
/// The database reads the JSON, so that a value is whatever a finder would see. An object that lacks a column was written by something
/// that did not know a pattern yet; one that can't be read, by something that knew the table otherwise. Either may be in any cell.
pub(crate) fn cells(connection: &mut PgConnection, model: &Model<Pg>, rows: &str) -> QueryResult<Option<Vec<CellKey>>> {
    let read = connection.transaction(|connection| model.load_keys(connection, keys_of(model, rows)));
    match read {
        // Every row has a primary key, and so a cell: what has none was not read.
        Ok(rows) if rows.iter().any(Vec::is_empty) => Ok(None),
        Ok(rows) => {
            let mut cells: Vec<CellKey> = rows.into_iter().flatten().collect();
            if !cells.is_empty() {
                cells.push(payload::table_key(model.name));
                cells.extend(model.versions.iter().cloned());
            }
            cells.sort_unstable();
            cells.dedup();
            Ok(Some(cells))
        }
        Err(error) if is_of_the_rows(connection, &error) => {
            tracing::warn!(model = model.name, %error, "changed rows can't be read: any row may be meant");
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

/// Selects the columns of every pattern, NULL where a column is not there.
fn keys_of<'q>(model: &Model<Pg>, rows: &str) -> Statement<'q, Pg> {
    let mut statement = Statement::new();
    let columns = model.patterns.iter().flat_map(|pattern| pattern.names);
    statement.sql("SELECT ").separated(", ", columns, |statement, column| {
        statement.sql("populated.").identifier(column);
    });
    statement.sql(" FROM jsonb_array_elements(").bind::<Text, _>(rows.to_owned()).sql("::jsonb) AS changed(element)");
    // By a row that is not there: `NULL::path` would be of PostgreSQL's own type, also where there is a table of that name; and a mere
    // alias would be a column of that name.
    statement
        .sql(" LEFT JOIN LATERAL jsonb_populate_record((SELECT coalesce(larder_row.*) FROM ")
        .sql(model.table.clone());
    statement.sql(" AS larder_row WHERE FALSE), element)");
    let names = model.key_columns().into_iter().map(str::to_owned).collect();
    statement.sql(" AS populated ON element ?& ").bind::<Array<Text>, Vec<String>>(names);
    statement
}

/// Whether another statement would have gone well: this one was rolled back, and the connection goes on.
fn is_of_the_rows(connection: &mut PgConnection, error: &Error) -> bool {
    let is_answer = matches!(error, Error::DatabaseError(..) | Error::DeserializationError(_));
    is_answer && Manager::<Pg>::transaction_manager_status_mut(connection).transaction_depth().is_ok()
}
