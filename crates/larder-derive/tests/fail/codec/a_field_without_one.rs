#[path = "../schema.rs"]
mod schema;

use larder::Codec;

#[derive(Clone, Codec)]
struct Address {
    street: Street,
}

#[derive(Clone)]
struct Street(String);

fn main() {}
