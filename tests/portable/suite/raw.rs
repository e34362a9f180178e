//! Writes by plain Diesel in a transaction, and telling of them.

use diesel::prelude::*;
use larder::{Error, Isolation, TransactionOptions};

use crate::site::{Cost, Id, Moment, Order, Shop, Status, User, money, schema::orders};

#[test]
fn rows_that_were_touched_are_read_anew() {
    let shop = Shop::new();
    let (ada, bob) = (shop.user("ada"), shop.user("bob"));
    let order = shop.order(&ada, Status::Paid, 1, 1);
    let repository = Order::repository(&shop.larder);
    let ids = |user| -> Vec<_> {
        repository.list_by_user_id(user).load().unwrap().into_iter().map(|order| order.id).collect()
    };
    repository.get(order.id).unwrap();
    assert_eq!((ids(ada.id), ids(bob.id)), (vec![order.id], vec![]));
    shop.meter.reset();
    let moved = shop
        .larder
        .transaction(|tx| {
            tx.touching::<Order, _>(&[order.id], |connection| {
                diesel::update(orders::table.find(order.id)).set(orders::user_id.eq(bob.id)).execute(connection)
            })
        })
        .unwrap();
    assert_eq!(moved, 1);
    // Two SELECTs beside the UPDATE.
    shop.meter.expect(Cost { sql: 3, store_reads: 0, store_writes: 2 });
    assert_eq!(repository.get(order.id).unwrap().user_id, bob.id);
    assert_eq!((ids(ada.id), ids(bob.id)), (vec![], vec![order.id]));
}

#[test]
fn rows_that_were_inserted_past_larder_enter_their_lists() {
    let shop = Shop::new();
    let ada = shop.user("ada");
    let repository = Order::repository(&shop.larder);
    assert_eq!(repository.list_by_user_id(ada.id).load().unwrap(), []);
    let record = crate::site::NewOrder {
        id: Id::random(),
        user_id: ada.id,
        status: Status::Paid,
        total_amount: money(1),
        created_at: Moment::now(),
    };
    shop.meter.reset();
    shop.larder
        .transaction(|tx| {
            tx.run(|connection| record.clone().insert_into(orders::table).execute(connection))?;
            tx.touched::<Order>(&[record.id])
        })
        .unwrap();
    // One SELECT beside the INSERT.
    shop.meter.expect(Cost { sql: 2, store_reads: 0, store_writes: 2 });
    assert_eq!(repository.list_by_user_id(ada.id).load().unwrap(), [record]);
}

#[test]
fn a_whole_table_can_be_touched() {
    let shop = Shop::new();
    let ada = shop.user("ada");
    let orders: Vec<Order> = (0..5).map(|n| shop.order(&ada, Status::Pending, n, n)).collect();
    let repository = Order::repository(&shop.larder);
    let keys: Vec<_> = orders.iter().map(|order| order.id).collect();
    repository.find_many(&keys).unwrap();
    repository.list_by_user_id_and_status(ada.id, Status::Pending).load().unwrap();
    // On MySQL nobody can be kept from adding rows below this level.
    let options = TransactionOptions { isolation: Isolation::RepeatableRead, ..Default::default() };
    shop.larder
        .transaction_with(options, |tx| {
            tx.touching_all::<Order, _>(|connection| {
                diesel::sql_query("UPDATE orders SET status = 'shipped'").execute(connection)
            })
        })
        .unwrap();
    let shipped = repository.find_many(&keys).unwrap();
    assert!(shipped.iter().flatten().all(|order| order.status == Status::Shipped));
    assert_eq!(repository.list_by_user_id_and_status(ada.id, Status::Pending).load().unwrap(), []);
    assert_eq!(repository.list_by_user_id_and_status(ada.id, Status::Shipped).load().unwrap().len(), 5);
}

#[test]
fn what_was_touched_and_then_rolled_back_stays_as_it_was() {
    let shop = Shop::new();
    let order = shop.order(&shop.user("ada"), Status::Paid, 1, 1);
    let repository = Order::repository(&shop.larder);
    repository.get(order.id).unwrap();
    let refused = shop.larder.transaction(|tx| {
        tx.touching::<Order, _>(&[order.id], |connection| diesel::delete(orders::table).execute(connection))?;
        Err::<(), _>(Error::other("no"))
    });
    assert!(refused.is_err());
    assert_eq!(repository.get(order.id).unwrap(), order);
}

#[test]
fn a_repository_within_run_is_an_error_and_no_deadlock() {
    let shop = Shop::new();
    let ada = shop.user("ada");
    let found = shop.larder.transaction(|tx| {
        tx.run(|_connection| {
            let nested = User::repository(tx).find(ada.id);
            assert!(matches!(nested, Err(Error::ConnectionInUse)));
            Ok(())
        })
    });
    assert!(found.is_ok());
}

#[test]
fn rows_are_told_of_although_the_work_on_them_failed_afterwards() {
    let shop = Shop::new();
    let (ada, bob) = (shop.user("ada"), shop.user("bob"));
    let order = shop.order(&ada, Status::Paid, 1, 1);
    let repository = Order::repository(&shop.larder);
    assert_eq!(repository.list_by_user_id(bob.id).load().unwrap(), []);
    shop.larder
        .transaction(|tx| {
            let failed = tx.touching::<Order, ()>(&[order.id], |connection| {
                diesel::update(orders::table.find(order.id)).set(orders::user_id.eq(bob.id)).execute(connection)?;
                Err(diesel::result::Error::NotFound)
            });
            assert!(failed.is_err());
            Ok(())
        })
        .unwrap();
    assert_eq!(repository.list_by_user_id(bob.id).load().unwrap().len(), 1);
    assert_eq!(repository.get(order.id).unwrap().user_id, bob.id);
}
