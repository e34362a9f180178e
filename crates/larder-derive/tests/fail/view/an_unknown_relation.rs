#[path = "../schema.rs"]
mod schema;

use larder::View;

#[derive(View)]
#[larder(of = schema::User)]
struct Card {
    email: String,
    #[larder(with = order, order = total.desc(), limit = 3)]
    recent: Vec<schema::Order>,
    #[larder(count = ordres)]
    n_orders: i64,
}

fn main() {}
