//! Column types that one model can have on every back end.
//!
//! Diesel maps a `Uuid` to PostgreSQL's uuid only, an instant with a time zone to two of three databases by different SQL types, and an exact
//! number on SQLite through a float. Each of these is one Rust type with one SQL type (in [`sql`]), and what it is in a table differs:
//!
//! | type | PostgreSQL | MySQL, MariaDB | SQLite |
//! | --- | --- | --- | --- |
//! | [`Id`] | `uuid` | `BINARY(16)` | `BLOB` of 16 bytes |
//! | [`Money<2>`](Money) | `NUMERIC(19, 2)` | `DECIMAL(19, 2)` | `INTEGER`, of hundredths |
//! | [`Moment`] | `timestamptz` | `DATETIME(6)`, in UTC | `INTEGER`, of microseconds since 1970 |
//!
//! In each of these columns order, equality, `min` and `max` are those of the Rust type, and sums are exact.
//! [`Json`] (feature `serde_json`) keeps a serde type as a document, on each of them too.
//!
//! Beside them stand types for columns that Diesel has but no row type for, such as `Json` (feature `serde_json`).
//!
//! ```
//! mod schema {
//!     diesel::table! {
//!         use diesel::sql_types::{Nullable, Text};
//!         use larder::types::sql::{Id, Moment, Money};
//!
//!         orders (id) {
//!             id -> Id,
//!             status -> Text,
//!             total -> Money<2>,
//!             paid_at -> Nullable<Moment>,
//!         }
//!     }
//! }
//! ```

#[cfg(feature = "postgres")]
mod expression;
#[cfg(feature = "uuid")]
mod id;
#[cfg(feature = "serde_json")]
mod json;
#[cfg(feature = "chrono")]
mod moment;
mod money;
#[cfg(feature = "postgres")]
mod point;
pub mod sql;

#[cfg(feature = "uuid")]
pub use self::id::Id;
#[cfg(feature = "serde_json")]
pub use self::json::{Document, Json};
#[cfg(all(feature = "serde_json", feature = "postgres"))]
pub use self::json::{JsonMethods, Path, PathCondition, PathText};
#[cfg(feature = "chrono")]
pub use self::moment::Moment;
pub use self::money::{InvalidMoney, Money};
#[cfg(feature = "postgres")]
pub use self::point::{Distance, Geography, Point, PointMethods, Within};

#[cfg(test)]
#[cfg(all(feature = "sqlite", feature = "uuid", feature = "chrono"))]
mod tests;
