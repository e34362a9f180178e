//! Versions of what something is made of.

use std::{
    collections::{BTreeSet, HashMap},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};

use diesel::pg::Pg;
use larder::{Builder, Dependencies, MaterializedView as _, MemoryStore, NearOptions, Version, Writes, store::Ended};
use shop_core::UserStats;
use tests::{Meter, Namespace, Proxy, eventually, redis_store};

use super::*;

fn of(user: &User) -> Dependencies<Pg> {
    Dependencies::new().row::<User>(user.id).key(Order::key_by_user_id(user.id)).tag("prices")
}

fn order_of(user: &User) -> NewOrder {
    NewOrder { id: None, user_id: user.id, status: Status::Paid, total_amount: money(1), created_at: None }
}

#[test]
fn a_version_is_the_same_for_everybody_until_something_of_it_is_written() {
    let shop = Shop::new();
    let (other, ada, bob) = (shop.branch(), shop.user("ada"), shop.user("bob"));
    let (of_ada, repository) = (of(&ada), User::repository(&shop.larder));
    let first = shop.larder.version(&of_ada).unwrap();
    shop.meter.expect_counts(Counts { reads: 1, stamps: 1, ..Counts::default() });
    assert_eq!((shop.larder.version(&of_ada), other.larder.version(&of_ada)), (Some(first), Some(first)));
    other.meter.expect(WARM);
    assert_ne!(shop.larder.version(&of(&bob)), Some(first));

    let mut seen = BTreeSet::from([first.to_string()]);
    let mut is_new = || {
        let version = other.larder.version(&of_ada).unwrap();
        assert_eq!(shop.larder.version(&of_ada), Some(version));
        seen.insert(version.to_string())
    };
    repository.update(bob.id, &renamed("bobby@example.com")).unwrap();
    assert!(!is_new(), "it is of somebody else");
    repository.update(ada.id, &renamed("countess@example.com")).unwrap();
    assert!(is_new());
    let order = Order::repository(&other.larder).insert(order_of(&ada)).unwrap();
    assert!(is_new());
    let moved = OrderChanges { user_id: Some(bob.id), ..Default::default() };
    Order::repository(&shop.larder).update(order.id, &moved).unwrap();
    assert!(is_new());
    shop.larder.invalidate_tag("prices").unwrap();
    assert!(is_new() && !is_new());
}

#[test]
fn rows_that_were_loaded_or_written_together_have_versions_of_their_own() {
    let shop = Shop::new();
    let (ada, bob) = (shop.user("ada"), shop.user("bob"));
    let of = |user: &User| shop.larder.version(&Dependencies::new().row::<User>(user.id)).unwrap();
    User::repository(&shop.larder).find_many(&[ada.id, bob.id]).unwrap();
    assert_ne!(of(&ada), of(&bob));
    shop.larder
        .transaction(|tx| {
            User::repository(tx).update(ada.id, &renamed("a@example.com"))?;
            User::repository(tx).update(bob.id, &renamed("b@example.com"))
        })
        .unwrap();
    assert_ne!(of(&ada), of(&bob));
}

#[test]
fn who_knows_a_version_is_given_nothing_older_that_is_near() {
    let shop = Shop::new();
    let ada = shop.user("ada");
    // What Redis tells this one comes late.
    let (proxy, meter) = (Proxy::to(&redis_url()), Meter::new());
    let store = meter.metered(redis_store(proxy.url(), &shop.namespace));
    let near = NearOptions::bytes(16 << 20).horizon(Duration::from_secs(60));
    let reader = Larder::<Pg>::builder(shop.database.pool(&meter, 2)).shared(store).near(near).build();
    let (users, of_ada, of_all) =
        (User::repository(&reader), Dependencies::new().row::<User>(ada.id), Dependencies::new().table::<User>());
    let (mut n_old, mut n_known) = (0, 0);
    for n in 0..20 {
        // That of any row of the table takes along each of them.
        let of_ada = if n % 2 == 0 { &of_ada } else { &of_all };
        proxy.delay(Duration::ZERO);
        eventually(Duration::from_secs(30), || {
            // Nobody knows it while she is being loaded.
            let _ = reader.version(of_ada);
            meter.reset();
            users.get(ada.id).unwrap();
            meter.counts().cost() == Cost::default()
        });
        proxy.delay(Duration::from_millis(100));
        let changed = User::repository(&shop.larder).update(ada.id, &renamed(&format!("{n}@example.com"))).unwrap();
        n_old += usize::from(users.get(ada.id).unwrap() != changed);
        // On so slow a line the store may not answer in time.
        let Some(version) = reader.version(of_ada) else { continue };
        n_known += 1;
        assert_eq!(users.get(ada.id).unwrap(), changed, "{n_old} of {n} reads without a version were old");
        assert_eq!(shop.larder.version(of_ada), Some(version));
    }
    assert!(n_old > 0 && n_known > 0, "without a version, too, everything was seen at once: nothing was shown");
}

