//! Copies in the process, which have times of their own.

use larder::{Consistency, Error, Larder, NearOptions, Patience};
use shop_core::{Order, Status};
use tests::{Cost, nobody};

use super::*;

/// The time to live of copies, and what of it passes until they are to be refreshed.
const NEAR_TTL: Duration = Duration::from_secs(60);
const MOST_OF_IT: Duration = Duration::from_secs(55);

const NOTHING: Cost = Cost { sql: 0, store_reads: 0, store_writes: 0 };

struct Near {
    site: Site,
    clock: ManualClock,
}

impl Near {
    fn new() -> Self {
        Self::built(as_it_is)
    }

    fn built(adjust: impl FnOnce(Builder<Pg>) -> Builder<Pg>) -> Self {
        let clock = ManualClock::default();
        // Of its very beginning there is no proof.
        clock.advance(NEAR_TTL);
        let options = NearOptions::bytes(16 << 20).ttl(NEAR_TTL).clock(clock.clone());
        Self { site: Site::new(|builder| adjust(builder.near(options))), clock }
    }

    /// Lets time pass for the copies, and waits until they may be served again.
    fn pass(&self, time: Duration) {
        self.clock.advance(time);
        let age = || self.site.shop.larder.stats().near.unwrap().proof_age;
        eventually(LONG, || age().is_some_and(|age| age < Duration::from_millis(50)));
    }

    /// Reads until that costs nothing: what was read is near.
    fn warm(&self, read: impl Fn()) {
        eventually(LONG, || {
            self.site.shop.meter.reset();
            read();
            self.site.shop.meter.counts().cost() == NOTHING
        });
    }

    /// What it costs to refresh what `read` reads, which costs the reader nothing.
    fn refreshing(&self, read: impl Fn()) -> Counts {
        let (meter, kept) = (&self.site.shop.meter, || self.copies_kept());
        let before = kept();
        meter.reset();
        read();
        assert_eq!(meter.counts().reads, 0);
        eventually(LONG, || kept() > before);
        meter.counts()
    }

    /// Reads until what is read is refreshed, which costs the reader nothing.
    fn refreshing_at_last(&self, read: impl Fn()) {
        let meter = &self.site.shop.meter;
        eventually(LONG, || {
            read();
            meter.counts().inspects > 0
        });
    }

    fn copies_kept(&self) -> u64 {
        self.site.shop.larder.stats().total().copies_kept
    }
}

#[test]
fn a_copy_that_is_read_is_kept_anew_for_a_look_at_its_cell() {
    let near = Near::new();
    let ada = near.site.user("ada");
    let read = || near.site.read(&ada, 1);
    near.warm(read);
    for _ in 0..5 {
        near.pass(MOST_OF_IT);
        assert_eq!(near.refreshing(read), Counts { inspects: 1, ..Counts::default() });
    }
    near.pass(NEAR_TTL);
    near.site.shop.meter.reset();
    read();
    assert_eq!(near.site.shop.meter.counts().reads, 1, "nobody has read it for long");
}

/// What a test reads, of a user with one order.
type Read = fn(&Larder<Pg>, &User, &Order);

#[test]
fn a_copy_whose_cell_will_soon_expire_is_refreshed_with_it() {
    let lists: Read = |larder, ada, order| {
        assert_eq!(Order::repository(larder).list_by_user_id(ada.id).load().unwrap(), std::slice::from_ref(order))
    };
    let reads: [(Read, Read); 4] = [
        (|_, _, _| (), |larder, ada, _| assert_eq!(User::repository(larder).get(ada.id).unwrap(), *ada)),
        (
            |_, _, _| (),
            |larder, ada, _| {
                assert_eq!(User::repository(larder).find_by_email(&ada.email).unwrap().as_ref(), Some(ada));
            },
        ),
        (|_, _, _| (), lists),
        (lists, |larder, ada, _| assert_eq!(Order::repository(larder).count_by_user_id(ada.id).unwrap(), 1)),
    ];
    for (first, read) in reads {
        let near = Near::new();
        let (ada, larder) = (near.site.shop.user("ada"), &near.site.shop.larder);
        let order = near.site.shop.order(&ada, Status::Paid, 100, 1);
        first(larder, &ada, &order);
        near.warm(|| read(larder, &ada, &order));
        near.site.age();
        near.pass(MOST_OF_IT);
        let expected = Counts { sql: 1, inspects: 1, extensions: 1, ..Counts::default() };
        assert_eq!(near.refreshing(|| read(larder, &ada, &order)), expected);
        assert!(near.site.is_fresh());
    }
}

