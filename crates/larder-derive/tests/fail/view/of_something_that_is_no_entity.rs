#[path = "../schema.rs"]
mod schema;

use larder::View;

struct Nothing;

#[derive(View)]
#[larder(of = Nothing)]
struct Card {
    email: String,
}

fn main() {}
