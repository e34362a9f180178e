//! Rows that come and go while somebody turns the pages.

use std::collections::HashSet;

use fastrand::Rng;
use larder::{Builder, NearOptions};

use crate::site::{Db, Ground as _, Id, NewOrder, Order, Shop, Status, User, day, money};

use super::{paid, walk, with_orders};

/// So many paid orders more, past larder, of which no cell hears.
pub(super) fn insert_many(shop: &Shop, user: &User, n: usize) {
    let row = |_| {
        let (id, user, amount, placed) =
            (Db::id(Id::random()), Db::id(user.id), Db::amount(money(100)), Db::moment(day(1)));
        format!("({id}, {user}, 'paid', {amount}, {placed})")
    };
    let rows: Vec<String> = (0..n).map(row).collect();
    shop.past(&format!(
        "INSERT INTO orders (id, user_id, status, total_amount, created_at) VALUES {}",
        rows.join(", ")
    ));
}

fn order(user: &User, placed: i64) -> NewOrder {
    NewOrder {
        id: Id::random(),
        user_id: user.id,
        status: Status::Paid,
        total_amount: money(1),
        created_at: day(placed),
    }
}

/// Inserts and deletes some orders, and takes down which of those that were there from the beginning are left.
fn change(shop: &Shop, user: &User, random: &mut Rng, left: &mut HashSet<Id>) {
    let orders = Order::repository(&shop.larder);
    for _ in 0..random.usize(0..4) {
        // In front of all, between any, among equals, and behind all.
        orders.insert(order(user, random.i64(-1..6))).unwrap();
    }
    let mut ids: Vec<Id> = left.iter().copied().collect();
    ids.sort();
    // Some stay to the end, however small the pages are.
    for _ in 0..random.usize(0..3).min(ids.len().saturating_sub(20)) {
        let gone = ids.swap_remove(random.usize(..ids.len()));
        orders.delete(gone).unwrap();
        left.remove(&gone);
    }
}

#[test]
fn what_is_there_all_the_time_comes_once_whatever_else_comes_and_goes() {
    for seed in 0..12 {
        let near = |builder: Builder<Db>| builder.near(NearOptions::bytes(16 << 20));
        let shop = if seed % 2 == 0 { Shop::new() } else { Shop::built(near) };
        let random = &mut Rng::with_seed(seed);
        let (ada, orders) = with_orders(&shop, 60);
        let mut left: HashSet<Id> = orders.iter().map(|order| order.id).collect();
        let n = random.usize(1..9);
        let rows = walk(|cursor| paid(&shop.larder, &ada, cursor, n), || change(&shop, &ada, random, &mut left));
        let ids: HashSet<Id> = rows.iter().map(|order| order.id).collect();
        assert_eq!(ids.len(), rows.len(), "nothing comes twice (seed {seed})");
        let place = |order: &Order| (std::cmp::Reverse(order.created_at), order.id);
        assert!(rows.is_sorted_by_key(place), "seed {seed}");
        let seen: Vec<&Order> = rows.iter().filter(|order| left.contains(&order.id)).collect();
        let there: Vec<&Order> = orders.iter().filter(|order| left.contains(&order.id)).collect();
        assert_eq!(seen, there, "seed {seed}");
        assert!(there.len() < orders.len(), "some were deleted (seed {seed})");
    }
}

#[test]
fn a_row_that_is_inserted_behind_the_cursor_is_seen_and_one_before_it_is_not() {
    let shop = Shop::new();
    let (ada, orders) = with_orders(&shop, 10);
    let first = paid(&shop.larder, &ada, None, 4).unwrap();
    let repository = Order::repository(&shop.larder);
    let newest = repository.insert(order(&ada, 100)).unwrap();
    let oldest = repository.insert(order(&ada, -100)).unwrap();
    let rest = paid(&shop.larder, &ada, first.next.as_ref(), 100).unwrap();
    assert_eq!(rest.rows, [&orders[4..], &[oldest]].concat());
    assert_eq!(paid(&shop.larder, &ada, None, 1).unwrap().rows, [newest]);
}
