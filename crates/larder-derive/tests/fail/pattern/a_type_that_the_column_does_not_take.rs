#[path = "../schema.rs"]
mod schema;

use larder::Repository;

diesel::table! { points (id) { id -> BigInt, height -> BigInt, } }

#[derive(Clone, Repository)]
#[diesel(table_name = points, check_for_backend(diesel::sqlite::Sqlite))]
#[larder(index(height))]
struct Point {
    id: i64,
    height: String,
}

fn main() {}
