#[path = "../schema.rs"]
mod schema;

use schema::{UserStats, user_stats};

#[derive(diesel::Insertable)]
#[diesel(table_name = user_stats)]
struct NewStats {
    user_id: i64,
    n_orders: i64,
}

fn main() {
    let _ = |larder: larder::Larder<diesel::sqlite::Sqlite>| {
        UserStats::repository(&larder).insert(&NewStats { user_id: 1, n_orders: 2 })
    };
}
