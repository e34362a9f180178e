//! The famous mistakes of caches, step by step as docs/guarantees.md numbers them, on real servers.
//!
//! R is a reader, W a writer; gates hold them where the mistake needs them to be.

use std::{sync::Arc, thread, time::Duration};

use crate::site::{Cost, Db, Ground as _, Operation, Shop, User, UserChanges, day, eventually};

const WARM: Cost = Cost { sql: 0, store_reads: 1, store_writes: 0 };

fn renamed(email: &str) -> UserChanges {
    UserChanges { email: Some(email.to_owned()), ..Default::default() }
}

#[test]
fn a_slow_writer_does_not_put_its_row_over_a_faster_ones() {
    let shop = Shop::new();
    let (ada, fast) = (shop.user("ada"), shop.branch());
    let (readers, writers) = (User::repository(&shop.larder), User::repository(&fast.larder));
    readers.get(ada.id).unwrap();
    // 1. W1 commits, and is slow to say so.
    let gate = shop.faults.before(Operation::Finish).nth(1).hold();
    thread::scope(|scope| {
        let slow =
            scope.spawn(|| User::repository(&shop.larder).update(ada.id, &renamed("first@example.com")).unwrap());
        gate.wait_for(1);
        // 2. W2 updates the same row, commits and finishes.
        let second = writers.update(ada.id, &renamed("second@example.com")).unwrap();
        assert_eq!(writers.get(ada.id).unwrap(), second);
        // 3. W1 finishes.
        gate.open();
        slow.join().unwrap();
        for _ in 0..2 {
            assert_eq!(readers.get(ada.id).unwrap(), second);
            assert_eq!(readers.find_by_email("first@example.com").unwrap(), None);
            assert_eq!(readers.find_by_email("second@example.com").unwrap().as_ref(), Some(&second));
        }
    });
    shop.meter.reset();
    assert_eq!(readers.get(ada.id).unwrap().email, "second@example.com");
    shop.meter.expect(WARM);
}

#[test]
fn a_write_past_larder_that_is_told_of_in_the_middle_of_another_write_wins() {
    let shop = Shop::new();
    let ada = shop.user("ada");
    let users = User::repository(&shop.larder);
    users.get(ada.id).unwrap();
    let other = shop.branch();
    // 1. W commits, and is slow to finish.
    let gate = shop.faults.before(Operation::Finish).nth(1).hold();
    thread::scope(|scope| {
        let first =
            scope.spawn(|| User::repository(&shop.larder).update(ada.id, &renamed("first@example.com")).unwrap());
        gate.wait_for(1);
        // 2. Somebody types an UPDATE into psql, and the cells are settled.
        shop.past(&format!("UPDATE users SET created_at = {}", Db::moment(day(1))));
        let keys = ["id", "email"].map(|column| {
            let value = if column == "id" { ada.id.to_string() } else { "first@example.com".to_owned() };
            larder::store::CellKey::new(format!("users:{column}:{value}").into_bytes(), larder::store::Layout::new(0))
        });
        larder::store::Store::settle(&shop.keys.store(), None, &keys.each_ref()).unwrap();
        // 3. W finishes with the row that its statement returned.
        gate.open();
        let first = first.join().unwrap();
        let truth = User { created_at: day(1), ..first };
        for users in [&users, &User::repository(&other.larder)] {
            assert_eq!(users.get(ada.id).unwrap(), truth);
            assert_eq!(users.find_by_email("first@example.com").unwrap().as_ref(), Some(&truth));
        }
    });
}

#[test]
fn a_killed_writer_leaves_no_old_row_whenever_its_commit_arrives() {
    let shop = Shop::built(|builder| {
        builder.commit_within(Duration::from_millis(500)).commit_takes(Duration::from_millis(1500))
    });
    let ada = shop.user("ada");
    let other = Arc::new(shop.branch());
    let elsewhere = User::repository(&other.larder);
    elsewhere.get(ada.id).unwrap();
    // 1. W marks its cells and is killed: no finish will ever come, and whether COMMIT was sent nobody knows.
    shop.faults.after(Operation::Begin).nth(1).run(|| panic!("killed"));
    let killed = thread::scope(|scope| {
        scope.spawn(|| User::repository(&shop.larder).update(ada.id, &renamed("first@example.com"))).join()
    });
    assert!(killed.is_err());
    // 2. R reads the old row, and may not store it.
    other.meter.reset();
    assert_eq!(elsewhere.get(ada.id).unwrap(), ada);
    other.meter.expect(Cost { sql: 1, ..WARM });
    // 3. The COMMIT arrives.
    shop.past("UPDATE users SET email = 'first@example.com'");
    // 4. However often R reads, while the marker stands and after it, the new row is what it gets.
    eventually(Duration::from_secs(30), || {
        other.meter.reset();
        assert_eq!(elsewhere.get(ada.id).unwrap().email, "first@example.com");
        other.meter.counts().sql == 0
    });
}
