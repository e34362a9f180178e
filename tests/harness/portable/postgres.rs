use std::time::Duration;

use diesel::{
    PgConnection,
    connection::SimpleConnection as _,
    pg::Pg,
    r2d2::{ConnectionManager, Pool},
};
use larder::types::{Id, Moment};

use super::{Costs, Ground, Keys, Money};
use crate::{Database, Meter, Namespace, Template};

const TABLES: &str = "
    CREATE TABLE users (
        id uuid PRIMARY KEY,
        email text NOT NULL UNIQUE,
        created_at timestamptz NOT NULL
    );
    CREATE TABLE orders (
        id uuid PRIMARY KEY,
        user_id uuid NOT NULL REFERENCES users ON DELETE CASCADE,
        status text NOT NULL,
        total_amount numeric(19, 2) NOT NULL CHECK (total_amount >= 0),
        created_at timestamptz NOT NULL
    );
    CREATE INDEX orders_user_id_status ON orders (user_id, status);
    CREATE TABLE order_items (
        order_id uuid NOT NULL REFERENCES orders ON DELETE CASCADE,
        line_number int NOT NULL,
        sku text NOT NULL,
        quantity int NOT NULL,
        unit_price numeric(19, 2) NOT NULL,
        PRIMARY KEY (order_id, line_number)
    );
";

const ARCHIVE: &str = "
    CREATE TABLE shelves (id bigint PRIMARY KEY, parent_id bigint, gone_at timestamptz);
    CREATE INDEX shelves_parent_id ON shelves (parent_id);
    CREATE TABLE docs (
        id bigint PRIMARY KEY, shelf_id bigint NOT NULL REFERENCES shelves ON DELETE CASCADE, name text NOT NULL,
        n_reads bigint NOT NULL DEFAULT 0, version int NOT NULL DEFAULT 1, gone_at timestamptz,
        made_at timestamptz NOT NULL DEFAULT now(), changed_at timestamptz NOT NULL DEFAULT now()
    );
    CREATE UNIQUE INDEX docs_name ON docs (name) WHERE gone_at IS NULL;
    CREATE INDEX docs_shelf_id ON docs (shelf_id);
    CREATE TABLE files (
        team bigint, id bigint, label text NOT NULL, state text NOT NULL, gone_at timestamptz, PRIMARY KEY (team, id)
    );
    CREATE UNIQUE INDEX files_label ON files (team, label) WHERE gone_at IS NULL;
    CREATE INDEX files_state ON files (team, state);
";

static PORTABLE: Template = Template::new("portable", |connection| {
    connection.batch_execute(TABLES).expect("the tables can be made");
    connection.batch_execute(larder::outbox::UP).expect("the migration runs");
});

impl Ground for Pg {
    type Database = Database;

    const NAME: &'static str = "PostgreSQL";
    const KIND: larder::backend::Database = larder::backend::Database::PostgreSql;
    const ARCHIVE: &'static str = ARCHIVE;
    const HAS_OUTBOX: bool = true;
    const STREAMS_IN_CONSTANT_MEMORY: bool = true;

    const COSTS: Costs = Costs {
        insert: 1,
        insert_many: |_| 1,
        insert_missing: |_| 1,
        insert_none: |_| 1,
        update: 1,
        update_none: 1,
        delete: 1,
        delete_none: 1,
        update_each: 1,
        delete_softly: 1,
        restore: 1,
        delete_forever: 1,
        once: 2,
        once_before: 2,
    };
    const QUOTE: char = '"';
    const N_KEYS: usize = 65_279;
    const LOAD: Duration = Duration::from_secs(4);

    fn database() -> Database {
        PORTABLE.database()
    }

    fn connect(database: &Database) -> PgConnection {
        database.connect()
    }

    fn pool(database: &Database, meter: &Meter, size: u32) -> Pool<ConnectionManager<PgConnection>> {
        database.pool(meter, size)
    }

    fn keys() -> Keys {
        Keys::Redis(Namespace::new())
    }

    fn id(id: Id) -> String {
        format!("'{id}'")
    }

    fn moment(moment: Moment) -> String {
        format!("'{moment}'")
    }

    fn amount(amount: Money) -> String {
        amount.to_string()
    }
}
