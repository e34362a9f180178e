//! Writes: what they give back, what they cost, and that every cell of the old and the new row follows.

use diesel::ExpressionMethods as _;
use larder::Error;

use crate::site::{
    COSTS, Cost, Counts, Id, Moment, NewOrder, NewUser, Order, OrderChanges, OrderItem, Shop, Status, User,
    UserChanges, day, money, nobody,
    schema::{orders, users},
};

const WARM: Cost = Cost { sql: 0, store_reads: 1, store_writes: 0 };

/// So many statements, the markers, and their end.
fn write(sql: usize) -> Cost {
    Cost { sql, store_reads: 0, store_writes: 2 }
}

fn renamed(email: &str) -> UserChanges {
    UserChanges { email: Some(email.to_owned()), ..Default::default() }
}

fn new_user(name: &str) -> NewUser {
    NewUser { id: Id::random(), email: format!("{name}@example.com"), created_at: day(1) }
}

#[test]
fn an_inserted_row_is_there_for_everybody_without_a_statement() {
    let shop = Shop::new();
    let users = User::repository(&shop.larder);
    let ada = users.insert(new_user("ada")).unwrap();
    shop.meter.expect_counts(Counts { sql: COSTS.insert, session: 2, begins: 1, finishes: 1, ..Counts::default() });
    assert_eq!(users.find(ada.id).unwrap().as_ref(), Some(&ada));
    assert_eq!(users.find_by_email("ada@example.com").unwrap().as_ref(), Some(&ada));
    shop.meter.expect(Cost { sql: 0, store_reads: 2, store_writes: 0 });
    let other = shop.branch();
    assert_eq!(User::repository(&other.larder).get(ada.id).unwrap(), ada);
    other.meter.expect(WARM);
}

#[test]
fn many_rows_that_are_inserted_come_back_in_their_order() {
    let shop = Shop::new();
    let users = User::repository(&shop.larder);
    let inserted = users.insert_many(&[new_user("c"), new_user("a"), new_user("b")]).unwrap();
    shop.meter.expect(write((COSTS.insert_many)(3)));
    assert_eq!(inserted.iter().map(|user| &user.email[..1]).collect::<Vec<_>>(), ["c", "a", "b"]);
    assert_eq!(users.insert_many(&Vec::<NewUser>::new()).unwrap(), []);
    shop.meter.expect(Cost::default());
}

#[test]
fn all_rows_of_an_insertion_go_in_or_none() {
    let shop = Shop::new();
    let users = User::repository(&shop.larder);
    assert!(users.find_by_email("a@example.com").unwrap().is_none());
    let refused = users.insert_many(&[new_user("a"), new_user("a")]);
    assert!(matches!(refused, Err(Error::Database(_))));
    assert!(users.find_by_email("a@example.com").unwrap().is_none());
}

#[test]
fn an_updated_row_is_written_through() {
    let shop = Shop::new();
    let order = shop.order(&shop.user("ada"), Status::Pending, 100, 1);
    let orders = Order::repository(&shop.larder);
    let paid = orders.update(order.id, &OrderChanges { status: Some(Status::Paid), ..Default::default() }).unwrap();
    shop.meter.expect(write(COSTS.update));
    assert_eq!(paid, Order { status: Status::Paid, ..order });
    assert_eq!(orders.get(paid.id).unwrap(), paid);
    shop.meter.expect(WARM);
}

#[test]
fn an_update_of_nobody_is_not_found() {
    let shop = Shop::new();
    let refused = User::repository(&shop.larder).update(nobody(), &renamed("x@example.com"));
    assert!(matches!(refused, Err(Error::NotFound { table: "users" })));
}

#[test]
fn a_unique_key_follows_the_row() {
    let shop = Shop::new();
    let (ada, users) = (shop.user("ada"), User::repository(&shop.larder));
    assert!(users.find_by_email("ada@example.com").unwrap().is_some());
    assert!(users.find_by_email("new@example.com").unwrap().is_none());
    let moved = users.update(ada.id, &renamed("new@example.com")).unwrap();
    shop.meter.reset();
    assert!(users.find_by_email("ada@example.com").unwrap().is_none());
    assert_eq!(users.find_by_email("new@example.com").unwrap(), Some(moved));
    shop.meter.expect(Cost { sql: 0, store_reads: 2, store_writes: 0 });
}

