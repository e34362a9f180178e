#[path = "../schema.rs"]
mod schema;

use larder::KeyPart;

#[derive(Clone, PartialEq, Eq, Hash, KeyPart)]
enum Color {
    Red,
    Mixed(u8, u8, u8),
}

#[derive(Clone, PartialEq, Eq, Hash, KeyPart)]
struct Name(String);

fn main() {}
