#[path = "../schema.rs"]
mod schema;

fn main() {
    let _ = |larder: larder::Larder<diesel::sqlite::Sqlite>| schema::User::repository(&larder).with(schema::Order::items()).find(1);
}
