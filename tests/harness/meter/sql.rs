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
                meter.add(Entry::sql(query.to_string()));
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
