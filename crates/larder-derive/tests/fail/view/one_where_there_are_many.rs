#[path = "../schema.rs"]
mod schema;

use larder::View;

#[derive(View)]
#[larder(of = schema::User)]
struct Card {
    #[larder(with = orders)]
    order: Option<schema::Order>,
}

fn main() {}
