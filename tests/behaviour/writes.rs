//! Writes: what they give back, what they cost, and that every cell of the old and the new row follows.

use diesel::ExpressionMethods as _;
use larder::Error;
use shop_core::{
    NewOrder, NewUser, Order, OrderChanges, OrderItem, Status, User, UserChanges,
    schema::{orders, users},
};
use tests::{Cost, Counts, Shop, day, money, nobody};

const WARM: Cost = Cost { sql: 0, store_reads: 1, store_writes: 0 };
/// One statement, the markers, and their end.
const WRITE: Cost = Cost { sql: 1, store_reads: 0, store_writes: 2 };

fn renamed(email: &str) -> UserChanges {
    UserChanges { email: Some(email.to_owned()), ..Default::default() }
}

fn new_user(name: &str) -> NewUser {
    NewUser { id: None, email: format!("{name}@example.com"), created_at: Some(day(1)) }
}

#[test]
fn an_inserted_row_is_there_for_everybody_without_a_statement() {
    let shop = Shop::new();
    let users = User::repository(&shop.larder);
    let ada = users.insert(new_user("ada")).unwrap();
    shop.meter.expect_counts(Counts { sql: 1, session: 2, begins: 1, finishes: 1, ..Counts::default() });
    assert_eq!(users.find(ada.id).unwrap().as_ref(), Some(&ada));
    assert_eq!(users.find_by_email("ada@example.com").unwrap().as_ref(), Some(&ada));
    shop.meter.expect(Cost { sql: 0, store_reads: 2, store_writes: 0 });
    let other = shop.branch();
    assert_eq!(User::repository(&other.larder).get(ada.id).unwrap(), ada);
    other.meter.expect(WARM);
}

#[test]
fn many_rows_are_inserted_by_one_statement_and_come_back_in_their_order() {
    let shop = Shop::new();
    let users = User::repository(&shop.larder);
    let inserted = users.insert_many(&[new_user("c"), new_user("a"), new_user("b")]).unwrap();
    shop.meter.expect(WRITE);
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
    shop.meter.expect(WRITE);
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
        NewUser { id: Some(ada.id), ..new_user("other") },
        NewUser { id: Some(id), ..new_user("bob") },
        NewUser { id: Some(id), ..new_user("twice") },
    ];
    shop.meter.reset();
    let inserted = users.insert_missing(&records).unwrap();
    shop.meter.expect(WRITE);
    assert_eq!(inserted.iter().map(|user| (user.id, &user.email[..])).collect::<Vec<_>>(), [(id, "bob@example.com")]);
    assert_eq!(users.find_many(&[ada.id, id]).unwrap(), [Some(ada), inserted.into_iter().next()]);
    shop.meter.expect(WARM);
    assert_eq!(users.find_by_email_many(&["other@example.com", "twice@example.com"]).unwrap(), [None, None]);
    shop.meter.reset();
    // Where nothing is missing nothing is written, and so nothing is marked.
    assert_eq!(users.insert_missing(&records).unwrap(), []);
    shop.meter.expect(Cost { sql: 1, ..Cost::default() });
    assert_eq!(users.insert_missing(&Vec::<NewUser>::new()).unwrap(), []);
    shop.meter.expect(Cost::default());
}

