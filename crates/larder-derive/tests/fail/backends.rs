//! A model on two back ends, for the cases of what neither of them has.
#![allow(unused, missing_docs, reason = "a case uses what it needs")]

use diesel::prelude::*;
use larder::Repository;

diesel::table! { users (id) { id -> BigInt, name -> Text, } }

#[derive(Debug, Clone, PartialEq, Queryable, Selectable, Identifiable, Repository)]
#[diesel(table_name = users, check_for_backend(diesel::mysql::Mysql, diesel::sqlite::Sqlite))]
pub struct User {
    pub id: i64,
    pub name: String,
}
