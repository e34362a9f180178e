//! What is written past larder is seen through its caches.

use larder::{Larder, store::Cursor};
use tests::{Cost, Meter, pool};

use super::world::{Author, World, until};

#[test]
fn whatever_is_typed_into_psql_is_seen_through_warm_caches() {
    let world = World::new();
    let _follower = world.follow();
    for statement in [
        "UPDATE books SET title = 'Diary' WHERE id = 10",
        // It was known that there is none.
        "INSERT INTO authors VALUES (3, 'Cyd')",
        "UPDATE authors SET name = 'Eve' WHERE id = 2",
        "UPDATE books SET author_id = 3 WHERE id = 20",
        "UPDATE books SET author_id = NULL WHERE id = 11",
        "INSERT INTO authors VALUES (3, 'Cyd') ON CONFLICT (id) DO UPDATE SET name = 'Ada the Second'",
        "COPY pages FROM PROGRAM 'printf \"10\\t3\\tthree\\n\"'",
        "MERGE INTO books AS b USING (VALUES (20), (30)) AS v (id) ON b.id = v.id
            WHEN MATCHED THEN DELETE WHEN NOT MATCHED THEN INSERT VALUES (v.id, 1, 'Merged')",
        "UPDATE pages SET number = number + 10",
        // Two levels of cascades.
        "DELETE FROM authors WHERE id = 1",
        "INSERT INTO authors VALUES (1, 'Ada'); INSERT INTO books VALUES (10, 1, 'New')",
        "TRUNCATE authors CASCADE",
    ] {
        world.warm();
        let _ = world.psql(statement);
        world.is_seen();
    }
}

#[test]
fn the_cells_of_changed_rows_are_settled_and_no_others() {
    let world = World::new();
    let follower = world.follow();
    let after = |statement: &str| {
        world.settled();
        let n_before = follower.status().n_transactions;
        let _ = world.psql(statement);
        // One after it, so that it is known when the first one is done.
        let _ = world.psql("UPDATE pages SET words = words || '.' WHERE number = 2");
        until(&follower, |status| status.n_transactions > n_before);
        tests::eventually(super::world::LONG, || {
            world.settled.lock().unwrap().iter().any(|key| key.to_string() == "pages:book_id,number:10,2")
        });
        world.settled().into_iter().filter(|key| !key.starts_with("pages")).collect::<Vec<_>>()
    };
    assert_eq!(
        after("UPDATE books SET author_id = 2 WHERE id = 10"),
        ["books:*", "books:author_id:1", "books:author_id:2", "books:id:10"]
    );
    // No column of the model.
    assert_eq!(after("UPDATE books SET n_reads = n_reads + 1"), [] as [&str; 0]);
    assert_eq!(after("UPDATE books SET title = title"), [] as [&str; 0]);
    assert_eq!(after("BEGIN; DELETE FROM authors; ROLLBACK"), [] as [&str; 0]);
    assert_eq!(
        after("BEGIN; DELETE FROM books WHERE id = 11; SAVEPOINT s; DELETE FROM authors; ROLLBACK TO s; COMMIT"),
        ["books:*", "books:author_id:1", "books:id:11"]
    );
}

#[test]
fn many_rows_are_settled_as_any_row_and_hold_up_nothing_for_long() {
    let world = World::new();
    let _ = world.psql("INSERT INTO books SELECT g, NULL, 'x' FROM generate_series(1001, 101000) AS g");
    let follower = world.follow();
    world.warm();
    world.settled();
    let n_before = follower.status().n_transactions;
    let _ = world.psql("UPDATE books SET title = 'y'");
    let _ = world.psql("UPDATE authors SET name = 'Eve' WHERE id = 2");
    world.is_seen();
    until(&follower, |status| status.n_transactions >= n_before + 2);
    // Those that the store had, and not those of a hundred thousand rows.
    let n_settled = world.settled().len();
    assert!(n_settled < 30, "{n_settled}");
}

/// How many cells of a model there are.
fn n_cells(world: &World, prefix: &[u8]) -> usize {
    let (mut from, mut n_cells) = (Some(Cursor::START), 0);
    while let Some(cursor) = from {
        let page = world.store.scan(prefix, cursor).unwrap();
        n_cells += page.keys.len();
        from = page.next;
    }
    n_cells
}

#[test]
fn without_the_old_row_any_row_may_be_meant() {
    let world = World::new();
    let _ = world.psql("ALTER TABLE books REPLICA IDENTITY DEFAULT");
    let _follower = world.follow();
    world.warm();
    assert_eq!(n_cells(&world, b"books:"), 4 + 3);
    let _ = world.psql("UPDATE books SET author_id = 2 WHERE id = 10");
    world.is_seen();
    world.warm();
    let _ = world.psql("DELETE FROM books WHERE id = 20");
    world.is_seen();
}

#[test]
fn tables_that_change_while_they_are_followed_are_followed_on() {
    let world = World::new();
    let _follower = world.follow();
    for statement in [
        "ALTER TABLE books ADD COLUMN isbn text; UPDATE books SET isbn = '7', title = 'A' WHERE id = 10",
        "ALTER TABLE books DROP COLUMN isbn; UPDATE books SET title = 'B' WHERE id = 10",
        "ALTER TABLE pages ALTER number TYPE bigint; ALTER TABLE pages ALTER number TYPE int; UPDATE pages SET words = '!'",
        // Under another name a key is none, until it is back.
        "ALTER TABLE authors RENAME name TO called; UPDATE authors SET called = 'Eve' WHERE id = 2;
         ALTER TABLE authors RENAME called TO name",
        "DROP TABLE pages; CREATE TABLE pages (book_id bigint, number integer, words text NOT NULL, PRIMARY KEY (book_id, number));
         ALTER PUBLICATION larder ADD TABLE pages; INSERT INTO pages VALUES (10, 1, 'again')",
    ] {
        world.warm();
        let _ = world.psql(statement);
        // That rows are gone with their table is in no log.
        if statement.contains("DROP TABLE") {
            let _ = world.psql("TRUNCATE pages; INSERT INTO pages VALUES (10, 1, 'once more')");
        }
        world.is_seen();
    }
}

#[test]
fn what_an_announced_write_has_stored_is_kept_and_what_follows_from_it_is_not() {
    let world = World::new();
    let meter = Meter::new();
    let announcing =
        Larder::builder(pool(&world.url, &meter, 1)).shared_arc(world.store.clone()).announce(true).build();
    let follower = world.follow();
    world.warm();
    let n_before = follower.status().n_transactions;
    let author = Author { id: 1, name: "Eve".into() };
    Author::repository(&announcing).update(1, author.clone()).unwrap();
    until(&follower, |status| status.n_transactions > n_before);
    meter.reset();
    assert_eq!(Author::repository(&announcing).get(1).unwrap(), author);
    meter.expect(Cost { sql: 0, store_reads: 0, store_writes: 0 });

    // Books and pages go with their author, which no relation says.
    Author::repository(&announcing).delete(1).unwrap();
    world.is_seen();

    // Without the announcement, the value goes like everybody's.
    let (silent, n_before) = (Author::repository(&world.larder), follower.status().n_transactions);
    silent.update(2, Author { id: 2, name: "Cyd".into() }).unwrap();
    until(&follower, |status| status.n_transactions > n_before);
    assert!(world.settled().contains(&"authors:id:2".to_owned()));
    meter.reset();
    Author::repository(&announcing).get(2).unwrap();
    meter.expect(Cost { sql: 1, store_reads: 0, store_writes: 0 });
    world.is_seen();
}
