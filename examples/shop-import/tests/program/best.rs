//! The ten best customers of each month, as cached queries over the whole history.

use bigdecimal::BigDecimal;
use chrono::{DateTime, TimeZone as _, Utc};
use diesel::{dsl::sum, pg::Pg, prelude::*};
use larder::Larder;
use shop_core::{
    Order, OrderChanges, User, UserChanges,
    schema::{orders, users},
};
use shop_import::ids::{order_id, user_id};
use tests::{EMPTY, Meter, Namespace, redis_store, redis_url};

use crate::command::{history, run};

/// January 1997 to June 1998.
fn months() -> Vec<(i32, u32)> {
    (1..=12).map(|month| (1997, month)).chain((1..=6).map(|month| (1998, month))).collect()
}

fn begin((year, month): (i32, u32)) -> DateTime<Utc> {
    Utc.with_ymd_and_hms(year, month, 1, 0, 0, 0).single().unwrap()
}

/// Whose orders of a month come to most, and to how much.
fn best(larder: &Larder<Pg>, month: (i32, u32)) -> Vec<(String, Option<BigDecimal>)> {
    let end = begin(if month.1 == 12 { (month.0 + 1, 1) } else { (month.0, month.1 + 1) });
    let query = larder.query("best-customers").params(&month).depends_on::<Order>();
    let best = query.load(|connection| {
        let placed = orders::created_at.ge(begin(month)).and(orders::created_at.lt(end));
        orders::table
            .inner_join(users::table)
            .filter(placed)
            .group_by(users::email)
            .select((users::email, sum(orders::total_amount)))
            .order((sum(orders::total_amount).desc(), users::email))
            .limit(10)
            .load(connection)
    });
    best.unwrap()
}

#[test]
fn the_best_customers_of_a_month_are_computed_when_an_order_was_written_and_never_else() {
    let database = EMPTY.database();
    assert_eq!(run(&database, &history(), &[]).code, Some(0));
    let (meter, namespace) = (Meter::new(), Namespace::new());
    let store = redis_store(&redis_url(), &namespace);
    let larder = Larder::builder(database.pool(&meter, 2)).shared(store).build();
    let months = months();
    let of_all = || -> Vec<_> { months.iter().map(|month| best(&larder, *month)).collect() };

    let first = of_all();
    assert_eq!(meter.counts().sql, months.len(), "a statement a month");
    assert!(first.iter().all(|best| best.len() == 10), "there are orders of each month");
    meter.reset();
    assert_eq!(of_all(), first);
    assert_eq!(meter.counts().sql, 0, "all are kept");

    // A customer's address is not theirs to depend on.
    let changes = UserChanges { email: Some("moved@example.com".to_owned()), ..Default::default() };
    User::repository(&larder).update(user_id(1), &changes).unwrap();
    meter.reset();
    assert_eq!(of_all(), first);
    assert_eq!(meter.counts().sql, 0, "users were written, and no orders");

    // The first order of the first customer is of January 1997.
    let changes = OrderChanges { total_amount: Some(BigDecimal::from(1_000_000)), ..Default::default() };
    Order::repository(&larder).update(order_id(1, 1), &changes).unwrap();
    meter.reset();
    let after = of_all();
    assert_eq!(meter.counts().sql, months.len(), "any of them may have changed");
    assert_eq!(after[0][0], ("moved@example.com".to_owned(), Some(BigDecimal::from(1_000_000))));
    assert_eq!(after[1..], first[1..]);
    meter.reset();
    assert_eq!(of_all(), after);
    assert_eq!(meter.counts().sql, 0);
}