#[test]
fn nobody_knows_the_version_of_what_is_being_written_or_of_a_store_that_is_away() {
    let shop = Shop::new();
    let ada = shop.user("ada");
    let before = shop.larder.version(&of(&ada)).unwrap();
    let gate = shop.faults.before(Operation::Finish).nth(1).hold();
    thread::scope(|scope| {
        let writer =
            scope.spawn(|| User::repository(&shop.larder).update(ada.id, &renamed("new@example.com")).unwrap());
        gate.wait_for(1);
        assert_eq!(shop.larder.version(&of(&ada)), None);
        gate.open();
        writer.join().unwrap();
    });
    assert!(shop.larder.version(&of(&ada)).is_some_and(|version| version != before));
    shop.faults.before(Operation::Read).fail(Failure::Unavailable);
    assert_eq!(shop.larder.version(&of(&ada)), None);
    let alone: Larder<Pg> = Larder::builder(shop.database.pool(&shop.meter, 1)).build();
    assert_eq!(alone.version(&of(&ada)), None);
}

#[test]
fn who_is_told_of_the_end_of_writes_hears_of_all_that_was_changed_and_of_nothing_before_it_is() {
    let told = Arc::new(Mutex::new(BTreeSet::new()));
    let store = Ended::new(MemoryStore::new(), {
        let told = Arc::clone(&told);
        move |keys| told.lock().unwrap().extend(keys.iter().map(|key| key.as_bytes().to_vec()))
    });
    let shop = Shop::on(Namespace::new(), store, |builder| builder.writes(Writes::Available));
    let heard_of = |of: &Dependencies<Pg>| {
        let told = std::mem::take(&mut *told.lock().unwrap());
        of.cells().iter().filter(|cell| told.contains(cell.as_bytes())).count()
    };
    let (ada, bob) = (shop.user("ada"), shop.user("bob"));
    let (of_ada, of_bob) = (Dependencies::new().row::<User>(ada.id), Dependencies::new().row::<User>(bob.id));
    heard_of(&of_ada);
    let rolled_back: larder::Result<()> = shop.larder.transaction(|tx| {
        User::repository(tx).update(ada.id, &renamed("new@example.com"))?;
        Err(Error::other("thought better of it"))
    });
    assert!(rolled_back.is_err());
    assert_eq!(heard_of(&of_ada), 0);
    shop.larder
        .transaction(|tx| {
            User::repository(tx).update(ada.id, &renamed("new@example.com"))?;
            assert_eq!(heard_of(&of_ada), 0, "it may be rolled back still");
            Ok(())
        })
        .unwrap();
    assert_eq!(heard_of(&of_ada), 1);
    // One of which the store is told afterwards.
    shop.faults.before(Operation::Begin).nth(1).fail(Failure::Unavailable);
    User::repository(&shop.larder).update(bob.id, &renamed("bobby@example.com")).unwrap();
    eventually(Duration::from_secs(30), || heard_of(&of_bob) == 1);
    UserStats::refresh(&shop.larder).unwrap();
    assert!(told.lock().unwrap().contains(&b"user_stats:"[..]), "all of them");
}

fn near(builder: Builder<Pg>) -> Builder<Pg> {
    builder.near(NearOptions::bytes(16 << 20).horizon(Duration::from_secs(60)))
}

/// The version as an edge's question is answered: by what is near, and else by the store.
fn known(larder: &Larder<Pg>, of: &Dependencies<Pg>) -> Option<Version> {
    larder.near_version(of).or_else(|| larder.version(of))
}

