//! Spans, as a subscriber gets them.

mod recorder;

use larder::{Consistency, Larder, MemoryStore, NearOptions};

use self::recorder::{Recorder, Span};
use crate::{
    database::Database,
    models::{NewUser, User, UserChanges},
};

fn spans(work: impl FnOnce()) -> Vec<Span> {
    let recorder = Recorder::default();
    tracing::subscriber::with_default(recorder.clone(), work);
    recorder.take()
}

fn shop() -> (Database, Larder<diesel::sqlite::Sqlite>) {
    let database = Database::filled();
    let builder = Larder::builder(database.pool.clone()).shared(MemoryStore::new());
    let larder = builder.near(NearOptions::bytes(1 << 20)).fill_in_background(false).build();
    (database, larder)
}

#[test]
fn a_read_that_leaves_the_near_cache_is_a_span_with_its_steps() {
    let (_database, larder) = shop();
    let users = User::repository(&larder);
    let cold = spans(|| _ = users.find(1).unwrap());
    let line = (line!() - 1).to_string();
    let names: Vec<_> = cold.iter().map(|span| (span.name, span.get("otel.name"), span.parent.as_deref())).collect();
    assert_eq!(
        names,
        [
            ("larder.read", "", None),
            ("larder.store", "read", Some("larder.read")),
            ("larder.store", "lease", Some("larder.read")),
            ("larder.statement", "SELECT users", Some("larder.read")),
            ("larder.store", "fill", Some("larder.read")),
        ]
    );
    let expected = [
        ("larder.model", "users"),
        ("larder.pattern", "id"),
        ("larder.keys", "1"),
        ("larder.keys.lacking", "1"),
        ("code.file.path", file!()),
        ("code.line.number", line.as_str()),
    ];
    assert_eq!(cold[0].fields(), expected);
    assert_eq!(spans(|| _ = users.find(1).unwrap()).len(), 0, "a near hit is none");
    let shared = spans(|| _ = users.clone().reading(Consistency::Shared).find(1).unwrap());
    assert_eq!(shared.iter().map(|span| span.name).collect::<Vec<_>>(), ["larder.read", "larder.store"]);
}

#[test]
fn a_statement_has_the_names_of_opentelemetry_and_no_values() {
    let (_database, larder) = shop();
    let users = User::repository(&larder);
    let all = spans(|| {
        users.find_by_email("ada@x").unwrap();
        users.query(|query| query).unwrap();
        users.update(1, &UserChanges { name: Some("secret"), ..UserChanges::default() }).unwrap();
        let again = NewUser { id: 1, email: "again@x".into(), name: "secret".into() };
        assert!(users.insert(&again).is_err());
    });
    let statements: Vec<&Span> = all.iter().filter(|span| span.name == "larder.statement").collect();
    let expected = [
        ("otel.name", "SELECT users"),
        ("otel.kind", "client"),
        ("db.system.name", "sqlite"),
        ("db.operation.name", "SELECT"),
        ("db.collection.name", "users"),
        (
            "db.query.text",
            "SELECT `users`.`id`, `users`.`email`, `users`.`name` FROM `users` WHERE `users`.`email` = ?",
        ),
        ("db.response.returned_rows", "1"),
    ];
    assert_eq!(statements[0].fields(), expected);
    assert_eq!(statements[1].get("db.query.text"), "", "a caller's own query may have values in it");
    let operations: Vec<_> = statements.iter().map(|span| span.get("db.operation.name")).collect();
    assert_eq!(operations, ["SELECT", "SELECT", "SELECT", "UPDATE", "INSERT"]);
    assert_eq!(statements.iter().map(|span| span.get("error.type")).collect::<Vec<_>>(), ["", "", "", "", "database"]);
    for value in ["secret", "ada@x", "again@x"] {
        assert!(!format!("{all:?}").contains(value), "{value}");
    }
}

#[test]
fn a_write_is_a_transaction_with_its_steps() {
    let (_database, larder) = shop();
    let all = spans(|| _ = User::repository(&larder).delete(3).unwrap());
    assert_eq!((all[0].name, all[0].parent.as_deref()), ("larder.transaction", None));
    let steps: Vec<_> = all[1..].iter().map(|span| span.get("otel.name")).collect();
    assert_eq!(steps[steps.len() - 2..], ["begin", "finish"], "{steps:?}");
    assert!(all[1..].iter().all(|span| span.parent.as_deref() == Some("larder.transaction")), "{all:?}");
}
