//! Cells that are filled by a thread of the handle's own, as is the default: what is read and written meanwhile.

use std::{thread, time::Duration};

use crate::site::{Cost, Counts, Operation, Shop, User, UserChanges, nobody};

/// As a service has it.
fn shop() -> Shop {
    Shop::built(|builder| builder.fill_in_background(true))
}

const SOON: Duration = Duration::from_millis(5);
const LONG: Duration = Duration::from_secs(30);
/// Somebody else loads it, and the store is asked three times more before it is loaded here.
const POLLED: Cost = Cost { sql: 1, store_reads: 4, store_writes: 0 };
const WARM: Cost = Cost { sql: 0, store_reads: 1, store_writes: 0 };

#[test]
fn what_is_on_its_way_to_the_store_is_answered_by_its_handle_and_polled_by_others() {
    let shop = shop();
    let (ada, other) = (shop.user("ada"), shop.branch());
    let (users, elsewhere) = (User::repository(&shop.larder), User::repository(&other.larder));
    let gate = shop.faults.before(Operation::Fill).hold();
    assert_eq!(users.get(ada.id).unwrap(), ada);
    gate.wait_for(1);
    shop.meter.expect_counts(Counts { sql: 1, reads: 1, leases: 1, ..Counts::default() });
    assert_eq!(users.get(ada.id).unwrap(), ada);
    assert_eq!(users.find_many(&[ada.id, ada.id]).unwrap(), [Some(ada.clone()), Some(ada.clone())]);
    shop.meter.expect(Cost { store_reads: 2, ..WARM });
    assert_eq!(elsewhere.get(ada.id).unwrap(), ada);
    other.meter.expect(POLLED);
    assert!(!shop.larder.flush(SOON));
    gate.open();
    assert!(shop.larder.flush(LONG));
    shop.meter.expect_counts(Counts { fills: 1, ..Counts::default() });
    for (users, meter) in [(&users, &shop.meter), (&elsewhere, &other.meter)] {
        assert_eq!(users.get(ada.id).unwrap(), ada);
        meter.expect(WARM);
    }
    assert!(shop.events.take().is_empty());
}

#[test]
fn a_write_is_seen_at_once_although_an_older_row_is_on_its_way_and_that_is_refused() {
    for by_itself in [true, false] {
        let shop = shop();
        let (ada, other) = (shop.user("ada"), shop.branch());
        let (users, elsewhere) = (User::repository(&shop.larder), User::repository(&other.larder));
        let gate = shop.faults.before(Operation::Fill).hold();
        assert_eq!(users.get(ada.id).unwrap(), ada);
        gate.wait_for(1);
        let changes = UserChanges { email: Some("new@example.com".to_owned()), ..Default::default() };
        let changed = if by_itself { &users } else { &elsewhere }.update(ada.id, &changes).unwrap();
        shop.meter.reset();
        assert_eq!(users.get(ada.id).unwrap(), changed);
        assert_eq!(elsewhere.get(ada.id).unwrap(), changed);
        shop.meter.expect(WARM);
        assert!(!shop.larder.flush(SOON));
        gate.open();
        assert!(shop.larder.flush(LONG));
        assert_eq!(shop.events.take(), [format!("refused: users:id:{}", ada.id)]);
        assert_eq!(users.get(ada.id).unwrap(), changed);
        assert_eq!(elsewhere.get(ada.id).unwrap(), changed);
    }
}

#[test]
fn a_later_lease_is_not_answered_with_what_was_loaded_under_an_earlier_one() {
    // The row is on its way; a write past the handle empties the cell, and somebody else takes the next lease and is not done.
    let shop = shop();
    let (ada, other) = (shop.user("ada"), shop.branch());
    let users = User::repository(&shop.larder);
    let held = shop.faults.before(Operation::Fill).hold();
    assert_eq!(users.get(ada.id).unwrap(), ada);
    held.wait_for(1);
    let touched = other.larder.transaction(|tx| {
        use crate::site::schema::users;
        use diesel::prelude::*;
        tx.touching::<User, _>(&[ada.id], |connection| {
            diesel::update(users::table.find(ada.id)).set(users::email.eq("new@example.com")).execute(connection)
        })
    });
    assert_eq!(touched.unwrap(), 1);
    let theirs = other.faults.before(Operation::Fill).hold();
    thread::scope(|scope| {
        let reader = scope.spawn(|| User::repository(&other.larder).get(ada.id).unwrap());
        theirs.wait_for(1);
        shop.meter.reset();
        assert_eq!(users.get(ada.id).unwrap().email, "new@example.com");
        shop.meter.expect(POLLED);
        theirs.open();
        assert_eq!(reader.join().unwrap().email, "new@example.com");
    });
    held.open();
    assert!(shop.larder.flush(LONG));
    assert_eq!(users.get(ada.id).unwrap().email, "new@example.com");
}

#[test]
fn a_full_queue_makes_callers_store_what_they_have_loaded() {
    let shop = shop();
    let users = User::repository(&shop.larder);
    let gate = shop.faults.before(Operation::Fill).hold();
    // One is held by the thread, and 256 wait for it.
    users.find(nobody()).unwrap();
    gate.wait_for(1);
    for _ in 0..256 {
        users.find(nobody()).unwrap();
    }
    thread::scope(|scope| {
        let caller = scope.spawn(|| User::repository(&shop.larder).find(nobody()).unwrap());
        gate.wait_for(2);
        assert!(!caller.is_finished());
        gate.open();
    });
    assert!(shop.larder.flush(LONG));
    assert_eq!(shop.keys.all().len(), 258);
}
