#[path = "../schema.rs"]
mod schema;

use larder::Repository;

#[derive(Clone, Repository)]
#[diesel(table_name = schema::orders, check_for_backend(diesel::sqlite::Sqlite))]
#[larder(soft_delete = status)]
struct Order {
    id: i64,
    user_id: i64,
    status: String,
    #[larder(updated_at)]
    total: i64,
}

fn main() {}
