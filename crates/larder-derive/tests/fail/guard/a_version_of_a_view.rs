#[path = "../schema.rs"]
mod schema;

use larder::MaterializedView;

#[derive(Clone, MaterializedView)]
#[diesel(table_name = schema::user_stats, primary_key(user_id), check_for_backend(diesel::sqlite::Sqlite))]
struct Stats {
    user_id: i64,
    #[larder(version)]
    n_orders: i64,
}

fn main() {}