#[test]
fn the_old_keys_are_the_databases_and_not_the_callers() {
    // The second writer has read the row before the first one renamed it: it must clear the name in between all the same.
    let shop = Shop::new();
    let (ada, other) = (shop.user("ada"), shop.branch());
    let users = User::repository(&shop.larder);
    assert_eq!(users.get(ada.id).unwrap(), ada);
    User::repository(&other.larder).update(ada.id, &renamed("between@example.com")).unwrap();
    assert!(users.find_by_email("between@example.com").unwrap().is_some());
    users.update(ada.id, &renamed("last@example.com")).unwrap();
    assert!(users.find_by_email("between@example.com").unwrap().is_none());
    assert!(User::repository(&other.larder).find_by_email("between@example.com").unwrap().is_none());
}

#[test]
fn changes_that_change_nothing_are_no_error_and_no_statement() {
    let shop = Shop::new();
    let (ada, users) = (shop.user("ada"), User::repository(&shop.larder));
    users.get(ada.id).unwrap();
    shop.meter.reset();
    assert_eq!(users.update(ada.id, &UserChanges::default()).unwrap(), ada);
    shop.meter.expect(WARM);
    assert_eq!(users.update_where(users::email.eq("ada@example.com"), &UserChanges::default()).unwrap(), []);
    shop.meter.expect(Cost::default());
    assert!(matches!(users.update(nobody(), &UserChanges::default()), Err(Error::NotFound { .. })));
}

#[test]
fn what_is_there_stays_when_the_missing_rows_are_inserted() {
    let shop = Shop::new();
    let (ada, users) = (shop.user("ada"), User::repository(&shop.larder));
    let id = nobody();
    users.find_many(&[ada.id, id]).unwrap();
    let records = [
        NewUser { id: ada.id, ..new_user("other") },
        NewUser { id, ..new_user("bob") },
        NewUser { id, ..new_user("twice") },
    ];
    shop.meter.reset();
    let inserted = users.insert_missing(&records).unwrap();
    shop.meter.expect(write((COSTS.insert_missing)(3)));
    assert_eq!(inserted.iter().map(|user| (user.id, &user.email[..])).collect::<Vec<_>>(), [(id, "bob@example.com")]);
    assert_eq!(users.find_many(&[ada.id, id]).unwrap(), [Some(ada), inserted.into_iter().next()]);
    shop.meter.expect(WARM);
    assert_eq!(users.find_by_email_many(&["other@example.com", "twice@example.com"]).unwrap(), [None, None]);
    shop.meter.reset();
    // Where nothing is missing nothing is written, and so nothing is marked.
    assert_eq!(users.insert_missing(&records).unwrap(), []);
    shop.meter.expect(Cost { sql: (COSTS.insert_none)(3), ..Cost::default() });
    assert_eq!(users.insert_missing(&Vec::<NewUser>::new()).unwrap(), []);
    shop.meter.expect(Cost::default());
}

#[test]
fn every_row_that_meets_a_condition_is_updated_at_the_cost_of_one() {
    let shop = Shop::new();
    let ada = shop.user("ada");
    for n in 0..3 {
        let _ = shop.order(&ada, if n == 0 { Status::Pending } else { Status::Paid }, n, n);
    }
    let repository = Order::repository(&shop.larder);
    let paid = || repository.list_by_user_id_and_status(ada.id, Status::Paid).load().unwrap().len();
    let shipped = || repository.list_by_user_id_and_status(ada.id, Status::Shipped).load().unwrap().len();
    assert_eq!((paid(), shipped()), (2, 0));
    shop.meter.reset();
    let changed = repository.update_where(orders::status.eq(Status::Paid), orders::status.eq(Status::Shipped)).unwrap();
    shop.meter.expect(write(COSTS.update));
    assert!(changed.len() == 2 && changed.iter().all(|order| order.status == Status::Shipped));
    assert_eq!((paid(), shipped()), (0, 2));
    assert_eq!(
        repository.update_where(orders::status.eq(Status::Paid), orders::status.eq(Status::Shipped)).unwrap(),
        []
    );
}

