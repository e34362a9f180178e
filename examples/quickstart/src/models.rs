use diesel::prelude::*;
use larder::{Repository, View};

diesel::table! {
    users (id) {
        id -> BigInt,
        email -> Text,
        name -> Text,
    }
}

diesel::table! {
    orders (id) {
        id -> BigInt,
        user_id -> BigInt,
        status -> Text,
        cents -> BigInt,
    }
}

/// What `migrations/` would hold in an application.
pub(crate) const TABLES: &str = "
    CREATE TABLE users (
        id INTEGER PRIMARY KEY,
        email TEXT NOT NULL UNIQUE,
        name TEXT NOT NULL
    );
    CREATE TABLE orders (
        id INTEGER PRIMARY KEY,
        user_id INTEGER NOT NULL REFERENCES users (id) ON DELETE CASCADE,
        status TEXT NOT NULL CHECK (status IN ('pending', 'paid', 'shipped')),
        cents INTEGER NOT NULL
    );
    CREATE INDEX orders_user_id ON orders (user_id, status);
";

/// Somebody who orders things.
#[derive(Debug, Clone, PartialEq, Eq, Queryable, Selectable, Identifiable, Repository)]
#[diesel(table_name = users, check_for_backend(diesel::sqlite::Sqlite))]
#[larder(ttl = "10m", unique(email), has_many(orders: Order, on_delete = cascade))]
pub(crate) struct User {
    pub(crate) id: i64,
    pub(crate) email: String,
    pub(crate) name: String,
}

/// Something ordered.
#[derive(Debug, Clone, PartialEq, Eq, Queryable, Selectable, Identifiable, Associations, Repository)]
#[diesel(table_name = orders, belongs_to(User), check_for_backend(diesel::sqlite::Sqlite))]
#[larder(ttl = "5m", index(user_id, status; order = cents.desc()))]
pub(crate) struct Order {
    pub(crate) id: i64,
    pub(crate) user_id: i64,
    pub(crate) status: String,
    pub(crate) cents: i64,
}

/// Only these columns of a user.
#[derive(Debug, View)]
#[larder(of = User)]
#[expect(dead_code, reason = "printed with all of its fields")]
pub(crate) struct Name {
    pub(crate) id: i64,
    pub(crate) name: String,
}

/// A user's name, and what she spends most on.
#[derive(Debug, View)]
#[larder(of = User)]
#[expect(dead_code, reason = "printed with all of its fields")]
pub(crate) struct Card {
    pub(crate) name: String,
    #[larder(with = orders, order = cents.desc(), limit = 1)]
    pub(crate) dearest: Vec<Order>,
    #[larder(count = orders)]
    pub(crate) n_orders: i64,
}

#[derive(Insertable)]
#[diesel(table_name = users)]
pub(crate) struct NewUser<'a> {
    pub(crate) email: &'a str,
    pub(crate) name: &'a str,
}

#[derive(Insertable)]
#[diesel(table_name = orders)]
pub(crate) struct NewOrder<'a> {
    pub(crate) user_id: i64,
    pub(crate) status: &'a str,
    pub(crate) cents: i64,
}

#[derive(Default, AsChangeset)]
#[diesel(table_name = users)]
pub(crate) struct UserChanges<'a> {
    pub(crate) email: Option<&'a str>,
    pub(crate) name: Option<&'a str>,
}
