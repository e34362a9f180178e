use serde::Serialize;

/// Which database it is.
///
/// No variant has the name of one of Diesel's types, whose paths messages of the compiler would have to write out to tell them apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub enum Database {
    /// PostgreSQL.
    #[serde(rename = "postgres")]
    PostgreSql,
    /// MariaDB or MySQL.
    #[serde(rename = "mysql")]
    MySql,
    /// SQLite.
    #[serde(rename = "sqlite")]
    SQLite,
}
