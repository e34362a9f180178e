//! More rows and keys than one statement can bind, which is 32,766 values on SQLite.

use diesel::{connection::SimpleConnection, prelude::*, result::Error::QueryBuilderError};
use larder::Error;

use crate::{
    database::Database,
    models::{Item, NewItem, NewUser, Order, User, orders, users},
};

type Tx = larder::Tx<diesel::sqlite::Sqlite>;

const N: i64 = 33_000;

/// A database with `N` users and an order of each, which no cell knows of.
fn crowded() -> Database {
    let database = Database::empty();
    let numbers = format!("WITH RECURSIVE n(i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n WHERE i < {N})");
    let users = format!("{numbers} INSERT INTO users SELECT i, i || '@x', 'N' FROM n;");
    let orders = format!("{numbers} INSERT INTO orders SELECT i, i, 'paid', i FROM n;");
    database.pool.get().unwrap().batch_execute(&(users + &orders)).unwrap();
    database
}

#[test]
fn any_number_of_rows_is_inserted() {
    let database = Database::empty();
    let new: Vec<_> = (1..=N).map(|id| NewUser { id, email: format!("{id}@x"), name: "N".into() }).collect();
    let inserted = database.costs(new.len(), |larder| User::repository(larder).insert_many(&new));
    assert!(inserted.iter().map(|user| user.id).eq(1..=N));
    assert!(database.costs(0, |larder| User::repository(larder).get(N)).email.starts_with("33000"));
}

#[test]
fn any_number_of_keys_is_found() {
    let database = crowded();
    let keys: Vec<i64> = (1..=N + 1).rev().collect();
    let cold = database.costs(2, |larder| User::repository(larder).find_many(&keys));
    let ids: Vec<_> = cold.iter().map(|user| user.as_ref().map(|user| user.id)).collect();
    assert_eq!(ids[0], None);
    assert!(ids[1..].iter().copied().eq((1..=N).rev().map(Some)));
    assert_eq!(database.costs(0, |larder| User::repository(larder).find_many(&keys)), cold);
}

#[test]
fn any_number_of_relations_is_loaded_and_counted_under_a_condition() {
    let database = crowded();
    let keys: Vec<i64> = (1..=N).collect();
    let paid = || User::orders().filter(orders::status.eq_any(["paid", "shipped"])).limit(2);
    let found = database.costs(6, |larder| User::repository(larder).with(paid()).with(paid().count()).find_many(&keys));
    assert!(found.iter().flatten().all(|(user, orders, n)| (orders[0].user_id, orders.len(), *n) == (user.id, 1, 1)));
    assert_eq!(found.iter().flatten().count(), keys.len());
}

#[test]
fn any_number_of_rows_is_updated() {
    let database = crowded();
    let rename = users::name.eq(users::name.concat("!"));
    let updated = database.costs(3, |larder| User::repository(larder).update_where(users::id.gt(0), rename));
    assert_eq!(updated.len(), 33_000);
    assert!(updated.iter().all(|user| user.name == "N!"));
    let again = database.costs(0, |larder| User::repository(larder).find_many(&[1, N]));
    assert!(again.iter().flatten().all(|user| user.name == "N!"));
}

#[test]
fn primary_keys_of_more_rows_than_one_statement_binds_are_not_changed() {
    let database = crowded();
    database.pool.get().unwrap().batch_execute("DELETE FROM orders").unwrap();
    let users = User::repository(&database.larder);
    users.update_where(users::id.le(10), users::id.eq(users::id + N)).unwrap();
    let refused = users.update_where(users::id.gt(10), users::id.eq(users::id + 2 * N)).map(|rows| rows.len());
    assert!(matches!(refused, Err(Error::Database(QueryBuilderError(_)))), "{refused:?}");
    // Nor is a part of them, in a transaction that goes on.
    let go_on = |tx: &Tx| {
        let users = User::repository(tx);
        users.update_where(users::id.gt(10), users::id.eq(users::id + 2 * N)).unwrap_err();
        users.update(N, users::name.eq("M"))
    };
    database.larder.transaction(go_on).unwrap();
    let moved = |tx: &Tx| User::repository(tx).find_many(&[11, 11 + 2 * N]);
    let ids = database.larder.transaction(moved).unwrap().into_iter().map(|user| user.map(|user| user.id));
    assert_eq!(ids.collect::<Vec<_>>(), [Some(11), None]);
    assert_eq!(users.find_many(&[10, N, N + 10, 3 * N]).unwrap().iter().flatten().count(), 2);
}

#[test]
fn any_number_of_rows_is_deleted_with_what_depends_on_them() {
    let database = crowded();
    let item = NewItem { order_id: N, line: 1, sku: "s" };
    Item::repository(&database.larder).insert(&item).unwrap();
    let deleted = User::repository(&database.larder).delete_where(users::id.gt(0)).unwrap();
    assert_eq!(deleted.len(), 33_000);
    assert_eq!(User::repository(&database.larder).find_many(&[1, N]).unwrap(), [None, None]);
    assert_eq!(Order::repository(&database.larder).find_many(&[1, N]).unwrap(), [None, None]);
    assert_eq!(Item::repository(&database.larder).list_by_order_id(N).load().unwrap(), []);
}
