use diesel::{PgConnection, QueryResult, RunQueryDsl as _, connection::SimpleConnection as _, sql_query};

use super::run::{Flag, Text};

/// What a template's databases hold at first, and how one that was used is brought back to it.
#[derive(Debug)]
pub(super) struct Blank {
    /// Empties the tables that were empty, and the views of them.
    clear: String,
    /// The tables that were not.
    filled: Vec<String>,
    /// The catalogue, and the rows of the tables that have any.
    print: String,
}

impl Blank {
    pub(super) fn of(connection: &mut PgConnection) -> QueryResult<Self> {
        let tables: Vec<Text> = sql_query(
            "SELECT format('%I.%I', schemaname, tablename) AS text FROM pg_tables
             WHERE schemaname NOT IN ('pg_catalog', 'information_schema')",
        )
        .load(connection)?;
        let (mut empty, mut filled) = (Vec::new(), Vec::new());
        for Text { text: table } in tables {
            let has_rows = sql_query(format!("SELECT EXISTS (SELECT FROM {table}) AS flag"));
            let Flag { flag } = has_rows.get_result(connection)?;
            if flag { &mut filled } else { &mut empty }.push(table);
        }
        let mut clear =
            if empty.is_empty() { String::new() } else { format!("TRUNCATE {} RESTART IDENTITY;", empty.join(", ")) };
        let views: Vec<Text> = sql_query(
            "SELECT format('%I.%I', schemaname, matviewname) AS text FROM pg_matviews WHERE ispopulated
             ORDER BY format('%I.%I', schemaname, matviewname)::regclass::oid",
        )
        .load(connection)?;
        // In the order in which they were made, so that one which reads another comes after it.
        clear.extend(views.iter().map(|Text { text: view }| {
            format!("DO $$ BEGIN IF EXISTS (SELECT FROM {view}) THEN REFRESH MATERIALIZED VIEW {view}; END IF; END $$;")
        }));
        let print = print(connection, &filled)?;
        Ok(Self { clear, filled, print })
    }

    /// Empties what is to be empty: whether everything is as it was then.
    pub(super) fn restore(&self, connection: &mut PgConnection) -> QueryResult<bool> {
        connection.batch_execute(&self.clear)?;
        Ok(print(connection, &self.filled)? == self.print)
    }
}

/// A text that differs whenever definitions, or rows of the `filled` tables, do.
fn print(connection: &mut PgConnection, filled: &[String]) -> QueryResult<String> {
    // A changed definition is a new version of its catalogue row. TRUNCATE makes one of pg_class, too, so that is compared by its columns.
    let mut parts = vec![
        "SELECT row(oid, relname, relkind, relnamespace, reloptions, relrowsecurity, relpersistence)::text AS entry
         FROM pg_class WHERE oid >= 16384"
            .to_owned(),
    ];
    parts.extend(
        [
            ("pg_attribute", "attrelid"),
            ("pg_index", "indexrelid"),
            ("pg_attrdef", "oid"),
            ("pg_constraint", "oid"),
            ("pg_extension", "oid"),
            ("pg_namespace", "oid"),
            ("pg_proc", "oid"),
            ("pg_rewrite", "oid"),
            ("pg_trigger", "oid"),
            ("pg_type", "oid"),
        ]
        // Whatever a user makes has at least this number.
        .map(|(table, oid)| {
            format!("SELECT '{table}' || row({oid}, xmin, ctid)::text FROM {table} WHERE {oid} >= 16384")
        }),
    );
    parts.extend(filled.iter().map(|table| format!("SELECT t::text FROM {table} AS t")));
    let print = format!(
        "SELECT coalesce(md5(string_agg(entry, '|' ORDER BY entry)), '') AS text FROM ({}) AS entries",
        parts.join(" UNION ALL ")
    );
    sql_query(print).get_result(connection).map(|Text { text }| text)
}
