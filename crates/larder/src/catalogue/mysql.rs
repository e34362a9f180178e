//! The catalogue of MariaDB and MySQL: their information schema.

mod rows;

use std::collections::HashMap;

use diesel::{MysqlConnection, QueryResult, RunQueryDsl as _, sql_query};

use self::rows::{CheckRow, ColumnRow, ForeignKeyRow, IndexRow, ServerRow, TableRow, UseRow};
use super::{Catalogue, Check, Connected, Counter, Database, ForeignKey, Table, Use};

const SERVER: &str = "
    SELECT version() AS version, coalesce(database(), '') AS name,
        CAST(@@foreign_key_checks AS SIGNED) AS enforces,
        CAST(version() LIKE '%MariaDB%' AS SIGNED) AS is_mariadb";

const TABLES: &str = "
    SELECT CAST(table_name AS CHAR) AS name, CAST(table_type AS CHAR) AS kind, CAST(engine AS CHAR) AS engine,
        CAST(create_options AS CHAR) AS options, CAST(table_rows AS SIGNED) AS n_rows,
        CAST(data_length AS SIGNED) AS bytes, CAST(auto_increment AS CHAR) AS next
    FROM information_schema.tables WHERE table_schema = database() ORDER BY table_name";

const COLUMNS: &str = "
    SELECT CAST(table_name AS CHAR) AS tbl, CAST(column_name AS CHAR) AS name, CAST(column_type AS CHAR) AS sql_type,
        CAST(is_nullable = 'YES' AS SIGNED) AS nullable, CAST(column_default AS CHAR) AS def,
        CAST(generation_expression AS CHAR) AS generation, CAST(extra AS CHAR) AS extra, CAST(collation_name AS CHAR) AS coll
    FROM information_schema.columns WHERE table_schema = database() ORDER BY table_name, ordinal_position";

const INDEXES: &str = "
    SELECT CAST(table_name AS CHAR) AS tbl, CAST(index_name AS CHAR) AS name, CAST(non_unique = 0 AS SIGNED) AS is_unique,
        CAST(column_name AS CHAR) AS col, CAST(coalesce(collation, 'A') = 'D' AS SIGNED) AS descending,
        CAST(sub_part AS SIGNED) AS prefix, CAST(index_type AS CHAR) AS method, CAST(cardinality AS SIGNED) AS n_distinct
    FROM information_schema.statistics WHERE table_schema = database() ORDER BY table_name, index_name, seq_in_index";

const FOREIGN_KEYS: &str = "
    SELECT CAST(k.table_name AS CHAR) AS tbl, CAST(k.constraint_name AS CHAR) AS name, CAST(k.column_name AS CHAR) AS col,
        CAST(k.referenced_table_schema AS CHAR) AS target_schema, CAST(k.referenced_table_name AS CHAR) AS target,
        CAST(k.referenced_column_name AS CHAR) AS target_col, CAST(r.delete_rule AS CHAR) AS on_delete,
        CAST(r.update_rule AS CHAR) AS on_update
    FROM information_schema.key_column_usage AS k JOIN information_schema.referential_constraints AS r
        ON r.constraint_schema = k.constraint_schema AND r.constraint_name = k.constraint_name
        AND r.table_name = k.table_name
    WHERE k.table_schema = database() AND k.referenced_table_name IS NOT NULL
    ORDER BY k.table_name, k.constraint_name, k.ordinal_position";

// The names of MariaDB's are a table's own, those of MySQL's the database's.
const MARIADB_CHECKS: &str = "
    SELECT CAST(table_name AS CHAR) AS tbl, CAST(constraint_name AS CHAR) AS name, CAST(check_clause AS CHAR) AS clause
    FROM information_schema.check_constraints WHERE constraint_schema = database() ORDER BY 1, 2";

