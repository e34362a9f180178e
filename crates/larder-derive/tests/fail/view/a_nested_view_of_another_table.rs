#[path = "../schema.rs"]
mod schema;

use larder::View;

#[derive(View)]
#[larder(of = schema::User)]
struct Card {
    #[larder(with = orders)]
    orders: Vec<Line>,
}

#[derive(View)]
#[larder(of = schema::Item)]
struct Line {
    sku: String,
}

fn main() {}
