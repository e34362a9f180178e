mod run;

use std::time::Duration;

use diesel::{
    Connection as _, MysqlConnection,
    mysql::Mysql,
    r2d2::{ConnectionManager, Pool},
};
use larder::types::{Id, Moment};

use self::run::Run;
use super::{Costs, Ground, Keys, Money};
use crate::{Meter, Namespace};

/// Words are compared without regard to case by this server's default, and the shop's addresses are not: the table says so, as one of an
/// application should.
pub(super) const TABLES: &str = "
    CREATE TABLE users (
        id BINARY(16) PRIMARY KEY,
        email VARCHAR(255) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL UNIQUE,
        created_at DATETIME(6) NOT NULL
    );
    CREATE TABLE orders (
        id BINARY(16) PRIMARY KEY,
        user_id BINARY(16) NOT NULL,
        status VARCHAR(16) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
        total_amount DECIMAL(19, 2) NOT NULL CHECK (total_amount >= 0),
        created_at DATETIME(6) NOT NULL,
        INDEX (user_id, status),
        FOREIGN KEY (user_id) REFERENCES users (id) ON DELETE CASCADE
    );
    CREATE TABLE order_items (
        order_id BINARY(16) NOT NULL,
        line_number INT NOT NULL,
        sku TEXT NOT NULL,
        quantity INT NOT NULL,
        unit_price DECIMAL(19, 2) NOT NULL,
        PRIMARY KEY (order_id, line_number),
        FOREIGN KEY (order_id) REFERENCES orders (id) ON DELETE CASCADE
    );
";

const ARCHIVE: &str = "
    CREATE TABLE shelves (id BIGINT PRIMARY KEY, parent_id BIGINT, gone_at DATETIME(6), INDEX (parent_id));
    CREATE TABLE docs (
        id BIGINT PRIMARY KEY, shelf_id BIGINT NOT NULL,
        name VARCHAR(120) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
        n_reads BIGINT NOT NULL DEFAULT 0, version INT NOT NULL DEFAULT 1, gone_at DATETIME(6),
        made_at DATETIME(6) NOT NULL DEFAULT (UTC_TIMESTAMP(6)), changed_at DATETIME(6) NOT NULL DEFAULT (UTC_TIMESTAMP(6)),
        free_name VARCHAR(120) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin AS (IF(gone_at IS NULL, name, NULL)) UNIQUE,
        INDEX (name), FOREIGN KEY (shelf_id) REFERENCES shelves (id) ON DELETE CASCADE
    );
    CREATE TABLE files (
        team BIGINT, id BIGINT, label VARCHAR(120) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
        state VARCHAR(16) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL, gone_at DATETIME(6),
        free_label VARCHAR(120) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin AS (IF(gone_at IS NULL, label, NULL)),
        PRIMARY KEY (team, id), UNIQUE (team, free_label), INDEX (team, label), INDEX (team, state)
    );
";

/// A database of one test on the shared MariaDB. It is dropped with all connections to it.
#[derive(Debug)]
pub struct Schema {
    name: String,
    url: String,
}

impl Schema {
    /// Where it is.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }
}

impl Drop for Schema {
    fn drop(&mut self) {
        Run::current().drop_database(&self.name);
    }
}

impl Ground for Mysql {
    type Database = Schema;

    const NAME: &'static str = "MariaDB, MySQL";
    const KIND: larder::backend::Database = larder::backend::Database::MySql;
    const ARCHIVE: &'static str = ARCHIVE;
    const HAS_OUTBOX: bool = false;
    const STREAMS_IN_CONSTANT_MEMORY: bool = false;

    // It returns no rows of what it writes: they are read by their keys, locked before where they were there.
    const COSTS: Costs = Costs {
        insert: 2,
        insert_many: |_| 2,
        insert_missing: |n| 1 + 2 * n,
        insert_none: |n| 1 + 2 * n,
        update: 3,
        update_none: 1,
        delete: 2,
        delete_none: 1,
        update_each: 3,
        delete_softly: 3,
        restore: 3,
        delete_forever: 2,
        once: 3,
        once_before: 3,
    };
    const QUOTE: char = '`';
    const N_KEYS: usize = 32_639;
    const LOAD: Duration = Duration::from_secs(2);

    fn database() -> Schema {
        let run = Run::current();
        let name = run.create(TABLES);
        Schema { url: run.url_of(&name), name }
    }

    fn connect(schema: &Schema) -> MysqlConnection {
        connect(&schema.url)
    }

    fn pool(schema: &Schema, meter: &Meter, size: u32) -> Pool<ConnectionManager<MysqlConnection>> {
        Pool::builder()
            .max_size(size)
            .min_idle(Some(0))
            .test_on_check_out(false)
            .connection_timeout(Duration::from_secs(10))
            .connection_customizer(Box::new(meter.clone()))
            .build(ConnectionManager::new(&schema.url))
            .expect("a pool without idle connections needs no server")
    }

    fn keys() -> Keys {
        Keys::Redis(Namespace::new())
    }

    fn id(id: Id) -> String {
        format!("x'{}'", id.uuid().simple())
    }

    fn moment(moment: Moment) -> String {
        format!("'{}'", moment.utc().format("%Y-%m-%d %H:%M:%S%.6f"))
    }

    fn amount(amount: Money) -> String {
        amount.to_string()
    }
}

fn connect(url: &str) -> MysqlConnection {
    MysqlConnection::establish(url).unwrap_or_else(|error| panic!("can't connect to the test's database: {error}"))
}
