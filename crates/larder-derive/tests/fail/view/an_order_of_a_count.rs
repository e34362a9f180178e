#[path = "../schema.rs"]
mod schema;

use larder::View;

#[derive(View)]
#[larder(of = schema::User)]
struct Card {
    #[larder(count = orders, order = id.desc())]
    n_orders: i64,
}

fn main() {}
