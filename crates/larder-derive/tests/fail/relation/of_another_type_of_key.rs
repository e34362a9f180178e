#[path = "../schema.rs"]
mod schema;

use larder::Repository;

#[derive(Clone, Repository)]
#[diesel(table_name = schema::orders, check_for_backend(diesel::sqlite::Sqlite))]
#[larder(index(status))]
struct Purchase {
    id: i64,
    status: String,
}

#[derive(Clone, Repository)]
#[diesel(table_name = schema::users, check_for_backend(diesel::sqlite::Sqlite))]
#[larder(has_many(purchases: Purchase, foreign_key = status))]
struct Person {
    id: i64,
}

fn main() {}
