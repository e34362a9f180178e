//! What triggers leave to larder, and what they do not.

use diesel::{connection::SimpleConnection as _, prelude::*};
use larder::{Larder, Result};
use tests::{Cost, Meter, pool};

use super::library::{Author, Book, LIBRARY, Page, books, larder, stocked, told};

fn book(id: i64, author_id: i64) -> Book {
    Book { id, author_id: Some(author_id), title: "New".into() }
}

#[test]
fn what_a_repository_writes_is_not_told_of_twice() -> Result<()> {
    let database = stocked(&LIBRARY);
    // A reference to the table itself, of which nothing follows.
    let reference = "ALTER TABLE books ADD COLUMN sequel_of bigint REFERENCES books";
    database.connect().batch_execute(reference).unwrap();
    let larder = larder(&database);
    let repository = Book::repository(&larder);
    repository.insert(book(30, 1))?;
    repository.insert_many(&[book(31, 1), book(32, 1)])?;
    repository.insert_missing(&[book(32, 1), book(33, 1)])?;
    repository.update(30, &book(30, 2))?;
    repository.update_where(books::id.gt(30), books::title.eq("Old"))?;
    repository.upsert(34, &book(34, 2), &book(34, 2))?;
    repository.upsert(34, &book(34, 2), &book(34, 1))?;
    Page::repository(&larder).delete((10, 1))?;
    assert_eq!(told(&mut database.connect()), [] as [&str; 0]);
    Ok(())
}

#[test]
fn what_follows_from_a_write_of_a_repository_is_told_of() -> Result<()> {
    let database = stocked(&LIBRARY);
    let larder = larder(&database);
    // No relation says that an author's books go with it, nor that its pupils do.
    Author::repository(&larder).delete(1)?;
    let mut entries = told(&mut database.connect());
    entries.sort();
    let expected = [
        r#"authors: {"id": 1, "name": "Ada"} {"id": 2, "name": "Bob"}"#,
        r#"books: {"id": 10, "author_id": 1} {"id": 11, "author_id": 1} {"id": 20, "author_id": 2}"#,
        r#"pages: {"number": 1, "book_id": 10} {"number": 2, "book_id": 10}"#,
    ];
    assert_eq!(entries, expected);
    Ok(())
}

#[test]
fn what_a_trigger_adds_to_a_write_of_a_repository_is_told_of() -> Result<()> {
    let database = stocked(&LIBRARY);
    // It changes another row of the very table that the repository writes.
    let trigger = "CREATE FUNCTION follow() RETURNS trigger LANGUAGE plpgsql AS
            $$ BEGIN UPDATE books SET title = 'Followed' WHERE id = 11; RETURN NULL; END $$;
        CREATE TRIGGER follow AFTER UPDATE ON books FOR EACH ROW WHEN (NEW.id = 10) EXECUTE FUNCTION follow()";
    database.connect().batch_execute(trigger).unwrap();
    let larder = larder(&database);
    Book::repository(&larder).update(10, &book(10, 1))?;
    assert_eq!(told(&mut database.connect()), [r#"books: {"id": 11, "author_id": 1}"#]);
    Ok(())
}

#[test]
fn what_is_run_in_a_transaction_beside_repositories_is_told_of() -> Result<()> {
    let database = stocked(&LIBRARY);
    let larder = larder(&database);
    larder.transaction(|tx| {
        Book::repository(tx).update(10, &book(10, 2))?;
        tx.run(|connection| diesel::update(books::table.find(11)).set(books::title.eq("Raw")).execute(connection))?;
        Book::repository(tx).update(20, &book(20, 1))
    })?;
    assert_eq!(told(&mut database.connect()), [r#"books: {"id": 11, "author_id": 1}"#]);
    Ok(())
}

#[test]
fn a_handle_that_tells_no_store_leaves_its_writes_to_the_triggers() -> Result<()> {
    let database = stocked(&LIBRARY);
    let larder: Larder<_> = Larder::builder(database.pool(&Meter::new(), 1)).build();
    Book::repository(&larder).update(10, &book(10, 2))?;
    assert_eq!(told(&mut database.connect()), [r#"books: {"id": 10, "author_id": 1} {"id": 10, "author_id": 2}"#]);
    Ok(())
}

#[test]
fn being_known_costs_a_write_nothing() -> Result<()> {
    let database = stocked(&LIBRARY);
    let meter = Meter::new();
    let larder = Larder::builder(pool(database.url(), &meter, 1)).shared(larder::MemoryStore::new()).build();
    meter.reset();
    Book::repository(&larder).update(10, &book(10, 2))?;
    meter.expect(Cost { sql: 1, store_reads: 0, store_writes: 0 });
    Ok(())
}
