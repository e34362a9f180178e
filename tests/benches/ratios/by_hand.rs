use std::{collections::HashMap, time::Duration};

use chrono::DateTime;
use diesel::{
    PgConnection, RunQueryDsl as _,
    prelude::*,
    r2d2::{ConnectionManager, Pool},
};
use redis::{Commands as _, Connection};
use serde::{Deserialize, Serialize};
use shop_core::{
    Order, OrderChanges, OrderItem, User,
    schema::{order_items, orders, users},
};
use uuid::Uuid;

use super::stock::Stock;

/// How long values live.
const TTL: u64 = 600;

/// A user as one writes it into Redis by hand: numbers for the time, bytes for the id.
#[derive(Serialize, Deserialize)]
struct Stored<'a> {
    id: [u8; 16],
    email: &'a str,
    created_at: i64,
}

impl Stored<'_> {
    fn decode(bytes: &[u8]) -> Option<User> {
        let stored: Stored<'_> = postcard::from_bytes(bytes).ok()?;
        Some(User {
            id: Uuid::from_bytes(stored.id),
            email: stored.email.to_owned(),
            created_at: DateTime::from_timestamp_micros(stored.created_at)?,
        })
    }
}

fn encode(user: &User) -> Vec<u8> {
    let stored = Stored { id: *user.id.as_bytes(), email: &user.email, created_at: user.created_at.timestamp_micros() };
    postcard::to_stdvec(&stored).unwrap_or_default()
}

fn key(id: Uuid) -> String {
    format!("hand:users:{id}")
}

/// The same work with Diesel and redis-rs, over pools as an application has them.
pub(crate) struct ByHand {
    database: Pool<ConnectionManager<PgConnection>>,
    redis: r2d2::Pool<redis::Client>,
}

impl ByHand {
    pub(crate) fn new(stock: &Stock) -> Self {
        let client = redis::Client::open(stock.redis_url.as_str()).expect("the URL of Redis is one");
        let redis = r2d2::Pool::builder()
            .max_size(2)
            .test_on_check_out(false)
            .connection_timeout(Duration::from_secs(1))
            .build(client)
            .expect("Redis takes connections");
        Self { database: stock.pool(), redis }
    }

    fn redis(&self) -> r2d2::PooledConnection<redis::Client> {
        self.redis.get().expect("there is a connection")
    }

    fn database(&self) -> diesel::r2d2::PooledConnection<ConnectionManager<PgConnection>> {
        self.database.get().expect("there is a connection")
    }

    /// Puts users into Redis.
    pub(crate) fn store(&self, ids: &[Uuid]) {
        for user in self.load_many(ids).expect("the users are there") {
            let () = self.redis().set_ex(key(user.id), encode(&user), TTL).expect("Redis takes it");
        }
    }

    pub(crate) fn get(&self, id: Uuid) -> Option<User> {
        let bytes: Vec<u8> = self.redis().get(key(id)).ok()?;
        Stored::decode(&bytes)
    }

    pub(crate) fn get_many(&self, ids: &[Uuid]) -> Option<Vec<User>> {
        let keys: Vec<String> = ids.iter().map(|id| key(*id)).collect();
        let values: Vec<Vec<u8>> = self.redis().mget(keys).ok()?;
        values.iter().map(|bytes| Stored::decode(bytes)).collect()
    }

    pub(crate) fn get_or_load(&self, id: Uuid) -> Option<User> {
        let mut redis = self.redis();
        let bytes: Option<Vec<u8>> = redis.get(key(id)).ok()?;
        if let Some(bytes) = bytes {
            return Stored::decode(&bytes);
        }
        let user = self.load(id)?;
        let () = redis.set_ex(key(id), encode(&user), TTL).ok()?;
        Some(user)
    }

    pub(crate) fn load(&self, id: Uuid) -> Option<User> {
        users::table.find(id).select(User::as_select()).first(&mut self.database()).ok()
    }

    pub(crate) fn load_many(&self, ids: &[Uuid]) -> Option<Vec<User>> {
        let found: Vec<User> =
            users::table.filter(users::id.eq_any(ids)).select(User::as_select()).load(&mut self.database()).ok()?;
        let mut found: HashMap<Uuid, User> = found.into_iter().map(|user| (user.id, user)).collect();
        ids.iter().map(|id| found.remove(id)).collect()
    }

