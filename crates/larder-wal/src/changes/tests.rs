use bytes::Bytes;

use super::*;
use crate::pgoutput::Column;

fn watched() -> Watched {
    Watched { name: "books", table: "books".into(), keys: vec!["id", "author"], left_out: vec!["n_reads".into()] }
}

/// Books with these columns as their identity.
fn tables(identity: &[&str]) -> Tables {
    let column = |name: &str| Column { name: name.into(), is_identity: identity.contains(&name) };
    let columns = ["id", "n_reads", "author", "title"].map(column).to_vec();
    let mut tables = Tables::default();
    tables.describe(&Relation { table: 7, columns }, 0, &watched());
    tables
}

/// A row of words, where `-` is NULL and `=` was not touched.
fn row(words: &str) -> Tuple {
    let value = |word: &str| match word {
        "-" => Value::Null,
        "=" => Value::Untouched,
        word => Value::Text(Bytes::copy_from_slice(word.as_bytes())),
    };
    words.split(' ').map(value).collect()
}

fn noted(tables: &Tables, message: Message) -> String {
    let mut changes = Changes::default();
    changes.note(&message, tables).unwrap();
    match changes.by_model.get(&0) {
        None => "nothing".into(),
        Some(Rows::Any) => "any".into(),
        Some(Rows::Some { objects, .. }) => objects.iter().cloned().collect::<Vec<_>>().join(" "),
    }
}

const ALL: &[&str] = &["id", "n_reads", "author", "title"];

#[test]
fn an_insertion_has_its_keys() {
    let insert = Message::Insert { table: 7, new: row(r#"1 0 - a"b"#) };
    assert_eq!(noted(&tables(&["id"]), insert), r#"{"author":null,"id":"1"}"#);
    assert_eq!(noted(&tables(&["id"]), Message::Insert { table: 8, new: row("1 0 - A") }), "nothing");
}

#[test]
fn a_whole_old_row_tells_what_an_update_has_changed() {
    let update = |old: &str, new: &str| {
        noted(&tables(ALL), Message::Update { table: 7, old: Old::Whole(row(old)), new: row(new) })
    };
    assert_eq!(update("1 0 2 A", "1 0 2 A"), "nothing");
    assert_eq!(update("1 0 2 A", "1 5 2 ="), "nothing");
    assert_eq!(update("1 0 2 A", "1 0 2 B"), r#"{"author":"2","id":"1"}"#);
    assert_eq!(update("1 0 2 A", "1 0 - A"), r#"{"author":"2","id":"1"} {"author":null,"id":"1"}"#);
    assert_eq!(update("1 0 2 A", "3 0 = A"), r#"{"author":"2","id":"1"} {"author":"2","id":"3"}"#);
}

#[test]
fn what_the_log_does_not_have_may_be_any_row() {
    let update = |old: Old, new: &str| Message::Update { table: 7, old, new: row(new) };
    let delete = |old: Old| Message::Delete { table: 7, old };
    for (identity, message, expected) in [
        (&["id"][..], update(Old::Unchanged, "1 0 2 A"), "any"),
        (&["id", "author"], update(Old::Unchanged, "1 0 2 A"), r#"{"author":"2","id":"1"}"#),
        (&["id", "author"], update(Old::Unchanged, "1 0 = A"), "any"),
        (&["id"], update(Old::Identity(row("1 - - -")), "3 0 2 A"), "any"),
        (
            &["id", "author"],
            update(Old::Identity(row("1 - 2 -")), "3 0 2 A"),
            r#"{"author":"2","id":"1"} {"author":"2","id":"3"}"#,
        ),
        (&["id"], delete(Old::Identity(row("1 - - -"))), "any"),
        (&["id", "author"], delete(Old::Identity(row("1 - 2 -"))), r#"{"author":"2","id":"1"}"#),
        (ALL, delete(Old::Whole(row("1 0 2 A"))), r#"{"author":"2","id":"1"}"#),
        (&["id"], Message::Truncate { tables: vec![3, 7] }, "any"),
    ] {
        assert_eq!(noted(&tables(identity), message.clone()), expected, "{identity:?} {message:?}");
    }
}

#[test]
fn a_column_that_was_not_there_yet_leaves_any_row() {
    let columns = vec![Column { name: "id".into(), is_identity: true }];
    let mut tables = Tables::default();
    tables.describe(&Relation { table: 7, columns }, 0, &watched());
    assert_eq!(noted(&tables, Message::Insert { table: 7, new: row("1") }), "any");
}

#[test]
fn too_many_rows_or_too_large_ones_may_be_any() {
    let (tables, mut changes) = (tables(ALL), Changes::default());
    for id in 0..=MAX_ROWS {
        assert!(!changes.may_be_any(7, &tables));
        let new = row(&format!("{id} 0 2 A"));
        changes.note(&Message::Insert { table: 7, new }, &tables).unwrap();
    }
    assert!(matches!(changes.by_model[&0], Rows::Any));
    assert!(changes.may_be_any(7, &tables) && !changes.may_be_any(8, &tables));

    let mut changes = Changes::default();
    let new = row(&format!("{} 0 2 A", "x".repeat(MAX_BYTES)));
    changes.note(&Message::Insert { table: 7, new }, &tables).unwrap();
    assert!(matches!(changes.by_model[&0], Rows::Any));
}

#[test]
fn changes_of_several_transactions_are_told_of_together() {
    let tables = tables(ALL);
    let of = |id: &str| {
        let mut changes = Changes::default();
        changes.note(&Message::Insert { table: 7, new: row(&format!("{id} 0 2 A")) }, &tables).unwrap();
        changes
    };
    let mut both = of("1");
    both.extend(of("3"));
    both.extend(of("1"));
    assert!(matches!(&both.by_model[&0], Rows::Some { objects, .. } if objects.len() == 2));
    both.extend(Changes::of_any_row(2));
    both.extend(of("4"));
    assert!(both.iter().all(|(_, rows)| matches!(rows, Rows::Any)) && both.by_model.len() == 2);
}
