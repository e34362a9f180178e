//! PostgreSQL's catalogue.

mod rows;
mod sizes;
mod sql;

use std::collections::HashMap;

use diesel::{
    Connection as _, PgConnection, RunQueryDsl as _,
    result::{DatabaseErrorKind, Error, QueryResult},
    sql_query,
};

pub(crate) use self::sql::PATIENCE;
use self::{
    rows::{ColumnRow, ConstraintRow, IndexRow, SequenceRow, ServerRow, TableRow},
    sizes::Sizes,
};
use super::{Catalogue, Check, Connected, Counter, Database, ForeignKey, Kind, Table};

impl Connected for PgConnection {
    fn catalogue(&mut self) -> QueryResult<Catalogue> {
        let mut n_tries = 0;
        loop {
            n_tries += 1;
            match bounded(self) {
                // A lock that was taken since the statement began; by now it is known of.
                Err(Error::DatabaseError(DatabaseErrorKind::Unknown, _)) if n_tries < TRIES => {}
                read => return read,
            }
        }
    }
}

/// How often it is tried to read a catalogue whose tables are locked meanwhile.
const TRIES: usize = 3;

fn bounded(connection: &mut PgConnection) -> QueryResult<Catalogue> {
    let mut read = None;
    // Rolled back, also within a transaction of the caller's, whose patience is its own again.
    let done = connection.transaction::<(), Error, _>(|connection| {
        sql_query(sql::PATIENCE).execute(connection)?;
        read = Some(whole(connection)?);
        Err(Error::RollbackTransaction)
    });
    match (done, read) {
        (Err(Error::RollbackTransaction), Some(catalogue)) => Ok(catalogue),
        (Err(error), _) => Err(error),
        (Ok(()), _) => Err(Error::RollbackTransaction),
    }
}

fn whole(connection: &mut PgConnection) -> QueryResult<Catalogue> {
    let server: ServerRow = sql_query(sql::SERVER).get_result(connection)?;
    let tables: Vec<TableRow> = sql_query(sql::TABLES).load(connection)?;
    let sizes = Sizes::read(connection)?;
    let mut places = HashMap::with_capacity(tables.len());
    let mut tables: Vec<Table> = tables
        .into_iter()
        .enumerate()
        .map(|(at, row)| {
            places.insert(row.oid, at);
            row.table(&sizes)
        })
        .collect();
    for row in sql_query(sql::COLUMNS).load::<ColumnRow>(connection)? {
        if let Some(at) = places.get(&row.table) {
            tables[*at].columns.push(row.column());
        }
    }
    for row in sql_query(sql::INDEXES).load::<IndexRow>(connection)? {
        let bytes = sizes.of(row.oid);
        let Some(table) = places.get(&row.table).map(|at| &mut tables[*at]) else { continue };
        let Some(index) = row.index(bytes) else { continue };
        if index.is_primary {
            table.primary_key = index.columns().into_iter().map(str::to_owned).collect();
        }
        table.indexes.push(index);
    }
    for row in sql_query(sql::CONSTRAINTS).load::<ConstraintRow>(connection)? {
        let target = places.get(&row.target).map(|at| (tables[*at].schema.clone(), tables[*at].name.clone()));
        let Some(table) = places.get(&row.table).map(|at| &mut tables[*at]) else { continue };
        match target {
            Some((schema, name)) => table.foreign_keys.push(ForeignKey {
                name: Some(row.name),
                columns: row.columns,
                schema,
                table: name,
                target: row.target_columns,
                on_delete: rows::action(&row.on_delete),
                on_update: rows::action(&row.on_update),
                is_valid: row.is_valid,
            }),
            None if row.is_check => table.checks.push(Check {
                name: row.name,
                expression: row.expression.unwrap_or_default(),
                is_valid: row.is_valid,
            }),
            None => {}
        }
    }
    for row in sql_query(sql::SEQUENCES).load::<SequenceRow>(connection)? {
        let Some(table) = places.get(&row.table).map(|at| &mut tables[*at]) else { continue };
        if let Some(column) = table.columns.iter_mut().find(|column| column.name == row.column) {
            column.counter = Some(Counter {
                name: Some(row.name),
                last: row.last.and_then(|last| u64::try_from(last).ok()),
                largest: u64::try_from(row.largest).unwrap_or(u64::MAX),
            });
        }
    }
    tables.sort_by(|one, other| (&one.schema, &one.name).cmp(&(&other.schema, &other.name)));
    Ok(Catalogue {
        database: Database::PostgreSql,
        version: server.version,
        search_path: server.search_path,
        tables,
        counted_since: server.counted_since,
        enforces_foreign_keys: true,
    })
}

impl TableRow {
    fn table(self, sizes: &Sizes) -> Table {
        let own = match self.kind.as_str() {
            "p" => Kind::Partitioned,
            "v" => Kind::View,
            "m" => Kind::MaterializedView,
            "f" => Kind::Foreign,
            _ => Kind::Table,
        };
        let kind = match (self.parent_schema, self.parent) {
            (Some(schema), Some(name)) => Kind::PartitionOf { schema, name, kind: Box::new(own) },
            _ => own,
        };
        Table {
            schema: self.schema,
            name: self.name,
            kind,
            columns: Vec::new(),
            primary_key: Vec::new(),
            indexes: Vec::new(),
            foreign_keys: Vec::new(),
            checks: Vec::new(),
            n_rows: self.n_rows.and_then(|n| u64::try_from(n).ok()),
            bytes: sizes.of(self.oid),
            is_locked: sizes.is_locked(self.oid),
            n_reads: self.n_reads.and_then(|n| u64::try_from(n).ok()),
            engine: None,
        }
    }
}
