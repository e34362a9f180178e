use std::fs;

use diesel::connection::SimpleConnection as _;
use tests::Shop;

use crate::command::{command, end};

#[test]
fn a_healthy_shop_ends_with_zero() {
    let shop = Shop::new();
    let done = end(command(&shop, &["doctor", "--at-least", "warning"]));
    assert_eq!(done.code, Some(0), "{done:?}");
    assert!(done.stdout.contains("0 errors, 0 warnings"), "{}", done.stdout);
}

#[test]
fn what_is_found_is_told_and_its_migrations_mend_it() {
    let shop = Shop::new();
    let mut connection = shop.database.connect();
    connection.batch_execute("DROP INDEX orders_user_id_idx, orders_status_idx").unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().to_str().unwrap();
    let done = end(command(&shop, &["doctor", "--write-migration", path]));
    assert_eq!(done.code, Some(1), "{done:?}");
    assert!(done.stdout.contains("warning: orders: no index finds rows by (user_id)"), "{}", done.stdout);
    let json = end(command(&shop, &["doctor", "--json"])).stdout;
    assert!(json.contains(r#""kind":"index_missing""#) && json.contains("CREATE INDEX CONCURRENTLY"), "{json}");

    let mut folders: Vec<_> = fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()).collect();
    folders.sort();
    assert!(!folders.is_empty());
    for folder in &folders {
        assert_eq!(fs::read_to_string(folder.join("metadata.toml")).unwrap(), "run_in_transaction = false\n");
        // Whole, as the diesel CLI sends a file.
        connection.batch_execute(&fs::read_to_string(folder.join("up.sql")).unwrap()).unwrap();
    }
    assert_eq!(end(command(&shop, &["doctor", "--at-least", "warning"])).code, Some(0));
    for folder in folders.iter().rev() {
        connection.batch_execute(&fs::read_to_string(folder.join("down.sql")).unwrap()).unwrap();
    }
    assert_eq!(end(command(&shop, &["doctor", "--at-least", "warning"])).code, Some(1));
}