#[test]
fn a_version_that_is_near_costs_nothing_and_goes_with_the_next_write() {
    let shop = Shop::built(near);
    let (other, ada) = (shop.branch_built(near), shop.user("ada"));
    let of_ada = Dependencies::new().row::<User>(ada.id).key(Order::key_by_user_id(ada.id));
    let mut last = None;
    for n in 0..3 {
        eventually(Duration::from_secs(30), || {
            User::repository(&shop.larder).with(User::orders()).get(ada.id).unwrap();
            let _ = shop.larder.version(&of_ada);
            shop.larder.near_version(&of_ada).is_some()
        });
        shop.meter.reset();
        let version = shop.larder.near_version(&of_ada);
        let followed = shop.larder.scope().followed();
        assert!(version != last && followed.near_version(&of_ada) == version);
        shop.meter.expect(Cost::default());
        assert_eq!((followed.trail().source(), &followed.trail().cells[..]), (larder::Source::Near, of_ada.cells()));
        assert_eq!(shop.larder.version(&of_ada), version);
        let strict = shop.larder.scope().reading(larder::Consistency::Shared);
        assert_eq!(strict.near_version(&of_ada), None, "its reads go past what is near");
        last = version;
        match n {
            0 => drop(User::repository(&shop.larder).update(ada.id, &renamed("own@example.com")).unwrap()),
            1 => drop(User::repository(&other.larder).update(ada.id, &renamed("new@example.com")).unwrap()),
            _ => drop(Order::repository(&other.larder).insert(order_of(&ada)).unwrap()),
        }
        eventually(Duration::from_secs(30), || shop.larder.near_version(&of_ada) != version);
    }
    for of in [Dependencies::new().tag("prices"), Dependencies::new().table::<User>(), of(&ada)] {
        assert!(shop.larder.version(&of) == shop.larder.version(&of) && shop.larder.near_version(&of).is_none());
    }
}

/// Ends the others when one of them ends, be it by a panic.
struct Over<'o>(&'o AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

#[test]
fn a_version_is_of_one_state_whoever_knows_it_and_from_wherever() {
    let shop = Shop::built(near);
    let ada = shop.user("ada");
    let of_ada = Dependencies::new().row::<User>(ada.id).key(Order::key_by_user_id(ada.id));
    // What Redis tells this one comes late, so that it has read the new before it is told that the old has gone.
    let (proxy, meter) = (Proxy::to(&redis_url()), Meter::new());
    let store = meter.metered(redis_store(proxy.url(), &shop.namespace));
    let late = near(Larder::<Pg>::builder(shop.database.pool(&meter, 2)).shared(store)).build();
    proxy.delay(Duration::from_millis(2));
    let (states, is_over) = (Mutex::new(HashMap::new()), AtomicBool::new(false));
    let n_near = AtomicUsize::new(0);
    let read = |larder: &Larder<Pg>| {
        let before = known(larder, &of_ada);
        let state: (User, Vec<Order>) = User::repository(larder).with(User::orders()).get(ada.id).unwrap();
        n_near.fetch_add(usize::from(larder.near_version(&of_ada).is_some()), Ordering::SeqCst);
        if let Some(version) = before.filter(|version| known(larder, &of_ada) == Some(*version)) {
            let first = states.lock().unwrap().entry(version).or_insert_with(|| state.clone()).clone();
            assert_eq!(first, state, "{version} is of two states");
        }
    };
    thread::scope(|scope| {
        let _over = Over(&is_over);
        for larder in [&shop.larder, &late, &late] {
            scope.spawn(|| {
                let _over = Over(&is_over);
                while !is_over.load(Ordering::SeqCst) {
                    read(larder);
                }
            });
        }
        let other = shop.branch();
        for n in 0..300 {
            let n_seen = states.lock().unwrap().len();
            if n % 3 == 0 {
                Order::repository(&other.larder).insert(order_of(&ada)).unwrap();
            } else {
                User::repository(&other.larder).update(ada.id, &renamed(&format!("{n}@example.com"))).unwrap();
            }
            // Each third write is on the heels of the one before it.
            if n % 3 != 1 {
                let is_seen = || is_over.load(Ordering::SeqCst) || states.lock().unwrap().len() > n_seen;
                eventually(Duration::from_secs(30), is_seen);
            }
            // And each tenth is when something is near.
            if n % 10 == 0 {
                let so_far = n_near.load(Ordering::SeqCst);
                let is_near = || is_over.load(Ordering::SeqCst) || n_near.load(Ordering::SeqCst) > so_far + 10;
                eventually(Duration::from_secs(30), is_near);
            }
        }
    });
    assert!(states.lock().unwrap().len() > 150 && n_near.load(Ordering::SeqCst) > 100, "too little was known");
}
