//! Types of columns: what `table!` calls them, and what they are in Rust.

#[cfg(any(feature = "mysql", feature = "sqlite", test))]
mod others;
mod postgres;

#[cfg(feature = "mysql")]
pub(crate) use self::others::mysql;
#[cfg(feature = "sqlite")]
pub(crate) use self::others::sqlite;
pub(crate) use self::postgres::{Named, postgres};
use super::schema::{ColumnType, Path, RustType};

/// A type that is part of keys.
const fn key(path: &'static str) -> RustType {
    RustType { path: Path::Plain(path), is_key: true, orders: false }
}

/// One that is part of keys, by which lists are ordered rather than found.
const fn ordering(path: &'static str) -> RustType {
    RustType { path: Path::Plain(path), is_key: true, orders: true }
}

/// One that rows have and are not found by.
const fn value(path: &'static str) -> RustType {
    RustType { path: Path::Plain(path), is_key: false, orders: true }
}

fn known(diesel: impl Into<String>, rust: RustType) -> ColumnType {
    ColumnType { diesel: diesel.into(), max_length: None, custom: None, rust: Some(rust) }
}

/// The number in `varchar(80)`.
#[cfg(any(feature = "mysql", test))]
fn length(sql_type: &str) -> Option<u64> {
    sql_type.split_once('(')?.1.split(')').next()?.trim().parse().ok()
}
