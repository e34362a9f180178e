#[path = "../schema.rs"]
mod schema;

use larder::View;

#[derive(View)]
struct Card {
    email: String,
}

fn main() {}