#[test]
fn that_nobody_has_a_key_is_refreshed_by_its_own_time() {
    let near = Near::new();
    let (somebody, larder) = (nobody(), &near.site.shop.larder);
    let read = || assert_eq!(User::repository(larder).find(somebody).unwrap(), None);
    near.warm(read);
    // Of half a minute a tenth is left to the copy, and all to the cell.
    near.pass(Duration::from_secs(28));
    assert_eq!(near.refreshing(read), Counts { inspects: 1, ..Counts::default() });
}

#[test]
fn copies_that_are_read_together_are_refreshed_together() {
    let near = Near::new();
    let users: Vec<User> = (0..100).map(|n| near.site.shop.user(&format!("user-{n}"))).collect();
    let ids: Vec<_> = users.iter().map(|user| user.id).collect();
    let read = || {
        let found = User::repository(&near.site.shop.larder).find_many(&ids).unwrap();
        assert!(found.into_iter().flatten().eq(users.iter().cloned()));
    };
    // One after the other: of one call, those that share a slot drop each other's copies.
    users.iter().for_each(|user| near.warm(|| near.site.read(user, 1)));
    near.site.age();
    near.pass(MOST_OF_IT);
    near.refreshing(read);
    eventually(LONG, || near.site.is_fresh());
    let expected = Counts { sql: 1, inspects: 1, extensions: 1, ..Counts::default() };
    near.site.shop.meter.expect_counts(expected);
}

#[test]
fn fewer_lists_are_refreshed_together_than_rows() {
    let near = Near::new();
    let (site, larder) = (&near.site, &near.site.shop.larder);
    let users: Vec<User> = (0..1 + 40).map(|n| site.shop.user(&format!("user-{n}"))).collect();
    let read = |user: &User| assert_eq!(Order::repository(larder).list_by_user_id(user.id).load().unwrap(), []);
    users.iter().for_each(|user| near.warm(|| read(user)));
    near.pass(MOST_OF_IT);
    let (first, others) = users.split_first().unwrap();
    let gate = site.shop.faults.before(Operation::Inspect).nth(1).hold();
    site.shop.meter.reset();
    read(first);
    gate.wait_for(1);
    others.iter().for_each(read);
    gate.open();
    // One, 32 of the others, and 8.
    eventually(LONG, || site.shop.meter.counts().inspects == 1 + 2);
    site.shop.meter.expect_counts(Counts { inspects: 1 + 2, ..Counts::default() });
}

#[test]
fn after_too_much_to_do_copies_are_refreshed_again() {
    // As many as there are threads to load for 8 connections, and as may wait for them.
    const BUSY: usize = 4 * 8;
    const WAITING: usize = 256;
    let near = Near::new();
    let (ada, shop) = (near.site.user("ada"), &near.site.shop);
    let read = || near.site.read(&ada, 1);
    near.warm(read);
    near.pass(MOST_OF_IT);
    let gate = shop.faults.before(Operation::Lease).hold();
    let impatient = User::repository(&shop.larder).patience(Patience::new().hard(Duration::from_millis(1)));
    let give_up = || assert!(matches!(impatient.find(nobody()), Err(Error::TimedOut)));
    (0..BUSY).for_each(|_| give_up());
    gate.wait_for(BUSY);
    // It waits behind them, nobody for it, and has to make room in the end.
    read();
    (0..WAITING).for_each(|_| give_up());
    gate.open();
    near.refreshing_at_last(read);
}

#[test]
fn a_copy_whose_cell_is_gone_is_loaded_before_it_expires() {
    let near = Near::new();
    let ada = near.site.user("ada");
    let read = || near.site.read(&ada, 1);
    near.warm(read);
    let _: usize =
        redis::cmd("DEL").arg(near.site.shop.namespace.keys()).query(&mut *near.site.redis.lock().unwrap()).unwrap();
    near.pass(MOST_OF_IT);
    let before = near.copies_kept();
    near.site.shop.meter.reset();
    read();
    eventually(LONG, || near.copies_kept() > before);
    let expected = Counts { sql: 1, reads: 1, leases: 1, fills: 1, inspects: 1, ..Counts::default() };
    near.site.shop.meter.expect_counts(expected);
    near.pass(MOST_OF_IT / 2);
    read();
    near.site.shop.meter.expect_counts(Counts::default());
}

