use diesel::{prelude::*, sqlite::Sqlite};
use larder::Larder;

use crate::{
    database::Database,
    models::{Order, OrderCard, User, UserCard, users},
};

#[test]
fn a_relation_is_one_statement_more() {
    let database = Database::filled();
    let find = |larder: &Larder<Sqlite>| User::repository(larder).with(User::orders()).find(1);
    let (user, orders) = database.costs(2, find).unwrap();
    assert_eq!((user.id, orders.len()), (1, 2));
    assert_eq!(database.costs(0, find), Some((user, orders)));
}

#[test]
fn relations_of_relations_are_one_statement_a_level() {
    let database = Database::filled();
    let deep = database.costs(3, |larder| {
        let repository = User::repository(larder).with(User::orders().with(Order::user()));
        repository.query(|query| query.filter(users::id.lt(3)).order(users::id))
    });
    assert_eq!(deep.iter().map(|(user, orders)| (user.id, orders.len())).collect::<Vec<_>>(), [(1, 2), (2, 3)]);
    assert!(deep.iter().all(|(user, orders)| orders.iter().all(|(_, owner)| owner == user)));
}

#[test]
fn a_list_comes_with_the_parents_of_its_rows() {
    let database = Database::filled();
    let listed = database.costs(2, |larder| {
        let orders = Order::repository(larder).with(Order::user());
        orders.list_by_user_id_and_status(2, "paid").limit(2).load()
    });
    assert_eq!(listed.iter().map(|(order, user)| (order.id, user.id)).collect::<Vec<_>>(), [(5, 2), (3, 2)]);
}

#[test]
fn a_view_limits_its_relation_for_each_row_and_counts_all_of_it() {
    let database = Database::filled();
    let cards = database.costs(3, |larder| User::repository(larder).select::<UserCard>().find_many(&[1, 2, 3, 4]));
    let card = |total| OrderCard { status: "paid".into(), total };
    let bob = UserCard { email: "bob@x".into(), recent: vec![card(50), card(30)], n_orders: 3 };
    let cyd = UserCard { email: "cyd@x".into(), recent: vec![], n_orders: 0 };
    assert_eq!(cards[1..], [Some(bob), Some(cyd), None]);
}

#[test]
fn a_limited_relation_counts_no_more_than_its_limit() {
    let database = Database::filled();
    let count = |limit| {
        let counted = User::orders().limit(limit).count();
        let found = User::repository(&database.larder).with(counted).find_many(&[1, 2, 3]).unwrap();
        found.into_iter().flatten().map(|(_, n)| n).collect::<Vec<_>>()
    };
    let cold = [count(2), count(0), count(usize::MAX)];
    User::repository(&database.larder).with(User::orders()).find_many(&[1, 2, 3]).unwrap();
    assert_eq!(cold, [vec![2, 2, 0], vec![0, 0, 0], vec![2, 3, 0]]);
    assert_eq!([count(2), count(0), count(usize::MAX)], cold, "from the lists that are stored");
}

#[test]
fn a_row_comes_with_up_to_eight_relations() {
    let database = Database::filled();
    let count = || User::orders().count();
    let repository = User::repository(&database.larder).with(count()).with(count()).with(count()).with(count());
    let repository = repository.with(count()).with(count()).with(count()).with(User::orders());
    let (user, _, _, _, _, _, _, n_orders, orders) = repository.find(2).unwrap().unwrap();
    assert_eq!((user.id, n_orders, orders.len()), (2, 3, 3));
}
