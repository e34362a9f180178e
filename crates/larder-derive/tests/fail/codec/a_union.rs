#[path = "../schema.rs"]
mod schema;

use larder::Codec;

#[derive(Codec)]
union Bits {
    integer: u32,
    float: f32,
}

fn main() {}
