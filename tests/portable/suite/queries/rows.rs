//! Rows by kept keys, and numbers over a key.

use std::slice;

use diesel::prelude::*;

use crate::site::{
    Counts, Id, Moment, Money, NewOrder, Order, OrderChanges, Shop, Status, User, day, money, schema::orders,
};

use super::costing;

#[test]
fn a_query_of_a_repository_keeps_keys_and_its_rows_are_those_of_the_cells() {
    let shop = Shop::new();
    let (ada, bob) = (shop.user("ada"), shop.user("bob"));
    let small = shop.order(&ada, Status::Paid, 100, 1);
    let large = shop.order(&ada, Status::Paid, 900, 2);
    let orders = Order::repository(&shop.larder);
    let largest = || {
        let cached = orders.cached("largest").params(&ada.id).depends_on_key(Order::key_by_user_id(ada.id));
        cached.load(|query| query.filter(orders::user_id.eq(ada.id)).order(orders::total_amount.desc())).unwrap()
    };
    shop.meter.reset();
    assert_eq!(largest(), [large.clone(), small.clone()]);
    shop.meter.expect_counts(Counts { sql: 2, reads: 2, stamps: 1, leases: 2, fills: 2, ..Counts::default() });
    assert_eq!(largest(), [large.clone(), small.clone()]);
    shop.meter.expect_counts(Counts { reads: 2, ..Counts::default() });
    // Another's order leaves them alone; one of hers gives the keys anew, and the rows as they are.
    let new = |user: &User, cents| NewOrder {
        id: Id::random(),
        user_id: user.id,
        status: Status::Paid,
        total_amount: money(cents),
        created_at: Moment::now(),
    };
    orders.insert(new(&bob, 5_000)).unwrap();
    shop.meter.reset();
    largest();
    shop.meter.expect_counts(Counts { reads: 2, ..Counts::default() });
    let larger = orders.update(small.id, &costing(1_000)).unwrap();
    assert_eq!(largest(), [larger.clone(), large.clone()]);
    orders.delete(large.id).unwrap();
    assert_eq!(largest(), [larger]);
    // With nothing said, any order counts; and shapes are as ever.
    let emails = || {
        let orders = Order::repository(&shop.larder).with(Order::user());
        let loaded = orders.cached("all").load(|query| query.order(orders::total_amount.desc())).unwrap();
        loaded.into_iter().map(|(order, user)| (order.total_amount, user.email)).collect::<Vec<_>>()
    };
    assert_eq!(emails(), [(money(5_000), bob.email.clone()), (money(1_000), ada.email.clone())]);
    orders.insert(new(&ada, 9_000)).unwrap();
    assert_eq!(emails().len(), 3);
    let in_transaction = shop.larder.transaction(|tx| {
        let orders = Order::repository(tx);
        orders.insert(new(&ada, 1))?;
        orders.cached("all").load(|query| query)
    });
    assert_eq!(in_transaction.unwrap().len(), 4);
    assert_eq!(emails().len(), 4);
}

#[test]
fn numbers_over_a_key_are_kept_until_one_of_its_rows_changes() {
    let shop = Shop::new();
    let (ada, bob) = (shop.user("ada"), shop.user("bob"));
    let orders = Order::repository(&shop.larder);
    let first = shop.order(&ada, Status::Paid, 100, 1);
    let _ = shop.order(&ada, Status::Paid, 300, 2);
    let other = shop.order(&bob, Status::Paid, 7, 3);
    let of = |user: &User| {
        let list = || orders.list_by_user_id(user.id);
        let money = |sum: larder::Result<Option<Money>>| sum.unwrap();
        let days = (list().min(orders::created_at).unwrap(), list().max(orders::created_at).unwrap());
        (money(list().sum(orders::total_amount)), days)
    };
    let two = (Some(money(400)), (Some(day(1)), Some(day(2))));
    assert_eq!(of(&ada), two);
    assert_eq!(shop.meter.counts().sql, 3);
    shop.meter.reset();
    assert_eq!(of(&ada), two);
    shop.meter.expect_counts(Counts { reads: 3, ..Counts::default() });
    orders.update(other.id, &costing(9)).unwrap();
    shop.meter.reset();
    assert_eq!(of(&ada), two);
    shop.meter.expect_counts(Counts { reads: 3, ..Counts::default() });
    orders.update(first.id, &costing(500)).unwrap();
    assert_eq!(of(&ada).0, Some(money(800)));
    orders.update(first.id, &OrderChanges { user_id: Some(bob.id), ..Default::default() }).unwrap();
    assert_eq!((of(&ada).0, of(&bob).0), (Some(money(300)), Some(money(509))));
    let nobody = shop.user("eve");
    assert_eq!(of(&nobody), (None, (None, None)));
    let in_transaction: Option<Money> = shop
        .larder
        .transaction(|tx| {
            let orders = Order::repository(tx);
            orders.update(first.id, &costing(1_000))?;
            orders.list_by_user_id(bob.id).sum(orders::total_amount)
        })
        .unwrap();
    assert_eq!(in_transaction, Some(money(1_009)));
}

#[test]
fn names_of_models_queries_are_their_own_and_versions_tell_forms_apart() {
    let shop = Shop::new();
    let ada = shop.user("ada");
    let order = shop.order(&ada, Status::Paid, 100, 1);
    let (users, orders) = (User::repository(&shop.larder), Order::repository(&shop.larder));
    for _ in 0..2 {
        assert_eq!(users.cached("first").tagged("t").load(|query| query.limit(1)).unwrap(), slice::from_ref(&ada));
        assert_eq!(orders.cached("first").tagged("t").load(|query| query.limit(1)).unwrap(), slice::from_ref(&order));
    }
    assert_eq!(shop.larder.stats().queries.keys.missed, 2);
    let of = |version: u32| {
        let query = shop.larder.query("of").version(version).tagged("t");
        query.load(|_| Ok(version)).unwrap()
    };
    assert_eq!((of(0), of(0), of(1)), (0, 0, 1));
}
