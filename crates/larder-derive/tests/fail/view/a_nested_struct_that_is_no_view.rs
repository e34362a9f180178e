#[path = "../schema.rs"]
mod schema;

use larder::View;

#[derive(View)]
#[larder(of = schema::User)]
struct Card {
    #[larder(with = orders)]
    orders: Vec<Line>,
}

struct Line {
    status: String,
}

fn main() {}
