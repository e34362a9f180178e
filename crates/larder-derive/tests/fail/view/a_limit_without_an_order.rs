#[path = "../schema.rs"]
mod schema;

use larder::View;

#[derive(View)]
#[larder(of = schema::User)]
struct Card {
    #[larder(with = orders, limit = 3)]
    recent: Vec<schema::Order>,
}

fn main() {}
