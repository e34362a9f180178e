//! Pages in transactions, of views, with relations, and of callers who do not wait.

use larder::{Cursor, Error, View};

use crate::site::{Cost, Db, Id, Money, NewOrder, Order, Shop, Status, day, money};

use super::{BEYOND, COLD, WARM, paid, walk, with_orders};

/// Nothing of it says where an order stands in its list.
#[derive(Debug, Clone, PartialEq, View)]
#[diesel(check_for_backend(Db))]
#[larder(of = Order)]
struct Amount {
    total_amount: Money,
}

#[test]
fn a_transaction_has_pages_of_its_own_rows_and_takes_cursors_from_outside() {
    let shop = Shop::new();
    let (ada, orders) = with_orders(&shop, 9);
    let first = paid(&shop.larder, &ada, None, 4).unwrap();
    let done = shop.larder.transaction(|tx| {
        let order = NewOrder {
            id: Id::random(),
            user_id: ada.id,
            status: Status::Paid,
            total_amount: money(1),
            created_at: day(-1),
        };
        let own = Order::repository(tx).insert(&order)?;
        shop.meter.reset();
        let list = || Order::repository(tx).list_by_user_id_and_status(ada.id, Status::Paid);
        let rest = list().after(first.next.as_ref()).page(5)?;
        shop.meter.expect(BEYOND);
        assert_eq!(rest.rows, orders[4..]);
        assert_eq!(list().after(rest.next.as_ref()).page(5)?.rows, [own]);
        shop.meter.expect(BEYOND);
        let all = walk(|cursor| list().after(cursor).page(3), || ());
        assert_eq!(all.len(), 10);
        shop.meter.expect(Cost { sql: 4, ..BEYOND });
        Err::<(), _>(Error::other("it is not to be"))
    });
    assert!(matches!(done, Err(Error::Other(_))));
    assert_eq!(paid(&shop.larder, &ada, first.next.as_ref(), 10).unwrap().rows, orders[4..]);
}

#[test]
fn a_view_that_says_nothing_of_its_place_has_pages_from_columns_and_from_the_cell() {
    let shop = Shop::new();
    let (ada, orders) = with_orders(&shop, 10);
    let amounts: Vec<Money> = orders.iter().map(|order| order.total_amount).collect();
    let page = |cursor: Option<&Cursor>| {
        let views = Order::repository(&shop.larder).select::<Amount>();
        views.list_by_user_id_and_status(ada.id, Status::Paid).after(cursor).page(4)
    };
    let walked = || walk(page, || ()).into_iter().map(|row| row.total_amount).collect::<Vec<_>>();
    shop.meter.reset();
    assert_eq!(walked(), amounts);
    // Columns fill no cell: three pages, each of which has looked for one.
    shop.meter.expect(Cost { sql: 3, store_reads: 3, store_writes: 0 });
    paid(&shop.larder, &ada, None, 4).unwrap();
    shop.meter.expect(COLD);
    assert_eq!(walked(), amounts);
    shop.meter.expect(Cost { sql: 0, store_reads: 3, store_writes: 0 });
}

#[test]
fn relations_of_a_page_are_loaded_for_its_rows_alone() {
    let shop = Shop::new();
    let (ada, orders) = with_orders(&shop, 6);
    let items: Vec<_> = orders.iter().map(|order| vec![shop.item(order, 1)]).collect();
    let page = |cursor: Option<&Cursor>| {
        let with_items = Order::repository(&shop.larder).with(Order::items());
        with_items.list_by_user_id_and_status(ada.id, Status::Paid).after(cursor).page(4)
    };
    shop.meter.reset();
    let first = page(None).unwrap();
    assert_eq!(first.rows.len(), 4);
    shop.meter.expect(Cost { sql: 2, store_reads: 2, store_writes: 4 });
    let second = page(first.next.as_ref()).unwrap();
    // The list is in its cell, the items of the two orders are not.
    shop.meter.expect(Cost { sql: 1, store_reads: 2, store_writes: 2 });
    let rows = [first.rows, second.rows].concat();
    assert_eq!(rows, orders.into_iter().zip(items).collect::<Vec<_>>());
    page(first.next.as_ref()).unwrap();
    shop.meter.expect(Cost { store_reads: 2, ..WARM });
}
