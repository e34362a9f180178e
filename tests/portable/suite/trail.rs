//! What a scope's reads have touched, and what they have cost.

use std::time::Duration;

use diesel::prelude::*;
use larder::{Dependencies, NearOptions, Scope, Source, Trail};

use crate::site::{
    Db, Failure, Money, Order, Shop, Status, User, UserChanges, eventually,
    schema::{orders, users},
};

const LONG: Duration = Duration::from_secs(60);

fn read(shop: &Shop, work: impl FnOnce(&Scope<Db>)) -> Trail {
    let scope = shop.larder.scope().followed();
    work(&scope);
    scope.trail()
}

#[test]
fn a_trail_says_where_rows_came_from_and_what_that_cost() {
    let shop = Shop::built(|builder| builder.near(NearOptions::bytes(1 << 20)));
    let ada = shop.user("ada");
    let _ = shop.order(&ada, Status::Paid, 700, 1);
    let with_orders = |scope: &Scope<Db>| {
        User::repository(scope).with(User::orders()).get(ada.id).unwrap();
    };
    let cold = read(&shop, with_orders);
    assert_eq!((cold.source(), cold.statements, cold.near, cold.shared), (Source::Database, 2, 0, 0));
    assert!(cold.sql > Duration::ZERO && cold.store > Duration::ZERO && cold.round_trips >= 2);
    eventually(LONG, || read(&shop, with_orders).source() == Source::Near);
    let near = read(&shop, with_orders);
    assert_eq!((near.near, near.shared, near.statements, near.round_trips), (2, 0, 0, 0));
    let shared = read(&shop, |scope| with_orders(&scope.clone().reading(larder::Consistency::Shared)));
    assert_eq!((shared.source(), shared.shared, shared.round_trips, shared.statements), (Source::Shared, 2, 2, 0));
    assert_eq!(read(&shop, |_| ()), Trail::default());
    let unfollowed = shop.larder.scope();
    with_orders(&unfollowed);
    assert_eq!(unfollowed.trail(), Trail::default());

    // The same cells wherever they come from.
    let of_ada = Dependencies::<Db>::new().row::<User>(ada.id).key(Order::key_by_user_id(ada.id));
    for trail in [&cold, &near, &shared] {
        assert_eq!((&trail.cells[..], &trail.models[..]), (of_ada.cells(), &[][..]));
    }
}

#[test]
fn a_trail_has_what_was_not_found_counted_or_asked_of_the_database_and_of_queries_what_they_depend_on() {
    let shop = Shop::new();
    let ada = shop.user("ada");
    let cells = |trail: Trail| trail.cells;
    let of = Dependencies::<Db>::new;
    let missing = read(&shop, |scope| assert!(User::repository(scope).find_by_email("nobody").unwrap().is_none()));
    assert_eq!(cells(missing), of().key(User::key_by_email("nobody")).cells());
    let counted = read(&shop, |scope| assert_eq!(Order::repository(scope).count_by_user_id(ada.id).unwrap(), 0));
    assert_eq!(cells(counted), of().key(Order::key_by_user_id(ada.id)).cells());
    let asked = read(&shop, |scope| {
        User::repository(scope).reading(larder::Consistency::Database).get(ada.id).unwrap();
    });
    assert_eq!(cells(asked), of().row::<User>(ada.id).cells());
    let queried = read(&shop, |scope| {
        assert_eq!(User::repository(scope).query(|query| query.limit(10)).unwrap().len(), 1);
    });
    assert_eq!((&queried.cells[..], &queried.models[..]), (of().table::<User>().cells(), &["users"][..]));
    let number = |scope: &Scope<Db>| {
        let number = scope.query("number").depends_on::<User>();
        let number: i64 = number.load(|connection| users::table.count().get_result(connection)).unwrap();
        assert_eq!(number, 1);
    };
    for _ in 0..2 {
        let cached = read(&shop, number);
        assert_eq!((&cached.cells[..], &cached.models[..]), (of().table::<User>().cells(), &[][..]));
    }
    // What goes past the cells is by their keys all the same, for whoever is to be told of a change.
    let of_her = of().key(Order::key_by_user_id(ada.id));
    let orders = |scope: &Scope<Db>| {
        Order::repository(scope).list_by_user_id(ada.id).order(orders::total_amount.asc()).load().unwrap();
    };
    let filtered = |scope: &Scope<Db>| {
        User::repository(scope).with(User::orders().filter(orders::status.eq(Status::Paid))).get(ada.id).unwrap();
    };
    let sum = |scope: &Scope<Db>| {
        let _: Option<Money> = Order::repository(scope).list_by_user_id(ada.id).sum(orders::total_amount).unwrap();
    };
    let reads: [&dyn Fn(&Scope<Db>); 4] = [&orders, &filtered, &sum, &sum];
    for read_them in reads {
        let trail = read(&shop, read_them);
        assert!(of_her.cells().iter().all(|cell| trail.cells.contains(cell)), "{trail:?}");
        assert!(trail.models.is_empty(), "{trail:?}");
    }
    shop.faults.everywhere().fail(Failure::Unavailable);
    let without_store = read(&shop, |scope| {
        for _ in 0..100 {
            User::repository(scope).get(ada.id).unwrap();
        }
    });
    assert_eq!(cells(without_store), of().row::<User>(ada.id).cells());
    shop.faults.clear();
    // A scope that was written by sees its write, and is followed as before.
    let scope = shop.larder.scope();
    let changes = UserChanges { email: Some("new@example.com".to_owned()), ..Default::default() };
    User::repository(&scope).update(ada.id, &changes).unwrap();
    let scope = scope.followed();
    assert_eq!(User::repository(&scope).get(ada.id).unwrap().email, "new@example.com");
    assert_eq!((scope.trail().cells.len(), scope.token().is_empty()), (1, false));
}