#[test]
fn every_row_that_meets_a_condition_is_updated_by_one_statement() {
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
    shop.meter.expect(WRITE);
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
    let record = NewUser { id: Some(id), ..new_user("ada") };
    shop.meter.reset();
    assert_eq!(users.upsert(id, &record, &renamed("changed@example.com")).unwrap().email, "ada@example.com");
    shop.meter.expect(Cost { sql: 2, ..WRITE });
    assert_eq!(users.upsert(id, &record, &renamed("changed@example.com")).unwrap().email, "changed@example.com");
    shop.meter.expect(WRITE);
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
    shop.meter.expect(Cost { sql: 3, ..WRITE });
    assert_eq!(repository.delete(order.id).unwrap(), None);
    shop.meter.expect(Cost { sql: 1, ..Cost::default() });
    let items = OrderItem::repository(&shop.larder);
    assert_eq!(items.delete((kept.id, 1)).unwrap(), Some(item));
    shop.meter.expect(WRITE);
    assert_eq!(items.delete((kept.id, 1)).unwrap(), None);
    shop.meter.expect(Cost { sql: 1, ..Cost::default() });
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
    // The user locked, its orders, their items, its visits, the deletion.
    shop.meter.expect(Cost { sql: 5, ..WRITE });
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
                id: None,
                user_id: ada.id,
                status: Status::Pending,
                total_amount: money(1),
                created_at: None,
            };
            let order = Order::repository(tx).insert(&new)?;
            Order::repository(tx).update(order.id, orders::status.eq(Status::Paid))
        })
        .unwrap();
    shop.meter.expect_counts(Counts { sql: 3, session: 2, begins: 1, finishes: 1, ..Counts::default() });
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
    shop.meter.expect(Cost { sql: 1, ..Cost::default() });
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
fn a_transaction_that_failed_in_secret_is_not_taken_for_a_committed_one() {
    // PostgreSQL answers COMMIT with success when a statement before it has failed, and rolls back.
    let shop = Shop::new();
    let (ada, users) = (shop.user("ada"), User::repository(&shop.larder));
    let refused = shop.larder.transaction(|tx| {
        User::repository(tx).update(ada.id, &renamed("never@example.com"))?;
        let hidden =
            tx.run(|connection| diesel::connection::SimpleConnection::batch_execute(connection, "SELECT 1 / 0"));
        assert!(hidden.is_err());
        Ok(())
    });
    assert!(matches!(refused, Err(Error::Database(_))), "{refused:?}");
    assert_eq!(users.get(ada.id).unwrap(), ada);
    assert!(users.find_by_email("never@example.com").unwrap().is_none());
}

#[test]
fn a_constraint_that_fails_at_commit_leaves_the_cache_alone() {
    use diesel::connection::SimpleConnection as _;
    let shop = Shop::new();
    let (ada, repository) = (shop.user("ada"), Order::repository(&shop.larder));
    let order = shop.order(&ada, Status::Paid, 1, 1);
    let constraint: String = {
        use diesel::{RunQueryDsl as _, dsl::sql, sql_types::Text};
        diesel::select(sql::<Text>(
            "(SELECT conname::text FROM pg_constraint WHERE contype = 'f' AND conrelid = 'orders'::regclass)",
        ))
        .get_result(&mut shop.database.connect())
        .unwrap()
    };
    let deferred = format!("ALTER TABLE orders ALTER CONSTRAINT {constraint} DEFERRABLE INITIALLY DEFERRED");
    shop.database.connect().batch_execute(&deferred).unwrap();
    repository.get(order.id).unwrap();
    let refused = repository.update(order.id, &OrderChanges { user_id: Some(nobody()), ..Default::default() });
    let Err(Error::Database(diesel::result::Error::DatabaseError(kind, _))) = refused else { panic!("{refused:?}") };
    assert!(matches!(kind, diesel::result::DatabaseErrorKind::ForeignKeyViolation));
    assert_eq!(repository.get(order.id).unwrap(), order);
    // No marker is left: the next read may fill, and the one after it is warm.
    repository.get(order.id).unwrap();
    shop.meter.reset();
    repository.get(order.id).unwrap();
    shop.meter.expect(WARM);
}

#[test]
fn a_serialization_failure_is_tried_again_on_request() {
    use larder::{Isolation, TransactionOptions};
    let shop = Shop::new();
    let (order, other) = (shop.order(&shop.user("ada"), Status::Paid, 100, 1), shop.branch());
    let more = || orders::total_amount.eq(orders::total_amount + money(1));
    let run = |retries| {
        let mut n_runs = 0;
        let options = TransactionOptions { isolation: Isolation::RepeatableRead, retries, writes: None };
        let result = shop.larder.transaction_with(options, |tx| {
            n_runs += 1;
            Order::repository(tx).get(order.id)?;
            if n_runs == 1 {
                Order::repository(&other.larder).update(order.id, more())?;
            }
            Order::repository(tx).update(order.id, more())
        });
        (result, n_runs)
    };
    let (refused, n_runs) = run(0);
    assert!(refused.is_err_and(|error| error.is_retryable()));
    assert_eq!(n_runs, 1);
    let (done, n_runs) = run(1);
    assert_eq!((done.unwrap().total_amount, n_runs), (money(103), 2));
    assert_eq!(Order::repository(&other.larder).get(order.id).unwrap().total_amount, money(103));
}

