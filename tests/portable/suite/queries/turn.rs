//! Results that are looked for, computed and stored by separate calls.

use larder::{Dependencies, Looked, Turn};

use super::*;

fn of_ada(larder: &Larder<Db>, ada: &User) -> Looked<Db, i64> {
    larder.query("turn").depends_on_row::<User>(ada.id).look()
}

#[track_caller]
fn turn(looked: Looked<Db, i64>) -> Turn<Db, i64> {
    match looked {
        Looked::Turn(turn) => turn,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_result_is_looked_for_once_and_stored_for_every_handle_and_for_load() {
    let shop = Shop::new();
    let (other, ada) = (shop.branch(), shop.user("ada"));
    let own = turn(of_ada(&shop.larder, &ada));
    shop.meter.expect_counts(Counts { reads: 1, stamps: 1, leases: 1, ..Counts::default() });
    for larder in [&shop.larder, &other.larder] {
        assert!(matches!(of_ada(larder, &ada), Looked::Elsewhere));
    }
    shop.meter.reset();
    assert!(own.ttl(Duration::from_secs(60)).store(&7));
    shop.meter.expect_counts(Counts { fills: 1, ..Counts::default() });
    other.meter.reset();
    assert!(matches!(of_ada(&other.larder, &ada), Looked::Stored(7)));
    other.meter.expect(WARM);
    let loaded = other.larder.query("turn").depends_on_row::<User>(ada.id).load(|_| Ok(8_i64)).unwrap();
    assert_eq!(loaded, 7);
    let figures = other.larder.stats().queries;
    assert_eq!((figures.keys.shared, figures.keys.missed), (2, 0));
}

#[test]
fn a_turn_that_is_dropped_is_the_next_ones_and_one_that_took_too_long_stores_nothing() {
    let shop = Shop::new();
    let (other, ada) = (shop.branch(), shop.user("ada"));
    drop(turn(of_ada(&shop.larder, &ada)));
    let next = turn(of_ada(&other.larder, &ada));
    other.larder.query("turn").depends_on_row::<User>(ada.id).forget::<i64>();
    assert!(!next.store(&7), "it was told that it is over");
    assert!(matches!(of_ada(&shop.larder, &ada), Looked::Turn(_)));
}

#[test]
fn what_is_stored_after_a_write_is_given_to_nobody() {
    let shop = Shop::new();
    let ada = shop.user("ada");
    let overtaken = turn(of_ada(&shop.larder, &ada));
    User::repository(&shop.larder).update(ada.id, &renamed("new@example.com")).unwrap();
    let _ = overtaken.store(&7);
    assert!(turn(of_ada(&shop.larder, &ada)).store(&8));
    assert!(matches!(of_ada(&shop.larder, &ada), Looked::Stored(8)));
}

#[test]
fn cells_are_covered_by_themselves_and_by_their_tables_and_by_nothing_else() {
    let shop = Shop::new();
    let ada = shop.user("ada");
    let scope = shop.larder.scope().followed();
    User::repository(&scope).get(ada.id).unwrap();
    Order::repository(&scope).list_by_user_id(ada.id).load().unwrap();
    let cells = scope.trail().cells;
    assert_eq!(cells.len(), 2, "{cells:?}");
    let of = Dependencies::<Db>::new;
    for (dependencies, n_covered) in [
        (of(), 0),
        (of().row::<User>(ada.id), 1),
        (of().row::<User>(Id::from_u128(0)), 0),
        (of().key(Order::key_by_user_id(ada.id)), 1),
        (of().key(Order::key_by_user_id(Id::from_u128(0))), 0),
        (of().table::<User>(), 1),
        (of().table::<Order>().table::<User>(), 2),
        (of().tag("users").tag("*").tag("users:*"), 0),
    ] {
        let covered = cells.iter().filter(|cell| dependencies.cover(cell)).count();
        assert_eq!(covered, n_covered, "{:?}", dependencies.cells());
    }
}