#[test]
fn an_upsert_inserts_once_and_changes_from_then_on() {
    let shop = Shop::new();
    let (users, id) = (User::repository(&shop.larder), nobody());
    assert!(users.find(id).unwrap().is_none());
    let record = NewUser { id, ..new_user("ada") };
    shop.meter.reset();
    assert_eq!(users.upsert(id, &record, &renamed("changed@example.com")).unwrap().email, "ada@example.com");
    shop.meter.expect(write(COSTS.update_none + COSTS.insert));
    assert_eq!(users.upsert(id, &record, &renamed("changed@example.com")).unwrap().email, "changed@example.com");
    shop.meter.expect(write(COSTS.update));
    assert_eq!(users.upsert(id, &record, &UserChanges::default()).unwrap().email, "changed@example.com");
    assert_eq!(users.get(id).unwrap().email, "changed@example.com");
    assert!(users.find_by_email("ada@example.com").unwrap().is_none());
}

#[test]
fn a_deleted_row_is_gone_for_everybody() {
    let shop = Shop::new();
    let (ada, bob) = (shop.user("ada"), shop.user("bob"));
    let (order, kept) = (shop.order(&ada, Status::Paid, 1, 1), shop.order(&bob, Status::Paid, 1, 1));
    let repository = Order::repository(&shop.larder);
    repository.find_many(&[order.id, kept.id]).unwrap();
    let item = shop.item(&kept, 1);
    shop.meter.reset();
    // Orders have items, which go along: the order locked, its items, the deletion. Without such a relation it is one statement.
    assert_eq!(repository.delete(order.id).unwrap().as_ref(), Some(&order));
    shop.meter.expect(write(3));
    assert_eq!(repository.delete(order.id).unwrap(), None);
    shop.meter.expect(Cost { sql: 1, ..Cost::default() });
    let items = OrderItem::repository(&shop.larder);
    assert_eq!(items.delete((kept.id, 1)).unwrap(), Some(item));
    shop.meter.expect(write(COSTS.delete));
    assert_eq!(items.delete((kept.id, 1)).unwrap(), None);
    shop.meter.expect(Cost { sql: COSTS.delete_none, ..Cost::default() });
    assert_eq!(repository.find_many(&[order.id, kept.id]).unwrap(), [None, Some(kept.clone())]);
    assert_eq!(repository.delete_where(orders::user_id.eq(bob.id)).unwrap(), [kept]);
    assert_eq!(repository.list_by_user_id(bob.id).load().unwrap(), []);
}

#[test]
fn what_the_database_deletes_along_is_gone_too() {
    let shop = Shop::new();
    let (ada, bob) = (shop.user("ada"), shop.user("bob"));
    let mine = shop.order(&ada, Status::Paid, 1, 1);
    let theirs = shop.order(&bob, Status::Paid, 1, 1);
    for order in [&mine, &theirs] {
        let _ = shop.item(order, 1);
    }
    let tree = User::repository(&shop.larder).with(User::orders().with(Order::items()));
    assert_eq!(tree.find_many(&[ada.id, bob.id]).unwrap().iter().flatten().count(), 2);
    assert!(Order::repository(&shop.larder).exists(mine.id).unwrap());
    OrderItem::repository(&shop.larder).get((mine.id, 1)).unwrap();
    shop.meter.reset();
    User::repository(&shop.larder).delete(ada.id).unwrap();
    // The user locked, its orders, their items, the deletion.
    shop.meter.expect(write(4));
    assert!(tree.find(ada.id).unwrap().is_none());
    assert!(Order::repository(&shop.larder).find(mine.id).unwrap().is_none());
    assert_eq!(Order::repository(&shop.larder).list_by_user_id(ada.id).load().unwrap(), []);
    assert!(OrderItem::repository(&shop.larder).find((mine.id, 1)).unwrap().is_none());
    assert_eq!(OrderItem::repository(&shop.larder).list_by_order_id(mine.id).load().unwrap(), []);
    assert_eq!(tree.get(bob.id).unwrap().1[0].1.len(), 1);
}

