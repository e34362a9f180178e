//! What a database says of its tables: columns, keys, indexes, constraints, sizes, and what it has counted.
//!
//! ```no_run
//! # #[cfg(feature = "postgres")]
//! # fn example(connection: &mut diesel::PgConnection) -> diesel::QueryResult<()> {
//! let catalogue = larder::catalogue::Catalogue::read(connection)?;
//! for table in &catalogue.tables {
//!     println!("{}.{}: {} indexes", table.schema, table.name, table.indexes.len());
//! }
//! # Ok(())
//! # }
//! ```
//!
//! A field that the database at hand can't fill is `None` or empty, and its documentation says where.

mod find;
#[cfg(feature = "mysql")]
mod mysql;
#[cfg(feature = "postgres")]
mod postgres;
#[cfg(feature = "sqlite")]
mod sqlite;
mod table;

use diesel::result::QueryResult;
use serde::Serialize;

#[cfg(feature = "postgres")]
pub(crate) use self::postgres::PATIENCE;
pub use self::table::{
    Action, Check, Column, Counter, ForeignKey, Index, IndexKey, IndexPart, Kind, Strictness, Table, Use,
};
pub use crate::backend::Database;

/// What a database says of its tables.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Catalogue {
    /// Which database it is.
    pub database: Database,
    /// Its version, as it tells it.
    pub version: String,
    /// The schemas in which a table without a schema is looked for, in that order.
    pub search_path: Vec<String>,
    /// The tables and views of the application, by schema and name. Those of the database itself and of its extensions are left out.
    pub tables: Vec<Table>,
    /// Since when uses are counted, as the database writes an instant: `None` where it does not say, or has counted from the
    /// beginning.
    pub counted_since: Option<String>,
    /// Whether foreign keys are enforced on this connection: SQLite's have to be asked for.
    pub enforces_foreign_keys: bool,
}

/// A connection whose database can be read. Implemented for Diesel's connections, by the features of the back ends. Sealed.
pub trait Connected: sealed::Sealed {
    #[doc(hidden)]
    fn catalogue(&mut self) -> QueryResult<Catalogue>;
}

mod sealed {
    pub trait Sealed {}

    #[cfg(feature = "postgres")]
    impl Sealed for diesel::PgConnection {}

    #[cfg(feature = "mysql")]
    impl Sealed for diesel::MysqlConnection {}

    #[cfg(feature = "sqlite")]
    impl Sealed for diesel::SqliteConnection {}
}

impl Catalogue {
    /// Reads what the connection's user may see.
    ///
    /// Six statements on PostgreSQL, eight or fewer on MariaDB and MySQL, seven or fewer on SQLite, whatever the number of tables; none of them
    /// reads a row of the application's. They are no snapshot: what is altered meanwhile may be seen by halves.
    ///
    /// # Errors
    /// The database's.
    pub fn read(connection: &mut impl Connected) -> QueryResult<Self> {
        connection.catalogue()
    }
}
