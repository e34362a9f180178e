//! What triggers tell of statements of others.

use tests::psql;

use super::library::{LIBRARY, stocked, told_of};

#[test]
fn an_insert_is_told_of_by_the_new_keys() {
    let database = stocked(&LIBRARY);
    let told = told_of(&database, "INSERT INTO authors VALUES (3, 'Cyd'), (4, 'Dan \"D\"')");
    assert_eq!(told, [r#"authors: {"id": 3, "name": "Cyd"} {"id": 4, "name": "Dan \"D\""}"#]);
    let told = told_of(&database, "COPY books (id, title) FROM PROGRAM 'printf \"30\\tA\\n31\\tB\\n\"'");
    assert_eq!(told, [r#"books: {"id": 30, "author_id": null} {"id": 31, "author_id": null}"#]);
}

#[test]
fn an_update_is_told_of_by_the_old_keys_and_the_new_ones() {
    let database = stocked(&LIBRARY);
    assert_eq!(
        told_of(&database, "UPDATE books SET title = 'Diary' WHERE id = 10"),
        [r#"books: {"id": 10, "author_id": 1}"#]
    );
    // Once more, and nothing changes by it.
    assert_eq!(told_of(&database, "UPDATE books SET title = 'Diary' WHERE id = 10"), [] as [&str; 0]);
    let moved = told_of(&database, "UPDATE books SET author_id = 2 WHERE author_id = 1");
    let [a, b, c, d] =
        [(10, 1), (10, 2), (11, 1), (11, 2)].map(|(id, by)| format!(r#"{{"id": {id}, "author_id": {by}}}"#));
    assert_eq!(moved, [format!("books: {a} {b} {c} {d}")]);
    let swapped = told_of(&database, "UPDATE authors SET name = CASE id WHEN 1 THEN 'Eve' ELSE name END");
    assert_eq!(swapped, [r#"authors: {"id": 1, "name": "Ada"} {"id": 1, "name": "Eve"}"#]);
    let unset = told_of(&database, "UPDATE books SET author_id = NULL WHERE id = 10");
    assert_eq!(unset, [r#"books: {"id": 10, "author_id": 2} {"id": 10, "author_id": null}"#]);
}

#[test]
fn a_column_that_the_model_leaves_out_is_not_told_of_and_one_that_comes_later_is() {
    let database = stocked(&LIBRARY);
    assert_eq!(told_of(&database, "UPDATE books SET n_reads = n_reads + 1"), [] as [&str; 0]);
    let _ = psql(database.url(), "ALTER TABLE books ADD COLUMN isbn json");
    let told = told_of(&database, r#"UPDATE books SET n_reads = 7, isbn = '{}' WHERE id = 20"#);
    assert_eq!(told, [r#"books: {"id": 20, "author_id": 2}"#]);
    let _ = psql(database.url(), "ALTER TABLE books DROP COLUMN isbn");
    assert_eq!(told_of(&database, "UPDATE books SET n_reads = 8"), [] as [&str; 0]);
    // A type without an equality of its own, and a table of which the model has every column.
    let _ = psql(database.url(), "ALTER TABLE authors ADD COLUMN about json");
    assert_eq!(
        told_of(&database, "UPDATE authors SET about = '1' WHERE id = 2"),
        [r#"authors: {"id": 2, "name": "Bob"}"#]
    );
    assert_eq!(told_of(&database, "UPDATE authors SET about = '1' WHERE id = 2"), [] as [&str; 0]);
}

#[test]
fn a_deletion_is_followed_over_its_cascades() {
    let database = stocked(&LIBRARY);
    let mut told = told_of(&database, "DELETE FROM authors WHERE id = 1");
    told.sort();
    let expected = [
        r#"authors: {"id": 1, "name": "Ada"} {"id": 2, "name": "Bob"}"#,
        r#"books: {"id": 10, "author_id": 1} {"id": 11, "author_id": 1} {"id": 20, "author_id": 2}"#,
        r#"pages: {"number": 1, "book_id": 10} {"number": 2, "book_id": 10}"#,
    ];
    assert_eq!(told, expected);
}

#[test]
fn a_key_that_changes_with_its_parents_is_followed() {
    let database = stocked(&LIBRARY);
    let told = told_of(&database, "UPDATE authors SET id = 3 WHERE id = 2");
    assert_eq!(
        told,
        [
            r#"authors: {"id": 2, "name": "Bob"} {"id": 3, "name": "Bob"}"#,
            r#"books: {"id": 20, "author_id": 2} {"id": 20, "author_id": 3}"#
        ]
    );
}

#[test]
fn a_truncation_may_have_been_of_any_row() {
    let database = stocked(&LIBRARY);
    assert_eq!(told_of(&database, "TRUNCATE pages"), ["pages: any"]);
    let mut told = told_of(&database, "TRUNCATE authors CASCADE");
    told.sort();
    assert_eq!(told, ["authors: any", "books: any", "pages: any"]);
}

#[test]
fn upserts_and_merges_are_told_of_by_what_they_did() {
    let database = stocked(&LIBRARY);
    let upsert =
        "INSERT INTO authors VALUES (2, 'Bob'), (3, 'Cyd') ON CONFLICT (id) DO UPDATE SET name = excluded.name || '!'";
    let mut told = told_of(&database, upsert);
    told.sort();
    let expected =
        [r#"authors: {"id": 2, "name": "Bob!"} {"id": 2, "name": "Bob"}"#, r#"authors: {"id": 3, "name": "Cyd"}"#];
    assert_eq!(told, expected);
    assert_eq!(told_of(&database, "INSERT INTO authors VALUES (3, 'Eve') ON CONFLICT DO NOTHING"), [] as [&str; 0]);

    let merge = "MERGE INTO pages AS p USING (VALUES (1, 'ONE'), (2, NULL), (3, 'three')) AS v (number, words)
        ON p.book_id = 10 AND p.number = v.number
        WHEN MATCHED AND v.words IS NULL THEN DELETE
        WHEN MATCHED THEN UPDATE SET words = v.words
        WHEN NOT MATCHED THEN INSERT VALUES (10, v.number, v.words)";
    let mut told = told_of(&database, merge);
    told.sort();
    assert_eq!(told, [1, 2, 3].map(|number| format!(r#"pages: {{"number": {number}, "book_id": 10}}"#)));
}

#[test]
fn what_is_rolled_back_is_not_told_of() {
    let database = stocked(&LIBRARY);
    assert_eq!(told_of(&database, "BEGIN; DELETE FROM authors; ROLLBACK"), [] as [&str; 0]);
    let some =
        "BEGIN; UPDATE books SET title = 'A' WHERE id = 10; SAVEPOINT s; DELETE FROM books; ROLLBACK TO s; COMMIT";
    assert_eq!(told_of(&database, some), [r#"books: {"id": 10, "author_id": 1}"#]);
    assert_eq!(
        told_of(&database, "DELETE FROM books WHERE id = 99; UPDATE books SET title = '' WHERE false"),
        [] as [&str; 0]
    );
}

#[test]
fn a_statement_of_many_rows_may_have_been_of_any() {
    let database = stocked(&LIBRARY);
    let insert = "INSERT INTO books SELECT g, 1, 'x' FROM generate_series(1001, 11000) AS g";
    let told = told_of(&database, insert);
    assert_eq!(told.len(), 1);
    assert_eq!(told[0].matches("author_id").count(), 10_000);
    assert_eq!(
        told_of(&database, "UPDATE books SET title = 'y' WHERE id > 1000")[0].matches("author_id").count(),
        10_000
    );
    // One too many.
    assert_eq!(told_of(&database, "UPDATE books SET title = 'z' WHERE id > 1000 OR id = 10"), ["books: any"]);
    assert_eq!(told_of(&database, "DELETE FROM books WHERE id > 1000 OR id = 11"), ["books: any"]);
    assert_eq!(
        told_of(&database, "INSERT INTO books SELECT g, 1, 'x' FROM generate_series(1000, 11000) AS g"),
        ["books: any"]
    );
}

#[test]
fn rows_with_long_keys_may_have_been_any() {
    let database = stocked(&LIBRARY);
    // Each key is short in the index, since it is compressed there.
    let insert = "INSERT INTO authors SELECT g, g || repeat('x', 200000) FROM generate_series(101, 200) AS g";
    assert_eq!(told_of(&database, insert), ["authors: any"]);
    let told = told_of(&database, "DELETE FROM authors WHERE id BETWEEN 101 AND 103");
    assert_eq!((told.len(), told[0].matches("name").count()), (1, 3));
    assert_eq!(told_of(&database, "UPDATE authors SET name = id::text WHERE id > 100"), ["authors: any"]);
}

#[test]
fn a_transaction_of_many_statements_tells_of_no_more_rows_than_one_statement() {
    let database = stocked(&LIBRARY);
    let each = |n: i32, m: i32| {
        format!("DO $$ BEGIN FOR g IN {n}..{m} LOOP UPDATE books SET title = g::text WHERE id = 10; END LOOP; END $$;")
    };
    let (few, many) = (each(1, 9_990), each(1, 20));
    // Ten more would be as many as may be; the savepoint takes its ten back.
    let rolled_back =
        format!("BEGIN; {few} SAVEPOINT s; {many} ROLLBACK TO s; UPDATE books SET title = '' WHERE id = 10; COMMIT");
    let told = told_of(&database, &rolled_back);
    assert_eq!((told.len(), told.iter().filter(|entry| entry.ends_with("any")).count()), (9_991, 0));
    let told =
        told_of(&database, &format!("BEGIN; {few} {many} DELETE FROM books WHERE id = 11; DELETE FROM pages; COMMIT"));
    assert_eq!(told.len(), 9_990 + 10 + 1 + 1);
    assert_eq!(told[10_000..], ["books: any", r#"pages: {"number": 1, "book_id": 10} {"number": 2, "book_id": 10}"#]);
    // The next transaction begins to count anew.
    assert_eq!(told_of(&database, "DELETE FROM books WHERE id = 20"), [r#"books: {"id": 20, "author_id": 2}"#]);
}

#[test]
fn whoever_may_change_a_row_is_told_of() {
    let database = stocked(&LIBRARY);
    let role = database.url().rsplit('/').next().unwrap().to_owned() + "_clerk";
    // The role, and a schema of its own in which what the function uses means something else.
    let prepare = format!(
        "CREATE ROLE {role}; GRANT SELECT, UPDATE ON books TO {role};
         CREATE SCHEMA trap AUTHORIZATION {role};
         CREATE TABLE trap.larder_outbox (model text, rows jsonb);
         CREATE FUNCTION trap.jsonb_build_object(text, bigint, text, bigint) RETURNS jsonb LANGUAGE sql AS 'SELECT NULL::jsonb';
         CREATE FUNCTION trap.starts_with(text, text) RETURNS boolean LANGUAGE sql AS 'SELECT true';"
    );
    let _ = psql(database.url(), &prepare);
    let write = format!(
        "SET ROLE {role}; SET search_path = trap, pg_catalog, public;
         UPDATE public.books SET title = 'A' WHERE id = 10"
    );
    let told = told_of(&database, &write);
    let rights = format!(
        "SELECT has_table_privilege('{role}', 'larder_outbox', 'INSERT'),
            has_function_privilege('{role}', 'larder_books_changed()', 'EXECUTE')"
    );
    let rights = psql(database.url(), &rights);
    let _ = psql(database.url(), &format!("DROP OWNED BY {role} CASCADE; DROP ROLE {role}"));
    assert_eq!((told, &*rights), (vec![r#"books: {"id": 10, "author_id": 1}"#.to_owned()], "f|f"));
}

#[test]
fn a_session_that_replicates_is_told_of() {
    let database = stocked(&LIBRARY);
    let told = told_of(&database, "SET session_replication_role = replica; DELETE FROM pages WHERE number = 1");
    assert_eq!(told, [r#"pages: {"number": 1, "book_id": 10}"#]);
}

#[test]
fn what_another_trigger_does_is_told_of() {
    let database = stocked(&LIBRARY);
    let trigger = "CREATE FUNCTION stamp() RETURNS trigger LANGUAGE plpgsql AS
            $$ BEGIN UPDATE authors SET name = name || '*' WHERE id = NEW.author_id; RETURN NULL; END $$;
        CREATE TRIGGER stamp AFTER UPDATE ON books FOR EACH ROW EXECUTE FUNCTION stamp()";
    let _ = psql(database.url(), trigger);
    let mut told = told_of(&database, "UPDATE books SET title = 'A' WHERE id = 20");
    told.sort();
    let expected =
        [r#"authors: {"id": 2, "name": "Bob"} {"id": 2, "name": "Bob*"}"#, r#"books: {"id": 20, "author_id": 2}"#];
    assert_eq!(told, expected);
}
