//! Unique columns, alone and in pairs.

use diesel::prelude::*;
use larder::Repository;

use crate::support::Database;

diesel::table! { seats (id) { id -> Integer, row -> Text, number -> Integer, holder -> Nullable<Text>, } }

const TABLES: &str = "
    CREATE TABLE seats (
        id INTEGER PRIMARY KEY, row TEXT NOT NULL, number INTEGER NOT NULL, holder TEXT UNIQUE, UNIQUE (row, number)
    );
    INSERT INTO seats VALUES (1, 'A', 1, 'Ada'), (2, 'A', 2, NULL), (3, 'B', 1, NULL);
";

#[derive(Debug, Clone, PartialEq, Queryable, Selectable, Identifiable, Repository)]
#[diesel(check_for_backend(diesel::sqlite::Sqlite, diesel::pg::Pg))]
#[larder(unique(row, number), unique(holder; deferrable), write_through = true)]
struct Seat {
    id: i32,
    row: String,
    number: i32,
    holder: Option<String>,
}

#[test]
fn a_row_is_found_by_a_unique_pair() {
    let database = Database::new(TABLES);
    let seat = |larder: &_| Seat::repository(larder).find_by_row_and_number("B", 1);
    assert_eq!(database.costs(1, seat).map(|seat| seat.id), Some(3));
    assert_eq!(database.costs(0, seat).map(|seat| seat.id), Some(3));
    let keys = [("A", 2), ("C", 1), ("A", 1)];
    let seats = database.costs(1, |larder| Seat::repository(larder).find_by_row_and_number_many(&keys));
    assert_eq!(
        seats.iter().map(|seat| seat.as_ref().map(|seat| seat.id)).collect::<Vec<_>>(),
        [Some(2), None, Some(1)]
    );
}

#[test]
fn a_write_moves_the_row_to_its_new_unique_key() {
    let database = Database::new(TABLES);
    let holder = |name: &'static str| move |larder: &_| Seat::repository(larder).find_by_holder(name);
    assert_eq!(database.costs(1, holder("Ada")).map(|seat| seat.id), Some(1));
    database.costs(2, |larder| Seat::repository(larder).update(1, (seats::number.eq(9), seats::holder.eq("Bob"))));
    let moved = |larder: &_| Seat::repository(larder).find_by_row_and_number("A", 9);
    assert_eq!(database.costs(0, moved).map(|seat| seat.id), Some(1), "written through");
    assert_eq!(database.costs(1, holder("Bob")).map(|seat| seat.id), Some(1), "emptied, since it may be deferred");
    assert_eq!(database.costs(1, holder("Ada")), None);
}

/// Finders are there on every back end that the model names.
#[expect(dead_code, reason = "it is there to be compiled")]
fn on_postgres(larder: &larder::Larder<diesel::pg::Pg>) -> larder::Result<Option<Seat>> {
    Seat::repository(larder).find_by_row_and_number("A", 1)
}
