#[path = "../tenants.rs"]
mod tenants;

use tenants::Order;

fn main() {
    let _ = |larder: larder::Larder<diesel::sqlite::Sqlite>| {
        larder.tenant(7_i64).transaction(|t| Ok(Order::repository(t).find(1)?))?;
        larder.transaction(|tx| {
            Order::repository(tx);
        tx.find_for_update::<Order>((8, 1))?;
            Ok(())
        })
    };
}
