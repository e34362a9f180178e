#[path = "../schema.rs"]
mod schema;

use larder::View;

#[derive(View)]
#[larder(of = schema::User)]
enum Card {
    Known,
}

fn main() {}
