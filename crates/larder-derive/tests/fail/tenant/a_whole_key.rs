#[path = "../tenants.rs"]
mod tenants;

use tenants::Order;

fn main() {
    let _ = |larder: larder::Larder<diesel::sqlite::Sqlite>| {
        let tenant = larder.tenant(7_i64);
        Order::repository(&tenant).find((8_i64, 1_i64))
    };
}
