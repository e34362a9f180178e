use diesel::sqlite::Sqlite;
use larder::Larder;

use crate::{
    database::Database,
    models::{Order, User},
};

#[test]
fn a_row_is_found_in_the_database_once_and_then_in_the_store() {
    let database = Database::filled();
    let cold = database.costs(1, |larder| User::repository(larder).find(1));
    assert_eq!(cold.as_ref().map(|user| &*user.name), Some("Ada"));
    assert_eq!(database.costs(0, |larder| User::repository(larder).find(1)), cold);
}

#[test]
fn a_row_is_found_by_a_unique_column() {
    let database = Database::filled();
    let find = |email| database.larder_find(email);
    assert_eq!(find("bob@x"), Some(2));
    assert_eq!(find("nobody@x"), None);
}

#[test]
fn many_rows_come_in_the_order_of_their_keys_with_gaps_and_repetitions() {
    let database = Database::filled();
    let found = database.costs(1, |larder| User::repository(larder).find_many(&[3, 9, 1, 3]));
    let ids: Vec<_> = found.iter().map(|user| user.as_ref().map(|user| user.id)).collect();
    assert_eq!(ids, [Some(3), None, Some(1), Some(3)]);
}

#[test]
fn a_list_comes_in_the_order_of_its_pattern_and_is_limited() {
    let database = Database::filled();
    let list =
        |larder: &Larder<Sqlite>| Order::repository(larder).list_by_user_id_and_status(2, "paid").limit(2).load();
    let listed = database.costs(1, list);
    assert_eq!(listed.iter().map(|order| order.total).collect::<Vec<_>>(), [50, 30]);
    assert_eq!(database.costs(0, list), listed);
}

#[test]
fn lists_of_several_keys_come_in_the_order_of_those() {
    let database = Database::filled();
    let lists = database.costs(1, |larder| Order::repository(larder).list_by_user_id_many(&[9, 2]));
    assert_eq!(lists.iter().map(Vec::len).collect::<Vec<_>>(), [0, 3]);
}

#[test]
fn a_list_is_counted_without_being_loaded() {
    let database = Database::filled();
    assert_eq!(database.costs(1, |larder| Order::repository(larder).count_by_user_id(1)), 2);
}

impl Database {
    fn larder_find(&self, email: &str) -> Option<i64> {
        User::repository(&self.larder).find_by_email(email).unwrap().map(|user| user.id)
    }
}
