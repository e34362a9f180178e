//! The near cache in front of a real Redis, in two handles as in two processes.

use std::{
    mem,
    time::{Duration, Instant},
};

use larder::{Builder, NearOptions, store::Operation};

use crate::site::{
    Branch, Cost, Db, Failure, Id, Moment, NewOrder, Order, Shop, Status, User, UserChanges, eventually, money,
};

const LONG: Duration = Duration::from_secs(30);
const NOTHING: Cost = Cost { sql: 0, store_reads: 0, store_writes: 0 };

fn near(builder: Builder<Db>) -> Builder<Db> {
    builder.near(NearOptions::bytes(16 << 20).horizon(Duration::from_secs(10)))
}

/// Two handles that have a row near.
fn shop() -> (Shop, Branch, User) {
    let shop = Shop::built(near);
    let ada = shop.user("ada");
    let other = shop.branch_built(near);
    warm(&shop, &other, &ada);
    (shop, other, ada)
}

/// Reads until a read costs nothing.
fn warm(shop: &Shop, other: &Branch, user: &User) {
    for (larder, meter) in [(&shop.larder, &shop.meter), (&other.larder, &other.meter)] {
        eventually(LONG, || {
            meter.reset();
            User::repository(larder).get(user.id).unwrap();
            User::repository(larder).find_by_email(&user.email).unwrap();
            Order::repository(larder).list_by_user_id(user.id).load().unwrap();
            meter.counts().cost() == NOTHING
        });
    }
}

fn renamed(email: &str) -> UserChanges {
    UserChanges { email: Some(email.to_owned()), ..Default::default() }
}

#[test]
fn what_is_near_costs_neither_a_statement_nor_a_round_trip() {
    let (shop, _other, ada) = shop();
    for _ in 0..3 {
        assert_eq!(User::repository(&shop.larder).get(ada.id).unwrap(), ada);
        assert_eq!(User::repository(&shop.larder).find_by_email(&ada.email).unwrap().as_ref(), Some(&ada));
        assert_eq!(User::repository(&shop.larder).with(User::orders()).find(ada.id).unwrap().unwrap().1, []);
    }
    shop.meter.expect(NOTHING);
}

#[test]
fn a_write_is_seen_by_its_own_handle_at_once_and_by_others_in_a_moment() {
    let (shop, other, mut ada) = shop();
    for n in 0..20 {
        let email = format!("ada-{n}@example.com");
        let changed = User::repository(&shop.larder).update(ada.id, &renamed(&email)).unwrap();
        let old = mem::replace(&mut ada, changed);
        assert_eq!(User::repository(&shop.larder).get(ada.id).unwrap(), ada);
        assert_eq!(User::repository(&shop.larder).find_by_email(&old.email).unwrap(), None);
        let asked = Instant::now();
        eventually(LONG, || User::repository(&other.larder).get(ada.id).unwrap() == ada);
        // Long before a proof is too old: they were told.
        assert!(asked.elapsed() < Duration::from_secs(5), "{:?}", asked.elapsed());
        eventually(LONG, || User::repository(&other.larder).find_by_email(&old.email).unwrap().is_none());
        warm(&shop, &other, &ada);
    }
}

#[test]
fn an_order_that_is_added_is_in_the_list_that_was_near() {
    let (shop, other, ada) = shop();
    let order = NewOrder {
        id: Id::random(),
        user_id: ada.id,
        status: Status::Paid,
        total_amount: money(7),
        created_at: Moment::now(),
    };
    let orders = [Order::repository(&shop.larder).insert(&order).unwrap()];
    assert_eq!(Order::repository(&shop.larder).list_by_user_id(ada.id).load().unwrap(), orders);
    eventually(LONG, || Order::repository(&other.larder).list_by_user_id(ada.id).load().unwrap() == orders);
}

#[test]
fn a_value_that_the_store_does_not_take_is_not_kept() {
    let shop = Shop::built(near);
    let ada = shop.user("ada");
    shop.faults.before(Operation::Fill).fail(Failure::Unavailable);
    for _ in 0..3 {
        User::repository(&shop.larder).get(ada.id).unwrap();
        assert!(shop.larder.flush(LONG));
    }
    shop.meter.reset();
    User::repository(&shop.larder).get(ada.id).unwrap();
    assert!(shop.meter.counts().reads > 0);
}
