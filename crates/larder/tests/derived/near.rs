//! What is kept near, and how it goes away.

mod pages;
mod scope;
mod shop;

use std::{
    convert::Infallible,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use diesel::sqlite::Sqlite;
use larder::{
    Consistency, Larder, MemoryStore, NearOptions,
    store::{Announcement, ManualClock},
};

use self::shop::{Deaf, Shop};
use crate::models::{NewUser, Order, User, UserChanges};

const HORIZON: Duration = Duration::from_millis(250);
const NOTHING: usize = 0;

fn options() -> NearOptions {
    NearOptions::bytes(16 << 20)
}

fn renamed(name: &str) -> UserChanges<'_> {
    UserChanges { name: Some(name), ..UserChanges::default() }
}

#[test]
fn what_was_read_is_near_in_every_form_it_has() {
    let shop = Shop::new(options());
    let read = || {
        let (users, orders) = (User::repository(&shop.larder), Order::repository(&shop.larder));
        assert_eq!(users.get(1).unwrap().name, "Ada");
        assert_eq!(users.find_by_email("bob@x").unwrap().unwrap().id, 2);
        assert_eq!(users.find(99).unwrap(), None);
        assert_eq!(users.find_many(&[1, 2, 99, 1]).unwrap().iter().flatten().count(), 3);
        assert!(users.exists(1).unwrap() && !users.exists(99).unwrap());
        assert_eq!(orders.list_by_user_id(2).load().unwrap().len(), 3);
        assert_eq!(orders.list_by_user_id(2).limit(2).load().unwrap().len(), 2);
        assert_eq!(orders.count_by_user_id(2).unwrap(), 3);
        assert_eq!(users.clone().with(User::orders()).find(2).unwrap().unwrap().1.len(), 3);
        assert_eq!(users.with(User::orders().count()).find(2).unwrap().unwrap().1, 3);
        larder::Result::Ok(())
    };
    // What is read once more before it is stored may have to be asked of the store again before it is kept.
    for _ in 0..2 {
        read().unwrap();
        shop.settle();
    }
    shop.costs(NOTHING, NOTHING, |_| read());
}

#[test]
fn rows_come_out_uncopied_on_request() {
    let shop = Shop::new(options());
    let users = || User::repository(&shop.larder).select::<Arc<User>>();
    let first = users().get(1).unwrap();
    shop.settle();
    assert!(Arc::ptr_eq(&first, &users().get(1).unwrap()), "also the first reader has what is kept");
    let many = users().find_many(&[2, 1]).unwrap();
    assert!(Arc::ptr_eq(&first, many[1].as_ref().unwrap()));
    shop.settle();
    shop.settle();
    let relation = || User::orders().select::<Arc<Order>>();
    let (owner, orders) = users().with(relation()).find(2).unwrap().expect("there is somebody");
    assert!(Arc::ptr_eq(&owner, many[0].as_ref().unwrap()));
    shop.settle();
    let again = Order::repository(&shop.larder).select::<Arc<Order>>().list_by_user_id(2).load().unwrap();
    assert!(orders.len() == 3 && orders.iter().zip(&again).all(|(one, other)| Arc::ptr_eq(one, other)));
}

#[test]
fn own_writes_and_those_of_others_are_seen_at_once() {
    let shop = Shop::new(options());
    let other = shop.branch(options());
    for (n, writer) in [&shop.larder, &other, &shop.larder].into_iter().enumerate() {
        let name = format!("Ada {n}");
        for reader in [&shop.larder, &other] {
            User::repository(reader).get(1).unwrap();
            User::repository(reader).find_by_email("ada@x").unwrap();
        }
        shop.settle();
        User::repository(writer).update(1, &renamed(&name)).unwrap();
        for reader in [&shop.larder, &other] {
            assert_eq!(User::repository(reader).get(1).unwrap().name, name);
            assert_eq!(User::repository(reader).find_by_email("ada@x").unwrap().unwrap().name, name);
        }
    }
}

