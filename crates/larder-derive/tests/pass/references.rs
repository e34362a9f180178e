//! Two references to one table.

use diesel::prelude::*;
use larder::Repository;

use crate::support::Database;

diesel::table! { accounts (id) { id -> Integer, name -> Text, } }
diesel::table! {
    messages (id) { id -> Integer, sender_id -> Integer, recipient_id -> Integer, text -> Text, }
}

const TABLES: &str = "
    CREATE TABLE accounts (id INTEGER PRIMARY KEY, name TEXT NOT NULL);
    CREATE TABLE messages (
        id INTEGER PRIMARY KEY, sender_id INTEGER NOT NULL REFERENCES accounts,
        recipient_id INTEGER NOT NULL REFERENCES accounts, text TEXT NOT NULL
    );
    INSERT INTO accounts VALUES (1, 'Ada'), (2, 'Bob');
    INSERT INTO messages VALUES (1, 1, 2, 'Hello'), (2, 2, 1, 'Hello yourself'), (3, 1, 2, 'Well');
";

#[derive(Debug, Clone, PartialEq, Queryable, Selectable, Identifiable, Repository)]
#[diesel(check_for_backend(diesel::sqlite::Sqlite))]
#[larder(has_many(sent: Message, foreign_key = sender_id), has_many(received: Message, foreign_key = recipient_id))]
struct Account {
    id: i32,
    name: String,
}

#[derive(Debug, Clone, PartialEq, Queryable, Selectable, Identifiable, Associations, Repository)]
#[diesel(belongs_to(Account, foreign_key = sender_id), check_for_backend(diesel::sqlite::Sqlite))]
#[larder(belongs_to(recipient: Account, foreign_key = recipient_id))]
#[larder(index(recipient_id; order = (sender_id.asc(), id.desc()), head = 1))]
struct Message {
    id: i32,
    sender_id: i32,
    recipient_id: i32,
    text: String,
}

#[test]
fn each_reference_is_a_relation_of_its_own() {
    let database = Database::new(TABLES);
    let (ada, sent, received) =
        database.costs(3, |larder| Account::repository(larder).with(Account::sent()).with(Account::received()).get(1));
    assert_eq!((&*ada.name, sent.len(), received.len()), ("Ada", 2, 1));
    let (_, sender, recipient) = database
        .costs(2, |larder| Message::repository(larder).with(Message::sender()).with(Message::recipient()).get(2));
    assert_eq!((&*sender.name, &*recipient.name), ("Bob", "Ada"));
}

#[test]
fn a_declared_index_gives_its_order_and_its_head_to_the_reference() {
    let database = Database::new(TABLES);
    let received = |larder: &_| Account::repository(larder).with(Account::received()).get(2);
    let (_, messages) = database.costs(2, received);
    assert_eq!(messages.iter().map(|message| &*message.text).collect::<Vec<_>>(), ["Well", "Hello"]);
    // The cell holds one row only, so that all of them come from the database again, and the first from the cell.
    database.costs(1, received);
    let first = database.costs(0, |larder| Message::repository(larder).list_by_recipient_id(2).first());
    assert_eq!(first.map(|message| message.id), Some(3));
}
