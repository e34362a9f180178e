//! What PostgreSQL says of types and plans.

use diesel::{
    Connection as _, OptionalExtension as _, PgConnection, QueryableByName, RunQueryDsl as _,
    connection::SimpleConnection as _,
    pg::{Pg, PgMetadataLookup},
    result::{Error, QueryResult},
    sql_query,
    sql_types::{Nullable, Oid, Text},
};

use super::{Examined, Mismatch, Planned, Probe, Proof, TypeOf};
use crate::{
    catalogue::{Column, PATIENCE},
    models::quoted,
};

#[derive(QueryableByName)]
struct Name {
    #[diesel(sql_type = Nullable<Text>)]
    name: Option<String>,
}

/// An index that hypopg supposes.
#[derive(QueryableByName)]
struct Supposed {
    #[diesel(sql_type = Oid)]
    oid: u32,
    #[diesel(sql_type = Text)]
    name: String,
}

#[derive(QueryableByName)]
struct Line {
    #[diesel(sql_type = Text, column_name = "QUERY PLAN")]
    line: String,
}

/// `text`, `varchar` and `char(n)` are read and sent alike; so are their arrays.
fn family(oid: u32) -> u32 {
    match oid {
        1043 | 1042 => 25,
        1015 | 1014 => 1009,
        oid => oid,
    }
}

impl Examined for Pg {
    fn compare(
        connection: &mut PgConnection,
        declared: &TypeOf<'_, Self>,
        column: &Column,
    ) -> QueryResult<Option<Mismatch>> {
        let lookup: &mut dyn PgMetadataLookup = connection;
        let Ok(oid) = (declared.0.sent_as)(lookup).oid() else { return Ok(None) };
        let Some(found) = column.type_id else { return Ok(None) };
        if family(oid) == family(found) {
            return Ok(None);
        }
        let name: Option<Name> =
            sql_query("SELECT format_type($1, NULL) AS name").bind::<Oid, _>(oid).get_result(connection).optional()?;
        let name = name.and_then(|name| name.name).unwrap_or_else(|| declared.0.type_name.clone());
        // A type of one's own may be a domain, which is sent as what it is of.
        if name == column.sql_type {
            return Ok(None);
        }
        // Both are eight bytes: one is taken for the other.
        let is_silent = matches!((oid, found), (1114, 1184) | (1184, 1114));
        let why = if is_silent {
            "instants are shifted by the time zone"
        } else {
            "reads and writes of it fail, or pass by its index"
        };
        Ok(Some(Mismatch { declared: name, why, is_silent }))
    }

    fn plan(connection: &mut PgConnection, probe: &Probe<'_>) -> QueryResult<Option<Planned>> {
        let Probe { text } = probe;
        let n_values = (1..).take_while(|n| has_place(text, *n)).count();
        let nulls = vec!["NULL"; n_values].join(", ");
        let values = if nulls.is_empty() { String::new() } else { format!("({nulls})") };
        let mut lines: Vec<Line> = Vec::new();
        // Rolled back, also within a transaction of the caller's.
        let done = connection.transaction::<(), Error, _>(|connection| {
            // One plan for all values, and an index for whatever can have one: a small table is better read whole.
            sql_query(PATIENCE).execute(connection)?;
            connection.batch_execute(&format!(
                "SET LOCAL plan_cache_mode = force_generic_plan; SET LOCAL enable_seqscan = off; PREPARE larder_doctor AS {text}"
            ))?;
            lines = sql_query(format!("EXPLAIN (COSTS OFF) EXECUTE larder_doctor{values}")).load(connection)?;
            Err(Error::RollbackTransaction)
        });
        // What was prepared outlives the transaction; there may be nothing.
        let _ =
            connection.transaction::<(), Error, _>(|connection| connection.batch_execute("DEALLOCATE larder_doctor"));
        match done {
            Ok(()) | Err(Error::RollbackTransaction) => {}
            Err(error) => return Err(error),
        }
        let mut indexes: Vec<String> = Vec::new();
        let mut open: Option<String> = None;
        for Line { line } in &lines {
            if let Some(name) = index_in(line) {
                open = Some(name);
            } else if line.trim_start().starts_with("Index Cond:") {
                // Without a condition, it is read from end to end.
                indexes.extend(open.take().filter(|name| !indexes.contains(name)));
            }
        }
        Ok(Some(Planned { indexes, how: "EXPLAIN of a generic plan, enable_seqscan = off" }))
    }

    fn suppose(connection: &mut PgConnection, index: &str, probe: &Probe<'_>) -> QueryResult<Proof> {
        let installed = sql_query(
            "SELECT quote_ident(n.nspname) AS name FROM pg_extension AS e JOIN pg_namespace AS n ON n.oid = e.extnamespace
             WHERE e.extname = 'hypopg'",
        );
        let Some(Name { name: Some(schema) }) = installed.get_result(connection).optional()? else {
            return Ok(Proof::Unknown { why: "the extension hypopg is not installed".to_owned() });
        };
        let mut made: Option<Supposed> = None;
        let done = connection.transaction::<(), Error, _>(|connection| {
            sql_query(PATIENCE).execute(connection)?;
            let make =
                format!("SELECT indexrelid AS oid, indexname::text AS name FROM {schema}.hypopg_create_index($1)");
            made = sql_query(make).bind::<Text, _>(index).get_result(connection).optional()?;
            // It is the connection's and no transaction's, whose patience is to end here.
            Err(Error::RollbackTransaction)
        });
        let made = match (done, made) {
            (Err(Error::RollbackTransaction), Some(made)) => made,
            (Err(error), _) => return Err(error),
            (Ok(()), _) => return Ok(Proof::NotAsked),
        };
        let planned = Self::plan(connection, probe);
        // Not all that are supposed: some may be the caller's.
        sql_query(format!("SELECT {schema}.hypopg_drop_index($1)")).bind::<Oid, _>(made.oid).execute(connection)?;
        let is_searched = planned?.is_some_and(|planned| planned.indexes.contains(&made.name));
        let how = "hypopg, EXPLAIN of a generic plan";
        Ok(if is_searched { Proof::Searched { how } } else { Proof::NotSearched { how } })
    }
}

/// Whether a statement has a place of that number.
fn has_place(text: &str, n: u32) -> bool {
    let place = format!("${n}");
    text.match_indices(&place).any(|(at, _)| !text[at + place.len()..].starts_with(|c: char| c.is_ascii_digit()))
}

/// The index that a line of a plan scans.
fn index_in(line: &str) -> Option<String> {
    let behind = [
        "Index Scan using ",
        "Index Only Scan using ",
        "Index Scan Backward using ",
        "Index Only Scan Backward using ",
        "Bitmap Index Scan on ",
    ]
    .iter()
    .find_map(|words| line.split_once(words))?
    .1;
    match quoted(behind) {
        Some((name, _)) => Some(name),
        None => behind.split(' ').next().map(str::to_owned),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_index_of_a_line_is_found_under_whatever_name() {
        for (line, name) in [
            ("  ->  Index Scan using orders_pkey on orders", Some("orders_pkey")),
            ("Index Only Scan Backward using \"a b\"\"c\" on t", Some("a b\"c")),
            ("->  Bitmap Index Scan on i", Some("i")),
            ("Seq Scan on orders", None),
        ] {
            assert_eq!(index_in(line).as_deref(), name);
        }
        assert!(has_place("a = $1", 1) && !has_place("a = $12", 1) && has_place("$12, $1", 1));
    }
}
