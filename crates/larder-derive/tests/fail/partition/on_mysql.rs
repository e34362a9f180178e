use diesel::prelude::*;
use larder::Repository;

diesel::table! { orders (id) { id -> BigInt, number -> BigInt, } }

#[derive(Clone, Queryable, Selectable, Identifiable, Repository)]
#[diesel(table_name = orders, check_for_backend(diesel::mysql::Mysql))]
#[larder(partition(by = range(id), every = 1_000))]
struct Order {
    id: i64,
    number: i64,
}

fn main() {}
