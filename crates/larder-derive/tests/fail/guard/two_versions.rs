#[path = "../schema.rs"]
mod schema;

use larder::Repository;

#[derive(Clone, Repository)]
#[diesel(table_name = schema::orders, check_for_backend(diesel::sqlite::Sqlite))]
struct Order {
    #[larder(version)]
    id: i64,
    #[larder(version)]
    user_id: i64,
    status: String,
    #[larder(version)]
    total: i64,
}

fn main() {}
