use std::fs;

use diesel::connection::SimpleConnection as _;
use larder::{MaterializedView as _, outbox, refresh::Manner};
use shop_core::{Status, UserStats};
use tests::Shop;

use crate::command::{bare, command, end};

fn printed(arguments: &[&str]) -> String {
    let ended = end(bare(arguments));
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""), "{ended:?}");
    ended.stdout
}

fn refused(arguments: &[&str]) -> String {
    let ended = end(bare(arguments));
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(2), ""), "{ended:?}");
    ended.stderr
}

#[test]
fn a_kind_is_the_command_of_its_name() {
    for kind in ["outbox", "triggers"] {
        for option in ["--down", "--help"] {
            assert_eq!(printed(&["migration", kind, option]), printed(&[kind, option]));
        }
        assert_eq!(printed(&["migration", kind]), printed(&[kind]));
    }
    assert_eq!(printed(&["migration", "outbox"]), outbox::UP);
    assert!(printed(&["migration"]).contains("view NAME"));
    assert!(!printed(&["triggers"]).contains("user_stats"), "a view has no triggers");
}

#[test]
fn the_table_of_what_was_done_once_is_made_for_each_database() {
    use larder::once::{Database, down, up};
    for (name, database) in [
        ("postgres", Database::PostgreSql),
        ("mysql", Database::MySql),
        ("mariadb", Database::MySql),
        ("sqlite", Database::SQLite),
    ] {
        assert_eq!(printed(&["migration", "idempotency", "--for", name]), up(database));
        assert_eq!(printed(&["migration", "idempotency", "--for", name, "--down"]), down());
    }
    assert_eq!(printed(&["migration", "idempotency"]), up(Database::PostgreSql));
    assert!(refused(&["migration", "idempotency", "--for", "oracle"]).contains("postgres, mysql or sqlite"));
}

#[test]
fn the_shops_view_is_as_it_is_printed() {
    let up = include_str!("../../../../migrations/2026-11-23-000005-0000_create_user_stats/up.sql");
    let down = include_str!("../../../../migrations/2026-11-23-000005-0000_create_user_stats/down.sql");
    assert_eq!(printed(&["migration", "view", "user_stats"]), up);
    assert_eq!(printed(&["migration", "view", "user_stats", "--down"]), down);
    let folder = tempfile::tempdir().unwrap();
    let migration = folder.path().join("migration");
    assert_eq!(printed(&["migration", "view", "user_stats", "--write", migration.to_str().unwrap()]), "");
    assert_eq!(fs::read_to_string(migration.join("up.sql")).unwrap(), up);
    assert_eq!(fs::read_to_string(migration.join("down.sql")).unwrap(), down);
}

#[test]
fn the_tables_of_write_behind_are_made_and_taken_away() {
    let (shop, folder) = (Shop::new(), tempfile::tempdir().unwrap());
    let mut connection = shop.database.connect();
    let migration = folder.path().join("migration");
    assert_eq!(printed(&["migration", "behind", "--write", migration.to_str().unwrap()]), "");
    let read = |name: &str| fs::read_to_string(migration.join(name)).unwrap();
    assert_eq!(printed(&["migration", "behind"]), read("up.sql"));
    assert_eq!(printed(&["migration", "behind", "--down"]), read("down.sql"));
    // The shop has made them with its own migrations.
    connection.batch_execute(&read("down.sql")).unwrap();
    connection.batch_execute(&read("up.sql")).unwrap();
    connection.batch_execute("SELECT producer, applied, direct FROM larder_behind").unwrap();
    connection.batch_execute("SELECT reason, change FROM larder_behind_dead").unwrap();
    // Twice: what is gone is no mistake.
    connection.batch_execute(&read("down.sql")).unwrap();
    connection.batch_execute(&read("down.sql")).unwrap();
    connection.batch_execute(&read("up.sql")).unwrap();
    assert!(printed(&["migration"]).contains("  behind "));
    assert!(printed(&["migration", "behind", "--help"]).contains("migration behind [OPTIONS]"));
}

#[test]
fn a_view_of_another_query_is_made_and_refreshed() {
    let shop = Shop::new();
    let (ada, query) = (shop.user("ada"), tempfile::NamedTempFile::new().unwrap());
    let _ = shop.order(&ada, Status::Paid, 100, 1);
    let sql =
        "SELECT user_id, 7::bigint AS order_count, sum(total_amount) AS total_spent FROM orders GROUP BY user_id;\n";
    fs::write(query.path(), sql).unwrap();
    let view = ["migration", "view", "user_stats", "--query", query.path().to_str().unwrap()];
    let mut connection = shop.database.connect();
    let down = printed(&[&view[..], &["--down"]].concat());
    // Twice: what is gone is no mistake.
    connection.batch_execute(&down).unwrap();
    connection.batch_execute(&down).unwrap();
    connection.batch_execute(&printed(&view)).unwrap();
    assert_eq!(UserStats::refresh(&shop.larder).unwrap().manner, Manner::Concurrently);
    assert_eq!(UserStats::repository(&shop.larder).get(ada.id).unwrap().order_count, 7);
}

#[test]
fn columns_that_nobody_maintains_are_right() {
    let shop = Shop::new();
    let ended = end(command(&shop, &["upkeep"]));
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(0), "every maintained column is right\n"), "{ended:?}");
    let ended = end(command(&shop, &["upkeep", "--rebuild"]));
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(0), "0 rows computed, 0 were wrong\n"), "{ended:?}");
    let told = "error: no columns of \"users\" are maintained by the models\n";
    assert_eq!(refused(&["migration", "upkeep", "users"]), told);
}

#[test]
fn a_view_that_is_none_is_told_with_those_that_are() {
    let told = "error: there is no materialized view \"users\" among the models: user_stats\n";
    assert_eq!(refused(&["migration", "view", "users"]), told);
    let told = "error: there is no materialized view \"\" among the models: user_stats\n";
    assert_eq!(refused(&["migration", "view"]), told);
    assert!(
        refused(&["migration", "view", "user_stats", "--query", "nowhere.sql"]).starts_with("error: nowhere.sql: ")
    );
}
