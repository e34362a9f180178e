//! The near cache in front of a real Redis, in two handles as in two processes.

use std::{sync::mpsc, thread, time::Duration};

use diesel::{connection::SimpleConnection as _, pg::Pg};
use larder::{
    Builder, NearOptions,
    failpoints::{self, Point},
    relay::Relay,
    store::Operation,
};
use shop_core::{Order, User, UserChanges};
use tests::{Branch, Cost, Failure, Shop, eventually, redis_url};

const LONG: Duration = Duration::from_secs(30);
const NOTHING: Cost = Cost { sql: 0, store_reads: 0, store_writes: 0 };

fn near(builder: Builder<Pg>) -> Builder<Pg> {
    builder.near(NearOptions::bytes(16 << 20).horizon(Duration::from_secs(10)))
}

/// Two handles that have a row near.
fn shop() -> (Shop, Branch, User) {
    let shop = Shop::built(near);
    let ada = shop.user("ada");
    let other = shop.branch_built(near);
    warm(&shop, &other, &ada);
    (shop, other, ada)
}

/// Reads until a read costs nothing.
fn warm(shop: &Shop, other: &Branch, user: &User) {
    for (larder, meter) in [(&shop.larder, &shop.meter), (&other.larder, &other.meter)] {
        eventually(LONG, || {
            meter.reset();
            User::repository(larder).get(user.id).unwrap();
            User::repository(larder).find_by_email(&user.email).unwrap();
            Order::repository(larder).list_by_user_id(user.id).load().unwrap();
            meter.counts().cost() == NOTHING
        });
    }
}

fn renamed(email: &str) -> UserChanges {
    UserChanges { email: Some(email.to_owned()), ..Default::default() }
}

#[test]
fn what_psql_wrote_is_seen_by_all_when_it_was_settled_although_redis_had_lost_it() {
    let (shop, other, ada) = shop();
    let mut psql = shop.database.connect();
    psql.batch_execute(&format!(
        "UPDATE users SET email = 'by-hand@example.com' WHERE id = '{}';
             INSERT INTO larder_outbox (model) VALUES ('users')",
        ada.id
    ))
    .unwrap();
    // Copies outlive the values that they are of.
    let keys = shop.namespace.keys();
    assert!(!keys.is_empty());
    let mut redis = redis::Client::open(redis_url()).unwrap().get_connection().unwrap();
    let () = redis::cmd("DEL").arg(keys).query(&mut redis).unwrap();
    assert_eq!(User::repository(&other.larder).get(ada.id).unwrap(), ada);
    Relay::builder(&shop.branch().larder).build().unwrap().run_once().unwrap();
    for larder in [&shop.larder, &other.larder] {
        eventually(LONG, || User::repository(larder).get(ada.id).unwrap().email == "by-hand@example.com");
    }
}

#[test]
fn what_was_loaded_under_way_of_a_write_without_the_store_is_not_kept() {
    let (shop, _other, _) = shop();
    let bob = shop.user("bob");
    let (bob, users) = (&bob, || User::repository(&shop.larder));
    let leased = shop.faults.after(Operation::Lease).hold();
    let stop_at = |at: Point| {
        let ((here, is_here), (go, may_go)) = (mpsc::channel(), mpsc::channel());
        let hook = move |point| {
            if point == at {
                here.send(()).unwrap();
                may_go.recv().unwrap();
            }
        };
        (hook, is_here, go)
    };
    thread::scope(|scope| {
        let (hook, has_selected, read_on) = stop_at(Point::AfterSelect);
        let reader = scope.spawn(move || {
            let _hook = failpoints::on_this_thread(hook);
            users().get(bob.id).unwrap()
        });
        leased.wait_for(1);
        shop.faults.before(Operation::Begin).fail(Failure::Unavailable);
        let (hook, has_noted, commit) = stop_at(Point::BeforeCommit);
        let writer = scope.spawn(move || {
            let _hook = failpoints::on_this_thread(hook);
            users().update(bob.id, &renamed("new@example.com")).unwrap()
        });
        // The lease is granted, the write is noted, the old row is read, the new one committed; and then the old one is to be kept.
        has_noted.recv().unwrap();
        leased.open();
        has_selected.recv().unwrap();
        shop.faults.before(Operation::Settle).fail(Failure::Unavailable);
        commit.send(()).unwrap();
        let changed = writer.join().unwrap();
        read_on.send(()).unwrap();
        assert_eq!(reader.join().unwrap().email, "bob@example.com", "what it was when it was read");
        assert!(shop.larder.flush(LONG));
        assert_eq!(users().get(changed.id).unwrap(), changed);
    });
    shop.faults.clear();
}
