//! Users, their orders, and the items of those.

use diesel::{prelude::*, sqlite::Sqlite};
use larder::{Repository, View};

/// The database takes items without a `sku`, and the model does not.
pub(crate) const TABLES: &str = "
    CREATE TABLE users (id BIGINT PRIMARY KEY, email TEXT UNIQUE NOT NULL, name TEXT NOT NULL);
    CREATE TABLE orders (
        id BIGINT PRIMARY KEY, user_id BIGINT NOT NULL REFERENCES users ON DELETE CASCADE,
        status TEXT NOT NULL, total BIGINT NOT NULL
    );
    CREATE INDEX orders_user_id ON orders (user_id);
    CREATE TABLE items (
        order_id BIGINT NOT NULL REFERENCES orders ON DELETE CASCADE, line INTEGER NOT NULL, sku TEXT,
        PRIMARY KEY (order_id, line)
    );
";

diesel::table! { users (id) { id -> BigInt, email -> Text, name -> Text, } }
diesel::table! { orders (id) { id -> BigInt, user_id -> BigInt, status -> Text, total -> BigInt, } }
diesel::table! { items (order_id, line) { order_id -> BigInt, line -> Integer, sku -> Text, } }

#[derive(Debug, Clone, PartialEq, Queryable, Selectable, Identifiable, Repository)]
#[diesel(table_name = users, check_for_backend(Sqlite))]
#[larder(unique(email), has_many(orders: Order, on_delete = cascade))]
pub(crate) struct User {
    pub(crate) id: i64,
    pub(crate) email: String,
    pub(crate) name: String,
}

#[derive(Debug, Clone, PartialEq, Queryable, Selectable, Identifiable, Associations, Repository)]
#[diesel(table_name = orders, belongs_to(User), check_for_backend(Sqlite))]
#[larder(index(user_id, status; order = total.desc()), has_many(items: Item, on_delete = cascade))]
pub(crate) struct Order {
    pub(crate) id: i64,
    pub(crate) user_id: i64,
    pub(crate) status: String,
    pub(crate) total: i64,
}

#[derive(Debug, Clone, PartialEq, Queryable, Selectable, Identifiable, Associations, Repository)]
#[diesel(table_name = items, primary_key(order_id, line), belongs_to(Order), check_for_backend(Sqlite))]
pub(crate) struct Item {
    pub(crate) order_id: i64,
    pub(crate) line: i32,
    pub(crate) sku: String,
}

#[derive(Debug, Clone, PartialEq, View)]
#[larder(of = User)]
pub(crate) struct UserCard {
    pub(crate) email: String,
    #[larder(with = orders, order = total.desc(), limit = 2)]
    pub(crate) recent: Vec<OrderCard>,
    #[larder(count = orders)]
    pub(crate) n_orders: i64,
}

#[derive(Debug, Clone, PartialEq, View)]
#[larder(of = Order)]
pub(crate) struct OrderCard {
    pub(crate) status: String,
    pub(crate) total: i64,
}

#[derive(Debug, Insertable)]
#[diesel(table_name = users)]
pub(crate) struct NewUser {
    pub(crate) id: i64,
    pub(crate) email: String,
    pub(crate) name: String,
}

#[derive(AsChangeset, Default)]
#[diesel(table_name = users)]
pub(crate) struct UserChanges<'a> {
    pub(crate) email: Option<&'a str>,
    pub(crate) name: Option<&'a str>,
}

#[derive(Insertable)]
#[diesel(table_name = orders)]
pub(crate) struct NewOrder<'a> {
    pub(crate) id: i64,
    pub(crate) user_id: i64,
    pub(crate) status: &'a str,
    pub(crate) total: i64,
}

#[derive(Insertable)]
#[diesel(table_name = items)]
pub(crate) struct NewItem<'a> {
    pub(crate) order_id: i64,
    pub(crate) line: i32,
    pub(crate) sku: &'a str,
}
