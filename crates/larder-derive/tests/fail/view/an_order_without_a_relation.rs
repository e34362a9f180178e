#[path = "../schema.rs"]
mod schema;

use larder::View;

#[derive(View)]
#[larder(of = schema::User)]
struct Card {
    #[larder(order = id.desc(), limit = 3, filter = id.gt(3))]
    email: String,
}

fn main() {}
