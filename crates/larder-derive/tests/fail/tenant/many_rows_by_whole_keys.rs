#[path = "../tenants.rs"]
mod tenants;

use tenants::{Order, orders};

fn main() {
    let _ = |larder: larder::Larder<diesel::sqlite::Sqlite>| {
        let tenant = larder.tenant(7_i64);
        let of_tenant = Order::repository(&tenant);
        of_tenant.batches(10).after((8_i64, 1_i64));
        of_tenant.update_each(orders::country, &[((8_i64, 1_i64), "at")])
    };
}
