#[path = "../schema.rs"]
mod schema;

use larder::Repository;

diesel::table! { pairs (id) { id -> BigInt, a -> BigInt, b -> BigInt, a_and_b -> BigInt, } }

#[derive(Clone, Repository)]
#[diesel(table_name = pairs, check_for_backend(diesel::sqlite::Sqlite))]
#[larder(index(a, b), index(a_and_b))]
struct Pair {
    id: i64,
    a: i64,
    b: i64,
    a_and_b: i64,
}

fn main() {}
