//! Writes past the service, and a store that is away.

use serde_json::json;
use tests::{OwnRedis, eventually, psql};

use crate::{
    LONG,
    program::{Answer, Shop},
    user,
};

fn leads(shop: &Shop) -> bool {
    shop.get("/live").body["relay"]["leads"] == true
}

fn near(shop: &Shop, path: &str) -> Answer {
    eventually(LONG, || shop.get(path).header("x-cache") == "near");
    shop.get(path)
}

#[test]
fn an_update_in_psql_is_seen_by_every_process_whichever_relays() {
    let first = Shop::start();
    eventually(LONG, || leads(&first));
    let second = first.beside(&[]);
    let path = format!("/users/{}", user(&first, "ada"));
    let rename = |shops: &[&Shop], name: &str| {
        shops.iter().for_each(|shop| assert_ne!(near(shop, &path).text("email"), name));
        let _ = psql(first.database_url(), &format!("UPDATE users SET email = '{name}'"));
        shops.iter().for_each(|shop| eventually(LONG, || shop.get(&path).text("email") == name));
    };
    rename(&[&first, &second], "one@example.com");
    assert!(leads(&first) && !leads(&second), "one of them relays");
    assert_eq!(second.get("/live").body["relay"]["n_rows"], 0);
    let _ = psql(first.database_url(), "DELETE FROM users");
    for shop in [&first, &second] {
        eventually(LONG, || shop.get(&path).status == 404);
    }
    let path = format!("/users/{}", user(&first, "bob"));
    assert!(near(&second, &path).status == 200);
    // Its database stays as long as anybody has it.
    let url = second.database_url().to_owned();
    assert!(first.stop().success());
    let _ = psql(&url, "UPDATE users SET email = 'two@example.com'");
    eventually(LONG, || second.get(&path).text("email") == "two@example.com");
    assert!(leads(&second), "whoever stood by has taken over");
}

#[test]
fn no_write_is_stopped_by_redis_being_away_and_nothing_old_is_left_when_it_is_back() {
    let redis = OwnRedis::new();
    let shop = Shop::on(redis.url(), &[]);
    let path = format!("/users/{}", user(&shop, "ada"));
    near(&shop, &path);
    redis.kill();
    let rename = |name: &str| {
        let changed = shop.send("PATCH", &path, Some(json!({ "email": name })));
        assert_eq!((changed.status, changed.text("email")), (200, name.to_owned()));
        assert_eq!(shop.get(&path).text("email"), name);
    };
    rename("away@example.com");
    let _ = psql(shop.database_url(), "UPDATE users SET email = 'psql@example.com'");
    eventually(LONG, || shop.get("/live").body["relay"]["waiting"].as_u64() > Some(0));
    eventually(LONG, || shop.get(&path).text("email") == "psql@example.com");
    rename("last@example.com");
    redis.restart();
    eventually(LONG, || shop.get("/live").body["relay"]["waiting"] == 0);
    assert_eq!(near(&shop, &path).text("email"), "last@example.com");
}

#[test]
fn those_who_start_at_once_agree_on_the_triggers() {
    let shop = Shop::start();
    let drop = "DROP FUNCTION IF EXISTS";
    let functions = psql(
        shop.database_url(),
        "SELECT tgfoid::regprocedure FROM pg_trigger WHERE tgrelid = 'users'::regclass AND NOT tgisinternal",
    );
    assert!(!functions.is_empty());
    functions.lines().for_each(|function| _ = psql(shop.database_url(), &format!("{drop} {function} CASCADE")));
    let others: Vec<Shop> = std::thread::scope(|scope| {
        let starting: Vec<_> = (0..4).map(|_| scope.spawn(|| shop.beside(&[]))).collect();
        starting.into_iter().map(|one| one.join().unwrap()).collect()
    });
    let path = format!("/users/{}", user(&shop, "ada"));
    near(&others[3], &path);
    let _ = psql(shop.database_url(), "UPDATE users SET email = 'new@example.com'");
    eventually(LONG, || others[3].get(&path).text("email") == "new@example.com");
}
