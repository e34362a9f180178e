//! A relation to at most one row.

use diesel::prelude::*;
use larder::{Repository, View};

use crate::support::Database;

diesel::table! { people (id) { id -> Integer, name -> Text, } }
diesel::table! { passports (number) { number -> Text, person_id -> Integer, } }

const TABLES: &str = "
    CREATE TABLE people (id INTEGER PRIMARY KEY, name TEXT NOT NULL);
    CREATE TABLE passports (number TEXT PRIMARY KEY, person_id INTEGER NOT NULL UNIQUE REFERENCES people ON DELETE CASCADE);
    INSERT INTO people VALUES (1, 'Ada'), (2, 'Bob');
    INSERT INTO passports VALUES ('X1', 2);
";

#[derive(Debug, Clone, PartialEq, Queryable, Selectable, Identifiable, Repository)]
#[diesel(table_name = people, check_for_backend(diesel::sqlite::Sqlite))]
#[larder(has_one(passport: Passport, on_delete = cascade))]
struct Person {
    id: i32,
    name: String,
}

#[derive(Debug, Clone, PartialEq, Queryable, Selectable, Identifiable, Associations, Repository)]
#[diesel(table_name = passports, primary_key(number), belongs_to(Person), check_for_backend(diesel::sqlite::Sqlite))]
#[larder(unique(person_id))]
struct Passport {
    number: String,
    person_id: i32,
}

#[derive(Debug, PartialEq, View)]
#[larder(of = Person)]
struct Traveller {
    name: String,
    #[larder(with = passport)]
    passport: Option<Passport>,
}

#[derive(Debug, PartialEq, View)]
#[larder(of = Passport)]
struct Page {
    number: String,
    #[larder(with = person)]
    bearer: Person,
}

#[test]
fn a_row_has_one_or_none() {
    let database = Database::new(TABLES);
    let people = |larder: &_| Person::repository(larder).with(Person::passport()).find_many(&[1, 2]);
    let found: Vec<_> = database.costs(2, people).into_iter().flatten().collect();
    let numbers: Vec<_> =
        found.iter().map(|(_, passport)| passport.as_ref().map(|passport| &*passport.number)).collect();
    assert_eq!(numbers, [None, Some("X1")]);
    database.costs(0, people);
}

#[test]
fn the_declared_pattern_serves_the_reference() {
    let database = Database::new(TABLES);
    let passport = database.costs(1, |larder| Passport::repository(larder).find_by_person_id(2));
    assert_eq!(passport.map(|passport| passport.number).as_deref(), Some("X1"));
    // `person` and `passport` are the same columns, found in the same cells.
    database.costs(1, |larder| Person::repository(larder).with(Person::passport()).find(2));
}

#[test]
fn views_hold_one_or_none_as_the_relation_says() {
    let database = Database::new(TABLES);
    let travellers = database.costs(2, |larder| Person::repository(larder).select::<Traveller>().find_many(&[1, 2]));
    assert_eq!(travellers[0], Some(Traveller { name: "Ada".into(), passport: None }));
    assert!(travellers[1].as_ref().is_some_and(|traveller| traveller.passport.is_some()));
    let page = database.costs(2, |larder| Passport::repository(larder).select::<Page>().get("X1"));
    assert_eq!((&*page.number, &*page.bearer.name), ("X1", "Bob"));
}