#[test]
fn a_key_that_nobody_had_is_found_when_somebody_has_it() {
    let shop = Shop::new(options());
    let users = User::repository(&shop.larder);
    assert_eq!(users.find_by_email("new@x").unwrap(), None);
    shop.settle();
    shop.costs(NOTHING, NOTHING, |larder| User::repository(larder).find_by_email("new@x"));
    let new = NewUser { id: 9, email: "new@x".into(), name: "New".into() };
    User::repository(&shop.branch(options())).insert(&new).unwrap();
    assert_eq!(users.find_by_email("new@x").unwrap().unwrap().id, 9);
}

#[test]
fn a_rolled_back_write_leaves_only_what_was_true() {
    let shop = Shop::new(options());
    let users = User::repository(&shop.larder);
    users.get(1).unwrap();
    let failed = shop.larder.transaction(|tx| {
        User::repository(tx).update(1, &renamed("Nobody"))?;
        assert_eq!(User::repository(tx).get(1)?.name, "Nobody");
        assert_eq!(users.get(1)?.name, "Ada");
        Err::<(), _>(larder::Error::NotFound { table: "nothing" })
    });
    assert!(failed.is_err());
    assert_eq!(users.get(1).unwrap().name, "Ada");
}

#[test]
fn reads_ask_further_on_request_and_leave_nothing_older_behind() {
    let shop = Shop::deaf(options());
    let users = User::repository(&shop.larder);
    shop.line().joined(None);
    shop.line().proven(Duration::MAX, None);
    users.get(1).unwrap();
    shop.settle();
    shop.costs(NOTHING, NOTHING, |larder| User::repository(larder).get(1));
    // Nobody tells of this, so that the copy stays.
    let other = shop.branch(options());
    User::repository(&other).update(1, &renamed("Ada 2")).unwrap();
    assert_eq!(users.get(1).unwrap().name, "Ada");
    assert_eq!(users.clone().reading(Consistency::Shared).get(1).unwrap().name, "Ada 2");
    assert_eq!(users.get(1).unwrap().name, "Ada 2", "never older than what was given out before");
    User::repository(&other).update(1, &renamed("Ada 3")).unwrap();
    assert_eq!(users.get(1).unwrap().name, "Ada 2");
    shop.costs(1, NOTHING, |larder| User::repository(larder).reading(Consistency::Database).get(1));
    assert_eq!(users.get(1).unwrap().name, "Ada 3");
    shop.settle();
    shop.costs(NOTHING, NOTHING, |larder| User::repository(larder).get(1));
    shop.costs(NOTHING, 1, |larder| User::repository(larder).reading(Consistency::Shared).get(1));
}

#[test]
fn nothing_is_served_that_is_older_than_the_last_proof_and_the_horizon() {
    let clock = ManualClock::default();
    let shop = Shop::deaf(options().horizon(HORIZON).clock(clock.clone()));
    let get = |n_reads| shop.costs(NOTHING, n_reads, |larder| User::repository(larder).get(1));
    clock.advance(Duration::from_secs(5));
    User::repository(&shop.larder).get(1).unwrap();
    shop.settle();
    // Nobody has proven anything yet, nor is anything told.
    get(1);
    get(1);
    let sent = shop.line().now();
    shop.line().joined(None);
    get(1);
    shop.line().proven(sent, None);
    get(NOTHING);
    clock.advance(HORIZON - Duration::from_nanos(1));
    get(NOTHING);
    clock.advance(Duration::from_nanos(1));
    get(1);
    // The proof is of when it was asked for, not of when it came.
    let sent = shop.line().now();
    clock.advance(HORIZON);
    shop.line().proven(sent, None);
    get(1);
    shop.line().proven(shop.line().now(), None);
    get(NOTHING);
}

