//! Rows that the database does not give back are known all the same.

use diesel::{
    connection::SimpleConnection as _,
    prelude::*,
    result::{DatabaseErrorKind as Kind, Error as Diesel},
};
use larder::types::{Id, Money};

use crate::{
    models::{
        Author, AuthorChanges, Book, Copies, Mark, NewAuthor, NewCopies, NewName, Note, authors, books, marks, notes,
    },
    site::{Site, book},
};

fn author(id: Option<i64>, email: &str) -> NewAuthor<'_> {
    NewAuthor { id, email, name: None }
}

fn refused(error: &larder::Error) -> String {
    match error {
        larder::Error::Database(error) => error.to_string(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_row_is_inserted_by_its_key_and_read_again_with_its_defaults() {
    let site = Site::empty();
    let ada = site.costs(2, |larder| Author::repository(larder).insert(&author(Some(7), "ada@x")));
    assert_eq!((ada.id, ada.name.as_str()), (7, "Nobody"));
    assert_eq!(site.costs(0, |larder| Author::repository(larder).find(7)), Some(ada.clone()));
    assert_eq!(site.costs(0, |larder| Author::repository(larder).find_by_email("ada@x")), Some(ada));
}

#[test]
fn a_key_that_the_database_counts_is_known() {
    let site = Site::empty();
    let of = |email| site.costs(2, |larder| Author::repository(larder).insert(&author(None, email)));
    assert_eq!([of("a@x").id, of("b@x").id], [1, 2]);
    let some = [author(None, "c@x"), author(Some(40), "d@x"), author(None, "e@x")];
    let inserted = Author::repository(&site.larder).insert_many(&some).unwrap();
    let found: Vec<_> = inserted.iter().map(|row| (row.id, row.email.as_str())).collect();
    assert_eq!(found, [(3, "c@x"), (40, "d@x"), (41, "e@x")]);
    assert_eq!(site.costs(0, |larder| Author::repository(larder).find(41)).map(|row| row.email), Some("e@x".into()));
}

#[test]
fn a_key_that_somebody_else_makes_is_refused_and_nothing_is_inserted() {
    let site = Site::empty();
    // A number that this connection was given before must not be taken for the row's.
    Author::repository(&site.larder).insert(&author(None, "a@x")).unwrap();
    let error = Note::repository(&site.larder).insert(notes::text.eq("x")).unwrap_err();
    assert!(refused(&error).contains("give it to the record"), "{error:?}");
    let computed = (authors::email.eq("b@x"), authors::id.eq(diesel::dsl::sql::<diesel::sql_types::BigInt>("7 + 1")));
    let error = Author::repository(&site.larder).insert(computed).unwrap_err();
    assert!(refused(&error).contains("`id` must be a value"), "{error:?}");
    let mut outside = site.outside();
    assert_eq!(notes::table.count().get_result::<i64>(&mut outside), Ok(0));
    assert_eq!(authors::table.count().get_result::<i64>(&mut outside), Ok(1));

    // Nor is the row with 0, which is another one.
    diesel::insert_into(notes::table)
        .values((notes::id.eq("0"), notes::text.eq("zero")))
        .execute(&mut outside)
        .unwrap();
    let error = Note::repository(&site.larder).insert(notes::text.eq("x")).unwrap_err();
    assert!(refused(&error).contains("give it to the record"), "{error:?}");
    outside.batch_execute("DELETE FROM notes").unwrap();

    // Who goes on in the transaction can't commit it: there is a row in it that nobody knows.
    let gone_on = site.larder.transaction(|tx| {
        let _ = Note::repository(tx).insert(notes::text.eq("x"));
        Author::repository(tx).insert(&author(Some(9), "c@x"))
    });
    assert!(matches!(gone_on, Err(larder::Error::Doomed)), "{gone_on:?}");
    assert_eq!(notes::table.count().get_result::<i64>(&mut outside), Ok(0));
}

#[test]
fn the_number_of_an_earlier_row_is_not_taken_for_a_later_ones() {
    let site = Site::empty();
    let ended = site.larder.transaction(|tx| {
        let ada = Author::repository(tx).insert(&author(None, "a@x"))?;
        Mark::repository(tx).insert((marks::id.eq(ada.id), marks::text.eq("given")))?;
        // A trigger makes it 8; the last number that was counted is the author's.
        Mark::repository(tx).insert(marks::text.eq("made"))
    });
    assert!(refused(&ended.unwrap_err()).contains("give it to the record"));
    assert_eq!(marks::table.count().get_result::<i64>(&mut site.outside()), Ok(0));
}

#[test]
fn many_rows_with_keys_are_two_statements_and_come_back_in_their_order() {
    let site = Site::filled();
    let ids = [9, 6, 8, 7];
    let rows: Vec<_> = ids.iter().map(|n| book(*n, 3)).collect();
    let inserted = site.costs(2, |larder| Book::repository(larder).insert_many(&rows));
    assert_eq!(inserted.iter().map(|row| row.id).collect::<Vec<_>>(), ids.map(|n| Id::from_u128(n as u128)));
    assert_eq!(inserted[0].price, Money::from_minor(9_000));
    let found = site.costs(0, |larder| Book::repository(larder).find_many(&[inserted[0].id, inserted[3].id]));
    assert_eq!(found, [Some(inserted[0].clone()), Some(inserted[3].clone())]);
    // A key of two columns, one of them text.
    let shelves = ["b", "a"].map(|shelf| NewCopies { book_id: ids.map(|n| Id::from_u128(n as u128))[0], shelf, n: 3 });
    let put = site.costs(2, |larder| Copies::repository(larder).insert_many(&shelves));
    assert_eq!(put.iter().map(|row| row.shelf.as_str()).collect::<Vec<_>>(), ["b", "a"]);
}

#[test]
fn of_several_rows_all_or_none_are_inserted() {
    let site = Site::filled();
    let rows = [author(None, "d@x"), author(None, "ada@x"), author(None, "e@x")];
    let n_left = site.larder.transaction(|tx| {
        Author::repository(tx).insert_many(&rows).unwrap_err();
        tx.run(|connection| authors::table.count().get_result::<i64>(connection))
    });
    assert_eq!(n_left.unwrap(), 3);
    assert_eq!(Author::repository(&site.larder).find_by_email("d@x").unwrap(), None);
}

#[test]
fn only_a_row_with_the_same_primary_key_may_stay() {
    let site = Site::filled();
    let new = [author(Some(1), "new@x"), author(Some(4), "dot@x"), author(Some(4), "twice@x")];
    let inserted = Author::repository(&site.larder).insert_missing(&new).unwrap();
    assert_eq!(inserted.iter().map(|row| (row.id, row.email.as_str())).collect::<Vec<_>>(), [(4, "dot@x")]);
    let ada = Author::repository(&site.larder).get(1).unwrap();
    assert_eq!(ada.email, "ada@x", "what is there stays");

    let error = Author::repository(&site.larder).insert_missing(&[author(Some(5), "eve@x"), author(Some(6), "ada@x")]);
    let kind = diesel::result::DatabaseErrorKind::UniqueViolation;
    assert!(
        matches!(&error, Err(larder::Error::Database(diesel::result::Error::DatabaseError(is, _))) if format!("{is:?}") == format!("{kind:?}")),
        "{error:?}"
    );
    assert_eq!(Author::repository(&site.larder).find(5).unwrap(), None, "none is inserted");
    // What the primary key calls equal, and Rust does not, is in the way all the same.
    let names = crate::models::Name::repository(&site.larder);
    names.insert(&NewName { name: "Ada", n: 1 }).unwrap();
    assert_eq!(names.insert_missing(&[NewName { name: "ada", n: 2 }]).unwrap(), []);
}

#[test]
fn an_update_locks_writes_and_reads_again() {
    let site = Site::filled();
    let find = |email| Author::repository(&site.larder).find_by_email(email).unwrap().map(|row| row.id);
    assert_eq!([find("ada@x"), find("ada@y")], [Some(1), None]);
    let changes = AuthorChanges { email: Some("ada@y"), name: None };
    let ada = site.costs(3, |larder| Author::repository(larder).update(1, &changes));
    assert_eq!((ada.email.as_str(), ada.name.as_str()), ("ada@y", "Ada"));
    assert_eq!([find("ada@x"), find("ada@y")], [None, Some(1)]);
    let missing = Author::repository(&site.larder).update(9, &changes);
    assert!(matches!(missing, Err(larder::Error::NotFound { table: "authors" })), "{missing:?}");
    // The same values again: MySQL calls the row unchanged, and larder finds it.
    assert_eq!(Author::repository(&site.larder).update(1, &changes).unwrap(), ada);
    // Under REPEATABLE READ a transaction sees what it has locked as it is, and not as it was when it began.
    let options = larder::TransactionOptions { isolation: larder::Isolation::RepeatableRead, ..Default::default() };
    let ada = site.larder.transaction_with(options, |tx| {
        tx.run(|connection| authors::table.count().get_result::<i64>(connection))?;
        let mut outside = site.outside();
        diesel::update(authors::table).set(authors::name.eq("Eve")).execute(&mut outside)?;
        Author::repository(tx).update(1, &changes)
    });
    assert_eq!(ada.unwrap().name, "Eve");
}

#[test]
fn rows_are_changed_and_deleted_by_a_condition() {
    let site = Site::filled();
    let cheap = books::price.lt(Money::from_minor(2_500));
    assert_eq!(Book::repository(&site.larder).list_by_genre("gone").load().unwrap(), []);
    let changed = site.costs(3, |larder| Book::repository(larder).update_where(cheap, books::genre.eq("gone")));
    assert_eq!(changed.len(), 2);
    let gone = Book::repository(&site.larder).list_by_genre("gone").load().unwrap();
    assert_eq!(gone.iter().map(|row| row.price.minor()).collect::<Vec<_>>(), [2_000, 1_000]);
    let copies_of = NewCopies { book_id: gone[0].id, shelf: "a", n: 3 };
    Copies::repository(&site.larder).insert(&copies_of).unwrap();
    assert_eq!(Copies::repository(&site.larder).list_by_book_id(gone[0].id).load().unwrap().len(), 1);
    let deleted = Book::repository(&site.larder).delete_where(books::genre.eq("gone")).unwrap();
    assert_eq!(deleted.len(), 2);
    assert_eq!(Book::repository(&site.larder).list_by_genre("gone").load().unwrap(), []);
    assert_eq!(Copies::repository(&site.larder).list_by_book_id(gone[0].id).load().unwrap(), [], "they went with it");
    assert_eq!(Copies::repository(&site.larder).find((gone[0].id, "a".to_owned())).unwrap(), None);
}

#[test]
fn a_primary_key_that_changes_is_refused() {
    let site = Site::filled();
    let moved = Author::repository(&site.larder).update(3, authors::id.eq(30));
    assert!(refused(&moved.unwrap_err()).contains("primary keys can't be changed"));
    let gone_on = site.larder.transaction(|tx| {
        Author::repository(tx).update(3, authors::id.eq(30)).unwrap_err();
        Ok(())
    });
    assert!(matches!(gone_on, Err(larder::Error::Doomed)), "{gone_on:?}");
    assert_eq!(authors::table.find(3).count().get_result::<i64>(&mut site.outside()), Ok(1));
}

#[test]
fn an_upsert_changes_the_row_or_makes_it() {
    let site = Site::filled();
    let upsert = |id, email, name| {
        let changes = AuthorChanges { email: None, name: Some(name) };
        Author::repository(&site.larder).upsert(id, &NewAuthor { id: Some(id), email, name: Some("New") }, &changes)
    };
    assert_eq!(upsert(1, "x@x", "Eve").unwrap(), Author { id: 1, email: "ada@x".into(), name: "Eve".into() });
    assert_eq!(upsert(8, "h@x", "Eve").unwrap(), Author { id: 8, email: "h@x".into(), name: "New".into() });
    assert!(upsert(9, "bob@x", "Eve").is_err(), "another unique key is in the way");

    // The database calls these equal, and they are two keys here.
    let names = crate::models::Name::repository(&site.larder);
    names.insert(&NewName { name: "Ada", n: 1 }).unwrap();
    let error = names.upsert("ADA", &NewName { name: "ADA", n: 2 }, crate::models::names::n.eq(2)).unwrap_err();
    assert!(matches!(error, larder::Error::Database(Diesel::DatabaseError(Kind::UniqueViolation, _))), "{error:?}");
    assert_eq!(names.get("Ada").unwrap().n, 1);
}

#[test]
fn what_diesel_changes_is_told_of() {
    let site = Site::filled();
    let cached = |id| Author::repository(&site.larder).get(id).unwrap().name;
    assert_eq!([cached(1), cached(2)], ["Ada", "Bob"]);
    let rename = |name: &'static str| diesel::update(authors::table).set(authors::name.eq(name));
    site.larder
        .transaction(|tx| tx.touching::<Author, _>(&[1, 2, 3], |connection| rename("Eve").execute(connection)))
        .unwrap();
    assert_eq!([cached(1), cached(2)], ["Eve", "Eve"]);

    // Whoever may add rows to the table must be kept out, which READ COMMITTED can't.
    let all = |isolation| {
        let options = larder::TransactionOptions { isolation, ..Default::default() };
        site.larder.transaction_with(options, |tx| {
            tx.touching_all::<Author, _>(|connection| {
                let mut outside = site.outside();
                diesel::sql_query("SET innodb_lock_wait_timeout = 1").execute(&mut outside)?;
                let added = diesel::insert_into(authors::table).values(author(None, "z@x")).execute(&mut outside);
                assert!(added.is_err(), "nobody can add a row: {added:?}");
                rename("Ida").execute(connection)
            })
        })
    };
    assert!(refused(&all(larder::Isolation::ReadCommitted).unwrap_err()).contains("RepeatableRead"));
    assert_eq!(all(larder::Isolation::RepeatableRead).unwrap(), 3);
    assert_eq!([cached(1), cached(2)], ["Ida", "Ida"]);
}

#[test]
fn more_rows_than_one_statement_can_bind_are_written() {
    let site = Site::filled();
    let rows: Vec<_> = (10..20_010).map(|n| book(n, 3)).collect();
    let inserted = Book::repository(&site.larder).insert_many(&rows).unwrap();
    assert_eq!(inserted.len(), rows.len());
    assert!(inserted.iter().zip(&rows).all(|(row, record)| row.id == record.id && row.price == record.price));
    let names: Vec<String> = (0..40_000).map(|n| format!("n{n}")).collect();
    let named: Vec<_> = names.iter().map(|name| NewName { name, n: 1 }).collect();
    crate::models::Name::repository(&site.larder).insert_many(&named).unwrap();
    let found = crate::models::Name::repository(&site.larder).find_many(&names).unwrap();
    assert!(found.iter().zip(&names).all(|(row, name)| row.as_ref().is_some_and(|row| row.name == *name)));
}

#[test]
fn a_key_of_0_is_a_number_to_be_counted_or_0_as_the_session_has_it() {
    let site = Site::empty();
    let new = |id, email| NewAuthor { id: Some(id), email, name: None };
    let counted = Author::repository(&site.larder).insert(&new(0, "a@x")).unwrap();
    assert_eq!((counted.id, counted.email.as_str()), (1, "a@x"));
    let rows = Author::repository(&site.larder).insert_many(&[new(0, "b@x"), new(7, "c@x"), new(0, "d@x")]).unwrap();
    assert_eq!(rows.iter().map(|row| row.id).collect::<Vec<_>>(), [2, 7, 8]);
    let ids = site.larder.transaction(|tx| {
        tx.run(|connection| connection.batch_execute("SET sql_mode = CONCAT(@@sql_mode, ',NO_AUTO_VALUE_ON_ZERO')"))?;
        let authors = Author::repository(tx);
        assert_eq!(authors.insert_missing(&[new(0, "e@x")])?.len(), 1);
        assert_eq!(authors.insert_missing(&[new(0, "f@x")])?, [], "it is there");
        assert!(authors.insert(&new(0, "f@x")).is_err());
        // Counted again, while a row with 0 is there.
        tx.run(|connection| connection.batch_execute("SET sql_mode = ''"))?;
        let last = authors.insert(&new(0, "g@x"))?;
        Ok((authors.get(0)?.email, last.id))
    });
    assert_eq!(ids.unwrap(), ("e@x".to_owned(), 9));
    assert_eq!(Author::repository(&site.larder).get(9).unwrap().email, "g@x");
}