#[test]
fn a_deadlock_is_tried_again_on_request() {
    use larder::TransactionOptions;
    use std::{sync::Barrier, thread};
    let shop = Shop::new();
    let ada = shop.user("ada");
    let rows = [1, 2].map(|day| shop.order(&ada, Status::Paid, 100, day));
    let branches = [shop.branch(), shop.branch()];
    let more = || orders::total_amount.eq(orders::total_amount + money(1));
    // Each has locked its first row before either asks for its second, which is the other's first.
    let cross = |retries| {
        let have_locked = Barrier::new(2);
        let run = |at: usize| {
            let (mut n_runs, options) = (0, TransactionOptions { retries, ..TransactionOptions::default() });
            let result = branches[at].larder.transaction_with(options, |tx| {
                n_runs += 1;
                Order::repository(tx).update(rows[at].id, more())?;
                if n_runs == 1 {
                    have_locked.wait();
                }
                Order::repository(tx).update(rows[1 - at].id, more()).map(drop)
            });
            (result, n_runs)
        };
        thread::scope(|scope| {
            let one = scope.spawn(|| run(0));
            [run(1), one.join().unwrap()]
        })
    };
    let amounts = || rows.each_ref().map(|row| Order::repository(&shop.larder).get(row.id).unwrap().total_amount);
    assert_eq!(amounts(), [money(100), money(100)]);

    let (done, refused): (Vec<_>, Vec<_>) = cross(0).into_iter().partition(|(result, _)| result.is_ok());
    let [(Err(error), 1)] = &refused[..] else { panic!("one is the victim: {refused:?}") };
    assert!(error.is_retryable() && matches!(error, Error::Database(_)), "{error:?}");
    assert_eq!((done.len(), amounts()), (1, [money(101), money(101)]));

    let results = cross(3);
    assert!(results.iter().all(|(result, _)| result.is_ok()), "{results:?}");
    assert!(results.iter().map(|(_, n_runs)| n_runs).sum::<usize>() > 2, "nobody was the victim: {results:?}");
    assert_eq!(amounts(), [money(103), money(103)]);
}

#[test]
fn a_parent_is_updated_while_others_insert_its_children() {
    // Both insert a child, which locks the parent's key, and then update the parent: a stronger lock there would be a deadlock.
    use std::sync::Barrier;
    let shop = Shop::new();
    let (ada, both_have_inserted) = (shop.user("ada"), Barrier::new(2));
    let place_and_stamp = || {
        shop.larder.transaction(|tx| {
            let new = NewOrder {
                id: None,
                user_id: ada.id,
                status: Status::Pending,
                total_amount: money(1),
                created_at: None,
            };
            Order::repository(tx).insert(&new)?;
            both_have_inserted.wait();
            User::repository(tx).update(ada.id, &UserChanges { created_at: Some(day(7)), ..Default::default() })
        })
    };
    std::thread::scope(|scope| {
        let other = scope.spawn(place_and_stamp);
        place_and_stamp().unwrap();
        other.join().unwrap().unwrap();
    });
    assert_eq!(Order::repository(&shop.larder).count_by_user_id(ada.id).unwrap(), 2);
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

#[test]
fn rows_that_were_changed_and_can_not_be_read_back_roll_the_transaction_back() {
    use diesel::connection::SimpleConnection as _;
    let shop = Shop::new();
    let order = shop.order(&shop.user("ada"), Status::Pending, 100, 1);
    let repository = Order::repository(&shop.larder);
    repository.get(order.id).unwrap();
    let mut database = shop.database.connect();
    // A word of which the model knows nothing, written by a trigger when the amount changes.
    database
        .batch_execute(
            "ALTER TABLE orders DROP CONSTRAINT orders_status_check;
             CREATE FUNCTION lose() RETURNS trigger AS $$ BEGIN NEW.status := 'lost'; RETURN NEW; END $$ LANGUAGE plpgsql;
             CREATE TRIGGER lose BEFORE UPDATE ON orders FOR EACH ROW EXECUTE FUNCTION lose();",
        )
        .unwrap();
    let refused = shop.larder.transaction(|tx| {
        let unreadable = Order::repository(tx).update(order.id, orders::total_amount.eq(money(7)));
        assert!(matches!(unreadable, Err(Error::Database(_))), "{unreadable:?}");
        Ok(())
    });
    assert!(matches!(refused, Err(Error::Doomed)), "{refused:?}");
    assert_eq!(repository.get(order.id).unwrap(), order);
}
