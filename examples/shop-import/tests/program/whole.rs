//! Imports of the whole history.

use diesel::prelude::*;
use shop_core::{
    Status,
    schema::{orders, users},
};
use shop_import::{figures::Figures, ids::order_id, verify};
use tests::EMPTY;

use crate::command::{history, run};

#[test]
fn an_import_is_exact_and_a_second_one_doubles_nothing() {
    let database = EMPTY.database();
    let first = run(&database, &history(), &[]);
    assert_eq!(first.code, Some(0), "{first:?}");
    assert!(first.stdout.contains(" s: 23,570 users and 69,659 orders were new."), "{first:?}");
    assert!(first.stdout.contains("\nusers                     23,570          23,570\n"), "{first:?}");
    assert!(first.stdout.contains("Its figures are as published.\n"), "{first:?}");
    assert!(first.stdout.ends_with("Both times exactly what the file has.\n"), "{first:?}");
    // 48 batches of users: three statements each for three levels, and none when all is cached.
    for (name, n_statements) in [("cold", "144"), ("warm", "0")] {
        let pass = first.stdout.lines().find(|line| line.starts_with(name)).unwrap();
        let columns: Vec<_> = pass.split_whitespace().collect();
        assert_eq!((columns[1], columns[3], columns[4]), ("162,888", "48", n_statements), "{pass}");
    }
    assert_eq!(verify::in_database(&mut database.connect()), Ok(Figures::published()));

    let second = run(&database, &history(), &["--batch", "5000"]);
    assert_eq!(second.code, Some(0), "{second:?}");
    assert!(second.stdout.contains(" s: 0 users and 0 orders were new."), "{second:?}");
    assert_eq!(verify::in_database(&mut database.connect()), Ok(Figures::published()));
}

#[test]
fn a_difference_is_found_and_what_the_shop_changed_is_left() {
    let database = EMPTY.database();
    assert_eq!(run(&database, &history(), &[]).code, Some(0));

    let connection = &mut database.connect();
    let (gone, changed) = (orders::table.find(order_id(2, 2)), orders::table.find(order_id(1, 1)));
    diesel::delete(gone).execute(connection).unwrap();
    diesel::update(changed).set(orders::status.eq(Status::Pending)).execute(connection).unwrap();
    // Somebody who came by another way is nobody's loss.
    diesel::insert_into(users::table).values(users::email.eq("ada@example.com")).execute(connection).unwrap();

    let verified = run(&database, &history(), &["--verify-only"]);
    assert_eq!(verified.code, Some(1), "{verified:?}");
    for line in [
        "users                     23,570          23,570\n",
        "orders                    69,659          69,658  <-\n",
        "order items               69,659          69,658  <-\n",
        "CDs                      167,881         167,876  <-\n",
        "dollars             2,500,315.63    2,500,238.63  <-\n",
        "orders of 1997            56,902          56,901  <-\n",
        "orders of 1998            12,757          12,757\n",
    ] {
        assert!(verified.stdout.contains(line), "{line} in {verified:?}");
    }

    let again = run(&database, &history(), &[]);
    assert_eq!(again.code, Some(0), "{again:?}");
    assert!(again.stdout.contains(" s: 0 users and 1 orders were new."), "{again:?}");
    assert_eq!(changed.select(orders::status).first(connection), Ok(Status::Pending));
}
