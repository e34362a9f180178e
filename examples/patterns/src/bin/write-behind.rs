//! Write-behind: calls that return when a buffer has their change, and rows that are written once for many of them.

use std::{thread, time::Duration};

use larder::behind::{Flusher, Options};
use patterns::{Outcome, Shop, order, user};
use shop_core::{Order, schema::orders};

fn main() -> Outcome {
    let shop = Shop::open()?;
    // The same server for both, since this is an example. A buffer wants one with `appendonly yes` and without eviction.
    let buffer = shop.store()?.buffer("orders");
    let larder = shop.built(|builder| builder.behind(Options::on(buffer).with::<Order>()))?;
    let order = order(&larder, &user(&larder, "ada")?, 0)?;
    shop.show("a thousand increments by eight threads", || {
        thread::scope(|scope| {
            let till = || {
                let orders = Order::repository(&larder).behind();
                (0..125).try_for_each(|_| orders.increment(order.id, orders::total_amount, 1))
            };
            let tills: Vec<_> = (0..8).map(|_| scope.spawn(till)).collect();
            tills.into_iter().try_for_each(|till| till.join().expect("it does not panic"))
        })
    })?;
    let total = |order: Order| order.total_amount.with_scale(2).to_string();
    shop.show("the database has", || Order::repository(&larder).get(order.id).map(total))?;
    shop.show("with what waits", || Order::repository(&larder).behind().find(order.id).map(|order| order.map(total)))?;
    let flusher = Flusher::start(&larder, Duration::from_millis(100))?;
    flusher.drain(Duration::from_secs(10))?;
    shop.show("after the flush", || Order::repository(&larder).get(order.id).map(total))?;
    Ok(())
}
