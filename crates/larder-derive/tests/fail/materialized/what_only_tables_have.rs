#[path = "../schema.rs"]
mod schema;

use diesel::prelude::*;
use larder::MaterializedView;
use schema::user_stats;

#[derive(Clone, Queryable, Selectable, Identifiable, MaterializedView)]
#[diesel(table_name = user_stats, primary_key(user_id), check_for_backend(diesel::sqlite::Sqlite))]
#[larder(write_through = false, writes = strict, near = strict)]
#[larder(has_many(orders: schema::Order, foreign_key = user_id, on_delete = cascade))]
pub struct Stats {
    pub user_id: i64,
    pub n_orders: i64,
}

fn main() {}
