//! Keys and references of two columns.

use diesel::prelude::*;
use larder::Repository;

use crate::support::Database;

diesel::table! { shelves (room, number) { room -> Text, number -> Integer, label -> Text, } }
diesel::table! { books (id) { id -> BigInt, room -> Nullable<Text>, shelf -> Nullable<Integer>, title -> Text, } }

const TABLES: &str = "
    CREATE TABLE shelves (room TEXT NOT NULL, number INTEGER NOT NULL, label TEXT NOT NULL, PRIMARY KEY (room, number));
    CREATE TABLE books (
        id BIGINT PRIMARY KEY, room TEXT, shelf INTEGER, title TEXT NOT NULL,
        FOREIGN KEY (room, shelf) REFERENCES shelves ON DELETE SET NULL
    );
    INSERT INTO shelves VALUES ('attic', 1, 'old'), ('attic', 2, 'older'), ('hall', 1, 'new');
    INSERT INTO books VALUES (1, 'attic', 2, 'A'), (2, 'hall', 1, 'B'), (3, 'hall', 1, 'C'), (4, NULL, 1, 'D'), (5, NULL, NULL, 'E');
";

#[derive(Debug, Clone, PartialEq, Queryable, Selectable, Identifiable, Repository)]
#[diesel(table_name = shelves, primary_key(room, number), check_for_backend(diesel::sqlite::Sqlite))]
#[larder(has_many(books: Book, foreign_key = (room, shelf), on_delete = set_null))]
struct Shelf {
    room: String,
    number: i32,
    label: String,
}

#[derive(Debug, Clone, PartialEq, Queryable, Selectable, Identifiable, Repository)]
#[diesel(table_name = books, check_for_backend(diesel::sqlite::Sqlite))]
#[larder(belongs_to(shelf: Shelf, foreign_key = (room, shelf)))]
struct Book {
    id: i64,
    room: Option<String>,
    shelf: Option<i32>,
    title: String,
}

fn key(room: &str, number: i32) -> (String, i32) {
    (room.to_owned(), number)
}

fn titles(books: &[Book]) -> Vec<&str> {
    books.iter().map(|book| &*book.title).collect()
}

#[test]
fn rows_are_found_by_a_key_of_two_columns() {
    let database = Database::new(TABLES);
    let keys = [key("hall", 1), key("hall", 2), key("attic", 1)];
    let shelves = database.costs(1, |larder| Shelf::repository(larder).find_many(&keys));
    let labels: Vec<_> = shelves.iter().map(|shelf| shelf.as_ref().map(|shelf| &*shelf.label)).collect();
    assert_eq!(labels, [Some("new"), None, Some("old")]);
    let shelf = database.costs(0, |larder| Shelf::repository(larder).get(key("attic", 1)));
    assert_eq!((&*shelf.room, shelf.number), ("attic", 1));
}

#[test]
fn rows_are_listed_by_a_reference_of_two_columns() {
    let database = Database::new(TABLES);
    let books = database.costs(1, |larder| Book::repository(larder).list_by_room_and_shelf("hall", 1).load());
    assert_eq!(titles(&books), ["B", "C"]);
    let keys = [("attic", 2), ("hall", 1), ("attic", 2), ("cellar", 1)];
    let lists = database.costs(1, |larder| Book::repository(larder).list_by_room_and_shelf_many(&keys));
    assert_eq!(
        lists.iter().map(|books| titles(books)).collect::<Vec<_>>(),
        [vec!["A"], vec!["B", "C"], vec!["A"], vec![]]
    );
    assert_eq!(database.costs(0, |larder| Book::repository(larder).count_by_room_and_shelf("hall", 1)), 2);
}

#[test]
fn relations_of_two_columns_lead_both_ways() {
    let database = Database::new(TABLES);
    let shelf = |larder: &_| Shelf::repository(larder).with(Shelf::books()).get(key("hall", 1));
    let (_, books) = database.costs(2, shelf);
    assert_eq!(titles(&books), ["B", "C"]);
    let books = |larder: &_| Book::repository(larder).with(Book::shelf()).find_many(&[1, 4, 5]);
    let shelves: Vec<Option<Shelf>> = database.costs(2, books).into_iter().map(|book| book.unwrap().1).collect();
    assert_eq!(
        shelves.iter().map(|shelf| shelf.as_ref().map(|shelf| &*shelf.label)).collect::<Vec<_>>(),
        [Some("older"), None, None]
    );
}

#[test]
fn a_deleted_parent_leaves_its_children_without_one() {
    let database = Database::new(TABLES);
    let book = |larder: &_| Book::repository(larder).get(2);
    assert_eq!(database.costs(1, book).room.as_deref(), Some("hall"));
    // The row, its books, and the deletion.
    database.costs(3, |larder| Shelf::repository(larder).delete(key("hall", 1)));
    assert_eq!(database.costs(1, book).room, None);
}
