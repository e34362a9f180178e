//! The tables of the cases, and a model of each that has no mistakes.
#![allow(unused, missing_docs, reason = "a case uses what it needs")]

use diesel::prelude::*;
use larder::{MaterializedView, Repository};

diesel::table! { users (id) { id -> BigInt, email -> Text, name -> Text, } }
diesel::table! { orders (id) { id -> BigInt, user_id -> BigInt, status -> Text, total -> BigInt, } }
diesel::table! { items (order_id, line) { order_id -> BigInt, line -> Integer, sku -> Text, } }
diesel::table! { user_stats (user_id) { user_id -> BigInt, n_orders -> BigInt, } }

#[derive(Debug, Clone, PartialEq, Queryable, Selectable, Identifiable, Repository)]
#[diesel(table_name = users, check_for_backend(diesel::sqlite::Sqlite))]
#[larder(unique(email), has_many(orders: Order))]
pub struct User {
    pub id: i64,
    pub email: String,
    pub name: String,
}

#[derive(Debug, Clone, PartialEq, Queryable, Selectable, Identifiable, Associations, Repository)]
#[diesel(table_name = orders, belongs_to(User), check_for_backend(diesel::sqlite::Sqlite))]
#[larder(has_many(items: Item))]
pub struct Order {
    pub id: i64,
    pub user_id: i64,
    pub status: String,
    pub total: i64,
}

#[derive(Debug, Clone, PartialEq, Queryable, Selectable, Identifiable, Associations, Repository)]
#[diesel(table_name = items, primary_key(order_id, line), belongs_to(Order), check_for_backend(diesel::sqlite::Sqlite))]
pub struct Item {
    pub order_id: i64,
    pub line: i32,
    pub sku: String,
}

#[derive(Debug, Clone, PartialEq, Queryable, Selectable, Identifiable, Associations, MaterializedView)]
#[diesel(table_name = user_stats, primary_key(user_id), belongs_to(User), check_for_backend(diesel::sqlite::Sqlite))]
pub struct UserStats {
    pub user_id: i64,
    pub n_orders: i64,
}
