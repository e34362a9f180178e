//! Materialized views as models.

mod refresh;
mod refresher;

use bigdecimal::BigDecimal;
use diesel::connection::SimpleConnection as _;
use larder::View;
use shop_core::{Order, Status, User, UserStats};
use tests::{Cost, Shop, money};

#[derive(Debug, Clone, PartialEq, View)]
#[larder(of = UserStats)]
struct Spender {
    total_spent: BigDecimal,
    #[larder(with = user)]
    user: Option<User>,
}

/// A shop of one user with two orders, whose view knows of them.
fn shop() -> (Shop, User) {
    let shop = Shop::new();
    let ada = shop.user("ada");
    for cents in [1_000, 234] {
        let _ = shop.order(&ada, Status::Paid, cents, 1);
    }
    shop.database.connect().batch_execute("REFRESH MATERIALIZED VIEW user_stats").unwrap();
    (shop, ada)
}

#[test]
fn a_view_is_found_and_cached_as_a_table_is() {
    let (shop, ada) = shop();
    for cost in [Cost { sql: 1, store_reads: 1, store_writes: 2 }, Cost { sql: 0, store_reads: 1, store_writes: 0 }] {
        let stats = UserStats::repository(&shop.larder).get(ada.id).unwrap();
        assert_eq!(stats, UserStats { user_id: ada.id, order_count: 2, total_spent: money(1_234) });
        shop.meter.expect(cost);
    }
}

#[test]
fn it_is_a_relation_of_the_table_that_it_is_about() {
    let (shop, ada) = shop();
    let users = User::repository(&shop.larder).with(User::stats()).with(User::orders());
    for cost in [Cost { sql: 3, store_reads: 3, store_writes: 6 }, Cost { sql: 0, store_reads: 3, store_writes: 0 }] {
        let (user, stats, orders): (User, Option<UserStats>, Vec<Order>) = users.get(ada.id).unwrap();
        assert_eq!((user.id, orders.len()), (ada.id, 2));
        assert!(stats.is_some_and(|stats| stats.order_count == 2));
        shop.meter.expect(cost);
    }
}

#[test]
fn a_row_of_a_view_may_outlive_what_it_refers_to() {
    let (shop, ada) = shop();
    let spenders = UserStats::repository(&shop.larder).select::<Spender>();
    assert_eq!(spenders.get(ada.id).unwrap(), Spender { total_spent: money(1_234), user: Some(ada.clone()) });
    User::repository(&shop.larder).delete(ada.id).unwrap();
    assert_eq!(spenders.get(ada.id).unwrap(), Spender { total_spent: money(1_234), user: None });
}
