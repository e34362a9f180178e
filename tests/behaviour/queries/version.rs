//! Versions of what something is made of.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex},
};

use diesel::pg::Pg;
use larder::{Dependencies, MaterializedView as _, MemoryStore, NearOptions, Writes, store::Ended};
use shop_core::UserStats;
use tests::{Meter, Namespace, Proxy, eventually, redis_store};

use super::*;

fn of(user: &User) -> Dependencies<Pg> {
    Dependencies::new().row::<User>(user.id).key(Order::key_by_user_id(user.id)).tag("prices")
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
    let order = NewOrder { id: None, user_id: ada.id, status: Status::Paid, total_amount: money(1), created_at: None };
    let order = Order::repository(&other.larder).insert(&order).unwrap();
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
    let (users, of_ada) = (User::repository(&reader), Dependencies::new().row::<User>(ada.id));
    let (mut n_old, mut n_known) = (0, 0);
    for n in 0..20 {
        proxy.delay(Duration::ZERO);
        eventually(Duration::from_secs(30), || {
            // Nobody knows it while she is being loaded.
            let _ = reader.version(&of_ada);
            meter.reset();
            users.get(ada.id).unwrap();
            meter.counts().cost() == Cost::default()
        });
        proxy.delay(Duration::from_millis(100));
        let changed = User::repository(&shop.larder).update(ada.id, &renamed(&format!("{n}@example.com"))).unwrap();
        n_old += usize::from(users.get(ada.id).unwrap() != changed);
        // On so slow a line the store may not answer in time.
        let Some(version) = reader.version(&of_ada) else { continue };
        n_known += 1;
        assert_eq!(users.get(ada.id).unwrap(), changed, "{n_old} of {n} reads without a version were old");
        assert_eq!(shop.larder.version(&of_ada), Some(version));
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
