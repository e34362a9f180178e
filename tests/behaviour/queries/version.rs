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

fn order_of(user: &User) -> NewOrder {
    NewOrder { id: None, user_id: user.id, status: Status::Paid, total_amount: money(1), created_at: None }
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
