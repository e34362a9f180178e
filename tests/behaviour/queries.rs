//! Results of queries, kept for as long as nothing that they depend on is written.

mod turn;
mod version;

use std::{thread, time::Duration};

use bigdecimal::BigDecimal;
use diesel::{PgConnection, dsl::sum, pg::Pg, prelude::*};
use larder::{Consistency, Error, Larder, store::Operation};
use shop_core::{NewOrder, Order, Status, User, UserChanges, schema::orders};
use tests::{Cost, Counts, Failure, Shop, money, redis_url};
use uuid::Uuid;

fn renamed(email: &str) -> UserChanges {
    UserChanges { email: Some(email.to_owned()), ..Default::default() }
}

/// What all orders come to, or those of a user.
fn spent(connection: &mut PgConnection, user: Option<Uuid>) -> QueryResult<Option<BigDecimal>> {
    match user {
        None => orders::table.select(sum(orders::total_amount)).first(connection),
        Some(user) => {
            orders::table.filter(orders::user_id.eq(user)).select(sum(orders::total_amount)).first(connection)
        }
    }
}

fn of_user(larder: &Larder<Pg>, user: &User) -> Option<BigDecimal> {
    let query = larder.query("spent").params(&user.id).depends_on_key(Order::key_by_user_id(user.id));
    query.load(|connection| spent(connection, Some(user.id))).unwrap()
}

#[test]
fn a_stamp_that_was_evicted_is_a_miss() {
    let shop = Shop::new();
    let ada = shop.user("ada");
    of_user(&shop.larder, &ada);
    let keys = shop.namespace.keys().into_iter().filter(|key| key.contains(":orders:user_id:"));
    let mut redis = redis::Client::open(redis_url()).unwrap().get_connection().unwrap();
    let evicted: usize = redis::cmd("DEL").arg(keys.collect::<Vec<_>>()).query(&mut redis).unwrap();
    assert_eq!(evicted, 1);
    shop.meter.reset();
    of_user(&shop.larder, &ada);
    shop.meter.expect_counts(Counts { sql: 1, reads: 1, stamps: 1, leases: 1, fills: 1, ..Counts::default() });
}

#[test]
fn a_mean_over_a_key_is_kept_until_one_of_its_rows_changes() {
    let shop = Shop::new();
    let ada = shop.user("ada");
    let [first, _] = [100, 300].map(|cents| shop.order(&ada, Status::Paid, cents, cents));
    let orders = Order::repository(&shop.larder);
    let mean = || -> Option<BigDecimal> { orders.list_by_user_id(ada.id).avg(orders::total_amount).unwrap() };
    shop.meter.reset();
    assert_eq!((mean(), mean()), (Some(money(200)), Some(money(200))));
    assert_eq!(shop.meter.counts().sql, 1);
    let changes = shop_core::OrderChanges { total_amount: Some(money(500)), ..Default::default() };
    orders.update(first.id, &changes).unwrap();
    assert_eq!(mean(), Some(money(400)));
}
