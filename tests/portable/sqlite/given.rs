//! What the database gives by itself.

use diesel::{connection::SimpleConnection as _, prelude::*};
use larder::Repository;

use crate::site::{Db, Shop};

diesel::table! {
    notes (id) {
        id -> BigInt,
        text -> Text,
        n_read -> Integer,
    }
}

#[derive(Debug, Clone, PartialEq, Queryable, Selectable, Identifiable, Repository)]
#[diesel(table_name = notes, check_for_backend(Db))]
struct Note {
    id: i64,
    text: String,
    n_read: i32,
}

#[derive(Insertable)]
#[diesel(table_name = notes)]
struct NewNote {
    text: &'static str,
}

#[test]
fn a_key_that_sqlite_gives_is_known() {
    let shop = Shop::new();
    let table = "CREATE TABLE notes (id INTEGER PRIMARY KEY, text TEXT NOT NULL, n_read INTEGER NOT NULL DEFAULT 3)";
    shop.connect().batch_execute(table).unwrap();
    let notes = Note::repository(&shop.larder);
    let inserted = notes.insert_many(&[NewNote { text: "a" }, NewNote { text: "b" }]).unwrap();
    assert_eq!(inserted.iter().map(|note| (note.id, note.n_read)).collect::<Vec<_>>(), [(1, 3), (2, 3)]);
    shop.meter.reset();
    assert_eq!(notes.get(2).unwrap(), inserted[1]);
    assert_eq!(shop.meter.counts().sql, 0);
}
