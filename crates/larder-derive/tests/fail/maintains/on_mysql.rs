use diesel::prelude::*;
use larder::Repository;

diesel::table! { parents (id) { id -> BigInt, n -> BigInt, total -> BigInt, mean -> Double, maybe -> Nullable<BigInt>, } }
diesel::table! { children (id) { id -> BigInt, parent_id -> BigInt, name -> Text, amount -> BigInt, weight -> Double, } }

#[derive(Clone, Queryable, Selectable, Identifiable, Repository)]
#[diesel(table_name = parents, check_for_backend(diesel::mysql::Mysql))]
struct Parent {
    id: i64,
    n: i64,
    total: i64,
}

#[derive(Clone, Queryable, Selectable, Identifiable, Repository)]
#[diesel(table_name = children, check_for_backend(diesel::mysql::Mysql))]
#[larder(maintains(Parent: n = count; by = parent_id))]
struct Child {
    id: i64,
    parent_id: i64,
    name: String,
    amount: i64,
}

fn main() {}
