use diesel::{
    PgConnection, RunQueryDsl as _,
    connection::SimpleConnection as _,
    prelude::*,
    r2d2::{ConnectionManager, Pool},
};
use shop_core::schema::{orders, users};
use tests::{Database, SHOP, database_url, redis_url};
use uuid::Uuid;

/// How many users there are; each has ten orders of two lines.
const USERS: usize = 2_000;

/// The rows that both sides read, in a database of their own.
pub(crate) struct Stock {
    pub(crate) redis_url: String,
    pub(crate) users: Vec<Uuid>,
    pub(crate) orders: Vec<Uuid>,
    pool: Pool<ConnectionManager<PgConnection>>,
    _database: Database,
}

impl Stock {
    pub(crate) fn new() -> Self {
        // Both at once, so that a missing one is told before anything is made.
        let (_, redis_url) = (database_url(), redis_url());
        let database = SHOP.database();
        let mut connection = database.connect();
        connection
            .batch_execute(&format!(
                "INSERT INTO users (email) SELECT 'customer-' || n || '@example.com' FROM generate_series(1, {USERS}) n;
                 INSERT INTO orders (user_id, status, total_amount, created_at)
                     SELECT id, 'paid', 12.34, now() - n * interval '1 day' FROM users, generate_series(1, 10) n;
                 INSERT INTO order_items (order_id, line_number, sku, quantity, unit_price)
                     SELECT id, n, 'CD', 1, 6.17 FROM orders, generate_series(1, 2) n;
                 ANALYZE;"
            ))
            .expect("the rows can be inserted");
        let users = users::table.select(users::id).order(users::email).load(&mut connection).expect("users load");
        let orders = orders::table.select(orders::id).order(orders::id).load(&mut connection).expect("orders load");
        let pool = Pool::builder()
            .max_size(2)
            .test_on_check_out(false)
            .build(ConnectionManager::new(database.url()))
            .expect("the database takes connections");
        Self { redis_url, users, orders, pool, _database: database }
    }

    /// The one pool of both sides.
    ///
    /// With one each, they would be served by different processes of PostgreSQL, of which one may run on the caller's processor and
    /// the other not: that alone is worth 50 µs a statement here, and falls to either side by chance.
    pub(crate) fn pool(&self) -> Pool<ConnectionManager<PgConnection>> {
        self.pool.clone()
    }

    /// Takes every key out of Redis.
    pub(crate) fn empty_redis(&self) {
        let mut connection = redis::Client::open(self.redis_url.as_str())
            .and_then(|client| client.get_connection())
            .expect("Redis takes connections");
        let () = redis::cmd("FLUSHDB").query(&mut connection).expect("Redis can be emptied");
    }
}
