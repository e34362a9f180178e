#[path = "../schema.rs"]
mod schema;

use larder::Repository;

#[derive(Clone, Repository)]
#[diesel(table_name = schema::users, check_for_backend(diesel::sqlite::Sqlite))]
struct Person {
    id: i64,
    email: String,
    #[larder(version)]
    name: String,
}

fn main() {}