#[test]
fn what_was_kept_before_the_line_was_lost_is_never_served_again() {
    let shop = Shop::deaf(options());
    let (line, users) = (shop.line(), User::repository(&shop.larder));
    line.joined(None);
    line.proven(Duration::MAX, None);
    users.get(1).unwrap();
    shop.settle();
    shop.costs(NOTHING, NOTHING, |larder| User::repository(larder).get(1));
    line.lost();
    User::repository(&shop.branch(options())).update(1, &renamed("Ada 2")).unwrap();
    assert_eq!(users.get(1).unwrap().name, "Ada 2");
    shop.costs(NOTHING, 1, |larder| User::repository(larder).get(1));
    line.joined(None);
    line.proven(Duration::MAX, None);
    shop.costs(NOTHING, 1, |larder| User::repository(larder).get(1));
    shop.costs(NOTHING, NOTHING, |larder| User::repository(larder).get(1));
}

#[test]
fn an_announcement_drops_the_copies_of_its_keys() {
    let shop = Shop::deaf(options());
    let line = shop.line();
    line.joined(None);
    line.proven(Duration::MAX, None);
    User::repository(&shop.larder).get(1).unwrap();
    User::repository(&shop.larder).get(2).unwrap();
    shop.settle();
    line.dropped(&Announcement { keys: &[b"users:id:1"], place: None });
    shop.costs(NOTHING, NOTHING, |larder| User::repository(larder).get(2));
    shop.costs(NOTHING, 1, |larder| User::repository(larder).get(1));
}

#[test]
fn a_copy_lives_for_its_time() {
    // In the last tenth of it, it is refreshed by another thread.
    for (age, n_reads) in [(4_499, NOTHING), (5_000, 1)] {
        let clock = ManualClock::default();
        let shop = Shop::new(options().ttl(Duration::from_secs(5)).clock(clock.clone()));
        User::repository(&shop.larder).get(1).unwrap();
        shop.settle();
        clock.advance(Duration::from_millis(age));
        shop.costs(NOTHING, n_reads, |larder| User::repository(larder).get(1));
    }
}

#[test]
fn nothing_is_near_of_a_store_that_can_not_tell_of_changes() {
    let shop = Shop::on(Deaf::mute(MemoryStore::new()), Some(options()));
    User::repository(&shop.larder).get(1).unwrap();
    shop.settle();
    shop.costs(NOTHING, 1, |larder| User::repository(larder).get(1));
    shop.costs(NOTHING, 1, |larder| User::repository(larder).get(1));
}

#[test]
fn a_handle_that_is_gone_is_told_of_nothing() {
    let shop = Shop::new(options());
    let other: Larder<Sqlite> = shop.branch(options());
    User::repository(&other).get(1).unwrap();
    drop(other);
    User::repository(&shop.larder).update(1, &renamed("Ada 2")).unwrap();
    assert_eq!(User::repository(&shop.larder).get(1).unwrap().name, "Ada 2");
}

#[test]
fn what_is_computed_while_its_model_may_be_written_is_kept_for_a_moment() {
    let shop = Shop::deaf(options());
    let line = shop.line();
    line.joined(None);
    line.proven(Duration::MAX, None);
    let n_computed = AtomicUsize::new(0);
    let load = || {
        let compute = || Ok::<_, Infallible>(n_computed.fetch_add(1, Ordering::SeqCst) + 1);
        *shop.larder.memo("answer").ttl(Duration::from_secs(600)).depends_on::<User>().load(compute).unwrap()
    };
    assert_eq!([load(), load()], [1, 1]);
    // The write is announced before its COMMIT, and of that nobody tells.
    line.dropped(&Announcement { keys: &[b"users:id:1"], place: None });
    let computed = Instant::now();
    assert_eq!(load(), 2);
    while load() == 2 {
        assert!(computed.elapsed() < Duration::from_secs(30), "it is kept for a second");
        std::thread::yield_now();
    }
    assert!(computed.elapsed() >= Duration::from_secs(1));
    // Another model's writes are none of its business.
    let before = n_computed.load(Ordering::SeqCst);
    line.dropped(&Announcement { keys: &[b"orders:id:1"], place: None });
    assert_eq!(load(), before);
}
