//! Pages of a list, by cursors.

mod changes;
mod cursors;
mod sources;

use larder::{Cursor, Larder, Page, Result};

use crate::site::{Cost, Db, Order, Shop, Status, User};

const NOTHING: Cost = Cost { sql: 0, store_reads: 0, store_writes: 0 };
const COLD: Cost = Cost { sql: 1, store_reads: 1, store_writes: 2 };
const WARM: Cost = Cost { sql: 0, store_reads: 1, store_writes: 0 };
const BEYOND: Cost = Cost { sql: 1, store_reads: 0, store_writes: 0 };
/// The cell was asked for, and has not all that is wanted.
const AT_THE_END: Cost = Cost { sql: 1, store_reads: 1, store_writes: 0 };

/// A page of a user's paid orders, the newest first.
fn paid(larder: &Larder<Db>, user: &User, cursor: Option<&Cursor>, n: usize) -> Result<Page<Order>> {
    Order::repository(larder).list_by_user_id_and_status(user.id, Status::Paid).after(cursor).page(n)
}

/// The rows of all pages, and what is done before each but the first.
fn walk<T>(mut page: impl FnMut(Option<&Cursor>) -> Result<Page<T>>, mut between: impl FnMut()) -> Vec<T> {
    let Page { mut rows, mut next, .. } = page(None).unwrap();
    while let Some(cursor) = next {
        between();
        // As a client would send it.
        let cursor = cursor.to_string().parse().unwrap();
        let page = page(Some(&cursor)).unwrap();
        rows.extend(page.rows);
        next = page.next;
    }
    rows
}

/// Paid orders of Ada's, several of them of the same instant.
fn with_orders(shop: &Shop, n: i64) -> (User, Vec<Order>) {
    let ada = shop.user("ada");
    let mut orders: Vec<Order> = (0..n).map(|at| shop.order(&ada, Status::Paid, at, at * 7 % 5)).collect();
    let _other = shop.order(&ada, Status::Pending, 1, 2);
    orders.sort_by_key(|order| (std::cmp::Reverse(order.created_at), order.id));
    (ada, orders)
}

#[test]
fn all_pages_of_any_size_give_the_list_in_its_order() {
    let shop = Shop::new();
    let (ada, orders) = with_orders(&shop, 30);
    for n in [1, 2, 3, 7, 10, 15, 29, 30, 31, 1_000] {
        assert_eq!(walk(|cursor| paid(&shop.larder, &ada, cursor, n), || ()), orders, "{n} rows a page");
        let mut n_pages = 0;
        let by_id = |cursor: Option<&Cursor>| {
            n_pages += 1;
            Order::repository(&shop.larder).list_by_user_id(ada.id).after(cursor).page(n)
        };
        let all = walk(by_id, || ());
        assert!(all.len() == 31 && all.is_sorted_by_key(|order| order.id));
        assert_eq!(n_pages, 31_usize.div_ceil(n), "only the last page may be short");
    }
}

#[test]
fn pages_that_the_cell_has_cost_a_round_trip_and_those_behind_it_a_statement() {
    let shop = Shop::new();
    let (ada, orders) = with_orders(&shop, 300);
    shop.meter.reset();
    // 256 rows are in the cell: 5 pages of 50, and one row that tells of the sixth.
    let costs = [COLD, WARM, WARM, WARM, WARM, AT_THE_END];
    let (mut cursor, mut rows) = (None, Vec::new());
    for (at, cost) in costs.into_iter().enumerate() {
        let page = paid(&shop.larder, &ada, cursor.as_ref(), 50).unwrap();
        shop.meter.expect(cost);
        assert_eq!(page.next.is_some(), at < 5);
        rows.extend(page.rows);
        cursor = page.next;
    }
    assert_eq!(rows, orders);
    let first = paid(&shop.larder, &ada, None, 255).unwrap();
    shop.meter.expect(WARM);
    let second = paid(&shop.larder, &ada, first.next.as_ref(), 5).unwrap();
    shop.meter.expect(AT_THE_END);
    // From here on it is known that no cell has the rows.
    let third = paid(&shop.larder, &ada, second.next.as_ref(), 30).unwrap();
    shop.meter.expect(BEYOND);
    assert_eq!(third.rows, orders[260..290]);
    assert_eq!(paid(&shop.larder, &ada, third.next.as_ref(), 10).unwrap().next, None);
    shop.meter.expect(BEYOND);
}

#[test]
fn a_page_behind_the_first_fills_nothing_and_behind_a_deleted_row_asks_the_database() {
    let shop = Shop::new();
    let (ada, orders) = with_orders(&shop, 10);
    let first = paid(&shop.larder, &ada, None, 3).unwrap();
    Order::repository(&shop.larder).delete(orders[2].id).unwrap();
    shop.meter.reset();
    for _ in 0..2 {
        assert_eq!(paid(&shop.larder, &ada, first.next.as_ref(), 3).unwrap().rows, orders[3..6]);
        shop.meter.expect(AT_THE_END);
    }
    paid(&shop.larder, &ada, None, 3).unwrap();
    shop.meter.expect(COLD);
    assert_eq!(paid(&shop.larder, &ada, first.next.as_ref(), 3).unwrap().rows, orders[3..6]);
    shop.meter.expect(AT_THE_END);
}

#[test]
fn a_page_has_one_row_at_least_and_ten_thousand_at_most() {
    let shop = Shop::new();
    let (ada, orders) = with_orders(&shop, 3);
    let none = paid(&shop.larder, &ada, None, 0).unwrap();
    assert_eq!((&none.rows[..], none.next.is_some()), (&orders[..1], true));
    let all = paid(&shop.larder, &ada, None, usize::MAX).unwrap();
    assert_eq!((&all.rows[..], all.next), (&orders[..], None));
    let bob = shop.user("bob");
    let empty = paid(&shop.larder, &bob, None, 20).unwrap();
    assert_eq!((&empty.rows[..], empty.next), (&[][..], None));
    // Nothing is behind the last row, and a page that ends there says so.
    assert_eq!(paid(&shop.larder, &ada, None, 3).unwrap().next, None);
    let cyd = shop.user("cyd");
    changes::insert_many(&shop, &cyd, 10_001);
    let most = paid(&shop.larder, &cyd, None, usize::MAX).unwrap();
    assert_eq!((most.rows.len(), most.next.is_some()), (10_000, true));
    assert_eq!(paid(&shop.larder, &cyd, most.next.as_ref(), usize::MAX).unwrap().rows.len(), 1);
}
