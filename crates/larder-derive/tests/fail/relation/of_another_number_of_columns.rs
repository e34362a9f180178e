#[path = "../schema.rs"]
mod schema;

use larder::Repository;

#[derive(Clone, Repository)]
#[diesel(table_name = schema::items, primary_key(order_id, line), check_for_backend(diesel::sqlite::Sqlite))]
#[larder(has_many(orders: schema::Order))]
struct Line {
    order_id: i64,
    line: i32,
    sku: String,
}

fn main() {}