#[test]
fn a_copy_is_not_kept_anew_over_a_write() {
    let near = Near::new();
    let (ada, other) = (near.site.user("ada"), near.site.shop.branch());
    let read = || near.site.read(&ada, 1);
    near.warm(read);
    near.pass(MOST_OF_IT);
    let id = ada.id;
    let gate = near.site.shop.faults.after(Operation::Inspect).hold();
    read();
    gate.wait_for(1);
    User::repository(&other.larder).update(id, renamed("new@example.com")).unwrap();
    let get = || User::repository(&near.site.shop.larder).get(id).unwrap();
    eventually(LONG, || get().email == "new@example.com");
    gate.open();
    eventually(LONG, || near.site.stats().copies_refused > 0);
    assert_eq!(get().email, "new@example.com");
}

#[test]
fn who_only_looks_and_who_reads_elsewhere_refreshes_nothing() {
    let near = Near::new();
    let (ada, bob) = (near.site.user("ada"), near.site.user("bob"));
    near.warm(|| [&ada, &bob].into_iter().for_each(|user| near.site.read(user, 1)));
    near.pass(MOST_OF_IT);
    let larder = &near.site.shop.larder;
    let explained = User::repository(larder).explain(&[ada.id]).to_string();
    assert!(explained.contains("1 near"), "{explained}");
    User::repository(larder).reading(Consistency::Database).get(ada.id).unwrap();
    larder.transaction(|tx| User::repository(tx).get(ada.id)).unwrap();
    // Whatever they had begun would be done before this, or with it.
    near.refreshing(|| near.site.read(&bob, 1));
    let log = near.site.shop.meter.log();
    assert!(log.contains(&format!("inspect users:id:{}", bob.id)) && !log.contains(&ada.id.to_string()), "{log}");
}

#[test]
fn what_this_process_wrote_without_the_store_is_not_refreshed_from_there() {
    let near = Near::new();
    let users = ["ada", "bob", "cyd"].map(|name| near.site.user(name));
    let [ada, bob, cyd] = &users;
    near.warm(|| users.iter().for_each(|user| near.site.read(user, 1)));
    near.pass(MOST_OF_IT);
    let (larder, faults) = (&near.site.shop.larder, &near.site.shop.faults);
    let gate = faults.before(Operation::Inspect).nth(1).hold();
    near.site.read(bob, 1);
    gate.wait_for(1);
    // It waits for the same thread when it is written.
    near.site.read(ada, 1);
    for operation in [Operation::Begin, Operation::Settle] {
        faults.before(operation).fail(tests::Failure::Unavailable);
    }
    let renamed = User::repository(larder).update(ada.id, renamed("new@example.com")).unwrap();
    gate.open();
    let of_cyd = || near.site.shop.meter.log().contains(&format!("inspect users:id:{}", cyd.id));
    eventually(LONG, || {
        near.site.read(cyd, 1);
        of_cyd()
    });
    assert_eq!(User::repository(larder).get(ada.id).unwrap(), renamed);
    assert!(!near.site.shop.meter.log().contains(&format!("inspect users:id:{}", ada.id)));
}

#[test]
fn where_nothing_is_to_be_refreshed_a_copy_is_served_until_it_expires() {
    let near = Near::built(|builder| builder.refresh_early(false));
    let ada = near.site.user("ada");
    let read = || near.site.read(&ada, 1);
    near.warm(read);
    near.pass(MOST_OF_IT);
    read();
    near.pass(NEAR_TTL - MOST_OF_IT);
    read();
    near.site.shop.meter.expect_counts(Counts { reads: 1, ..Counts::default() });
}

#[test]
fn a_copy_that_can_not_be_refreshed_is_served_and_tried_again_a_while_later() {
    let near = Near::new();
    let ada = near.site.user("ada");
    near.warm(|| near.site.read(&ada, 1));
    near.pass(MOST_OF_IT);
    near.site.shop.faults.before(Operation::Inspect).fail(tests::Failure::Unavailable);
    let n_failed = || near.site.shop.events.take().iter().filter(|line| *line == "failed: inspect").count();
    near.site.read(&ada, 2_000);
    let mut n = 0;
    eventually(LONG, || {
        n += n_failed();
        n > 0
    });
    // As often as a tenth of a second goes into the time that these reads took, and not as often as it was read.
    assert!(n < 50, "{n}");
    near.site.shop.faults.clear();
    let kept = near.copies_kept();
    eventually(LONG, || {
        near.site.read(&ada, 1);
        near.copies_kept() > kept
    });
    assert_eq!(near.site.shop.meter.counts().reads, 0);
}
