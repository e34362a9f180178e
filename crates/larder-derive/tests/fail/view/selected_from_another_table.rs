#[path = "../schema.rs"]
mod schema;

use larder::View;

#[derive(View)]
#[larder(of = schema::User)]
struct Card {
    email: String,
}

fn main() {
    let _ = |larder: larder::Larder<diesel::sqlite::Sqlite>| schema::Order::repository(&larder).select::<Card>().find(1);
}
