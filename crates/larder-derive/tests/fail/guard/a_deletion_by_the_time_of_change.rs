#[path = "../schema.rs"]
mod schema;

use larder::Repository;

#[derive(Clone, Repository)]
#[diesel(table_name = schema::users, check_for_backend(diesel::sqlite::Sqlite))]
#[larder(soft_delete = name)]
struct Person {
    id: i64,
    email: String,
    #[larder(updated_at)]
    name: Option<std::time::SystemTime>,
}

fn main() {}
