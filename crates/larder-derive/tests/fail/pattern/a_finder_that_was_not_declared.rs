#[path = "../schema.rs"]
mod schema;

fn main() {
    let _ = |larder: larder::Larder<diesel::sqlite::Sqlite>| schema::User::repository(&larder).find_by_name("Ada");
}
