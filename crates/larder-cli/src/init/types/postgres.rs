//! PostgreSQL's types, by the names in its catalogue.

use super::{key, known, ordering, value};
use crate::init::{
    names,
    schema::{ColumnType, Custom, Path, RustType},
};

/// A type as the catalogue has it: the one that a domain is of, the elements of an array.
#[derive(Debug, Clone, Default)]
pub(crate) struct Named {
    pub(crate) name: String,
    /// `None` for those that PostgreSQL brings and those of the schema that is looked into first.
    pub(crate) schema: Option<String>,
    pub(crate) is_array: bool,
    pub(crate) labels: Vec<String>,
}

/// Types that Diesel brings, and of which larder has no values. Others are declared in the schema.
const BROUGHT: [&str; 13] = [
    "bit",
    "char",
    "macaddr8",
    "money",
    "pg_lsn",
    "record",
    "interval",
    "int4multirange",
    "int8multirange",
    "datemultirange",
    "nummultirange",
    "tsmultirange",
    "tstzmultirange",
];

/// The type of a column, which holds texts of that length at most.
pub(crate) fn postgres(named: &Named, max_length: Option<u64>) -> ColumnType {
    let element = ColumnType { max_length, ..element(named) };
    if !named.is_array {
        return element;
    }
    // Diesel sends every array of texts as `text[]`, which PostgreSQL does not take for one of these.
    let is_sent = !matches!(named.name.as_str(), "varchar" | "bpchar" | "citext");
    ColumnType {
        diesel: format!("Array<Nullable<{}>>", element.diesel),
        rust: element.rust.filter(|_| is_sent).map(|rust| RustType {
            path: Path::Array(Box::new(rust.path)),
            is_key: false,
            orders: false,
        }),
        ..element
    }
}

fn element(named: &Named) -> ColumnType {
    let name = named.name.as_str();
    let rust = match name {
        _ if !named.labels.is_empty() => {
            return custom(named, Some(RustType { path: Path::Enum, is_key: true, orders: false }));
        }
        // Somebody's own type of a known name.
        _ if named.schema.is_some() => return custom(named, None),
        "int2" => key("i16"),
        "int4" => key("i32"),
        "int8" => key("i64"),
        "oid" => key("u32"),
        "bool" => key("bool"),
        "text" | "varchar" | "bpchar" | "citext" => key("String"),
        "bytea" => key("Vec<u8>"),
        "uuid" => key("Uuid"),
        "numeric" => ordering("BigDecimal"),
        "date" => ordering("NaiveDate"),
        "timestamp" => ordering("NaiveDateTime"),
        "timestamptz" => ordering("DateTime<Utc>"),
        "time" => value("NaiveTime"),
        "float4" => value("f32"),
        "float8" => value("f64"),
        "inet" | "cidr" => RustType { orders: false, ..key("IpNet") },
        "macaddr" => RustType { orders: false, ..value("[u8; 6]") },
        "int4range" => range("(Bound<i32>, Bound<i32>)"),
        "int8range" => range("(Bound<i64>, Bound<i64>)"),
        "numrange" => range("(Bound<BigDecimal>, Bound<BigDecimal>)"),
        "daterange" => range("(Bound<NaiveDate>, Bound<NaiveDate>)"),
        "tsrange" => range("(Bound<NaiveDateTime>, Bound<NaiveDateTime>)"),
        "tstzrange" => range("(Bound<DateTime<Utc>>, Bound<DateTime<Utc>>)"),
        "json" | "jsonb" => RustType { orders: false, ..value("Value") },
        other => {
            return ColumnType {
                diesel: names::camel_case(other),
                max_length: None,
                custom: (!BROUGHT.contains(&other)).then(|| of(named)),
                rust: None,
            };
        }
    };
    known(names::camel_case(name), rust)
}

/// No index finds what is equal to one, and none of those that find what it overlaps is one for an order.
const fn range(path: &'static str) -> RustType {
    RustType { path: Path::Plain(path), is_key: false, orders: false }
}

fn custom(named: &Named, rust: Option<RustType>) -> ColumnType {
    ColumnType { diesel: names::camel_case(&named.name), max_length: None, custom: Some(of(named)), rust }
}

fn of(named: &Named) -> Custom {
    Custom {
        rust_name: names::camel_case(&named.name),
        sql_name: named.name.clone(),
        schema: named.schema.clone(),
        labels: named.labels.clone(),
    }
}
