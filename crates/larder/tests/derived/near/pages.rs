//! Pages of lists that are near.

use std::time::Duration;

use diesel::{ExpressionMethods as _, sqlite::Sqlite};
use larder::{Consistency, Larder, Page, Result};

use super::{NOTHING, options, shop::Shop};
use crate::models::{Order, orders};

/// The totals on a page of Bob's orders, of which there are three.
fn page(larder: &Larder<Sqlite>, from: Consistency, before: Option<&Page<Order>>, n: usize) -> Result<Page<Order>> {
    let list = Order::repository(larder).reading(from).list_by_user_id_and_status(2, "paid");
    list.after(before.and_then(|page| page.next.as_ref())).page(n)
}

fn totals(page: &Page<Order>) -> Vec<i64> {
    page.rows.iter().map(|order| order.total).collect()
}

#[test]
fn pages_of_a_list_that_is_near_cost_nothing() {
    let shop = Shop::new(options());
    page(&shop.larder, Consistency::Near, None, 2).unwrap();
    shop.settle();
    let first = shop.costs(NOTHING, NOTHING, |larder| page(larder, Consistency::Near, None, 2));
    let second = shop.costs(NOTHING, NOTHING, |larder| page(larder, Consistency::Near, Some(&first), 2));
    assert_eq!((totals(&first), totals(&second), second.next), (vec![50, 30], vec![10], None));
    shop.costs(NOTHING, 1, |larder| page(larder, Consistency::Shared, Some(&first), 2));
    shop.costs(1, NOTHING, |larder| page(larder, Consistency::Database, Some(&first), 2));
}

#[test]
fn a_page_from_a_cell_brings_the_whole_list_near() {
    let shop = Shop::new(options());
    let other = shop.branch(options());
    page(&other, Consistency::Near, None, 2).unwrap();
    assert!(other.flush(Duration::from_secs(30)));
    // The first page is read past cell and copy, so that there is no copy yet.
    let first = shop.costs(1, NOTHING, |larder| page(larder, Consistency::Database, None, 1));
    let second = shop.costs(NOTHING, 1, |larder| page(larder, Consistency::Near, Some(&first), 1));
    assert_eq!(totals(&second), [30]);
    assert_eq!(totals(&shop.costs(NOTHING, NOTHING, |larder| page(larder, Consistency::Near, Some(&second), 1))), [10]);
    shop.costs(NOTHING, NOTHING, |larder| Order::repository(larder).list_by_user_id_and_status(2, "paid").load());
}

#[test]
fn a_page_from_the_database_leaves_no_older_list_behind() {
    let shop = Shop::deaf(options());
    shop.line().joined(None);
    shop.line().proven(Duration::MAX, None);
    page(&shop.larder, Consistency::Near, None, 1).unwrap();
    shop.settle();
    let first = shop.costs(NOTHING, NOTHING, |larder| page(larder, Consistency::Near, None, 1));
    let behind = |from| totals(&page(&shop.larder, from, Some(&first), 2).unwrap());
    // Nobody tells of this, so that the copy stays.
    let other = shop.branch(options());
    Order::repository(&other).update(1, orders::total.eq(5)).unwrap();
    assert_eq!(behind(Consistency::Near), [30, 10]);
    assert_eq!(behind(Consistency::Database), [30, 5]);
    assert_eq!(behind(Consistency::Near), [30, 5], "never older than what was given out before");
}