const MYSQL_CHECKS: &str = "
    SELECT CAST(t.table_name AS CHAR) AS tbl, CAST(c.constraint_name AS CHAR) AS name, CAST(c.check_clause AS CHAR) AS clause
    FROM information_schema.check_constraints AS c JOIN information_schema.table_constraints AS t
        ON t.constraint_schema = c.constraint_schema AND t.constraint_name = c.constraint_name
    WHERE c.constraint_schema = database() ORDER BY 1, 2";

const COUNTS_USE: &str = "SELECT CAST(@@userstat AS SIGNED) AS n";

const USES: &str = "
    SELECT CAST(table_name AS CHAR) AS tbl, CAST(index_name AS CHAR) AS name, CAST(rows_read AS SIGNED) AS n
    FROM information_schema.index_statistics WHERE table_schema = database()";

impl Connected for MysqlConnection {
    fn catalogue(&mut self) -> QueryResult<Catalogue> {
        let server: ServerRow = sql_query(SERVER).get_result(self)?;
        let mut places = HashMap::new();
        let (mut tables, mut numbers): (Vec<Table>, Vec<_>) = (Vec::new(), Vec::new());
        for row in sql_query(TABLES).load::<TableRow>(self)? {
            places.insert(row.name.clone(), tables.len());
            numbers.push(row.next.as_deref().and_then(|next| next.parse::<u64>().ok()));
            tables.push(row.table(&server.name));
        }
        for row in sql_query(COLUMNS).load::<ColumnRow>(self)? {
            let Some(at) = places.get(&row.table).copied() else { continue };
            let counts = row.counts();
            let mut column = row.column();
            if counts {
                let largest = rows::largest(&column.sql_type);
                // It is the next number that is known, and nothing of it before one was given.
                let last = numbers[at].map(|next| next.saturating_sub(1)).filter(|last| *last > 0);
                column.counter = Some(Counter { name: None, last, largest });
            }
            tables[at].columns.push(column);
        }
        for row in sql_query(INDEXES).load::<IndexRow>(self)? {
            let Some(table) = places.get(&row.table).map(|at| &mut tables[*at]) else { continue };
            if table.indexes.last().is_none_or(|index| index.name != row.name) {
                table.indexes.push(row.index());
            }
            row.count(table);
            if let Some(index) = table.indexes.last_mut() {
                if index.is_primary {
                    table.primary_key.extend(row.column.clone());
                }
                index.parts.push(row.part());
            }
        }
        for row in sql_query(FOREIGN_KEYS).load::<ForeignKeyRow>(self)? {
            let Some(table) = places.get(&row.table).map(|at| &mut tables[*at]) else { continue };
            if table.foreign_keys.last().is_none_or(|key| key.name.as_ref() != Some(&row.name)) {
                table.foreign_keys.push(row.foreign_key());
            }
            if let Some(ForeignKey { columns, target, .. }) = table.foreign_keys.last_mut() {
                columns.push(row.column);
                target.push(row.target_column);
            }
        }
        let checks = if server.is_mariadb != 0 { MARIADB_CHECKS } else { MYSQL_CHECKS };
        for CheckRow { table, name, clause } in sql_query(checks).load::<CheckRow>(self)? {
            if let Some(at) = places.get(&table) {
                tables[*at].checks.push(Check { name, expression: clause, is_valid: true });
            }
        }
        if server.is_mariadb != 0 && sql_query(COUNTS_USE).get_result::<rows::Number>(self)?.n != 0 {
            tables.iter_mut().flat_map(|table| &mut table.indexes).for_each(|index| index.used = Use::Rows(0));
            for row in sql_query(USES).load::<UseRow>(self)? {
                let Some(at) = places.get(&row.table) else { continue };
                if let Some(index) = tables[*at].indexes.iter_mut().find(|index| index.name == row.name) {
                    index.used = Use::Rows(u64::try_from(row.n).unwrap_or_default());
                }
            }
        }
        Ok(Catalogue {
            database: Database::MySql,
            version: server.version,
            search_path: vec![server.name],
            tables,
            counted_since: None,
            enforces_foreign_keys: server.enforces != 0,
        })
    }
}
