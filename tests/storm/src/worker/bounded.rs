//! The work on the models of `shop-core`.

use shop_core::{Order, User};

pub(super) use self::hand::work;

#[path = "hand.rs"]
mod hand;
