//! What breaks between the steps of a write or a read, and the exact outcome.

use std::{sync::Arc, time::Duration};

use larder::{Error, Writes};

use crate::site::{Cost, Db, Failure, Ground as _, Operation, Shop, User, UserChanges, eventually};

fn renamed(email: &str) -> UserChanges {
    UserChanges { email: Some(email.to_owned()), ..Default::default() }
}

#[test]
fn a_finish_that_is_lost_is_made_up_for() {
    let shop = Shop::new();
    let (ada, users) = (shop.user("ada"), User::repository(&shop.larder));
    shop.faults.before(Operation::Finish).nth(1).fail(Failure::Unavailable);
    let changed = users.update(ada.id, &renamed("new@example.com")).unwrap();
    // Until then the markers send every reader to the database; the repair then writes the new row through.
    eventually(Duration::from_secs(10), || {
        shop.meter.reset();
        assert_eq!(users.get(ada.id).unwrap(), changed);
        shop.meter.counts().sql == 0
    });
}

#[test]
fn a_begin_whose_outcome_is_unknown_is_tried_once_more_under_another_name() {
    let shop = Shop::built(|builder| {
        let builder = builder.commit_within(Duration::from_millis(400)).commit_takes(Duration::from_millis(1600));
        builder.writes(Writes::Strict)
    });
    let (ada, users) = (shop.user("ada"), User::repository(&shop.larder));
    shop.faults.after(Operation::Begin).nth(1).fail(Failure::TimedOut);
    let changed = users.update(ada.id, &renamed("new@example.com")).unwrap();
    shop.meter.reset();
    // The first marker stands until it expires, and keeps the cell out of use.
    assert_eq!(users.get(ada.id).unwrap(), changed);
    shop.meter.expect(Cost { sql: 1, store_reads: 1, store_writes: 0 });
    eventually(Duration::from_secs(10), || {
        shop.meter.reset();
        assert_eq!(users.get(ada.id).unwrap(), changed);
        shop.meter.counts().sql == 0
    });
}

#[test]
fn two_failed_begins_roll_the_write_back_and_their_markers_expire() {
    let shop = Shop::built(|builder| {
        let builder = builder.commit_within(Duration::from_millis(400)).commit_takes(Duration::from_millis(1600));
        builder.writes(Writes::Strict)
    });
    let (ada, users) = (shop.user("ada"), User::repository(&shop.larder));
    users.get(ada.id).unwrap();
    shop.faults.after(Operation::Begin).fail(Failure::TimedOut);
    let refused = users.update(ada.id, &renamed("never@example.com"));
    assert!(matches!(&refused, Err(Error::Store(error)) if error.is_timeout()), "{refused:?}");
    shop.faults.clear();
    eventually(Duration::from_secs(10), || {
        shop.meter.reset();
        assert_eq!(users.get(ada.id).unwrap(), ada);
        shop.meter.counts().sql == 0
    });
}

#[test]
fn a_write_that_is_to_go_on_without_the_store_does_so_where_there_is_an_outbox() {
    let shop = Shop::built(|builder| builder.writes(Writes::Available));
    let (ada, users) = (shop.user("ada"), User::repository(&shop.larder));
    users.get(ada.id).unwrap();
    shop.faults.before(Operation::Begin).fail(Failure::Unavailable);
    let written = users.update(ada.id, &renamed("new@example.com"));
    shop.faults.clear();
    if Db::HAS_OUTBOX {
        assert_eq!(written.unwrap().email, "new@example.com");
        assert_eq!(users.get(ada.id).unwrap().email, "new@example.com", "the handle that wrote sees it");
    } else {
        assert!(matches!(written, Err(Error::Store(_))), "{written:?}");
        assert_eq!(users.get(ada.id).unwrap(), ada);
    }
}

#[test]
fn a_begin_that_takes_too_long_rolls_the_write_back() {
    let shop = Shop::built(|builder| builder.commit_within(Duration::from_millis(100)));
    let (ada, users) = (shop.user("ada"), User::repository(&shop.larder));
    shop.faults.after(Operation::Begin).run(|| std::thread::park_timeout(Duration::from_millis(150)));
    let refused = users.update(ada.id, &renamed("never@example.com"));
    assert!(matches!(refused, Err(Error::TooSlow { n_cells: 4 })), "{refused:?}");
    shop.faults.clear();
    // Nothing is left in doubt.
    users.get(ada.id).unwrap();
    shop.meter.reset();
    assert_eq!(users.get(ada.id).unwrap(), ada);
    shop.meter.expect(Cost { sql: 0, store_reads: 1, store_writes: 0 });
}

#[test]
fn a_store_that_fails_costs_a_reader_speed_and_no_answer() {
    let shop = Shop::new();
    let (ada, users) = (shop.user("ada"), User::repository(&shop.larder));
    for operation in [Operation::Read, Operation::Lease, Operation::Fill] {
        for failure in [Failure::TimedOut, Failure::Unavailable, Failure::Refused] {
            shop.faults.clear();
            shop.faults.before(operation).fail(failure);
            assert_eq!(users.get(ada.id).unwrap(), ada);
            assert_eq!(users.find_by_email("ada@example.com").unwrap().as_ref(), Some(&ada));
        }
    }
    assert_eq!(shop.keys.all().iter().filter(|key| key.to_string().starts_with("users:")).count(), 2);
    assert!(!shop.events.take().is_empty());
}

#[test]
fn after_a_lease_whose_outcome_is_unknown_nothing_is_filled() {
    let shop = Shop::new();
    let (ada, users) = (shop.user("ada"), User::repository(&shop.larder));
    shop.faults.after(Operation::Lease).nth(1).fail(Failure::TimedOut);
    users.get(ada.id).unwrap();
    shop.meter.expect(Cost { sql: 1, store_reads: 1, store_writes: 1 });
}

#[test]
fn a_write_between_lease_and_fill_refuses_the_fill() {
    let shop = Shop::new();
    let (ada, users) = (shop.user("ada"), User::repository(&shop.larder));
    let other = Arc::new(shop.branch());
    let (writer, id) = (Arc::clone(&other), ada.id);
    shop.faults.before(Operation::Fill).nth(1).run(move || {
        User::repository(&writer.larder).update(id, &renamed("new@example.com")).unwrap();
    });
    // What was read before the write may be returned, since the read began before it; it must not be stored.
    assert_eq!(users.get(ada.id).unwrap(), ada);
    assert_eq!(shop.events.take(), [format!("refused: users:id:{}", ada.id)]);
    assert_eq!(users.get(ada.id).unwrap().email, "new@example.com");
    assert_eq!(User::repository(&other.larder).get(ada.id).unwrap().email, "new@example.com");
}
