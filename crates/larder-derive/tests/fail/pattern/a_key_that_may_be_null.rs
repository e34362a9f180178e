#[path = "../schema.rs"]
mod schema;

use larder::Repository;

diesel::table! { things (id) { id -> Nullable<BigInt>, } }

#[derive(Clone, Repository)]
#[diesel(table_name = things, check_for_backend(diesel::sqlite::Sqlite))]
struct Thing {
    id: Option<i64>,
}

fn main() {}
