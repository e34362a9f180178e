//! What each example prints.

use std::process::Command;

use tests::{EMPTY, redis_url};

/// What a program prints, on a database of its own.
fn shown(program: &str) -> Vec<String> {
    let database = EMPTY.database();
    let output = Command::new(program)
        .env("DATABASE_URL", database.url())
        .env("REDIS_URL", redis_url())
        .output()
        .expect("the program starts");
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).expect("text").lines().map(str::to_owned).collect()
}

#[test]
fn read_through() {
    assert_eq!(
        shown(env!("CARGO_BIN_EXE_read-through")),
        [
            "an address that nobody has, cold: 1 statements, None",
            "and warm, in another process: 0 statements, None",
            "hers, written through: 0 statements, true",
            "with her orders, cold: 1 statements, 0",
            "with her orders, warm: 0 statements, 0",
        ],
    );
}

#[test]
fn write_through() {
    assert_eq!(
        shown(env!("CARGO_BIN_EXE_write-through")),
        [
            "an update: 1 statements, \"countess@example.com\"",
            "another process reads: 0 statements, \"countess@example.com\"",
            "after a rollback: 0 statements, \"countess@example.com\"",
        ],
    );
}

#[test]
fn a_cached_query() {
    assert_eq!(
        shown(env!("CARGO_BIN_EXE_cached-query")),
        [
            "at first: 1 statements, [\"ada@example.com 70.00\", \"bob@example.com 40.00\"]",
            "another process: 0 statements, [\"ada@example.com 70.00\", \"bob@example.com 40.00\"]",
            "after a write that it does not say it depends on: 0 statements, [\"ada@example.com 70.00\", \"bob@example.com 40.00\"]",
            "after an order: 1 statements, [\"bob@example.com 140.00\", \"countess@example.com 70.00\"]",
            "a number over a key, at first: 1 statements, \"140.00\"",
            "and after a write of another key: 0 statements, \"140.00\"",
        ],
    );
}

#[test]
fn cache_aside() {
    assert_eq!(
        shown(env!("CARGO_BIN_EXE_cache-aside")),
        [
            "at first: 0 statements, (21, 1)",
            "stored: 0 statements, (21, 1)",
            "changed through it: 0 statements, Some(17)",
            "stored again: 0 statements, (17, 1)",
            "forgotten, and asked again: 0 statements, (15, 2)",
        ],
    );
}

#[test]
fn write_behind() {
    let lines = shown(env!("CARGO_BIN_EXE_write-behind"));
    let [sent, database, waiting, flushed] = &lines[..] else { panic!("{lines:?}") };
    assert_eq!(sent, "a thousand increments by eight threads: 0 statements, ()");
    assert_eq!(database, "the database has: 0 statements, \"0\"");
    // How many it takes depends on what is known of the types.
    assert!(waiting.starts_with("with what waits: ") && waiting.ends_with("Some(\"1000.00\")"), "{waiting}");
    // Written through, unless Redis was too slow to take it before it was asked for.
    let [none, one] = [0, 1].map(|n| format!("after the flush: {n} statements, \"1000.00\""));
    assert!(*flushed == none || *flushed == one, "{flushed}");
}

#[test]
fn a_view() {
    assert_eq!(
        shown(env!("CARGO_BIN_EXE_view"))[1..],
        [
            "cold: 1 statements, Some(1)",
            "warm: 0 statements, Some(1)",
            "not refreshed: 0 statements, Some(1)",
            "refreshed: 1 statements, Some(2)",
        ],
    );
}

#[test]
fn a_memo() {
    assert_eq!(
        shown(env!("CARGO_BIN_EXE_memo")),
        ["at first: 0 statements, 1", "kept: 0 statements, 1", "forgotten by another process: 0 statements, 2",],
    );
}

#[test]
fn a_source() {
    assert_eq!(
        shown(env!("CARGO_BIN_EXE_source")),
        [
            "two files, one of them missing: 0 statements, ([Some(\"Jam 450\"), None, Some(\"Jam 450\")], 2)",
            "another process, and no file: 0 statements, ([Some(\"Jam 450\"), None, Some(\"Jam 450\")], 2)",
            "after a write: 0 statements, ([Some(\"Jam 475\"), Some(\"Tea 300\"), Some(\"Jam 475\")], 4)",
            "after somebody else has written, and said so: 0 statements, ([Some(\"Jam 500\"), Some(\"Tea 300\"), Some(\"Jam 500\")], 5)",
        ],
    );
}
