//! A materialized view as a model: found and cached as a table is, and as old as its last refresh.

use larder::MaterializedView as _;
use patterns::{Outcome, Shop, order, user};
use shop_core::{User, UserStats};

fn main() -> Outcome {
    let shop = Shop::open()?;
    let larder = shop.larder()?;
    let ada = user(&larder, "ada")?;
    order(&larder, &ada, 70)?;
    shop.show("a refresh", || UserStats::refresh(&larder).map(|refreshed| refreshed.manner.to_string()))?;
    let orders = || -> larder::Result<Option<i64>> {
        let (_, stats): (User, Option<UserStats>) = User::repository(&larder).with(User::stats()).get(ada.id)?;
        Ok(stats.map(|stats| stats.order_count))
    };
    shop.show("cold", orders)?;
    shop.show("warm", orders)?;
    order(&larder, &ada, 30)?;
    shop.show("not refreshed", orders)?;
    UserStats::refresh(&larder)?;
    shop.show("refreshed", orders)?;
    Ok(())
}
