#[path = "../schema.rs"]
mod schema;

use diesel::prelude::*;
use larder::MaterializedView;
use schema::user_stats;

#[derive(Clone, Queryable, Selectable, MaterializedView)]
#[diesel(table_name = user_stats, check_for_backend(diesel::sqlite::Sqlite))]
pub struct Stats {
    pub user_id: i64,
    pub n_orders: i64,
}

fn main() {}
