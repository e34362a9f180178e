#[path = "../schema.rs"]
mod schema;

use larder::View;

#[derive(View)]
#[larder(of = schema::User)]
struct Card {
    #[larder(with = orders, filter = sttus.eq("paid"), order = totl.desc())]
    paid: Vec<schema::Order>,
}

fn main() {}
