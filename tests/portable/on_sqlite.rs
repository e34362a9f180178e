//! What larder promises, on a file of SQLite and a store of this process.

#![expect(clippy::unwrap_used, reason = "a test that fails here should")]
#![expect(clippy::type_complexity, reason = "the whole type is what is shown")]

mod backends;
mod site;
mod sqlite;
mod suite;

/// The back end.
type Db = diesel::sqlite::Sqlite;
