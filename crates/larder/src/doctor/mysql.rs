//! What MariaDB and MySQL say of types and plans.

use diesel::{
    MysqlConnection, QueryableByName, RunQueryDsl as _,
    mysql::{Mysql, MysqlType},
    result::QueryResult,
    sql_query,
    sql_types::{Nullable, Text},
};

use super::{Examined, Mismatch, Planned, Probe, TypeOf};
use crate::catalogue::Column;

#[derive(QueryableByName)]
struct Line {
    #[diesel(sql_type = Nullable<Text>)]
    possible_keys: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    key: Option<String>,
    #[diesel(sql_type = Nullable<Text>, column_name = "Extra")]
    extra: Option<String>,
}

/// What a type holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Holds {
    /// Whole numbers of so many bits.
    Whole {
        bits: u32,
        is_signed: bool,
    },
    Fraction,
    Exact,
    Date,
    Time,
    Instant,
    Text,
    Bytes,
}

fn declared(sent_as: MysqlType) -> Option<Holds> {
    let whole = |bits, is_signed| Some(Holds::Whole { bits, is_signed });
    match sent_as {
        MysqlType::Tiny => whole(8, true),
        MysqlType::Short => whole(16, true),
        MysqlType::Long => whole(32, true),
        MysqlType::LongLong => whole(64, true),
        MysqlType::UnsignedTiny => whole(8, false),
        MysqlType::UnsignedShort => whole(16, false),
        MysqlType::UnsignedLong => whole(32, false),
        MysqlType::UnsignedLongLong => whole(64, false),
        MysqlType::Float | MysqlType::Double => Some(Holds::Fraction),
        MysqlType::Numeric => Some(Holds::Exact),
        MysqlType::Date => Some(Holds::Date),
        MysqlType::Time => Some(Holds::Time),
        MysqlType::DateTime | MysqlType::Timestamp => Some(Holds::Instant),
        MysqlType::String | MysqlType::Enum | MysqlType::Set => Some(Holds::Text),
        MysqlType::Blob => Some(Holds::Bytes),
        _ => None,
    }
}

fn held(sql_type: &str) -> Option<Holds> {
    let name = sql_type.split(['(', ' ']).next().unwrap_or_default();
    let whole = |bits| Some(Holds::Whole { bits, is_signed: !sql_type.contains("unsigned") });
    match name {
        "tinyint" => whole(8),
        "smallint" | "year" => whole(16),
        "mediumint" => whole(24),
        "int" => whole(32),
        "bigint" => whole(64),
        "float" | "double" => Some(Holds::Fraction),
        "decimal" => Some(Holds::Exact),
        "date" => Some(Holds::Date),
        "time" => Some(Holds::Time),
        "datetime" | "timestamp" => Some(Holds::Instant),
        "char" | "varchar" | "text" | "tinytext" | "mediumtext" | "longtext" | "enum" | "set" => Some(Holds::Text),
        "binary" | "varbinary" | "blob" | "tinyblob" | "mediumblob" | "longblob" => Some(Holds::Bytes),
        _ => None,
    }
}

impl Examined for Mysql {
    fn compare(
        _connection: &mut MysqlConnection,
        of: &TypeOf<'_, Self>,
        column: &Column,
    ) -> QueryResult<Option<Mismatch>> {
        let (Some(model), Some(table)) = (declared((of.0.sent_as)(&mut ())), held(&column.sql_type)) else {
            return Ok(None);
        };
        let why = match (model, table) {
            (Holds::Whole { bits: of_model, is_signed }, Holds::Whole { bits, is_signed: is_column_signed }) => {
                if is_signed && !is_column_signed && bits >= of_model {
                    "the column's largest numbers are none of the model's: a read of them fails"
                } else if !is_signed && is_column_signed {
                    "the column may hold numbers below zero: a read of them fails, or gives large ones"
                } else if bits > of_model {
                    "the column may hold larger numbers than the model: a read of them fails"
                } else {
                    return Ok(None);
                }
            }
            (one, other) if one == other => return Ok(None),
            // Types of a program's own have been given a column to hold them, and know how.
            _ if !of.0.is_of_diesel => return Ok(None),
            _ => "reads of it fail, or give other values",
        };
        Ok(Some(Mismatch { declared: of.0.type_name.clone(), why, is_silent: false }))
    }

    fn plan(connection: &mut MysqlConnection, probe: &Probe<'_>) -> QueryResult<Option<Planned>> {
        // A value of no matter which; a limit has to be a number.
        let text = probe.text.replace("LIMIT ?", "LIMIT 100").replace('?', "'1'");
        let lines: Vec<Line> = sql_query(format!("EXPLAIN {text}")).load(connection)?;
        let mut indexes = Vec::new();
        for Line { possible_keys, key, extra } in lines {
            if extra.is_some_and(|extra| extra.contains("after reading const tables")) {
                // It has looked the row up by a whole unique key, found none, and then tells no more of it.
                indexes.push("a unique key".to_owned());
            }
            // A small table is better read whole: what it has thought of is enough.
            let keys = key.or(possible_keys).unwrap_or_default();
            indexes.extend(keys.split(',').filter(|name| !name.is_empty()).map(str::to_owned));
        }
        Ok(Some(Planned { indexes, how: "EXPLAIN" }))
    }
}
