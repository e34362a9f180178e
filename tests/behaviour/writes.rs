//! Writes on PostgreSQL: what its transactions, constraints, locks and triggers may do to them.

use diesel::ExpressionMethods as _;
use larder::Error;
use shop_core::{NewOrder, Order, OrderChanges, Status, User, UserChanges, schema::orders};
use tests::{Cost, Shop, day, money, nobody};

const WARM: Cost = Cost { sql: 0, store_reads: 1, store_writes: 0 };

fn renamed(email: &str) -> UserChanges {
    UserChanges { email: Some(email.to_owned()), ..Default::default() }
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

#[test]
fn keys_and_defaults_that_the_database_gives_are_known() {
    let shop = Shop::new();
    let users = User::repository(&shop.larder);
    let new = shop_core::NewUser { id: None, email: "ada@example.com".to_owned(), created_at: None };
    let ada = users.insert(&new).unwrap();
    shop.meter.reset();
    assert_eq!(users.get(ada.id).unwrap(), ada);
    assert_eq!(users.find_by_email("ada@example.com").unwrap(), Some(ada));
    assert_eq!(shop.meter.counts().sql, 0);
}
