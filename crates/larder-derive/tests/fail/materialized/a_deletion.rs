#[path = "../schema.rs"]
mod schema;

fn main() {
    let _ = |larder: larder::Larder<diesel::sqlite::Sqlite>| schema::UserStats::repository(&larder).delete(1);
}
