//! The famous mistakes of caches, step by step as docs/guarantees.md numbers them, on real servers.
//!
//! R is a reader, W a writer; gates hold them where the mistake needs them to be.

mod late;

use std::{thread, time::Duration};

use larder::{Error, Isolation, Session as _, TransactionOptions, Writes};
use shop_core::{NewOrder, Order, Status, User, UserChanges};
use tests::{Cost, Namespace, Operation, Shop, day, eventually, money, redis_store, redis_url};

use self::late::Late;

const WARM: Cost = Cost { sql: 0, store_reads: 1, store_writes: 0 };

fn renamed(email: &str) -> UserChanges {
    UserChanges { email: Some(email.to_owned()), ..Default::default() }
}

fn new_order(user: &User, cents: i64) -> NewOrder {
    NewOrder {
        id: None,
        user_id: user.id,
        status: Status::Paid,
        total_amount: money(cents),
        created_at: Some(day(cents)),
    }
}

#[test]
fn two_writers_who_do_not_see_each_other_leave_no_list_that_lacks_a_row() {
    let shop = Shop::new();
    let (ada, other) = (shop.user("ada"), shop.branch());
    let orders = Order::repository(&shop.larder);
    // 1. W1 inserts and marks the list; COMMIT is not sent yet.
    let gate = shop.faults.after(Operation::Begin).nth(1).hold();
    thread::scope(|scope| {
        let first = scope.spawn(|| Order::repository(&shop.larder).insert(new_order(&ada, 1)).unwrap());
        gate.wait_for(1);
        // 2. W2 inserts into the same list, commits and finishes: its statement can't have seen W1's row.
        let second = Order::repository(&other.larder).insert(new_order(&ada, 2)).unwrap();
        let elsewhere = Order::repository(&other.larder);
        assert_eq!(elsewhere.list_by_user_id(ada.id).load().unwrap(), std::slice::from_ref(&second));
        // 3. W1 commits, and then finishes.
        let finish = shop.faults.before(Operation::Finish).nth(1).hold();
        gate.open();
        finish.wait_for(1);
        assert_eq!(elsewhere.list_by_user_id(ada.id).load().unwrap().len(), 2);
        finish.open();
        let first = first.join().unwrap();
        for _ in 0..2 {
            let mut list = orders.list_by_user_id(ada.id).load().unwrap();
            list.sort_by_key(|order| order.created_at);
            assert_eq!(list, [first.clone(), second.clone()]);
        }
    });
    shop.meter.reset();
    assert_eq!(orders.list_by_user_id(ada.id).load().unwrap().len(), 2);
    shop.meter.expect(WARM);
}

#[test]
fn a_first_attempt_to_mark_that_arrives_late_stores_nothing_old() {
    let namespace = Namespace::new();
    let late = Late::new(redis_store(&redis_url(), &namespace));
    let shop = Shop::on(namespace, late.clone(), |builder| {
        let builder = builder.commit_within(Duration::from_millis(500)).commit_takes(Duration::from_millis(1500));
        // One that may go on without markers does not ask a second time.
        builder.writes(Writes::Strict)
    });
    let (ada, other) = (shop.user("ada"), shop.branch());
    let elsewhere = User::repository(&other.larder);
    // 1. W1's first begin is lost on its way; the second one arrives, and W1 commits.
    late.postpone_next_begin();
    let gate = shop.faults.before(Operation::Finish).nth(1).hold();
    thread::scope(|scope| {
        let first =
            scope.spawn(|| User::repository(&shop.larder).update(ada.id, &renamed("first@example.com")).unwrap());
        gate.wait_for(1);
        // 2. W1 stands still for longer than its marker lives; W2 writes the row and finishes.
        eventually(Duration::from_secs(30), || {
            elsewhere.get(ada.id).unwrap();
            other.meter.reset();
            elsewhere.get(ada.id).unwrap();
            other.meter.counts().sql == 0
        });
        let second = elsewhere.update(ada.id, &renamed("second@example.com")).unwrap();
        // 3. The first begin arrives after all.
        late.deliver();
        // 4. W1 finishes: were the late marker its own, it would be clean, and W1's row be stored over W2's.
        gate.open();
        first.join().unwrap();
        assert_eq!(elsewhere.get(ada.id).unwrap(), second);
        eventually(Duration::from_secs(30), || {
            other.meter.reset();
            assert_eq!(elsewhere.get(ada.id).unwrap(), second);
            other.meter.counts().sql == 0
        });
    });
}

#[test]
fn what_a_transaction_reads_is_never_put_into_a_cell() {
    let shop = Shop::new();
    let ada = shop.user("ada");
    let other = shop.branch();
    let elsewhere = User::repository(&other.larder);
    for isolation in [Isolation::ReadCommitted, Isolation::RepeatableRead, Isolation::Serializable] {
        let undone = shop.larder.transaction_with(TransactionOptions { isolation, ..Default::default() }, |tx| {
            let users = User::repository(tx);
            // 1. R's snapshot is taken, and the row changes behind its back.
            users.get(ada.id)?;
            elsewhere.update(ada.id, &renamed(&format!("{isolation:?}@example.com"))).unwrap();
            // 2. R reads again, by every way that a cell could be filled.
            users.get(ada.id)?;
            users.find_by_email("ada@example.com")?;
            users.find_many(&[ada.id])?;
            tx.transaction(|tx| User::repository(tx).get(ada.id))?;
            Err::<(), _>(Error::other("only a reader"))
        });
        assert!(undone.is_err());
        assert_eq!(shop.meter.counts().leases + shop.meter.counts().fills, 0);
        assert_eq!(elsewhere.get(ada.id).unwrap().email, format!("{isolation:?}@example.com"));
        assert_eq!(elsewhere.find_by_email("ada@example.com").unwrap(), None);
    }
}
