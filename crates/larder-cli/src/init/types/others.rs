//! The types of MariaDB, MySQL and SQLite, by how they were written.

use super::{key, known, length, ordering, value};
use crate::init::{
    names,
    schema::{ColumnType, Custom, Path, RustType},
};

/// The type of a column of SQLite, by the rules by which the diesel CLI reads what was declared. Whole numbers are `i64`, which is what
/// SQLite keeps of them.
#[cfg(any(feature = "sqlite", test))]
pub(crate) fn sqlite(sql_type: &str) -> Option<ColumnType> {
    let lower = sql_type.to_ascii_lowercase();
    let has = |parts: &[&str]| parts.iter().any(|part| lower.contains(part));
    Some(if lower == "boolean" || lower == "bool" || has(&["tiny"]) && has(&["int"]) {
        known("Bool", key("bool"))
    } else if has(&["smallint", "int2"]) {
        known("SmallInt", key("i16"))
    } else if has(&["int"]) {
        known("BigInt", key("i64"))
    } else if has(&["char", "clob", "text"]) {
        known("Text", key("String"))
    } else if lower.is_empty() || has(&["blob"]) {
        known("Binary", key("Vec<u8>"))
    } else if has(&["float", "real"]) && !has(&["double"]) {
        known("Float", value("f32"))
    } else if has(&["double", "num", "decimal"]) {
        known("Double", value("f64"))
    } else if lower == "datetime" || lower == "timestamp" {
        known("Timestamp", ordering("NaiveDateTime"))
    } else if lower == "date" {
        known("Date", ordering("NaiveDate"))
    } else if lower == "time" {
        known("Time", value("NaiveTime"))
    } else {
        return None;
    })
}

/// The type of a column of MariaDB or MySQL. An enum's is one of the column's own: `table` and `column` are their names in the schema.
#[cfg(any(feature = "mysql", test))]
pub(crate) fn mysql(sql_type: &str, table: &str, column: &str) -> ColumnType {
    let lower = sql_type.to_ascii_lowercase();
    let base = lower.split(['(', ' ']).next().unwrap_or_default();
    if base == "enum" {
        return ColumnType {
            diesel: names::camel_case(&format!("{table}_{column}_enum")),
            max_length: None,
            custom: Some(Custom {
                rust_name: names::camel_case(&format!("{table}_{column}_enum")),
                sql_name: "Enum".to_owned(),
                schema: None,
                labels: labels(sql_type),
            }),
            rust: Some(RustType { path: Path::Enum, is_key: true, orders: false }),
        };
    }
    let number = |name: &str, signed, unsigned| {
        if lower.contains("unsigned") {
            known(format!("Unsigned<{name}>"), key(unsigned))
        } else {
            known(name, key(signed))
        }
    };
    let text = |name: &str| ColumnType { max_length: length(sql_type), ..known(name, key("String")) };
    let bytes = |name: &str| ColumnType { max_length: length(sql_type), ..known(name, key("Vec<u8>")) };
    match base {
        "tinyint" if lower.starts_with("tinyint(1)") => known("Bool", key("bool")),
        "tinyint" => number("TinyInt", "i8", "u8"),
        "smallint" => number("SmallInt", "i16", "u16"),
        "mediumint" | "int" | "integer" => number("Integer", "i32", "u32"),
        "bigint" => number("BigInt", "i64", "u64"),
        "decimal" | "numeric" => known("Decimal", ordering("BigDecimal")),
        "float" => known("Float", value("f32")),
        "double" | "real" => known("Double", value("f64")),
        "char" => text("Char"),
        "varchar" => text("Varchar"),
        "tinytext" | "text" | "mediumtext" | "longtext" => {
            ColumnType { max_length: None, ..text(&names::camel_case(base)) }
        }
        "binary" | "varbinary" => bytes(&names::camel_case(base)),
        "tinyblob" | "blob" | "mediumblob" | "longblob" => {
            ColumnType { max_length: None, ..bytes(&names::camel_case(base)) }
        }
        "date" => known("Date", ordering("NaiveDate")),
        "datetime" => known("Datetime", ordering("NaiveDateTime")),
        "timestamp" => known("Timestamp", ordering("NaiveDateTime")),
        "time" => known("Time", value("NaiveTime")),
        "json" => known("Json", RustType { orders: false, ..value("Value") }),
        other => ColumnType {
            diesel: names::camel_case(&format!("{table}_{column}_{other}")),
            max_length: None,
            custom: Some(Custom {
                rust_name: names::camel_case(&format!("{table}_{column}_{other}")),
                sql_name: "Blob".to_owned(),
                schema: None,
                labels: Vec::new(),
            }),
            rust: None,
        },
    }
}

/// The words in `enum('a','it''s')`.
#[cfg(any(feature = "mysql", test))]
fn labels(sql_type: &str) -> Vec<String> {
    let inner = sql_type.split_once('(').map_or("", |(_, inner)| inner);
    let (mut labels, mut characters) = (Vec::new(), inner.chars().peekable());
    while characters.by_ref().any(|character| character == '\'') {
        let mut label = String::new();
        while let Some(character) = characters.next() {
            // A quote inside of a word stands there twice.
            if character == '\'' && characters.next_if_eq(&'\'').is_none() {
                break;
            }
            label.push(character);
        }
        labels.push(label);
    }
    labels
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_enum_is_taken_apart_at_its_quotes() {
        assert_eq!(labels("enum('new','it''s','a,b','')"), ["new", "it's", "a,b", ""]);
        assert!(labels("enum").is_empty());
    }

    #[test]
    fn types_are_those_of_the_diesel_cli() {
        for (sql, diesel) in [
            ("INTEGER", "BigInt"),
            ("BOOLEAN", "Bool"),
            ("VARCHAR(80)", "Text"),
            ("", "Binary"),
            ("NUMERIC(10,2)", "Double"),
            ("TIMESTAMP", "Timestamp"),
        ] {
            assert_eq!(sqlite(sql).map(|ty| ty.diesel).as_deref(), Some(diesel), "{sql}");
        }
        assert_eq!(sqlite("geometry"), None);
        for (sql, diesel) in [
            ("int(10) unsigned", "Unsigned<Integer>"),
            ("tinyint(1)", "Bool"),
            ("tinyint(4)", "TinyInt"),
            ("decimal(10,2)", "Decimal"),
            ("varchar(80)", "Varchar"),
            ("year(4)", "UsersBornYear"),
        ] {
            assert_eq!(mysql(sql, "users", "born").diesel, diesel, "{sql}");
        }
    }
}