    pub(crate) fn load_emails(&self, ids: &[Uuid]) -> Option<Vec<String>> {
        let found: Vec<(Uuid, String)> = users::table
            .filter(users::id.eq_any(ids))
            .select((users::id, users::email))
            .load(&mut self.database())
            .ok()?;
        let mut found: HashMap<Uuid, String> = found.into_iter().collect();
        ids.iter().map(|id| found.remove(id)).collect()
    }

    pub(crate) fn with_orders(&self, ids: &[Uuid]) -> Option<Vec<(User, Vec<Order>)>> {
        let users = self.load_many(ids)?;
        let orders = orders_of(ids, &mut self.database())?;
        let mut grouped: HashMap<Uuid, Vec<Order>> = HashMap::with_capacity(ids.len());
        for order in orders {
            grouped.entry(order.user_id).or_default().push(order);
        }
        Some(
            users
                .into_iter()
                .map(|user| (grouped.remove(&user.id).unwrap_or_default(), user))
                .map(|(o, u)| (u, o))
                .collect(),
        )
    }

    #[expect(clippy::type_complexity, reason = "the tree that both sides give")]
    pub(crate) fn with_items(&self, ids: &[Uuid]) -> Option<Vec<(User, Vec<(Order, Vec<OrderItem>)>)>> {
        let users = self.load_many(ids)?;
        let mut database = self.database();
        let orders = orders_of(ids, &mut database)?;
        let order_ids: Vec<Uuid> = orders.iter().map(|order| order.id).collect();
        let items: Vec<OrderItem> = order_items::table
            .filter(order_items::order_id.eq_any(&order_ids))
            .order((order_items::order_id, order_items::line_number))
            .select(OrderItem::as_select())
            .load(&mut database)
            .ok()?;
        let mut items_of: HashMap<Uuid, Vec<OrderItem>> = HashMap::with_capacity(order_ids.len());
        for item in items {
            items_of.entry(item.order_id).or_default().push(item);
        }
        let mut orders_of: HashMap<Uuid, Vec<(Order, Vec<OrderItem>)>> = HashMap::with_capacity(ids.len());
        for order in orders {
            let items = items_of.remove(&order.id).unwrap_or_default();
            orders_of.entry(order.user_id).or_default().push((order, items));
        }
        Some(
            users
                .into_iter()
                .map(|user| (orders_of.remove(&user.id).unwrap_or_default(), user))
                .map(|(o, u)| (u, o))
                .collect(),
        )
    }

    pub(crate) fn update(&self, id: Uuid, changes: &OrderChanges) -> Option<Order> {
        let order: Order = diesel::update(orders::table.find(id))
            .set(changes)
            .returning(Order::as_returning())
            .get_result(&mut self.database())
            .ok()?;
        let value =
            postcard::to_stdvec(&(order.id.as_bytes(), order.user_id.as_bytes(), order.total_amount.to_string()))
                .ok()?;
        let mut redis = self.redis();
        let () = redis.set_ex(format!("hand:orders:{id}"), value, TTL).ok()?;
        let () = Connection::del(&mut redis, format!("hand:orders-of:{}", order.user_id)).ok()?;
        Some(order)
    }
}

fn orders_of(users: &[Uuid], database: &mut PgConnection) -> Option<Vec<Order>> {
    orders::table.filter(orders::user_id.eq_any(users)).order(orders::id).select(Order::as_select()).load(database).ok()
}

/// Users in the process, decoded.
pub(crate) struct Near {
    users: quick_cache::sync::Cache<Uuid, User>,
}

impl Near {
    pub(crate) fn new(stock: &Stock) -> Self {
        let users = quick_cache::sync::Cache::new(1_000);
        for user in ByHand::new(stock).load_many(&stock.users[..100]).expect("the users are there") {
            users.insert(user.id, user);
        }
        Self { users }
    }

    pub(crate) fn get(&self, id: Uuid) -> Option<User> {
        self.users.get(&id)
    }
}
