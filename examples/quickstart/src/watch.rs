//! Prints what goes to the database and to the store.

use diesel::{
    SqliteConnection,
    connection::{Connection as _, InstrumentationEvent},
    r2d2::{CustomizeConnection, Error},
};
use larder::{
    sqlite::Settings,
    store::{CellKey, Operation},
};

/// Sets connections up, and prints each statement that they send.
#[derive(Debug)]
pub(crate) struct WatchedConnections;

impl CustomizeConnection<SqliteConnection, Error> for WatchedConnections {
    fn on_acquire(&self, connection: &mut SqliteConnection) -> Result<(), Error> {
        Settings::default().apply(connection).map_err(Error::QueryError)?;
        connection.set_instrumentation(|event: InstrumentationEvent<'_>| {
            if let InstrumentationEvent::StartQuery { query, .. } = event {
                let text = query.to_string();
                println!("    sql    {}", text.split_whitespace().collect::<Vec<_>>().join(" "));
            }
        });
        Ok(())
    }
}

/// Prints what the store is asked: one line, one round trip if it were a remote one.
pub(crate) fn watch_store(operation: Operation, keys: &[&CellKey]) {
    let keys: Vec<String> = keys.iter().map(ToString::to_string).collect();
    println!("    store  {operation:<6} {}", keys.join("  "));
}
