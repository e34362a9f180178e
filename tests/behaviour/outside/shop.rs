//! The triggers of `shop-core`.

use diesel::pg::Pg;
use larder::{Models, triggers::Triggers};
use shop_core::{Order, OrderItem, User};

/// What larder caches of the shop.
pub(crate) fn models() -> Models<Pg> {
    Models::new().with::<User>().with::<Order>().with::<OrderItem>()
}

pub(crate) fn triggers() -> Triggers {
    Triggers::of(models())
}
