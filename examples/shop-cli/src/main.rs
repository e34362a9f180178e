//! `cargo run -p shop-cli -- verify`

use std::process::ExitCode;

use larder::Models;
use shop_core::{Order, OrderItem, User, UserStats};

fn main() -> ExitCode {
    larder_cli::main(&Models::new().with::<User>().with::<Order>().with::<OrderItem>().with::<UserStats>())
}
