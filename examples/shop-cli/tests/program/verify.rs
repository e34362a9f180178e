use std::time::{Duration, Instant};

use diesel::{
    RunQueryDsl as _,
    connection::SimpleConnection as _,
    dsl::sql,
    sql_types::{BigInt, Text},
};
use serde_json::Value;
use shop_core::{Order, Status, User};
use tests::{Shop, eventually};

use crate::command::{Running, command, end};

/// Ten users with an order each, and the cells of all of them.
fn filled() -> (Shop, Vec<User>) {
    let shop = Shop::new();
    let users: Vec<User> = (0..10).map(|n| shop.user(&format!("user-{n}"))).collect();
    users.iter().for_each(|user| drop(shop.order(user, Status::Paid, 100, 1)));
    let ids: Vec<_> = users.iter().map(|user| user.id).collect();
    User::repository(&shop.larder).find_many(&ids).unwrap();
    Order::repository(&shop.larder).list_by_user_id_many(&ids).unwrap();
    (shop, users)
}

fn change(shop: &Shop, user: &User) {
    let sql = format!("UPDATE users SET created_at = now() WHERE id = '{}'", user.id);
    shop.database.connect().batch_execute(&sql).unwrap();
}

#[test]
fn where_all_is_well_it_says_so_and_ends_with_0() {
    let (shop, _) = filled();
    let ended = end(command(&shop, &["verify"]));
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""), "{ended:?}");
    assert!(ended.stdout.starts_with("20 cells found, 20 rows drawn; "), "{ended:?}");
    assert!(ended.stdout.contains("\nmismatches: 0 (seed "), "{ended:?}");
}

#[test]
fn what_is_wrong_is_told_by_its_key_and_ends_with_1() {
    let (shop, users) = filled();
    change(&shop, &users[3]);
    let ended = end(command(&shop, &["verify"]));
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(1), ""), "{ended:?}");
    assert!(ended.stdout.contains("\nmismatches: 1 (seed "), "{ended:?}");
    let line = ended.stdout.lines().last().unwrap();
    assert!(line.contains(&format!("outdated    users:id:{}  stored at most ", users[3].id)), "{line}");
    assert!(line.contains(" s ago, ") && line.ends_with(" s to live"), "{line}");
}

#[test]
fn it_heals_what_is_wrong_when_asked() {
    let (shop, users) = filled();
    change(&shop, &users[3]);
    let ended = end(command(&shop, &["verify", "--heal"]));
    assert_eq!(ended.code, Some(1), "{ended:?}");
    assert!(ended.stdout.lines().last().unwrap().ends_with(", emptied"), "{ended:?}");
    assert_eq!(end(command(&shop, &["verify"])).code, Some(0));
}

#[test]
fn a_program_reads_it_as_json() {
    let (shop, users) = filled();
    change(&shop, &users[3]);
    let ended = end(command(&shop, &["verify", "--json", "--sample", "100", "--seed", "18446744073709551615"]));
    assert_eq!(ended.code, Some(1), "{ended:?}");
    let report: Value = serde_json::from_str(&ended.stdout).unwrap();
    assert_eq!((&report["n_found"], &report["is_complete"]), (&20.into(), &true.into()));
    assert_eq!(report["seed"], "18446744073709551615");
    let [mismatch] = report["mismatches"].as_array().unwrap().as_slice() else { panic!("{report}") };
    assert_eq!(mismatch["key"], format!("users:id:{}", users[3].id));
    assert_eq!((&mismatch["model"], &mismatch["difference"]), (&"users".into(), &"outdated".into()));
    assert_eq!((&mismatch["pattern"], &mismatch["healed"]), (&vec!["id"].into(), &false.into()));
    let [age, left] = ["at_most_age_ms", "expires_in_ms"].map(|name| mismatch[name].as_u64().unwrap());
    assert_eq!(age + left, 600_000);
}

/// Starts a run that looks at one cell a second, and waits until it has begun to.
fn started(shop: &Shop) -> Running {
    let mut database = shop.database.connect();
    let before: String = diesel::select(sql::<Text>("clock_timestamp()::text")).get_result(&mut database).unwrap();
    let running = Running::start(command(shop, &["verify", "--rate", "1", "--json"]));
    let n_comparing = format!(
        "(SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND backend_start > '{before}' \
         AND query LIKE '%FROM \"users\" WHERE %')"
    );
    eventually(Duration::from_secs(30), || {
        diesel::select(sql::<BigInt>(&n_comparing)).get_result::<i64>(&mut database).unwrap() > 0
    });
    running
}

#[test]
fn ctrl_c_ends_it_with_what_it_has_found() {
    let (shop, users) = filled();
    let (begun, running) = (Instant::now(), started(&shop));
    running.signal("INT");
    let ended = running.wait();
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(130), ""), "{ended:?}");
    assert!(begun.elapsed() < Duration::from_secs(20));
    let report: Value = serde_json::from_str(&ended.stdout).unwrap();
    assert_eq!(report["is_complete"], false);
    assert!((1..20).contains(&report["n_values"].as_u64().unwrap()), "{report}");

    // What was wrong is told in any case.
    users.iter().for_each(|user| change(&shop, user));
    let running = started(&shop);
    running.signal("TERM");
    assert_eq!(running.wait().code, Some(1));
}

#[test]
fn time_that_is_over_ends_it() {
    let (shop, _) = filled();
    let ended = end(command(&shop, &["verify", "--rate", "1", "--at-most", "500ms"]));
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(ended.stdout.contains("\nended before all was looked at\n"), "{ended:?}");
}
