use diesel::{
    Connection,
    connection::InstrumentationEvent,
    r2d2::{CustomizeConnection, Error},
};

use super::{Entry, Meter};

impl Meter {
    /// Counts the statements of this connection from now on.
    pub fn watch(&self, connection: &mut impl Connection) {
        let meter = self.clone();
        connection.set_instrumentation(move |event: InstrumentationEvent<'_>| {
            if let InstrumentationEvent::StartQuery { query, .. } = event {
                let query = query.to_string();
                // Told to a connection of MariaDB's once, whichever call is the first to have it.
                if query != "ROLLBACK; SET autocommit = 1" {
                    meter.add(Entry::sql(query));
                }
            }
        });
    }
}

impl<C: Connection + 'static> CustomizeConnection<C, Error> for Meter {
    fn on_acquire(&self, connection: &mut C) -> Result<(), Error> {
        self.watch(connection);
        Ok(())
    }
}
