//! Transactions that are tried again, and those whose closure does not come back.

use std::panic::{AssertUnwindSafe, catch_unwind};

use diesel::{
    connection::{AnsiTransactionManager, TransactionManager},
    dsl::sql,
    prelude::*,
    result::{
        DatabaseErrorKind,
        Error::{DatabaseError, DeserializationError},
    },
    sql_types::Text,
};
use larder::{Error, Larder, Result, TransactionOptions};

use crate::{
    database::Database,
    models::{Item, NewItem, User, UserChanges, items, users},
};

type Tx = larder::Tx<diesel::sqlite::Sqlite>;

const CHANGES: UserChanges<'static> = UserChanges { email: Some("eve@x"), name: Some("Eve") };

fn panics(larder: &Larder<diesel::sqlite::Sqlite>, work: impl FnOnce(&Tx) -> Result<()>) {
    catch_unwind(AssertUnwindSafe(|| larder.transaction(work))).expect_err("it panics");
}

/// The only connection of the pool is in no transaction, and neither database nor caches know of Eve.
fn nothing_has_happened(database: &Database) {
    {
        let connection = &mut *database.pool.get().unwrap();
        let status = AnsiTransactionManager::transaction_manager_status_mut(connection);
        assert_eq!(status.transaction_depth().unwrap(), None);
        assert_eq!(users::table.filter(users::name.eq("Eve")).count().get_result(connection), Ok(0));
    }
    let users = User::repository(&database.larder);
    assert_eq!(users.find(1).unwrap().map(|user| user.name), Some("Ada".to_owned()));
    assert_eq!(users.find_by_email("eve@x").unwrap(), None);
    // Nor is anything left that would hold a write up.
    users.update(1, &CHANGES).unwrap();
    assert_eq!(database.costs(0, |larder| User::repository(larder).find_by_email("eve@x")).unwrap().id, 1);
}

#[test]
fn a_transaction_is_tried_again_as_often_as_asked_for() {
    let database = Database::filled();
    let conflict =
        || DatabaseError(DatabaseErrorKind::SerializationFailure, Box::new("others were quicker".to_owned()));
    let run = |n_conflicts| {
        let mut n_runs = 0;
        let options = TransactionOptions { retries: 3, ..TransactionOptions::default() };
        let result = database.larder.transaction_with(options, |tx| {
            n_runs += 1;
            User::repository(tx).update(1, &UserChanges { email: None, name: Some(&format!("A{n_runs}")) })?;
            if n_runs <= n_conflicts { Err(Error::Database(conflict())) } else { Ok(()) }
        });
        (result.is_ok(), n_runs, User::repository(&database.larder).get(1).unwrap().name)
    };
    assert_eq!(run(4), (false, 4, "Ada".to_owned()));
    assert_eq!(run(3), (true, 4, "A4".to_owned()));
}

#[test]
fn a_database_that_others_keep_locked_may_be_asked_again() {
    let database = Database::filled();
    let other = &mut SqliteConnection::establish(database.path()).unwrap();
    let rename = || User::repository(&database.larder).update(1, &UserChanges { email: None, name: Some("Eve") });
    other
        .immediate_transaction(|_| {
            let error = rename().unwrap_err();
            assert!(error.is_retryable(), "{error:?}");
            QueryResult::Ok(())
        })
        .unwrap();
    assert_eq!(rename().unwrap().name, "Eve");
}

#[test]
fn a_write_whose_rows_can_not_be_read_back_is_not_committed() {
    let database = Database::filled();
    let item = NewItem { order_id: 1, line: 1, sku: "s" };
    let item = Item::repository(&database.larder).insert(&item).unwrap();
    let update = |tx: &Tx| {
        let unreadable = Item::repository(tx).update((1, 1), items::sku.eq(sql::<Text>("NULL")));
        assert!(matches!(unreadable, Err(Error::Database(DeserializationError(_)))), "{unreadable:?}");
    };
    let insert = |tx: &Tx| {
        let new = (items::order_id.eq(1), items::line.eq(2), items::sku.eq(sql::<Text>("NULL")));
        Item::repository(tx).insert(new).unwrap_err();
    };
    for write in [update as fn(&Tx), insert] {
        let result = database.larder.transaction(|tx| {
            write(tx);
            Ok(())
        });
        assert!(matches!(result, Err(Error::Doomed)), "{result:?}");
    }
    let listed = database.larder.transaction(|tx| Item::repository(tx).list_by_order_id(1).load()).unwrap();
    assert_eq!(listed, std::slice::from_ref(&item));
    assert_eq!(Item::repository(&database.larder).get((1, 1)).unwrap(), item);
}

#[test]
fn a_panic_in_a_transaction_leaves_no_trace() {
    let database = Database::filled();
    panics(&database.larder, |tx| {
        User::repository(tx).update(1, &CHANGES)?;
        panic!("in the closure")
    });
    nothing_has_happened(&database);
}

#[test]
fn a_panic_in_a_savepoint_leaves_no_trace() {
    let database = Database::filled();
    panics(&database.larder, |tx| {
        tx.savepoint(|tx| {
            User::repository(tx).update(1, &CHANGES)?;
            panic!("in the closure")
        })
    });
    nothing_has_happened(&database);
}

#[test]
fn a_panic_under_raw_diesel_leaves_no_trace() {
    let database = Database::filled();
    panics(&database.larder, |tx| {
        tx.touching::<User, _>(&[1], |connection| {
            diesel::update(users::table.find(1)).set(&CHANGES).execute(connection)?;
            panic!("in the closure")
        })
    });
    nothing_has_happened(&database);
}

#[test]
fn a_panic_that_is_caught_within_a_transaction_takes_its_savepoint_along_and_no_more() {
    let database = Database::filled();
    let savepoint = |tx: &Tx| {
        tx.savepoint(|tx| {
            User::repository(tx).update(1, &CHANGES)?;
            panic!("in the closure")
        })
    };
    let work = |tx: &Tx| {
        User::repository(tx).update(2, &UserChanges { email: None, name: Some("Rob") })?;
        catch_unwind(AssertUnwindSafe(|| -> Result<()> { savepoint(tx) })).expect_err("it panics");
        User::repository(tx).update(3, &UserChanges { email: None, name: Some("Sid") })
    };
    database.larder.transaction(work).unwrap();
    let names = User::repository(&database.larder).find_many(&[2, 3]).unwrap();
    assert_eq!(names.into_iter().flatten().map(|user| user.name).collect::<Vec<_>>(), ["Rob", "Sid"]);
    nothing_has_happened(&database);
}
