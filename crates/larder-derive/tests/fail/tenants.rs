//! The tables of the cases of tenants, and a model of each that has no mistakes.
#![allow(unused, missing_docs, reason = "a case uses what it needs")]

use diesel::prelude::*;
use larder::Repository;

diesel::table! { countries (code) { code -> Text, name -> Text, } }
diesel::table! { orders (org, id) { org -> BigInt, id -> BigInt, customer_id -> BigInt, country -> Text, } }
diesel::table! { customers (org, id) { org -> BigInt, id -> BigInt, email -> Text, } }

#[derive(Debug, Clone, PartialEq, Queryable, Selectable, Repository)]
#[diesel(table_name = countries, primary_key(code), check_for_backend(diesel::sqlite::Sqlite))]
pub struct Country {
    pub code: String,
    pub name: String,
}

#[derive(Debug, Clone, PartialEq, Queryable, Selectable, Repository)]
#[diesel(table_name = orders, primary_key(org, id), check_for_backend(diesel::sqlite::Sqlite))]
#[larder(tenant = org, belongs_to(customer: Customer))]
pub struct Order {
    pub org: i64,
    pub id: i64,
    pub customer_id: i64,
    pub country: String,
}

#[derive(Debug, Clone, PartialEq, Queryable, Selectable, Repository)]
#[diesel(table_name = customers, primary_key(org, id), check_for_backend(diesel::sqlite::Sqlite))]
#[larder(tenant = org, unique(email), has_many(orders: Order))]
pub struct Customer {
    pub org: i64,
    pub id: i64,
    pub email: String,
}
