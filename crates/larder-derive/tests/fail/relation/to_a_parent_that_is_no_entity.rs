#[path = "../schema.rs"]
mod schema;

use larder::Repository;

#[derive(Clone, Repository)]
#[diesel(table_name = schema::orders, belongs_to(Nobody, foreign_key = user_id), check_for_backend(diesel::sqlite::Sqlite))]
struct Purchase {
    id: i64,
    user_id: i64,
    status: String,
    total: i64,
}

struct Nobody;

fn main() {}
