use std::{sync::Arc, time::Duration};

use diesel::{
    Connection as _, SqliteConnection,
    connection::SimpleConnection as _,
    r2d2::{ConnectionManager, CustomizeConnection, Error, Pool},
    sqlite::Sqlite,
};
use larder::{
    MemoryStore,
    sqlite::Settings,
    types::{Id, Moment},
};
use tempfile::TempDir;

use super::{Costs, Ground, Keys, Money};
use crate::Meter;

const TABLES: &str = "
    CREATE TABLE users (
        id BLOB PRIMARY KEY NOT NULL,
        email TEXT NOT NULL UNIQUE,
        created_at INTEGER NOT NULL
    );
    CREATE TABLE orders (
        id BLOB PRIMARY KEY NOT NULL,
        user_id BLOB NOT NULL REFERENCES users ON DELETE CASCADE,
        status TEXT NOT NULL,
        total_amount INTEGER NOT NULL CHECK (total_amount >= 0),
        created_at INTEGER NOT NULL
    );
    CREATE INDEX orders_user_id_status ON orders (user_id, status);
    CREATE TABLE order_items (
        order_id BLOB NOT NULL REFERENCES orders ON DELETE CASCADE,
        line_number INTEGER NOT NULL,
        sku TEXT NOT NULL,
        quantity INTEGER NOT NULL,
        unit_price INTEGER NOT NULL,
        PRIMARY KEY (order_id, line_number)
    );
";

const ARCHIVE: &str = "
    CREATE TABLE shelves (id BIGINT PRIMARY KEY NOT NULL, parent_id BIGINT, gone_at INTEGER);
    CREATE INDEX shelves_parent_id ON shelves (parent_id);
    CREATE TABLE docs (
        id BIGINT PRIMARY KEY NOT NULL, shelf_id BIGINT NOT NULL REFERENCES shelves ON DELETE CASCADE, name TEXT NOT NULL,
        n_reads BIGINT NOT NULL DEFAULT 0, version INTEGER NOT NULL DEFAULT 1, gone_at INTEGER,
        made_at INTEGER NOT NULL DEFAULT (CAST(strftime('%s', 'now') AS INTEGER) * 1000000),
        changed_at INTEGER NOT NULL DEFAULT (CAST(strftime('%s', 'now') AS INTEGER) * 1000000)
    );
    CREATE UNIQUE INDEX docs_name ON docs (name) WHERE gone_at IS NULL;
    CREATE INDEX docs_shelf_id ON docs (shelf_id);
    CREATE TABLE files (
        team BIGINT NOT NULL, id BIGINT NOT NULL, label TEXT NOT NULL, state TEXT NOT NULL, gone_at INTEGER, PRIMARY KEY (team, id)
    );
    CREATE UNIQUE INDEX files_label ON files (team, label) WHERE gone_at IS NULL;
    CREATE INDEX files_state ON files (team, state);
";

/// A file in a folder of its own.
#[derive(Debug)]
pub struct File {
    path: String,
    _folder: TempDir,
}

#[derive(Debug)]
struct Opened(Meter);

impl CustomizeConnection<SqliteConnection, Error> for Opened {
    fn on_acquire(&self, connection: &mut SqliteConnection) -> Result<(), Error> {
        settings().apply(connection).map_err(Error::QueryError)?;
        // From here on: what an application says once a connection is no part of what a call costs.
        self.0.watch(connection);
        Ok(())
    }
}

impl Ground for Sqlite {
    type Database = File;

    const NAME: &'static str = "SQLite";
    const KIND: larder::backend::Database = larder::backend::Database::SQLite;
    const ARCHIVE: &'static str = ARCHIVE;
    const HAS_OUTBOX: bool = false;
    const STREAMS_IN_CONSTANT_MEMORY: bool = true;

    // It has RETURNING, for the rows as they are; those as they were are read first. And no word for a column's default in a list.
    const COSTS: Costs = Costs {
        insert: 1,
        insert_many: |n| n,
        insert_missing: |n| n,
        insert_none: |n| n,
        update: 2,
        update_none: 1,
        delete: 1,
        delete_none: 1,
        update_each: 2,
        delete_softly: 2,
        restore: 2,
        delete_forever: 1,
        once: 2,
        once_before: 2,
    };
    const QUOTE: char = '`';
    const N_KEYS: usize = 32_510;
    const LOAD: Duration = Duration::from_secs(2);

    fn database() -> File {
        let folder = TempDir::new().expect("there is room for a folder");
        let path = folder.path().join("shop.sqlite").to_string_lossy().into_owned();
        let file = File { path, _folder: folder };
        Self::connect(&file).batch_execute(TABLES).expect("the tables can be made");
        file
    }

    fn connect(file: &File) -> SqliteConnection {
        let mut connection = SqliteConnection::establish(&file.path).expect("the file can be opened");
        settings().apply(&mut connection).expect("SQLite takes the settings");
        connection
    }

    fn pool(file: &File, meter: &Meter, size: u32) -> Pool<ConnectionManager<SqliteConnection>> {
        Pool::builder()
            .max_size(size)
            .min_idle(Some(0))
            .test_on_check_out(false)
            .connection_timeout(Duration::from_secs(10))
            .connection_customizer(Box::new(Opened(meter.clone())))
            .build(ConnectionManager::new(&file.path))
            .expect("a pool without idle connections opens nothing")
    }

    fn keys() -> Keys {
        Keys::Memory(Arc::new(MemoryStore::new()))
    }

    fn id(id: Id) -> String {
        format!("x'{}'", id.uuid().simple())
    }

    fn moment(moment: Moment) -> String {
        moment.micros().to_string()
    }

    fn amount(amount: Money) -> String {
        amount.minor().to_string()
    }
}

/// As `larder::embedded` has them, without waiting for the disk.
fn settings() -> Settings {
    Settings::default().durable(false)
}
