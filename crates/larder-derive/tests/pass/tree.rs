//! A relation of a table to itself, by a reference that may be NULL.

use diesel::prelude::*;
use larder::{Repository, View};

use crate::support::Database;

diesel::table! { employees (id) { id -> Integer, boss_id -> Nullable<Integer>, name -> Text, } }

const TABLES: &str = "
    CREATE TABLE employees (id INTEGER PRIMARY KEY, boss_id INTEGER REFERENCES employees ON DELETE CASCADE, name TEXT NOT NULL);
    INSERT INTO employees VALUES (1, NULL, 'Ada'), (2, 1, 'Bob'), (3, 1, 'Cyd'), (4, 3, 'Dan');
";

#[derive(Debug, Clone, PartialEq, Queryable, Selectable, Identifiable, Repository)]
#[diesel(check_for_backend(diesel::sqlite::Sqlite))]
#[larder(belongs_to(boss: Employee, foreign_key = boss_id))]
#[larder(has_many(reports: Employee, foreign_key = boss_id, on_delete = cascade))]
struct Employee {
    id: i32,
    boss_id: Option<i32>,
    name: String,
}

#[derive(Debug, PartialEq, View)]
#[larder(of = Employee)]
struct Name {
    name: String,
}

#[derive(Debug, PartialEq, View)]
#[larder(of = Employee)]
struct Place {
    name: String,
    #[larder(with = boss)]
    boss: Option<Name>,
    #[larder(with = reports, order = name.desc(), limit = 1)]
    last: Vec<Name>,
    #[larder(count = reports)]
    n_reports: i64,
}

fn name(name: &str) -> Name {
    Name { name: name.into() }
}

#[test]
fn a_row_leads_to_rows_of_its_own_table() {
    let database = Database::new(TABLES);
    let found = database.costs(3, |larder| {
        let reports = Employee::reports().with(Employee::reports());
        Employee::repository(larder).with(Employee::boss()).with(reports).get(1)
    });
    let (ada, boss, reports) = found;
    assert_eq!((&*ada.name, boss), ("Ada", None));
    let names: Vec<_> = reports.iter().map(|(report, theirs)| (&*report.name, theirs.len())).collect();
    assert_eq!(names, [("Bob", 0), ("Cyd", 1)]);
}

#[test]
fn a_view_of_a_tree_costs_a_statement_for_each_field_that_is_a_relation() {
    let database = Database::new(TABLES);
    let places = database.costs(4, |larder| Employee::repository(larder).select::<Place>().find_many(&[3, 1]));
    assert_eq!(
        places,
        [
            Some(Place { name: "Cyd".into(), boss: Some(name("Ada")), last: vec![name("Dan")], n_reports: 1 }),
            Some(Place { name: "Ada".into(), boss: None, last: vec![name("Cyd")], n_reports: 2 }),
        ]
    );
}

#[test]
fn a_deletion_takes_the_whole_branch_out_of_the_caches() {
    let database = Database::new(TABLES);
    let dan = |larder: &_| Employee::repository(larder).find(4);
    assert!(database.costs(1, dan).is_some());
    // The row and the deletion, and a level for each of its reports, the last of which finds none.
    database.costs(5, |larder| Employee::repository(larder).delete(1));
    assert_eq!(database.costs(1, dan), None);
}
