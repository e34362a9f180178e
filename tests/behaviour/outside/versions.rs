//! Triggers that come, go, and grow old.

use diesel::{PgConnection, connection::SimpleConnection as _, pg::Pg, prelude::*};
use larder::{
    Models, Repository,
    triggers::{Reason, Triggers},
};
use tests::{Database, SHOP};

use super::{
    library::{LIBRARY, UNTOLD, books, models, stocked, told_of, triggers},
    shop,
};

fn n_triggers(database: &Database) -> String {
    tests::psql(
        database.url(),
        "SELECT count(*) FROM pg_trigger WHERE NOT tgisinternal AND tgname <> 'larder_outbox_wake'",
    )
}

fn run(connection: &mut PgConnection, sql: &str) {
    connection.transaction(|connection| connection.batch_execute(sql)).unwrap();
}

#[test]
fn the_triggers_go_up_and_down_and_up_again() {
    let database = stocked(&UNTOLD);
    let connection = &mut database.connect();
    let write = "UPDATE books SET title = title || '.' WHERE id = 10";
    assert_eq!((&*n_triggers(&database), told_of(&database, write).len()), ("0", 0));
    // Each twice, as somebody does who is not certain.
    for sql in [triggers().up(), triggers().up()] {
        run(connection, &sql);
        assert_eq!((&*n_triggers(&database), told_of(&database, write).len()), ("12", 1));
    }
    for sql in [triggers().down(), triggers().down()] {
        run(connection, &sql);
        assert_eq!((&*n_triggers(&database), told_of(&database, write).len()), ("0", 0));
    }
    let functions = tests::psql(database.url(), "SELECT count(*) FROM pg_proc WHERE proname ~ '^larder_.*_changed$'");
    assert_eq!(functions, "0");
    run(connection, &triggers().up());
    assert_eq!(told_of(&database, write).len(), 1);
}

#[test]
fn a_statements_triggers_become_a_rows_and_the_other_way_round() {
    let database = stocked(&LIBRARY);
    let connection = &mut database.connect();
    let write = "UPDATE books SET title = title || '.' WHERE id < 20";
    let by_row = || triggers().by_row::<super::library::Book>();
    for (triggers, n_entries) in [(by_row(), 2), (triggers(), 1)] {
        run(connection, &triggers.up());
        assert_eq!((&*n_triggers(&database), told_of(&database, write).len()), ("12", n_entries));
        assert_eq!(triggers.check(connection).unwrap(), []);
    }
    let gaps = by_row().check(connection).unwrap();
    assert!(
        gaps.len() == 4 && gaps.iter().all(|gap| gap.model == "books" && gap.reason == Reason::Outdated),
        "{gaps:?}"
    );
}

/// The books of a later version: the title is a key, and `n_reads` is cached.
#[derive(Debug, Clone, PartialEq, Queryable, Selectable, Repository)]
#[diesel(table_name = books, check_for_backend(Pg))]
#[larder(index(author_id), unique(title))]
struct LaterBook {
    id: i64,
    author_id: Option<i64>,
    title: String,
    n_reads: i64,
}

#[test]
fn triggers_of_an_earlier_version_of_a_model_leave_any_row_in_question() {
    let database = stocked(&LIBRARY);
    let connection = &mut database.connect();
    let later = || Models::<Pg>::new().with::<LaterBook>();
    let rows = |database: &Database| {
        let _ = tests::psql(database.url(), "UPDATE books SET title = title || '.' WHERE id = 10");
        tests::psql(database.url(), "WITH t AS (DELETE FROM larder_outbox RETURNING *) SELECT rows FROM t")
    };
    let old = rows(&database);
    assert!(models().cells_of(connection, "books", &old).unwrap().is_some());
    assert_eq!(later().cells_of(connection, "books", &old).unwrap(), None);

    let gaps = Triggers::of(later()).check(connection).unwrap();
    assert!(gaps.len() == 4 && gaps.iter().all(|gap| gap.reason == Reason::Outdated), "{gaps:?}");
    assert!(gaps[1].to_string().contains("larder_books_update of books was made for another version"), "{}", gaps[1]);

    run(connection, &Triggers::of(later()).up());
    assert_eq!(Triggers::of(later()).check(connection).unwrap(), []);
    assert!(later().cells_of(connection, "books", &rows(&database)).unwrap().is_some());
    assert_eq!(told_of(&database, "UPDATE books SET n_reads = 7 WHERE id = 10").len(), 1);
}

#[test]
fn a_trigger_that_does_not_fire_is_found() {
    let database = LIBRARY.database();
    let connection = &mut database.connect();
    assert_eq!(triggers().check(connection).unwrap(), []);
    let change = "DROP TRIGGER larder_books_delete ON books;
        ALTER TABLE pages DISABLE TRIGGER larder_pages_insert;
        ALTER TABLE pages ENABLE REPLICA TRIGGER larder_pages_update";
    connection.batch_execute(change).unwrap();
    let gaps = triggers().check(connection).unwrap();
    let found: Vec<_> = gaps.iter().map(|gap| (&*gap.trigger, gap.reason)).collect();
    let expected = [
        ("larder_books_delete", Reason::Missing),
        ("larder_pages_insert", Reason::Disabled),
        ("larder_pages_update", Reason::Disabled),
    ];
    assert_eq!(found, expected);
    connection.batch_execute("DROP TABLE pages").unwrap();
    assert_eq!(triggers().check(connection).unwrap().len(), 1 + 4);
}

#[test]
fn the_shops_triggers_are_what_was_read_in_review() {
    let database = SHOP.database();
    let connection = &mut database.connect();
    run(connection, &shop::triggers().up());
    assert_eq!(shop::triggers().check(connection).unwrap(), []);
    insta::assert_snapshot!("up", shop::triggers().up());
    insta::assert_snapshot!("down", shop::triggers().down());
}
