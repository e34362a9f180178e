#[path = "../schema.rs"]
mod schema;

use larder::Repository;

#[derive(Clone, Repository)]
#[diesel(table_name = schema::users, check_for_backend(diesel::sqlite::Sqlite))]
struct Person {
    email: String,
    name: String,
}

fn main() {
    let _ = |larder: larder::Larder<diesel::sqlite::Sqlite>| Person::repository(&larder).find(1);
}
