//! Lists by a declared access pattern.

use diesel::ExpressionMethods as _;

use crate::site::{Cost, Id, Order, OrderChanges, Shop, Status, nobody, schema::orders};

const COLD: Cost = Cost { sql: 1, store_reads: 1, store_writes: 2 };
const WARM: Cost = Cost { sql: 0, store_reads: 1, store_writes: 0 };

#[test]
fn a_list_comes_in_its_declared_order_and_limited_from_the_same_cell() {
    let shop = Shop::new();
    let ada = shop.user("ada");
    let placed: Vec<Order> = (0..5).map(|day| shop.order(&ada, Status::Paid, day, day)).collect();
    let _pending = shop.order(&ada, Status::Pending, 9, 9);
    let newest: Vec<Order> = placed.into_iter().rev().collect();
    let repository = Order::repository(&shop.larder);
    assert_eq!(repository.list_by_user_id_and_status(ada.id, Status::Paid).limit(2).load().unwrap(), newest[..2]);
    shop.meter.expect(COLD);
    assert_eq!(repository.list_by_user_id_and_status(ada.id, Status::Paid).limit(3).load().unwrap(), newest[..3]);
    shop.meter.expect(WARM);
    assert_eq!(repository.list_by_user_id_and_status(ada.id, Status::Paid).load().unwrap(), newest);
    shop.meter.expect(WARM);
    assert_eq!(repository.list_by_user_id_and_status(ada.id, Status::Paid).first().unwrap().as_ref(), newest.first());
    shop.meter.expect(WARM);
    assert_eq!(repository.list_by_user_id_and_status(nobody(), Status::Paid).load().unwrap(), []);
    shop.meter.expect(COLD);
}

#[test]
fn another_order_than_the_declared_one_comes_from_the_database() {
    let shop = Shop::new();
    let ada = shop.user("ada");
    for cents in [3, 1, 2] {
        let _ = shop.order(&ada, Status::Paid, cents, cents);
    }
    let repository = Order::repository(&shop.larder);
    let list = || repository.list_by_user_id_and_status(ada.id, Status::Paid);
    let by_amount = list().order(orders::total_amount.asc()).limit(2).load().unwrap();
    assert_eq!(
        by_amount.iter().map(|order| order.total_amount).collect::<Vec<_>>(),
        [crate::site::money(1), crate::site::money(2)]
    );
    shop.meter.expect(Cost { sql: 1, ..Cost::default() });
    list().order(orders::created_at.desc()).load().unwrap();
    shop.meter.expect(COLD);
}

#[test]
fn several_lists_cost_what_one_costs() {
    let shop = Shop::new();
    let (ada, bob) = (shop.user("ada"), shop.user("bob"));
    let orders: Vec<Order> = (0..3).map(|n| shop.order(&ada, Status::Paid, n, n)).collect();
    let repository = Order::repository(&shop.larder);
    let lists = repository.list_by_user_id_many(&[bob.id, ada.id, ada.id]).unwrap();
    assert_eq!(lists.iter().map(Vec::len).collect::<Vec<_>>(), [0, 3, 3]);
    assert!(orders.iter().all(|order| lists[1].contains(order)));
    shop.meter.expect(COLD);
    repository.list_by_user_id_many(&[bob.id, ada.id]).unwrap();
    shop.meter.expect(WARM);
    let keys = [(bob.id, Status::Paid), (ada.id, Status::Paid), (ada.id, Status::Shipped)];
    for cost in [COLD, WARM] {
        let lists = repository.list_by_user_id_and_status_many(&keys).unwrap();
        assert_eq!(lists.iter().map(Vec::len).collect::<Vec<_>>(), [0, 3, 0]);
        shop.meter.expect(cost);
    }
}

#[test]
fn a_list_is_counted_from_its_cell_or_by_the_database() {
    let shop = Shop::new();
    let ada = shop.user("ada");
    for n in 0..3 {
        let _ = shop.order(&ada, Status::Paid, n, n);
    }
    let repository = Order::repository(&shop.larder);
    assert_eq!(repository.count_by_user_id(ada.id).unwrap(), 3);
    shop.meter.expect(Cost { sql: 1, store_reads: 1, store_writes: 0 });
    repository.list_by_user_id(ada.id).load().unwrap();
    shop.meter.reset();
    assert_eq!(repository.count_by_user_id(ada.id).unwrap(), 3);
    shop.meter.expect(WARM);
}

#[test]
fn a_list_longer_than_its_cell_is_served_whole_and_its_head_from_the_cell() {
    let shop = Shop::new();
    let ada = shop.user("ada");
    let records: Vec<_> = (0..300)
        .map(|n| crate::site::NewOrder {
            id: Id::random(),
            user_id: ada.id,
            status: Status::Paid,
            total_amount: crate::site::money(n),
            created_at: crate::site::day(n),
        })
        .collect();
    let repository = Order::repository(&shop.larder);
    repository.insert_many(&records).unwrap();
    shop.meter.reset();
    let list = || repository.list_by_user_id_and_status(ada.id, Status::Paid);
    assert_eq!(list().load().unwrap().len(), 300);
    shop.meter.expect(COLD);
    // The cell holds the first 256 rows, and knows that there are more.
    assert_eq!(list().limit(256).load().unwrap().len(), 256);
    shop.meter.expect(WARM);
    assert_eq!(list().limit(257).load().unwrap().len(), 257);
    shop.meter.expect(Cost { sql: 1, store_reads: 1, store_writes: 0 });
    assert_eq!(list().load().unwrap().len(), 300);
    shop.meter.expect(Cost { sql: 1, store_reads: 1, store_writes: 0 });
    assert_eq!(repository.count_by_user_id_and_status(ada.id, Status::Paid).unwrap(), 300);
}

#[test]
fn a_row_that_moves_leaves_its_old_list_and_enters_its_new_one() {
    let shop = Shop::new();
    let (ada, bob) = (shop.user("ada"), shop.user("bob"));
    let order = shop.order(&ada, Status::Paid, 100, 1);
    let repository = Order::repository(&shop.larder);
    let ids = |user| -> Vec<_> {
        repository.list_by_user_id(user).load().unwrap().into_iter().map(|order| order.id).collect()
    };
    assert_eq!((ids(ada.id), ids(bob.id)), (vec![order.id], vec![]));
    repository.update(order.id, &OrderChanges { user_id: Some(bob.id), ..Default::default() }).unwrap();
    assert_eq!((ids(ada.id), ids(bob.id)), (vec![], vec![order.id]));
    assert_eq!(repository.list_by_user_id_and_status(ada.id, Status::Paid).load().unwrap(), []);
}
