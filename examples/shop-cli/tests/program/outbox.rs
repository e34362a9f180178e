use std::{fs, time::Duration};

use diesel::{RunQueryDsl as _, connection::SimpleConnection as _, dsl::sql, sql_types::BigInt};
use larder::{Models, outbox, triggers::Triggers};
use serde_json::Value;
use shop_core::{Order, OrderItem, User};
use tests::{Shop, eventually};

use crate::command::{Running, bare, command, end};

const ENOUGH: Duration = Duration::from_secs(30);

fn triggers() -> Triggers {
    Triggers::of(Models::new().with::<User>().with::<Order>().with::<OrderItem>())
}

/// A shop with triggers, one user, and her cells.
fn watched() -> (Shop, User) {
    let shop = Shop::new();
    shop.database.connect().batch_execute(&triggers().up()).unwrap();
    let ada = shop.user("ada");
    shop.database.connect().batch_execute("DELETE FROM larder_outbox").unwrap();
    User::repository(&shop.larder).get(ada.id).unwrap();
    (shop, ada)
}

fn rename(shop: &Shop) {
    shop.database.connect().batch_execute("UPDATE users SET email = 'new@example.com'").unwrap();
}

fn waiting(shop: &Shop) -> i64 {
    let count = sql::<BigInt>("(SELECT count(*) FROM larder_outbox)");
    diesel::select(count).get_result(&mut shop.database.connect()).unwrap()
}

#[test]
fn a_relay_makes_a_write_past_larder_visible_until_ctrl_c() {
    let (shop, ada) = watched();
    let relay = Running::start(command(&shop, &["relay", "--json"]));
    rename(&shop);
    eventually(ENOUGH, || User::repository(&shop.larder).get(ada.id).unwrap().email == "new@example.com");
    // The row is deleted after its cells are settled.
    eventually(ENOUGH, || waiting(&shop) == 0);
    relay.signal("INT");
    let ended = relay.wait();
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let figures: Value = serde_json::from_str(&ended.stdout).unwrap();
    assert_eq!(figures["n_rows"], 1, "{figures}");
    assert!(figures["lag_p50_ms"].as_f64().is_some_and(|lag| lag > 0.0), "{figures}");
}

#[test]
fn what_waits_is_told_and_settled_once_when_asked() {
    let (shop, ada) = watched();
    let ended = end(command(&shop, &["lag", "--at-most", "0s"]));
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(0), "0 rows wait\n"), "{ended:?}");
    rename(&shop);
    assert_eq!(User::repository(&shop.larder).get(ada.id).unwrap(), ada);
    let ended = end(command(&shop, &["lag", "--at-most", "0ms"]));
    assert_eq!(ended.code, Some(1), "{ended:?}");
    assert!(ended.stdout.starts_with("1 rows wait, the oldest for "), "{ended:?}");
    let ended = end(command(&shop, &["relay", "--once"]));
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(0), "1 rows relayed\n"), "{ended:?}");
    assert_eq!(User::repository(&shop.larder).get(ada.id).unwrap().email, "new@example.com");
    assert_eq!(waiting(&shop), 0);
}

#[test]
fn migrations_are_printed_or_written_and_never_written_over() {
    let printed = |arguments: &[&str]| {
        let ended = end(bare(arguments));
        assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""), "{ended:?}");
        ended.stdout
    };
    assert_eq!([printed(&["outbox"]), printed(&["outbox", "--down"])], [outbox::UP, outbox::DOWN]);
    assert_eq!([printed(&["triggers"]), printed(&["triggers", "--down"])], [triggers().up(), triggers().down()]);
    let folder = tempfile::tempdir().unwrap();
    let migration = folder.path().join("migration");
    let arguments = ["triggers", "--at-most", "7", "--write", migration.to_str().unwrap()];
    // As the diesel CLI leaves it.
    fs::create_dir(&migration).unwrap();
    fs::write(migration.join("up.sql"), "-- Your SQL goes here\n").unwrap();
    assert_eq!(printed(&arguments), "");
    assert_eq!(fs::read_to_string(migration.join("up.sql")).unwrap(), triggers().at_most(7).up());
    assert_eq!(fs::read_to_string(migration.join("down.sql")).unwrap(), triggers().at_most(7).down());
    let again = end(bare(&arguments));
    assert_eq!(again.code, Some(2), "{again:?}");
    assert!(again.stderr.ends_with("migration: it has a migration already\n"), "{again:?}");
}

#[test]
fn triggers_that_are_missing_are_told_and_end_with_1() {
    let (shop, _) = watched();
    let ended = end(command(&shop, &["triggers", "--check"]));
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(0), "every change is told of\n"), "{ended:?}");
    shop.database.connect().batch_execute("ALTER TABLE orders DISABLE TRIGGER USER").unwrap();
    let ended = end(command(&shop, &["triggers", "--check"]));
    assert_eq!(ended.code, Some(1), "{ended:?}");
    assert!(ended.stdout.contains(" of orders is disabled\n"), "{ended:?}");
}
