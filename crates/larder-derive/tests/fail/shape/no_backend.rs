#[path = "../schema.rs"]
mod schema;

use larder::Repository;

#[derive(Clone, Repository)]
#[diesel(table_name = schema::users)]
struct Person {
    id: i64,
    email: String,
    name: String,
}

fn main() {
    let _ = |larder: larder::Larder<diesel::sqlite::Sqlite>| Person::repository(&larder).find(1);
}
