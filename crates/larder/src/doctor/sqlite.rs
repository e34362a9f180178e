//! What SQLite says of types and plans.

use diesel::{
    QueryableByName, RunQueryDsl as _, SqliteConnection,
    result::QueryResult,
    sql_query,
    sql_types::Text,
    sqlite::{Sqlite, SqliteType},
};

use super::{Examined, Mismatch, Planned, Probe, TypeOf};
use crate::catalogue::Column;

#[derive(QueryableByName)]
struct Line {
    #[diesel(sql_type = Text)]
    detail: String,
}

/// What a column makes of the values that it is given, by the name of its type: <https://sqlite.org/datatype3.html#determination_of_column_affinity>.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Affinity {
    Integer,
    Text,
    Blob,
    Real,
    Numeric,
}

fn affinity(sql_type: &str) -> Affinity {
    let name = sql_type.to_ascii_uppercase();
    let has = |words: &[&str]| words.iter().any(|word| name.contains(word));
    if has(&["INT"]) {
        Affinity::Integer
    } else if has(&["CHAR", "CLOB", "TEXT"]) {
        Affinity::Text
    } else if name.is_empty() || has(&["BLOB", "ANY"]) {
        Affinity::Blob
    } else if has(&["REAL", "FLOA", "DOUB"]) {
        Affinity::Real
    } else {
        Affinity::Numeric
    }
}

impl Examined for Sqlite {
    fn compare(
        _connection: &mut SqliteConnection,
        declared: &TypeOf<'_, Self>,
        column: &Column,
    ) -> QueryResult<Option<Mismatch>> {
        // Times are texts that look like no number, which stay what they are.
        let is_text = declared.0.type_name == "Text";
        let affinity = affinity(&column.sql_type);
        let why = match (declared.0.sent_as)(&mut ()) {
            SqliteType::Text
                if is_text && matches!(affinity, Affinity::Integer | Affinity::Numeric | Affinity::Real) =>
            {
                "a text that looks like a number becomes one: \"007\" is read as \"7\""
            }
            SqliteType::SmallInt | SqliteType::Integer | SqliteType::Long | SqliteType::Float | SqliteType::Double
                if affinity == Affinity::Text =>
            {
                "numbers are kept as texts, and ordered as such: 10 comes before 9"
            }
            SqliteType::SmallInt | SqliteType::Integer | SqliteType::Long if affinity == Affinity::Real => {
                "whole numbers beyond 2^53 lose their last digits"
            }
            SqliteType::Float | SqliteType::Double if affinity == Affinity::Integer => return Ok(None),
            _ => return Ok(None),
        };
        Ok(Some(Mismatch { declared: declared.0.type_name.clone(), why, is_silent: true }))
    }

    fn plan(connection: &mut SqliteConnection, probe: &Probe<'_>) -> QueryResult<Option<Planned>> {
        let lines: Vec<Line> = sql_query(format!("EXPLAIN QUERY PLAN {}", probe.text)).load(connection)?;
        let mut indexes = Vec::new();
        for Line { detail } in lines {
            // A scan by an index is in its order, and reads all of it.
            let Some(rest) = detail.strip_prefix("SEARCH ") else { continue };
            if rest.contains(" USING INTEGER PRIMARY KEY") {
                indexes.push("rowid".to_owned());
            } else if let Some((_, name)) = rest.split_once("INDEX ") {
                indexes.push(name.rsplit_once(" (").map_or(name, |(name, _)| name).to_owned());
            } else if rest.contains(" USING PRIMARY KEY") {
                // That of a table without row numbers: it is the table itself.
                indexes.push("the primary key".to_owned());
            }
        }
        Ok(Some(Planned { indexes, how: "EXPLAIN QUERY PLAN" }))
    }
}
