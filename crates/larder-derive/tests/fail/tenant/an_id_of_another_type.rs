#[path = "../tenants.rs"]
mod tenants;

use tenants::Order;

fn main() {
    let _ = |larder: larder::Larder<diesel::sqlite::Sqlite>| {
        Order::repository(&larder.tenant(7_i32));
    };
}
