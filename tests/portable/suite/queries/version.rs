//! Versions of what something is made of.

use std::collections::BTreeSet;

use larder::{Builder, Dependencies, NearOptions};

use crate::site::Operation;

use super::*;

fn of(user: &User) -> Dependencies<Db> {
    Dependencies::new().row::<User>(user.id).key(Order::key_by_user_id(user.id)).tag("prices")
}

fn order_of(user: &User) -> NewOrder {
    NewOrder {
        id: Id::random(),
        user_id: user.id,
        status: Status::Paid,
        total_amount: money(1),
        created_at: Moment::now(),
    }
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
    let alone = shop.bare(1);
    assert_eq!(alone.version(&of(&ada)), None);
}

fn near(builder: Builder<Db>) -> Builder<Db> {
    builder.near(NearOptions::bytes(16 << 20).horizon(Duration::from_secs(60)))
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
