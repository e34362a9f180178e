#[path = "../schema.rs"]
mod schema;

use diesel::prelude::*;
use larder::Repository;
use schema::user_stats;

#[derive(Clone, Queryable, Selectable, Identifiable, Repository)]
#[diesel(table_name = user_stats, primary_key(user_id), check_for_backend(diesel::sqlite::Sqlite))]
#[larder(query = "SELECT 1")]
pub struct Stats {
    pub user_id: i64,
    pub n_orders: i64,
}

fn main() {}
