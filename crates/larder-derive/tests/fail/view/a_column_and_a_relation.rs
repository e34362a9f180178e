#[path = "../schema.rs"]
mod schema;

use larder::View;

#[derive(View)]
#[larder(of = schema::User)]
struct Card {
    #[larder(field = email, with = orders)]
    orders: String,
}

fn main() {}
