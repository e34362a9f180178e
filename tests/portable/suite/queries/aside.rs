//! Cache-aside: values of the application's own, under leases.

use std::{sync::Barrier, thread, time::Duration};

use larder::{Error, Larder};

use crate::site::{Db, Shop, eventually};

#[test]
fn values_of_the_applications_own_are_loaded_put_updated_and_forgotten() {
    let shop = Shop::new();
    let other = shop.branch();
    let of = |larder: &Larder<Db>| larder.aside::<u32, String>("carts").clone().get(&7);
    let carts = shop.larder.aside::<u32, String>("carts");
    let never = || -> Result<String, Error> { panic!("it is there") };
    assert_eq!(carts.get(&7), None);
    assert_eq!(carts.load(&7, || Ok::<_, Error>("one".to_owned())).unwrap(), "one");
    assert_eq!(carts.load(&7, never).unwrap(), "one");
    assert_eq!((of(&other.larder).as_deref(), carts.get(&8)), (Some("one"), None));
    other.larder.aside::<u32, String>("carts").put(&7, &"two".to_owned()).unwrap();
    assert_eq!(carts.load(&7, never).unwrap(), "two");
    assert!(other.larder.aside::<u32, String>("carts").forget(&7));
    assert_eq!(carts.get(&7), None);
    let failed = carts.load(&7, || Err::<String, _>(Error::other("no")));
    assert!(failed.is_err());
    assert_eq!(carts.update(&7, || Ok(Some("three".to_owned()))).unwrap().as_deref(), Some("three"));
    assert_eq!(of(&other.larder).as_deref(), Some("three"));
    assert_eq!(carts.update(&7, || Ok(None)).unwrap(), None);
    assert_eq!(of(&other.larder), None);
    let figures = shop.larder.stats().asides;
    assert_eq!((figures.keys.missed, figures.statements_failed), (2, 1));
}

#[test]
fn what_was_computed_before_a_value_was_forgotten_or_written_is_not_stored_after_it() {
    let shop = Shop::new();
    let other = shop.branch();
    let (carts, others) = (shop.larder.aside::<u32, u32>("carts"), other.larder.aside::<u32, u32>("carts"));
    let overtaken = carts.load(&7, || {
        assert!(others.forget(&7));
        Ok::<_, Error>(1)
    });
    assert_eq!((overtaken.unwrap(), carts.get(&7)), (1, None));
    let overtaken = carts.load(&7, || others.put(&7, &2).map(|()| 1));
    assert_eq!((overtaken.unwrap(), carts.get(&7)), (1, Some(2)));
    // Of two who write at the same time nobody knows who was last where it matters.
    let both = carts.update(&7, || others.update(&7, || Ok(Some(3))).map(|_| Some(4)));
    assert_eq!((both.unwrap(), carts.get(&7)), (Some(4), None));
    // While one writes, nobody is served what was there, and nobody stores it.
    carts.put(&7, &5).unwrap();
    let written = carts.update(&7, || {
        assert_eq!((others.get(&7), others.load(&7, || Ok::<_, Error>(5)).unwrap(), others.get(&7)), (None, 5, None));
        Ok(Some(6))
    });
    assert_eq!((written.unwrap(), others.get(&7)), (Some(6), Some(6)));
    assert!(carts.update(&7, || Err(Error::other("no"))).is_err());
    assert_eq!(others.get(&7), None);
}

#[test]
fn those_who_wait_for_one_who_fails_try_themselves_and_find_no_garbage() {
    let shop = Shop::new();
    let carts = || shop.larder.aside::<u32, u32>("carts");
    let (waits, go) = (Barrier::new(2), Barrier::new(2));
    thread::scope(|scope| {
        let first = scope.spawn(|| {
            carts().load(&7, || {
                waits.wait();
                go.wait();
                Err::<u32, _>(Error::other("no"))
            })
        });
        waits.wait();
        let others: Vec<_> = (0..4).map(|_| scope.spawn(|| carts().load(&7, || Ok::<_, Error>(1)).unwrap())).collect();
        // They have all seen that somebody is at it.
        eventually(Duration::from_secs(30), || shop.meter.counts().reads >= 5);
        go.wait();
        assert!(first.join().unwrap().is_err());
        assert!(others.into_iter().all(|other| other.join().unwrap() == 1));
    });
    let figures = shop.larder.stats().asides;
    assert_eq!(
        (figures.corrupt, figures.keys.missed, figures.keys.shared, figures.keys.bypassed.total()),
        (0, 2, 3, 0)
    );
    assert_eq!(shop.events.take(), [""; 0]);
}

#[test]
fn a_write_aside_that_fails_may_yet_happen_and_nothing_is_stored_meanwhile() {
    let shop = Shop::new();
    let carts = shop.larder.aside::<u32, u32>("carts");
    carts.put(&7, &1).unwrap();
    assert!(carts.update(&7, || Err(Error::other("it timed out"))).is_err());
    assert_eq!((carts.load(&7, || Ok::<_, Error>(1)).unwrap(), carts.get(&7)), (1, None));
    assert_eq!(shop.larder.stats().asides.fills_stored, 0);
}