#[test]
fn a_transaction_marks_and_ends_all_its_cells_at_once() {
    let shop = Shop::new();
    let placed = shop
        .larder
        .transaction(|tx| {
            let ada = User::repository(tx).insert(new_user("ada"))?;
            let new = NewOrder {
                id: Id::random(),
                user_id: ada.id,
                status: Status::Pending,
                total_amount: money(1),
                created_at: Moment::now(),
            };
            let order = Order::repository(tx).insert(&new)?;
            Order::repository(tx).update(order.id, orders::status.eq(Status::Paid))
        })
        .unwrap();
    shop.meter.expect_counts(Counts {
        sql: 2 * COSTS.insert + COSTS.update,
        session: 2,
        begins: 1,
        finishes: 1,
        ..Counts::default()
    });
    assert_eq!(Order::repository(&shop.larder).get(placed.id).unwrap(), placed);
    shop.meter.expect(WARM);
}

#[test]
fn a_rolled_back_write_leaves_the_cache_alone() {
    let shop = Shop::new();
    let (ada, users) = (shop.user("ada"), User::repository(&shop.larder));
    users.get(ada.id).unwrap();
    shop.meter.reset();
    let refused = shop.larder.transaction(|tx| {
        User::repository(tx).update(ada.id, &renamed("never@example.com"))?;
        Err::<(), _>(Error::other("thought better of it"))
    });
    assert!(matches!(refused, Err(Error::Other(reason)) if reason.to_string() == "thought better of it"));
    shop.meter.expect(Cost { sql: COSTS.update, ..Cost::default() });
    assert_eq!(users.get(ada.id).unwrap(), ada);
    shop.meter.expect(WARM);
    assert!(users.find_by_email("never@example.com").unwrap().is_none());
}

#[test]
fn a_rolled_back_savepoint_takes_its_changes_along_and_no_others() {
    let shop = Shop::new();
    let (ada, bob, users) = (shop.user("ada"), shop.user("bob"), User::repository(&shop.larder));
    users.find_many(&[ada.id, bob.id]).unwrap();
    shop.larder
        .transaction(|tx| {
            User::repository(tx).update(ada.id, &renamed("first@example.com"))?;
            let refused = tx.savepoint(|tx| {
                User::repository(tx).update(ada.id, &renamed("second@example.com"))?;
                User::repository(tx).update(bob.id, &renamed("other@example.com"))?;
                Err::<(), _>(Error::other("not this"))
            });
            assert!(refused.is_err());
            tx.savepoint(|tx| User::repository(tx).insert(new_user("kept"))).map(drop)
        })
        .unwrap();
    shop.meter.reset();
    assert_eq!(users.get(ada.id).unwrap().email, "first@example.com");
    assert_eq!(users.get(bob.id).unwrap(), bob);
    assert!(users.find_by_email("kept@example.com").unwrap().is_some());
    shop.meter.expect(Cost { sql: 0, store_reads: 3, store_writes: 0 });
    assert!(users.find_by_email("second@example.com").unwrap().is_none());
}

#[test]
fn a_panic_behind_a_savepoint_takes_along_what_it_did_and_no_more() {
    use std::panic::{AssertUnwindSafe, catch_unwind};
    let shop = Shop::new();
    let users = User::repository(&shop.larder);
    let kept = shop
        .larder
        .transaction(|tx| {
            let kept = User::repository(tx).insert(new_user("kept"))?;
            let caught = catch_unwind(AssertUnwindSafe(|| {
                tx.savepoint(|tx| -> larder::Result<()> {
                    User::repository(tx).insert(new_user("gone"))?;
                    panic!("in the savepoint");
                })
            }));
            assert!(caught.is_err());
            Ok(kept)
        })
        .unwrap();
    assert_eq!(users.get(kept.id).unwrap(), kept);
    assert!(users.find_by_email("gone@example.com").unwrap().is_none());
    assert_eq!(shop.branch().larder.transaction(|tx| User::repository(tx).find(kept.id)).unwrap(), Some(kept));
}
