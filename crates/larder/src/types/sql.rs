//! What the columns are to Diesel, for `diesel::table!`.

use diesel::{
    query_builder::QueryId,
    sql_types::{Foldable, Nullable, SqlOrd, SqlType},
};

/// The SQL type of [`types::Id`](super::Id): `uuid`, `BINARY(16)`, or a `BLOB` of 16 bytes.
#[cfg(feature = "uuid")]
#[derive(Debug, Clone, Copy, Default, SqlType, QueryId)]
#[cfg_attr(feature = "postgres", diesel(postgres_type(oid = 2950, array_oid = 2951)))]
#[cfg_attr(feature = "mysql", diesel(mysql_type(name = "Blob")))]
#[cfg_attr(feature = "sqlite", diesel(sqlite_type(name = "Binary")))]
pub struct Id;

/// The SQL type of [`types::Money`](super::Money): an exact number, on SQLite of minor units.
#[derive(Debug, Clone, Copy, Default, SqlType, QueryId)]
#[cfg_attr(feature = "postgres", diesel(postgres_type(oid = 1700, array_oid = 1231)))]
#[cfg_attr(feature = "mysql", diesel(mysql_type(name = "Numeric")))]
#[cfg_attr(feature = "sqlite", diesel(sqlite_type(name = "Long")))]
pub struct Money<const PLACES: u8 = 2>;

/// The SQL type of [`types::Moment`](super::Moment): `timestamptz`, `DATETIME(6)`, or an integer.
#[cfg(feature = "chrono")]
#[derive(Debug, Clone, Copy, Default, SqlType, QueryId)]
#[cfg_attr(feature = "postgres", diesel(postgres_type(oid = 1184, array_oid = 1185)))]
#[cfg_attr(feature = "mysql", diesel(mysql_type(name = "DateTime")))]
#[cfg_attr(feature = "sqlite", diesel(sqlite_type(name = "Long")))]
pub struct Moment;

#[cfg(feature = "uuid")]
impl SqlOrd for Id {}

impl<const PLACES: u8> SqlOrd for Money<PLACES> {}

#[cfg(feature = "chrono")]
impl SqlOrd for Moment {}

/// A sum that is too large for [`types::Money`](super::Money), and a mean that is not exact, fail where they are read.
impl<const PLACES: u8> Foldable for Money<PLACES> {
    type Sum = Nullable<Self>;
    type Avg = Nullable<Self>;
}
