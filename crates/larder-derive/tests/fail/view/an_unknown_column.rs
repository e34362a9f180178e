#[path = "../schema.rs"]
mod schema;

use larder::View;

#[derive(View)]
#[larder(of = schema::User)]
struct Card {
    emial: String,
    name: String,
    #[larder(field = nme)]
    other: String,
}

fn main() {}
