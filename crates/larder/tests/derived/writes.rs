use diesel::prelude::*;

use crate::{
    database::Database,
    models::{NewUser, Order, User, UserChanges, users},
};

#[test]
fn an_inserted_row_is_stored_by_its_write() {
    let database = Database::empty();
    let user = NewUser { id: 1, email: "ada@x".into(), name: "Ada".into() };
    let ada = database.costs(1, |larder| User::repository(larder).insert(&user));
    assert_eq!(database.costs(0, |larder| User::repository(larder).find(1)), Some(ada.clone()));
    assert_eq!(database.costs(0, |larder| User::repository(larder).find_by_email("ada@x")), Some(ada));
}

#[test]
fn rows_are_inserted_by_one_statement_each() {
    let database = Database::empty();
    let rows = [1, 2, 3].map(|id| NewUser { id, email: format!("{id}@x"), name: "N".into() });
    let inserted = database.costs(3, |larder| User::repository(larder).insert_many(&rows));
    assert_eq!(inserted.iter().map(|user| user.id).collect::<Vec<_>>(), [1, 2, 3]);
}

#[test]
fn an_update_is_two_statements_and_moves_a_unique_value() {
    let database = Database::filled();
    let find = |email| User::repository(&database.larder).find_by_email(email).unwrap().map(|user| user.id);
    assert_eq!([find("ada@x"), find("ada@y")], [Some(1), None]);
    let changes = UserChanges { email: Some("ada@y"), name: None };
    let updated = database.costs(2, |larder| User::repository(larder).update(1, &changes));
    assert_eq!(updated.email, "ada@y");
    assert_eq!([find("ada@x"), find("ada@y")], [None, Some(1)]);
}

#[test]
fn changes_that_change_nothing_send_no_update() {
    let database = Database::filled();
    let none = UserChanges::default();
    assert_eq!(database.costs(1, |larder| User::repository(larder).update(1, &none)).name, "Ada");
    assert_eq!(database.costs(0, |larder| User::repository(larder).update_where(users::id.gt(0), &none)), []);
}

#[test]
fn rows_that_meet_a_condition_are_updated_by_two_statements() {
    let database = Database::filled();
    let rename = users::name.eq("Z");
    let updated =
        database.costs(2, |larder| User::repository(larder).update_where(users::id.gt(1), rename)).into_iter();
    assert_eq!(updated.map(|user| user.name).collect::<Vec<_>>(), ["Z", "Z"]);
    assert_eq!(database.costs(0, |larder| User::repository(larder).get(3)).name, "Z");
}

#[test]
fn a_deletion_takes_along_what_depends_on_the_row() {
    let database = Database::filled();
    assert!(Order::repository(&database.larder).find(2).unwrap().is_some());
    let deleted = database.costs(4, |larder| User::repository(larder).delete(1));
    assert_eq!(deleted.map(|user| user.name), Some("Ada".to_owned()));
    assert_eq!(Order::repository(&database.larder).find(2).unwrap(), None);
    assert!(Order::repository(&database.larder).find(1).unwrap().is_some());
}
