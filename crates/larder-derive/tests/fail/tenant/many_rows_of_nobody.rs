#[path = "../tenants.rs"]
mod tenants;

use std::ops::ControlFlow;

use tenants::Order;

fn main() {
    let _ = |larder: larder::Larder<diesel::sqlite::Sqlite>| {
        Order::repository(&larder).for_each_batch(10, |_| Ok(ControlFlow::Continue(())))
    };
}
